"""Raw samples, before they are a recording: which are refused, and why."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import AudioError

Samples = NDArray[np.float32]


def checked_samples(samples: Samples, rate_hz: int | None = None) -> Samples:
    """Return samples as float32 (n,), in one piece of memory.

    rate_hz: for the error, so that it tells the time.
    Raises AudioError if they are not one-dimensional, not float or not finite.
    """
    given = np.asarray(samples)
    is_plain = given.dtype == np.float32 and given.ndim == 1 and given.flags.c_contiguous
    if is_plain and math.isfinite(np.vdot(given, given)):  # a sum of squares: so is each of them
        return given
    if given.ndim != 1:
        raise AudioError(
            f"audio has shape {given.shape}, needs one channel (samples,): "
            "mix the channels first, or use audio.read"
        )
    if given.dtype.kind != "f":
        raise AudioError(
            f"samples are {given.dtype}, need floats in [-1, 1]: divide int16 by 32768"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold is counted as infinite below
        checked = np.ascontiguousarray(given, dtype=np.float32)
    finite = np.isfinite(checked)
    if not finite.all():
        first = int(np.argmin(finite))
        place = f"at {first / rate_hz:.3f} s" if rate_hz else f"is number {first}"
        raise AudioError(
            f"{int((~finite).sum())} of {checked.size} samples are NaN or infinite, the first "
            f"{place}: cut them out, or try numpy.nan_to_num"
        )
    return checked


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Return samples as 16-bit integers; what lies beyond full scale is clipped.

    Raises AudioError unless they are finite floats (n,).

    >>> to_int16(np.array([0.5, 1.0, -2.0])).tolist()
    [16384, 32767, -32768]
    """
    full_scale = np.rint(checked_samples(samples) * 32768)
    values: NDArray[np.int16] = np.clip(full_scale, -32768, 32767).astype(np.int16)
    return values


def from_int16(values: NDArray[np.integer]) -> Samples:
    """Return the samples of 16-bit integers, float32 in [-1, 1]."""
    return values.astype(np.float32) / np.float32(32768)


def count_samples(duration_s: float, rate_hz: int) -> int:
    """Return how many samples last so long. Raises AudioError if it is no time, or no rate."""
    if not 0 <= duration_s < math.inf:
        raise AudioError(f"no sound lasts {duration_s} s: give 0 s or more")
    refuse_rate(rate_hz)
    return round(duration_s * rate_hz)


def refuse_rate(rate_hz: int) -> None:
    """Raise AudioError unless a sampling rate is a whole number above 0."""
    if not isinstance(rate_hz, int | np.integer) or rate_hz <= 0:
        raise AudioError(f"{rate_hz} Hz is no sampling rate: use a whole number, 8000 to 48000")


def read_only(samples: Samples) -> Samples:
    """Return samples that nobody can write: a part of another recording's, or a copy in bytes."""
    memory: Any = samples
    while isinstance(memory, np.ndarray):
        memory = memory.base
    if isinstance(memory, bytes):
        return samples
    return np.frombuffer(samples.tobytes(), np.float32)
