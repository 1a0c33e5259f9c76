"""smart-turn: is the speaker done? Judged from the sound of the sentence, not from its words.

A small Whisper encoder with one output. It hears how a sentence falls; a long silence after it
misleads the network, so our agent asks it once, as soon as a pause is heard.
Source: pipecat-ai/smart-turn 3.2 (BSD-2-Clause); features as in Radford et al. 2022 (Whisper).
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from voxlab import models
from voxlab.audio import Audio, silence
from voxlab.clock import compute
from voxlab.models.onnx_sessions import open_session
from voxlab.samples import Samples, checked_samples

RATE_HZ = 16_000
HEARD_S = 8.0  # the network hears so much, no more
COST_S = 0.08  # measured on one thread of a two-core laptop-class machine: 15 ms + 62 ms
_WINDOW, _HOP, _MELS = 400, 160, 80
Features = npt.NDArray[np.float32]


class SmartTurn:
    """An `EndOfTurn` on this machine. Raises ModelError if `voxlab models` has not been run."""

    def __init__(self) -> None:
        self._session = open_session(models.path("smart-turn", "smart-turn-v3.2-cpu.onnx"))
        self._input = self._session.get_inputs()[0].name
        self._is_warm = False

    async def warm_up(self) -> None:
        """Judge a silence, once: the first judgement takes twice as long as the next."""
        if not self._is_warm:
            self._is_warm = True
            await compute(self.judge, silence(1.0, RATE_HZ))

    async def probability(self, turn: Audio) -> float:
        """Return how likely the speaker is done, in [0, 1]. turn: up to the pause, its last 8 s."""
        return await compute(self.judge, turn, cost_s=COST_S)

    def judge(self, turn: Audio) -> float:
        """`probability` without a clock, for recordings."""
        features = log_mel(turn.resample(RATE_HZ).samples)
        (result,) = self._session.run(None, {self._input: features[np.newaxis]})
        return float(np.ravel(result)[0])


def log_mel(samples: Samples) -> Features:
    """Return Whisper's log-mel spectrogram of the last 8 s, silence before a shorter sound.

    samples: float32 (samples,) at 16 kHz; they are brought to zero mean and unit variance.
    Returns float32 (80, 800). Raises AudioError unless they are finite floats (samples,).
    """
    size = int(HEARD_S * RATE_HZ)
    heard = checked_samples(samples)[-size:].astype(np.float64)
    heard = np.concatenate([np.zeros(size - heard.size), heard])
    heard = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
    padded = np.pad(heard, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][: size // _HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    levels = np.log10(np.maximum(power @ _mel_filters(), 1e-10)).T
    levels = np.maximum(levels, levels.max() - 8.0)
    return np.asarray((levels + 4.0) / 4.0, np.float32)


@cache
def _mel_filters() -> npt.NDArray[np.float64]:
    """Return 80 triangles of unit area, evenly spaced on Slaney's mel scale: (201, 80).

    They are those of `torchaudio.functional.melscale_fbanks`; a test holds them equal. No call
    needs torch otherwise, and to load it takes a second and 180 MB.
    """
    bins_hz = np.linspace(0, RATE_HZ / 2, _WINDOW // 2 + 1)
    corners_hz = _hertz(np.linspace(0, _mels(RATE_HZ / 2), _MELS + 2))
    rising = (bins_hz[:, None] - corners_hz[:-2]) / np.diff(corners_hz)[:-1]
    falling = (corners_hz[2:] - bins_hz[:, None]) / np.diff(corners_hz)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * 2.0 / (corners_hz[2:] - corners_hz[:-2]))


# Slaney's scale: linear up to 1 kHz (15 mels), then 27 mels for each factor of 6.4
def _mels(hertz: float) -> float:
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < 15, 200 * mels / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
