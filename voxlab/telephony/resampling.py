"""Change the rate of a stream, chunk by chunk: a polyphase filter that holds back 4 ms.

A whole file may be resampled at leisure (`Audio.resample`). A call cannot wait: every sample that a
filter holds back is latency, on every call, in both directions. The price of a short filter is a
wide transition: what lies between 85 and 100 percent of the usable band is lost.
Source: Crochiere and Rabiner, Multirate Digital Signal Processing (1983), chapter 3; Kaiser's
window.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from voxlab.samples import Samples, checked_samples, refuse_rate

PASSBAND = 0.85  # of half the lower rate; from there to 1.0 the filter falls
REJECTION_DB = 75.0  # what lies beyond half the lower rate comes through at most this much softer


def _lowpass(up: int, down: int) -> NDArray[np.float64]:
    """Return the taps of the filter at `up` times the input's rate; their number is odd."""
    slower = max(up, down)
    width = math.pi * (1 - PASSBAND) / slower  # of the transition, in radians a sample
    half = math.ceil((REJECTION_DB - 8) / (2.285 * width) / 2)
    cutoff = (1 + PASSBAND) / 2 / slower  # the middle of the transition, of half the rate
    positions = np.arange(-half, half + 1)
    window = np.kaiser(2 * half + 1, 0.1102 * (REJECTION_DB - 8.7))  # Kaiser's fit of beta
    taps = cutoff * np.sinc(cutoff * positions) * window
    return np.asarray(taps * up / taps.sum(), np.float64)


class LowDelayResampler:
    """Resample one stream: `feed` its chunks as they come, `flush` at its end.

    Every output sample stands where its time is in the input: nothing is shifted, and after `flush`
    as many seconds have come out as went in. Chunks may have any length, also none.
    Raises AudioError if a rate is not a whole number above 0.

    >>> resampler = LowDelayResampler(8000, 16000)
    >>> sound = np.concatenate([resampler.feed(np.zeros(160, np.float32)), resampler.flush()])
    >>> sound.size
    320
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        for rate_hz in (from_hz, to_hz):
            refuse_rate(rate_hz)
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        taps = _lowpass(self._up, self._down) if from_hz != to_hz else np.ones(1)
        self._lead = taps.size // 2  # samples at `up` times the rate that the filter looks ahead
        self.held_back_s = self._lead / (self._up * from_hz)
        reach = -(-taps.size // self._up)  # input samples that one output sample is made of
        padded = np.zeros(reach * self._up)
        padded[: taps.size] = taps
        # branch p holds taps p, p + up, ...; reversed, since a window runs forward in time
        self._branches = np.ascontiguousarray(
            padded.reshape(reach, self._up).T[:, ::-1], np.float32
        )
        self._reach = reach
        self._recent: Samples = np.zeros(reach - 1, np.float32)
        self._fed = 0  # input samples so far
        self._made = 0  # output samples so far

    def feed(self, samples: Samples) -> Samples:
        """Return what can be told after these samples. samples: float32 (n,).

        Raises AudioError, and forgets nothing, unless they are finite floats (n,).
        """
        checked = checked_samples(samples)
        if self._up == self._down:
            return checked.copy()
        self._fed += checked.size
        return self._resampled(checked)

    def flush(self) -> Samples:
        """Return what was held back; the next `feed` begins a new stream."""
        due = -(-self._fed * self._up // self._down)
        silence = np.zeros(-(-self._lead // self._up) + self._down, np.float32)
        tail = self._resampled(silence, due)
        self._recent, self._fed, self._made = np.zeros(self._reach - 1, np.float32), 0, 0
        return tail

    def _resampled(self, samples: Samples, due: int | None = None) -> Samples:
        window = np.concatenate([self._recent, samples])
        newest = self._fed + (0 if due is None else len(samples))  # input samples in and before it
        # output n needs the input up to (n * down + lead) / up
        ready = max(0, (newest * self._up - 1 - self._lead) // self._down + 1)
        ready = ready if due is None else min(ready, due)
        places = np.arange(self._made, ready) * self._down + self._lead
        if places.size:
            first = newest - window.size  # the input sample that the window begins with
            starts = places // self._up - self._reach + 1 - first
            windows = sliding_window_view(window, self._reach)[starts]
            made = np.einsum("ij,ij->i", windows, self._branches[places % self._up])
        else:
            made = np.zeros(0, np.float32)
        self._made = max(self._made, ready)
        next_start = (self._made * self._down + self._lead) // self._up - self._reach + 1
        keep = max(0, newest - next_start)
        self._recent = window[max(0, window.size - keep) :]
        return np.asarray(made, np.float32)
