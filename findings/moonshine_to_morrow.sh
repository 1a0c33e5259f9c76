#!/usr/bin/env bash
# moonshine-cpp 0.1.4 (Moonshine base, English): how does the recogniser write "tomorrow"?
#
# One would guess "tomorrow", or at least the same word each time, and look for it in what a caller
# said. It writes "tomorrow" in one sentence and "to-morrow", as books of a century ago have it, in
# the next; a voice that speaks a tenth faster is enough to change it. An agent that looks for the
# word as it is spelled today misses the day without an error: fold the hyphen away first.
# The voice is hibari-tts 0.2.1. (The sound goes through a file: MoonshineModel.transcribe, which
# takes samples, raises AttributeError for any, and transcribe_wav works.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q moonshine-cpp==0.1.4 hibari-tts==0.2.1 \
  numpy==2.4.6 onnxruntime==1.32.0
cat > "$folder/hear.py" <<'PYTHON'
import sys
import wave

import numpy as np
from hibari import Hibari
from moonshine_cpp import MoonshineModel

voice, recogniser = Hibari(), MoonshineModel(model_type="base")


def heard(text, speed):
    """Say a text, bring it from 24 to 16 kHz between two silences, and recognise it."""
    sound = np.asarray(voice(text, seed=0, speed=speed), np.float64)
    samples = round(len(sound) * 2 / 3)
    sound = np.fft.irfft(np.fft.rfft(sound)[: samples // 2 + 1], samples) * 2 / 3
    pcm = np.pad(sound.clip(-1, 1) * 32767, 3200).astype("<i2")
    with wave.open(sys.argv[1], "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm.tobytes())
    return recogniser.transcribe_wav(sys.argv[1]).strip()


ASKED = "What is the weather tomorrow in Paris?"
said = ("It arrives tomorrow, on Friday.", 1.0), ("We come tomorrow.", 1.0)
for text, speed in (*said, (ASKED, 0.9), (ASKED, 1.0)):
    print(f"{speed}  {text:40} {heard(text, speed)}")
PYTHON
"$folder/venv/bin/python" "$folder/hear.py" "$folder/said.wav" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
1.0  It arrives tomorrow, on Friday.          It arrives tomorrow on Friday.
1.0  We come tomorrow.                        We come to-morrow
0.9  What is the weather tomorrow in Paris?   What is the weather tomorrow in Paris?
1.0  What is the weather tomorrow in Paris?   What is the weather to-morrow in Paris?
SEEN
echo "moonshine-cpp 0.1.4, hibari-tts 0.2.1: as described"
