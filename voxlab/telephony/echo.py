"""Acoustic echo: the agent's voice leaves a loudspeaker and comes back through the microphone.

An echo canceller knows what was played. It learns the way from loudspeaker to microphone, and
subtracts what must come back; the rest it suppresses. Ours is WebRTC's, as LiveKit packs it.
"""

import importlib.util
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxlab.audio import Audio, Samples, from_pcm16, to_pcm16
from voxlab.errors import AudioError, missing_extra

if TYPE_CHECKING:
    from livekit import rtc

BLOCK_S = 0.01  # what WebRTC's audio processing takes at once
DELAY_S = 0.008  # of what it gives back, measured; below 60 Hz it filters all
RATES_HZ = (8_000, 16_000, 32_000, 48_000)
TAIL = 0.3  # energy of a room's reverberation, of all that comes back


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent's own voice, as it comes back from the caller's end, delay_s later.

    level_db: against the voice as it left. decay_s: in which the room's reverberation falls by
    60 dB; 0 for a single copy. cancelled: the caller's device has an echo canceller.
    """

    delay_s: float
    level_db: float
    decay_s: float = 0.0
    cancelled: bool = False

    def impulse_response(self, rate_hz: int) -> Samples:
        """Return what comes back of a single sample of 1, after delay_s; float32 (taps,).

        The reverberation is noise that decays exponentially. Source: Moorer 1979, "About this
        reverberation business".
        """
        response = np.ones(1 + round(self.decay_s * rate_hz))
        if response.size > 1:
            times_s = np.arange(1, response.size) / rate_hz
            noise = np.random.default_rng(0).standard_normal(times_s.size)
            tail = noise * 10 ** (-3 * times_s / self.decay_s)
            response[0] = math.sqrt(1 - TAIL)
            response[1:] = math.sqrt(TAIL) * tail / np.linalg.norm(tail)
        return (10 ** (self.level_db / 20) * response).astype(np.float32)

    def reflect(self, voice: Audio) -> Audio:
        """Return what comes back of a whole voice, as long as it is."""
        response = self.impulse_response(voice.rate_hz)
        delayed = np.pad(voice.samples, (round(self.delay_s * voice.rate_hz), 0))
        size = voice.samples.size
        return Audio(np.convolve(delayed[:size], response)[:size], voice.rate_hz)


def has_echo_canceller() -> bool:
    """Tell whether LiveKit's package, which has the canceller, is installed."""
    return importlib.util.find_spec("livekit") is not None and (
        importlib.util.find_spec("livekit.rtc") is not None
    )


class EchoCanceller:
    """Takes the echo of what is played out of what a microphone hears; both at rate_hz.

    What it gives back is DELAY_S late.
    Raises AudioError if LiveKit's package is missing, or for a rate that WebRTC does not know.
    """

    def __init__(self, rate_hz: int) -> None:
        if not has_echo_canceller():
            raise AudioError(f"an echo canceller needs LiveKit's package: {missing_extra('mic')}")
        if rate_hz not in RATES_HZ:
            known = ", ".join(map(str, RATES_HZ))
            raise AudioError(f"an echo canceller at {rate_hz} Hz: it needs one of {known}")
        from livekit import rtc

        self.rate_hz = rate_hz
        self.block = round(BLOCK_S * rate_hz)
        self._processing = rtc.AudioProcessingModule(echo_cancellation=True)
        silence = np.zeros(self.block, np.float32)
        self.process(silence, silence)  # the first time is slow, and a sound device does not wait

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return what the microphone heard, without the echo; float32, as long as near.

        near, far: what the microphone heard and what went to the loudspeaker meanwhile, in whole
        blocks of 10 ms. Raises AudioError for other lengths.
        """
        if near.size != far.size or near.size % self.block:
            raise AudioError(
                f"{near.size} samples heard and {far.size} played: an echo canceller needs equally "
                f"many, a multiple of {self.block}"
            )
        cleaned = [np.zeros(0, np.float32)]
        for start in range(0, near.size, self.block):
            now = slice(start, start + self.block)
            self._processing.process_reverse_stream(self._frame(far[now]))
            self._processing.set_stream_delay_ms(0)  # it finds the echo; a hint too long misleads
            frame = self._frame(near[now])
            self._processing.process_stream(frame)
            cleaned.append(from_pcm16(bytes(frame.data)))
        return np.concatenate(cleaned)

    def _frame(self, samples: Samples) -> "rtc.AudioFrame":
        from livekit import rtc

        return rtc.AudioFrame(bytearray(to_pcm16(samples)), self.rate_hz, 1, samples.size)


def measure_erle_db(echo: Samples, residual: Samples) -> float:
    """Return the echo return loss enhancement: how much softer the echo became, in dB.

    echo, residual: what the microphone heard of the echo alone, before and after the canceller.
    Infinite where nothing is left. Raises AudioError if there is no echo, or the lengths differ.
    Source: ITU-T G.168.
    """
    if echo.shape != residual.shape or not np.any(echo):
        raise AudioError(
            f"an echo of {echo.size} samples and a residual of {residual.size}: needs equally "
            "many, and an echo that can be heard"
        )
    before, after = (float(np.sum(np.square(each, dtype=np.float64))) for each in (echo, residual))
    return 10 * math.log10(before / after) if after else math.inf
