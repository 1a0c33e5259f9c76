#!/usr/bin/env bash
# livekit 1.1.21 (rtc): what does its AudioProcessingModule do when nothing is played?
#
# With echo_cancellation=True alone, and silence on the reverse stream, one would guess that a
# microphone's sound comes back unchanged and in the same 10 ms frame: high_pass_filter is an option
# of its own, False here, and process_stream works in place. It comes back 128 samples (8 ms at
# 16 kHz) late, and sound below 60 Hz is filtered out, as with high_pass_filter=True. Whoever lays
# processed frames beside a timeline, or measures a barge-in by them, is 8 ms off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q livekit==1.1.21 numpy
cat > "$folder/measure.py" <<'PYTHON'
import importlib.metadata

import numpy as np
from livekit import rtc

RATE, BLOCK = 16_000, 160
noise = (1600 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.int16)


def process(**options):
    apm = rtc.AudioProcessingModule(**options)
    out = []
    for start in range(0, noise.size, BLOCK):
        apm.process_reverse_stream(rtc.AudioFrame(bytearray(2 * BLOCK), RATE, 1, BLOCK))
        near = bytearray(noise[start : start + BLOCK].tobytes())
        frame = rtc.AudioFrame(near, RATE, 1, BLOCK)
        if options.get("echo_cancellation"):
            apm.set_stream_delay_ms(0)
        apm.process_stream(frame)
        out.append(np.frombuffer(bytes(frame.data), np.int16))
    return np.concatenate(out)


def describe(out):
    size = 2 * noise.size
    sent, got = np.fft.rfft(noise, size), np.fft.rfft(out, size)
    lag = int(np.argmax(np.fft.irfft(got * np.conj(sent))[:1000]))
    hz = np.fft.rfftfreq(size, 1 / RATE)
    low, high = hz < 60, (hz > 300) & (hz < 3000)
    gain = [10 * np.log10(sum(abs(got[k]) ** 2) / sum(abs(sent[k]) ** 2)) for k in (low, high)]
    return lag, *gain


print("livekit", importlib.metadata.version("livekit"))
found = {}
for name, options in (
    ("nothing on", {}),
    ("echo_cancellation", {"echo_cancellation": True}),
    ("high_pass_filter", {"high_pass_filter": True}),
):
    lag, low, high = found[name] = describe(process(**options))
    print(f"{name:18} {lag:4} samples late, below 60 Hz {low:+.1f} dB, 300 to 3000 Hz {high:+.1f} dB")
lag, low, high = found["echo_cancellation"]
raise SystemExit(0 if lag == 128 and low < -6 and abs(high) < 1 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/measure.py"
