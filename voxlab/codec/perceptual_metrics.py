"""STOI and PESQ: two measures that compare a recording with what a codec made of it.

STOI says how much of the words is left: 0 to 1, the correlation of short-time envelopes (Taal et
al. 2011). PESQ says how good it sounds: 1 to 4.64, a model of listeners' opinions (ITU-T P.862.2,
wide band). Both need the original, and samples that line up: see `classical_codecs.align`.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxlab.audio import Audio, Samples
from voxlab.errors import AudioError, VoxlabError, missing_extra

RATE_HZ = 16_000  # PESQ in its wide-band form knows no other
SHORTEST_S = 0.5


def stoi(original: Audio, made: Audio) -> float:
    """Return how intelligible `made` is, from about 0 to 1.

    Both are resampled to 16 kHz; they must be of equal length, half a second or more, with at
    least 0.4 s of sound above the pauses. Raises AudioError if not, and VoxlabError where the
    package pystoi is missing.
    """
    try:
        import pystoi
    except ImportError as error:
        raise _missing("pystoi") from error
    pair = _pair(original, made)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            value = float(pystoi.stoi(*pair, RATE_HZ))
        except RuntimeWarning as error:
            raise AudioError(f"too little sound for STOI, it needs 0.4 s: {error}") from error
    return value


def pesq(original: Audio, made: Audio) -> float:
    """Return the wide-band PESQ score of `made`, 1.0 to 4.64; otherwise like `stoi`.

    Raises AudioError too where PESQ finds no speech.
    """
    try:
        import pesq as package
    except ImportError as error:
        raise _missing("pesq") from error
    pair = _pair(original, made)
    try:
        return float(package.pesq(RATE_HZ, *pair, "wb"))
    except package.PesqError as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise AudioError(f"PESQ refuses the recording: {_text(reason)}") from error


@dataclass(frozen=True, slots=True)
class PerceptualQuality:
    """How a codec sounds: the means of `stoi` and `pesq` over some recordings."""

    stoi: float
    pesq: float


def mean_quality(originals: Sequence[Audio], run: Callable[[Audio], Audio]) -> PerceptualQuality:
    """Return how recordings sound after `run`, which gives each back with its length.

    Raises AudioError if there is no recording, or one cannot be measured; see `stoi` and `pesq`.
    """
    if not originals:
        raise AudioError("a mean over no recordings: pass one at least, such as data.prompts()")
    pairs = [(original, run(original)) for original in originals]
    return PerceptualQuality(
        float(np.mean([stoi(*pair) for pair in pairs])),
        float(np.mean([pesq(*pair) for pair in pairs])),
    )


def si_sdr_db(original: Audio, made: Audio) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB, from -inf to inf.

    It judges samples, not ears: a codec that is easy to understand may have a low one. Source: Le
    Roux et al. 2019. Raises AudioError if the lengths differ or one is silent.
    """
    x, y = (np.asarray(part, np.float64) for part in _pair(original, made))
    x, y = x - x.mean(), y - y.mean()
    if not x.any():
        raise AudioError("the original is a constant: there is no sound in it")
    target = (x @ y) / (x @ x) * x
    wanted, error = float(target @ target), float(((y - target) ** 2).sum())
    if not error or not wanted:
        return math.inf if wanted else -math.inf
    return 10 * math.log10(wanted / error)


def _pair(original: Audio, made: Audio) -> tuple[Samples, Samples]:
    if original.rate_hz != made.rate_hz or original.samples.size != made.samples.size:
        raise AudioError(
            f"the original is {original.samples.size} samples at {original.rate_hz} Hz, what was "
            f"made {made.samples.size} at {made.rate_hz}: compare equals, see codec.round_trip"
        )
    if original.duration_s < SHORTEST_S:
        raise AudioError(
            f"{original.duration_s:.2f} s is too short, compare {SHORTEST_S} s at least"
        )
    if not (original.samples.any() and made.samples.any()):
        raise AudioError("one of the two recordings is silent: compare sounds")
    return original.resample(RATE_HZ).samples, made.resample(RATE_HZ).samples


def _missing(package: str) -> VoxlabError:
    return VoxlabError(f"{package} is not installed: {missing_extra('bench')}")


def _text(reason: Any) -> str:
    return reason.decode() if isinstance(reason, bytes) else str(reason)
