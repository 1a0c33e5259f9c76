#!/usr/bin/env bash
# silero-vad 6.2.3: do the files silero_vad.onnx and silero_vad_op18_ifless.onnx hold one network?
#
# Both take sound at 16 kHz and at 8 kHz, chosen by the input "sr". The second is the first for a
# newer ONNX opset and without inner branches, so one would guess the same probabilities. At 16 kHz
# they are the same to a millionth. At 8 kHz, telephone sound, they are not: they differ by 0.03 on
# the hummed vowel below, and on people's speech by up to 0.24. The package's own TorchScript model
# agrees with silero_vad.onnx. For 8 kHz take that one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 onnxruntime==1.32.0
"$folder/venv/bin/pip" install -q --no-deps silero-vad==6.2.3  # the files alone, without torch
cat > "$folder/compare.py" <<'PYTHON'
import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(3)
DATA = Path(importlib.util.find_spec("silero_vad").origin).parent / "data"


def vowel(rate_hz):
    """Four seconds of a hummed vowel whose pitch and loudness vary, with pauses."""
    time_s = np.arange(4 * rate_hz) / rate_hz
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    loudness = (0.5 + 0.5 * np.sin(2 * np.pi * 4 * time_s)) * (np.sin(np.pi * time_s) > 0)
    voice = loudness * sum(np.sin(k * phase) / k for k in range(1, 25))
    hiss = np.random.default_rng(0).standard_normal(time_s.size)
    return (0.1 * voice + 0.001 * hiss).astype(np.float32)


def probabilities(name, samples, rate_hz):
    """Each frame of 32 ms with the last 4 ms of the one before it, as the package's wrapper does."""
    session = onnxruntime.InferenceSession(str(DATA / name))
    size, context = rate_hz * 32 // 1000, rate_hz * 4 // 1000
    state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros(context, np.float32), []
    for start in range(0, samples.size - size + 1, size):
        frame = samples[start : start + size]
        window = np.concatenate([before, frame])[np.newaxis]
        inputs = {"input": window, "state": state, "sr": np.array(rate_hz, np.int64)}
        probability, state = session.run(None, inputs)
        found.append(probability[0, 0])
        before = frame[-context:]
    return np.array(found)


differences = {}
for rate_hz in (16_000, 8_000):
    samples = vowel(rate_hz)
    one, other = (
        probabilities(name, samples, rate_hz)
        for name in ("silero_vad.onnx", "silero_vad_op18_ifless.onnx")
    )
    differences[rate_hz] = float(np.abs(one - other).max())
    print(f"{rate_hz:6} Hz: the probabilities of {one.size} frames differ by", end=" ")
    print(f"{differences[rate_hz]:.6f} at most")
raise SystemExit(0 if differences[16_000] < 1e-5 and differences[8_000] > 0.01 else 1)
PYTHON
echo "silero-vad 6.2.3, onnxruntime 1.32.0"
"$folder/venv/bin/python" "$folder/compare.py"
