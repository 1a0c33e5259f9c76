"""Turn detection: server_vad ends a turn after a fixed silence, semantic_vad after a judged one.

A machine over the session's audio without a clock, as `vad.endpointing` is over probabilities. It
waits for the VAD alone, whose runs several sessions share; the judge is asked by the session.
Offsets are those of the input audio buffer.
Source: openai/types/realtime/realtime_audio_input_turn_detection.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from voxlab.audio import Audio, Resampler, Samples
from voxlab.errors import ProviderError
from voxlab.providers.protocols import VAD, BatchedVADStream, EndOfTurn
from voxlab.providers.stream_guard import batched_probability, judged, speech_probability
from voxlab.serving.realtime.protocol.audio_formats import DETECTOR_QUALITY, WireFormat
from voxlab.vad.endpointing import (
    SpeechDetector,
    SpeechStarted,
    SpeechState,
    SpeechStopped,
    VADOptions,
)

LONGEST_WAIT_S = {"low": 8.0, "medium": 4.0, "high": 2.0, "auto": 4.0}
SHORTEST_WAIT_S = 0.3
PAUSE_S = 0.2  # semantic_vad judges a turn as soon as it pauses for so long, and ...
ASK_AGAIN = 3.0  # ... whenever the pause has become so many times longer: 0.6 s, 1.8 s, ...
UNJUDGED = 0.5
LOWEST_THRESHOLD = 0.01  # at 0 even silence would be speech
HYSTERESIS = 0.15  # Silero's own: speech goes on until so far below the threshold


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Speech began at at_s."""

    at_s: float


