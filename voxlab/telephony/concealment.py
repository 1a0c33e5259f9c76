"""Loss concealment: for a lost frame, the sound so far is repeated by its period and faded out.

Silence is a click at both ends. Repeating the last frame as it is buzzes at the frame rate. So the
last period of the voice, found by autocorrelation, is repeated, softer each time, and what comes
next is faded in over it. After 60 ms there is nothing left to say.
Source: the idea of ITU-T G.711 Appendix I (1999), in its simplest form.
"""

import numpy as np

from voxlab.errors import AudioError
from voxlab.samples import Samples, checked_samples

RATE_HZ, LOWEST_HZ = 8_000, 2_000
PITCH_S = (0.0025, 0.015)  # the periods of voices, 400 to 66 Hz
MEMORY_S = 0.045
FADED_AFTER_S = 0.06
OVERLAP_S = 0.005


class Concealer:
    """Conceal the lost frames of one stream: `play` what arrived, `conceal` what did not.

    Raises AudioError if the rate is too low for a voice.

    >>> concealer = Concealer(rate_hz=8000)
    >>> frame = concealer.play(np.ones(160, np.float32))
    >>> concealer.conceal(160).size
    160
    """

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        if rate_hz < LOWEST_HZ:
            raise AudioError(f"a voice at {rate_hz} Hz has no period: use {LOWEST_HZ} or more")
        self._rate_hz = rate_hz
        self._overlap = round(OVERLAP_S * rate_hz)
        self._memory: Samples = np.zeros(round(MEMORY_S * rate_hz), np.float32)
        self._concealed = 0  # samples in a row
        self._period: Samples = np.zeros(1, np.float32)

    def play(self, frame: Samples) -> Samples:
        """Return a frame that arrived, faded in over the concealment before it. float32 (n,).

        Raises AudioError, and forgets nothing, unless it is finite floats (n,).
        """
        played = checked_samples(frame).copy()
        if self._concealed:
            n = min(self._overlap, played.size)
            rise = np.linspace(0, 1, n, dtype=np.float32)
            played[:n] = rise * played[:n] + (1 - rise) * self._extended(n)
            self._concealed = 0
        self._remember(played)
        return played

    def conceal(self, samples: int) -> Samples:
        """Return sound for a frame that is lost. float32 (samples,)."""
        if not self._concealed:
            self._period = self._last_period()
        made = self._extended(samples)
        self._concealed += samples
        self._remember(made)
        return made

    def _extended(self, samples: int) -> Samples:
        """Go on with the last period, at the level that is left after so long."""
        positions = self._concealed + np.arange(samples)
        level = np.clip(1 - positions / (FADED_AFTER_S * self._rate_hz), 0, 1)
        return np.asarray(level * self._period[positions % self._period.size], np.float32)

    def _last_period(self) -> Samples:
        """Return the sound's last period, by the lag at which its end is most like what was before.

        Its seam is smoothed: the last samples lead over to those before the period.
        """
        memory = self._memory
        shortest, longest = (round(s * self._rate_hz) for s in PITCH_S)
        end = memory[-longest:]
        scores = []
        for lag in range(shortest, longest + 1):
            before = memory[-longest - lag : -lag]
            scores.append(float(end @ before) / (float(before @ before) + 1e-9) ** 0.5)
        lag = shortest + int(np.argmax(scores))
        period = memory[-lag:].copy()
        n = min(self._overlap, lag // 4)
        rise = np.linspace(0, 1, n, dtype=np.float32)
        period[-n:] = (1 - rise) * period[-n:] + rise * memory[-lag - n : -lag]
        return period

    def _remember(self, played: Samples) -> None:
        self._memory = np.concatenate([self._memory, played])[-self._memory.size :]
