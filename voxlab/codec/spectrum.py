"""The spectrogram of a recording, and how far apart those of two recordings are.

`perceptual_metrics` has measures that know more about ears, and need packages of their own.
"""

import numpy as np
from numpy.typing import NDArray

from voxlab.audio import Audio
from voxlab.errors import AudioError

WINDOW_S, HOP_S = 0.032, 0.008
FLOOR_DB = -90.0  # below that nobody hears a difference


def spectrogram_db(sound: Audio) -> NDArray[np.float64]:
    """Return the level of each frequency at each moment, float (moments, bins), in dB.

    A moment every 8 ms, bins from 0 Hz to half the rate, 31.25 Hz apart; a sine of full scale
    gives about 0 dB. Raises AudioError if the recording is shorter than a window of 32 ms.
    """
    import torch
    from torchaudio.functional import spectrogram

    window, hop = _window_and_hop(sound)
    taper = torch.hann_window(window, periodic=False, dtype=torch.float64)
    amplitudes = spectrogram(
        torch.from_numpy(sound.samples.astype(np.float64)),
        pad=0,
        window=taper / (taper.sum() / 2),
        n_fft=window,
        hop_length=hop,
        win_length=window,
        power=1,
        normalized=False,
        center=False,
    )
    levels = amplitudes.clamp(min=10 ** (FLOOR_DB / 20)).log10() * 20
    return np.asarray(levels.T)


def spectral_distance_db(original: Audio, made: Audio) -> float:
    """Return how far the levels of two spectrograms are apart, the mean of |difference| in dB.

    0 for equal recordings. Only the strong parts of the original count: moments within 40 dB of
    the loudest, and in each of them bins within 30 dB of the strongest; what is missing altogether
    counts as 30 dB below it. Raises AudioError if rates or lengths differ.
    """
    if (original.rate_hz, original.samples.size) != (made.rate_hz, made.samples.size):
        raise AudioError(
            f"the original is {original.samples.size} samples at {original.rate_hz} Hz, what was "
            f"made {made.samples.size} at {made.rate_hz}: compare equals, see codec.round_trip"
        )
    before, after = spectrogram_db(original), spectrogram_db(made)
    strongest = before.max(1, keepdims=True)
    quietest = strongest - 30
    counts = (strongest > strongest.max() - 40) & (before > quietest)
    return float(np.abs(before - np.maximum(after, quietest))[counts].mean())


def periodicity(sound: Audio) -> NDArray[np.float64]:
    """Return how much each loud moment repeats itself, float (moments,): 1 hums, 0 hisses.

    The largest autocorrelation at the lags of a voice's pitch, 70 to 400 Hz, in pieces of 32 ms
    within 30 dB of the loudest. Raises AudioError if the recording is shorter than one of them.
    """
    window, hop = _window_and_hop(sound)
    pieces = np.lib.stride_tricks.sliding_window_view(sound.samples, window)[::hop]
    pieces = pieces.astype(np.float64) - pieces.mean(1, keepdims=True, dtype=np.float64)
    powers = (pieces**2).mean(1)
    pieces = pieces[powers > max(powers.max() / 1000, 1e-12)]
    repeated = np.fft.irfft(np.abs(np.fft.rfft(pieces, 2 * window)) ** 2)[:, :window]
    lags = np.arange(round(sound.rate_hz / 400), round(sound.rate_hz / 70))
    overlap = 1 - lags / window  # a later copy of itself meets fewer samples
    return np.asarray((repeated[:, lags] / overlap).max(1) / repeated[:, 0]).clip(0, 1)


def _window_and_hop(sound: Audio) -> tuple[int, int]:
    """Return how many samples 32 ms and 8 ms are. Raises AudioError for less sound than that."""
    window, hop = round(WINDOW_S * sound.rate_hz), round(HOP_S * sound.rate_hz)
    if not hop:
        raise AudioError(f"a sound at {sound.rate_hz} Hz has no spectrum: use 8000 Hz or more")
    if sound.samples.size < window:
        raise AudioError(f"{sound.duration_s:.3f} s is too short, a window takes {WINDOW_S} s")
    return window, hop