@dataclass(frozen=True, slots=True)
class TurnPaused:
    """The turn may be over: at_s is how far it has been heard.

    With semantic_vad somebody should say how long to wait; is_longer: once more, for the pause goes
    on, and a judge may know better now.
    """

    at_s: float
    is_longer: bool = False


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over at at_s, the silence that ended it included.

    paused: that silence has been told of as a TurnPaused.
    """

    at_s: float
    paused: bool


Edge = TurnStarted | TurnPaused | TurnEnded


def semantic_wait_s(finished: float, eagerness: str) -> float:
    """Return how much silence ends a turn that is finished with this probability.

    >>> semantic_wait_s(0.98, "auto"), semantic_wait_s(0.5, "auto"), semantic_wait_s(0.0, "high")
    (0.3, 2.0, 2.0)
    """
    return max(SHORTEST_WAIT_S, (1 - finished) * LONGEST_WAIT_S[eagerness])


async def ask_judge(judge: EndOfTurn | None, turn: Audio) -> float:
    """Return how likely a turn is finished; nobody knows without a judge, or if the judge fails."""
    if judge is None:
        return UNJUDGED
    try:
        return await judged(judge, turn)
    except ProviderError:  # the turn ends all the same, only later
        return UNJUDGED


class TurnDetector:
    """Follows one speaker through the session, from offset begins_s on.

    config: a session's turn_detection; wire: the format of the audio.
    """

    def __init__(self, vad: VAD, config: dict[str, Any], wire: WireFormat, begins_s: float) -> None:
        self.in_turn = False
        self._vad = vad
        self._stream = vad.stream()
        is_batched = isinstance(self._stream, BatchedVADStream)  # slow to ask: once
        self._batched = cast(BatchedVADStream, self._stream) if is_batched else None
        self._begins_s = begins_s
        self._speech = SpeechDetector(VADOptions(), vad.frame_size / vad.rate_hz)
        self._unheard = bytearray()  # of the wire: too little for a frame
        self._rest = np.zeros(0, np.float32)
        self._silent_since_s: float | None = None
        self._wait_s = self._ask_s = math.inf  # of silence: the turn ends, the judge is asked
        self._paused = False
        self.change(config)
        self._use(wire)

    def change(self, config: dict[str, Any]) -> None:
        """Go on with other settings."""
        self._is_semantic = config["type"] == "semantic_vad"
        threshold = max(config.get("threshold", VADOptions().threshold), LOWEST_THRESHOLD)
        silence_s = PAUSE_S if self._is_semantic else config["silence_duration_ms"] / 1000
        self._speech.options = VADOptions(
            threshold=threshold,
            exit_threshold=max(threshold - HYSTERESIS, threshold / 2),
            min_silence_s=silence_s,
        )

    def change_format(self, wire: WireFormat) -> None:
        """Go on in another format."""
        self._resample()
        self._use(wire)

    def _use(self, wire: WireFormat) -> None:
        self._wire = wire
        quality = DETECTOR_QUALITY[wire.rate_hz]
        self._resampler = Resampler(wire.rate_hz, self._vad.rate_hz, quality)
        self._fed = self._got = 0  # samples: into the resampler, and out of it

    def reset(self) -> None:
        """Forget the turn: the client has committed or cleared its audio."""
        self._speech.state = SpeechState(heard=self._speech.state.heard)
        self.in_turn, self._paused, self._silent_since_s = False, False, None

    def wait(self, silence_s: float) -> None:
        """Answer a TurnPaused: the turn ends after so much silence, or less if that was said."""
        self._wait_s = min(silence_s, self._wait_s)

    def frames(self, data: bytes) -> Sequence[Samples]:
        """Return the frames that are complete with the next samples of the wire: see `hear`."""
        self._unheard += data
        size = self._vad.frame_size
        fed = self._fed + len(self._unheard) // self._wire.sample_bytes
        most = fed * self._vad.rate_hz // self._wire.rate_hz - self._got  # the filter holds some
        if self._rest.size + most < size:
            return ()
        self._resample()
        count = self._rest.size // size
        taken, self._rest = self._rest[: count * size], self._rest[count * size :]
        return list(taken.reshape(count, size))

    def _resample(self) -> None:
        """Resample what has come: of several small messages at once."""
        samples = self._wire.decode(bytes(self._unheard))
        self._unheard.clear()
        resampled = self._resampler.feed(samples)
        self._fed, self._got = self._fed + samples.size, self._got + resampled.size
        self._rest = np.concatenate([self._rest, resampled])

    async def hear(self, frame: Samples, *, is_ahead: bool) -> Edge | None:
        """Hear a frame; return what happens in it. is_ahead: the next one is here already."""
        if self._batched is None:
            probability = speech_probability(self._stream, frame)
        else:
            probability = await batched_probability(self._batched, frame, is_ahead=is_ahead)
        return self._step(probability)

    @property
    def _now_s(self) -> float:
        return self._begins_s + self._speech.state.heard * self._speech.frame_s

    def _step(self, probability: float) -> Edge | None:
        edge = self._speech.step(probability)
        if isinstance(edge, SpeechStarted):
            return self._on_speech(edge)
        if isinstance(edge, SpeechStopped):
            if not self._is_semantic:
                return self._end()
            self._silent_since_s, self._paused = self._begins_s + edge.at_s, True
            self._wait_s, self._ask_s = math.inf, PAUSE_S * ASK_AGAIN
            return TurnPaused(self._now_s)
        if self._speech.state.speaking:
            return self._on_silent_frames()
        return self._on_longer_silence()

    def _on_longer_silence(self) -> TurnPaused | TurnEnded | None:
        if self._silent_since_s is None:
            return None
        silent_s = self._now_s - self._silent_since_s + 1e-9
        if silent_s >= self._wait_s:
            return self._end()
        if silent_s < self._ask_s:
            return None
        self._ask_s *= ASK_AGAIN
        return TurnPaused(self._now_s, is_longer=True)

    def _on_silent_frames(self) -> TurnPaused | None:
        """Say once that half of the silence which ends the turn is over."""
        silent_s = self._speech.state.against * self._speech.frame_s
        was_paused, half_s = self._paused, self._speech.options.min_silence_s / 2
        self._paused = not self._is_semantic and half_s > 0 and silent_s >= half_s
        return TurnPaused(self._now_s) if self._paused and not was_paused else None

    def _on_speech(self, edge: SpeechStarted) -> TurnStarted | None:
        self._silent_since_s, self._paused = None, False
        if self.in_turn:  # it was only a pause
            return None
        self.in_turn = True
        return TurnStarted(self._begins_s + edge.at_s)

    def _end(self) -> TurnEnded:
        paused, self._paused = self._paused, False
        self.in_turn, self._silent_since_s = False, None
        return TurnEnded(self._now_s, paused)
