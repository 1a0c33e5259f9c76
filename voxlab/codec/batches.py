"""Training batches for the mini codec: a crop of some speaker, changed, now and then in noise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxlab import audio
from voxlab.audio import Audio, Samples
from voxlab.codec import augment
from voxlab.codec.corpus import RATE_HZ, Corpus
from voxlab.errors import AudioError, DataError
from voxlab.samples import from_int16

QUIET = 3e-3  # a crop with less is mostly a pause: one in twenty of them is kept
NARROW_SHARE = 0.3  # recordings of telephone bandwidth teach less
SPEED_OCTAVES = 0.45  # at most this much faster or slower
NOISES = ("white", "pink", "car", "clicks")


@dataclass(frozen=True, eq=False, slots=True)
class Crops:
    """Where crops come from: the training speech by speaker, with chances, and the music."""

    speech: tuple[NDArray[np.int16], ...]
    chances: NDArray[np.float64]
    music: NDArray[np.int16]
    size: int

    @staticmethod
    def of(corpus: Corpus, size: int) -> "Crops":
        """Gather a corpus's training clips; size: samples of a crop.

        A speaker is drawn by the root of their minutes: variety counts more than quantity.
        """
        clips = corpus.split().train
        names = sorted({clip.speaker for clip in clips})
        speech = tuple(
            np.concatenate([corpus.samples(clip) for clip in clips if clip.speaker == name])
            for name in names
        )
        chances = np.array(
            [
                math.sqrt(samples.size) * (NARROW_SHARE if corpus.speakers[name].narrow else 1)
                for name, samples in zip(names, speech, strict=True)
            ]
        )
        music = [corpus.samples(clip) for clip in corpus.music()] or [np.zeros(0, np.int16)]
        longest = augment.needed(size, 2**SPEED_OCTAVES) + 1
        if not speech or min(samples.size for samples in speech) < longest:
            raise DataError(
                f"a crop takes up to {longest} samples, {names} have "
                f"{[s.size for s in speech]}: make the crops shorter, or fetch the corpus again"
            )
        return Crops(speech, chances / chances.sum(), np.concatenate(music), size)

    def batch(self, items: int, rng: np.random.Generator) -> Samples:
        """Return float32 (items, samples)."""
        return np.stack([self.crop(rng) for _ in range(items)])

    def crop(self, rng: np.random.Generator) -> Samples:
        """Return one crop, float32 (samples,), changed in voice, colour, room and loudness."""
        if self.music.size and rng.random() < 0.02:
            sound = self._cut(self.music, 1.0, rng)
        else:
            sound = self._noisy(self._voice(rng), rng)
        gain = 10 ** (rng.uniform(-12, 3) / 20) * rng.choice((-1, 1))
        loud: Samples = np.clip(sound * gain, -1, 1).astype(np.float32)
        return loud

    def _voice(self, rng: np.random.Generator) -> Samples:
        speech = self.speech[rng.choice(len(self.speech), p=self.chances)]
        speed = 2 ** rng.uniform(-SPEED_OCTAVES, SPEED_OCTAVES) if rng.random() < 0.6 else 1.0
        tilt_db = np.cumsum(rng.normal(0, 2.5, 7)) if rng.random() < 0.4 else None
        sound = self._cut(speech, speed, rng, tilt_db)
        while np.sqrt(np.mean(sound**2)) < QUIET and rng.random() > 0.05:
            sound = self._cut(speech, speed, rng, tilt_db)
        if rng.random() < 0.3:
            sound = augment.shift_formants(sound, 2 ** rng.uniform(-0.3, 0.3))
        if rng.random() < 0.02:
            sound = augment.whisper(sound, rng)
        if rng.random() < 0.1:
            sound = augment.reverberate(sound, rng.uniform(0.1, 0.5), RATE_HZ, rng)
        return sound

    def _cut(
        self,
        source: NDArray[np.int16],
        speed: float,
        rng: np.random.Generator,
        tilt_db: NDArray[np.float64] | None = None,
    ) -> Samples:
        count = augment.needed(self.size, speed)
        start = rng.integers(0, source.size - count)
        piece = from_int16(source[start : start + count])
        if speed == 1.0 and tilt_db is None:
            return piece[augment.EDGE : augment.EDGE + self.size]
        return augment.play(piece, self.size, tilt_db)

    def _noisy(self, sound: Samples, rng: np.random.Generator) -> Samples:
        """Return the sound, one time in ten with noise or music below it."""
        if rng.random() > 0.1:
            return sound
        if self.music.size and rng.random() < 0.4:
            noise = Audio(self._cut(self.music, 1.0, rng), RATE_HZ)
        else:
            noise = audio.noise(str(rng.choice(NOISES)), self.size / RATE_HZ, RATE_HZ, rng)
        try:
            return audio.mix(Audio(sound, RATE_HZ), noise, rng.uniform(3, 25)).samples
        except AudioError:  # one of the two is silent
            return sound
