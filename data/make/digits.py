"""Make data/speech_lm/digits.npz: numbers of two and three digits, read by one human voice.

    python data/make/digits.py

Fetches ten recordings, digits/0 to digits/9, from Debian's asterisk-core-sounds-en-g722 and puts
numbers together from them: each digit a little faster or slower, louder or softer, brighter or
darker, with a short pause. What is stored are the first four codes a frame of the mini codec.
Prints what Moonshine hears in the unseen numbers, before the codec and behind it: the best that a
model trained on the codes can hope for. Needs Debian or Ubuntu with ffmpeg; the models (voxlab
models). Five minutes. Running it again gives the same bytes.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import debian
import numpy as np
from codec_corpus import decode
from tqdm import tqdm

from voxlab import data
from voxlab.audio import Audio, Samples
from voxlab.codec import augment
from voxlab.codec.mini import MiniCodec
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.speech_lm import digits
from voxlab.speech_lm.digits import DigitReading
from voxlab.statistics.intervals import wilson_interval

RATE_HZ = 16_000
PACKAGE = "asterisk-core-sounds-en-g722"
FOLDER = "usr/share/asterisk/sounds/en_US_f_Allison/digits"
SEED = 0
PAIR_READINGS, TRIPLE_READINGS = 12, 3  # of each number to train on
UNSEEN_TRIPLES = 100  # of 360; of the pairs all 20
OCTAVES = (-0.06, 0.12)  # how much faster a digit is played
LEVELS_DB = (-2.0, 1.0)
TILTS_DB = 1.0  # at most so much brighter or darker at each end
PAUSE_S = 0.06
EDGE_DB = -30.0  # a digit begins and ends where it is this much below its loudest 20 ms


def spoken_digits(work: Path) -> list[Samples]:
    """Return the ten recordings without the silence around them."""
    folder = debian.unpack(PACKAGE, work) / FOLDER
    recordings = [decode(folder / f"{digit}.g722") / np.float32(32768) for digit in range(10)]
    return [trimmed(recording) for recording in recordings]


def trimmed(samples: Samples) -> Samples:
    """Return a recording from 10 ms before it gets loud to 30 ms after."""
    power = np.convolve(samples**2, np.ones(320) / 320, "same")
    loud = np.flatnonzero(power > power.max() * 10 ** (EDGE_DB / 10))
    return samples[max(0, loud[0] - 160) : loud[-1] + 480]


def read(
    number: str, spoken: Sequence[Samples], rng: np.random.Generator
) -> tuple[Samples, list[int]]:
    """Return a number as it is read once, and the sample at which each digit begins."""
    pieces, starts = [], []
    for digit in map(int, number):
        speed = 2 ** rng.uniform(*OCTAVES)
        count = round(spoken[digit].size / speed)
        size = augment.needed(count, speed)
        padded = np.pad(spoken[digit], (round(augment.EDGE * speed), size))[:size]
        tilt_db = rng.uniform(-TILTS_DB, TILTS_DB) * np.array([-1.0, 1.0])
        said = augment.play(padded, count, tilt_db) * 10 ** (rng.uniform(*LEVELS_DB) / 20)
        starts.append(sum(piece.size for piece in pieces))
        pieces += [said, np.zeros(int(rng.uniform(0, PAUSE_S) * RATE_HZ))]
    return np.concatenate(pieces).astype(np.float32), starts


def chosen(rng: np.random.Generator) -> list[str]:
    """Return the numbers to read, each as often as it is to be read."""
    pairs, triples = digits.numbers(2), digits.numbers(3)
    new = [number for number in triples if digits.is_unseen(number)]
    test = rng.permutation(new)[:UNSEEN_TRIPLES]
    train = [n for n in pairs if not digits.is_unseen(n)] * PAIR_READINGS
    train += [n for n in triples if not digits.is_unseen(n)] * TRIPLE_READINGS
    return [*train, *(n for n in pairs if digits.is_unseen(n)), *map(str, sorted(test))]


def heard(sounds: Mapping[str, Audio]) -> str:
    """Return how many numbers Moonshine hears right, with an interval."""
    stt = MoonshineSTT()
    right = sum(
        digits.as_number(stt.recognize(sound)) == number
        for number, sound in tqdm(sounds.items(), "listening")
    )
    low, high = wilson_interval(right, len(sounds))
    return f"{right} of {len(sounds)}, {low:.2f} to {high:.2f}"


if __name__ == "__main__":
    rng, codec = np.random.default_rng(SEED), MiniCodec()
    with tempfile.TemporaryDirectory() as work:
        spoken = spoken_digits(Path(work))
    readings, tests = [], {}
    for number in tqdm(chosen(rng), "reading"):
        samples, starts = read(number, spoken, rng)
        codes = codec.encode(Audio(samples, RATE_HZ), digits.STAGES)
        frame = round(RATE_HZ / codec.frame_rate_hz)
        readings.append(DigitReading(number, codes, tuple(start // frame for start in starts)))
        if digits.is_unseen(number):
            tests[number] = Audio(samples, RATE_HZ)
    target = data.folder() / digits.READINGS
    target.parent.mkdir(exist_ok=True)
    digits.save(target, readings)
    minutes = sum(reading.codes.shape[1] for reading in readings) / codec.frame_rate_hz / 60
    print(f"{len(readings)} readings, {minutes:.1f} minutes, {target.stat().st_size / 1e6:.2f} MB")
    print("heard right:", heard(tests))
    behind = {r.number: codec.decode(r.codes) for r in readings if digits.is_unseen(r.number)}
    print("behind the codec:", heard(behind))
