"""Data augmentation: more voices and rooms than were recorded, by cheap changes in numpy.

A codec's target is its own input, so whatever sounds like somebody, somewhere, is a good example.
Playing faster or slower moves pitch and formants together; moving the spectral envelope alone
makes the throat longer or shorter; both together make new speakers of the few there are.
"""

import numpy as np
from numpy.typing import NDArray

from voxlab.samples import Samples, checked_samples

WINDOW, HOP = 512, 128
LIFTER = 30  # cepstral coefficients that make up the envelope: coarser than the pitch's ripple
EDGE = 256  # samples beside a crop that take the wrap-around of the Fourier transform


def needed(samples: int, speed: float) -> int:
    """Return how many samples `play` takes to give that many at that speed.

    >>> needed(12800, speed=1.0)
    13312
    """
    return round((samples + 2 * EDGE) * speed / 2) * 2


def play(sound: Samples, samples: int, tilt_db: NDArray[np.float64] | None = None) -> Samples:
    """Return the sound played so that it lasts `samples`, its colour changed.

    sound: float (needed(samples, speed),). tilt_db: gains of bands from 0 Hz to half the rate of
    the result, equally spaced and joined by lines; None leaves the colour.
    """
    size = samples + 2 * EDGE
    spectrum = np.fft.rfft(checked_samples(sound))[: size // 2 + 1]
    bins = spectrum.size
    if tilt_db is not None:
        place = np.arange(bins) * ((len(tilt_db) - 1) / (size // 2))
        spectrum = spectrum * 10 ** (np.interp(place, np.arange(len(tilt_db)), tilt_db) / 20)
    played = np.fft.irfft(spectrum, size) * (size / sound.size)
    return played[EDGE : EDGE + samples].astype(np.float32)


def shift_formants(sound: Samples, ratio: float) -> Samples:
    """Return the sound with its spectral envelope stretched by ratio and its pitch as it was."""
    spectra = _stft(sound)
    envelope = _envelope_db(np.abs(spectra))
    bins = np.arange(envelope.shape[1])
    source = np.minimum(bins / ratio, bins[-1])
    below = source.astype(int)
    above, part = np.minimum(below + 1, bins[-1]), source - below
    moved = envelope[:, below] * (1 - part) + envelope[:, above] * part
    return _istft(spectra * 10 ** (np.clip(moved - envelope, -30, 30) / 20), sound.size)


def whisper(sound: Samples, rng: np.random.Generator) -> Samples:
    """Return the sound as a whisper: its spectral envelope, filled with noise in place of pitch."""
    envelope = 10 ** (_envelope_db(np.abs(_stft(sound))) / 20)
    hiss = _stft(rng.standard_normal(sound.size).astype(np.float32) / np.sqrt(WINDOW / 2))
    return _istft(hiss * envelope, sound.size)


def reverberate(sound: Samples, decay_s: float, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Return the sound in a room: echoes as noise that falls by 60 dB in decay_s."""
    time_s = np.arange(round(decay_s * rate_hz)) / rate_hz
    echoes = rng.standard_normal(time_s.size) * 10 ** (-3 * time_s / decay_s)
    echoes *= rng.uniform(0.2, 0.6) / np.sqrt(np.sum(echoes**2))
    echoes[0] = 1.0
    size = sound.size + echoes.size
    wet = np.fft.irfft(np.fft.rfft(checked_samples(sound), size) * np.fft.rfft(echoes, size), size)
    return wet[: sound.size].astype(np.float32)


def _stft(sound: Samples) -> NDArray[np.complex128]:
    padded = np.pad(checked_samples(sound), WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(windows * np.hanning(WINDOW + 1)[:-1])


def _istft(spectra: NDArray[np.complex128], samples: int) -> Samples:
    """Return the sound of spectra at three quarters of overlap: the windows' squares sum to 1.5."""
    pieces = np.fft.irfft(spectra, WINDOW) * (np.hanning(WINDOW + 1)[:-1] / 1.5)
    parts = pieces.reshape(len(pieces), WINDOW // HOP, HOP)
    total = np.zeros((len(pieces) + WINDOW // HOP - 1, HOP))
    for part in range(WINDOW // HOP):
        total[part : part + len(pieces)] += parts[:, part]
    return total.ravel()[WINDOW : WINDOW + samples].astype(np.float32)


def _envelope_db(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smooth part of the spectra in dB: the first coefficients of their cepstra."""
    cepstrum = np.fft.irfft(20 * np.log10(magnitude + 1e-5))
    cepstrum[:, LIFTER:-LIFTER] = 0
    return np.fft.rfft(cepstrum).real
