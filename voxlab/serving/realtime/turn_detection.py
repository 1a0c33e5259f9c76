"""Who speaks when: server_vad ends a turn after a fixed silence, semantic_vad after a judged one.

A pure machine over probabilities, as `endpointing` is; the judge is asked by the session.
Source: openai/types/realtime/realtime_audio_input_turn_detection.py.
"""

from dataclasses import dataclass
from typing import Any

from voxlab.vad.endpointing import (
    SpeechDetector,
    SpeechStarted,
    SpeechState,
    SpeechStopped,
    VADOptions,
)

LONGEST_WAIT_S = {"low": 8.0, "medium": 4.0, "high": 2.0, "auto": 4.0}
SHORTEST_WAIT_S = 0.3
PAUSE_S = 0.2  # semantic_vad judges a turn as soon as it pauses for so long
LOWEST_THRESHOLD = 0.01  # at 0 even silence would be speech
HYSTERESIS = 0.15  # Silero's own: speech goes on until so far below the threshold


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Speech began at at_s, known at known_at_s, offsets in the session's audio."""

    at_s: float
    known_at_s: float


@dataclass(frozen=True, slots=True)
class TurnPaused:
    """The speaker has been silent since at_s, and the turn may be over.

    With semantic_vad somebody should say how long to wait.
    """

    at_s: float


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


class TurnDetector:
    """Follows one listener through the session. config: a session's turn_detection."""

    def __init__(self, config: dict[str, Any], frame_s: float, begins_s: float) -> None:
        self._begins_s = begins_s
        self._speech = SpeechDetector(VADOptions(), frame_s)
        self._in_turn = False
        self._silent_since_s: float | None = None
        self._wait_s: float | None = None
        self._paused = False
        self.change(config)

    def change(self, config: dict[str, Any]) -> None:
        """Go on with other settings."""
        self._is_semantic = config["type"] == "semantic_vad"
        threshold = max(config.get("threshold", 0.5), LOWEST_THRESHOLD)
        silence_ms = PAUSE_S * 1000 if self._is_semantic else config["silence_duration_ms"]
        self._speech.options = VADOptions(
            threshold=threshold,
            exit_threshold=max(threshold - HYSTERESIS, threshold / 2),
            min_silence_s=silence_ms / 1000,
        )

    def reset(self) -> None:
        """Forget the turn: the client has committed or cleared its audio."""
        self._speech.state = SpeechState(heard=self._speech.state.heard)
        self._in_turn, self._paused, self._silent_since_s = False, False, None

    def wait(self, silence_s: float) -> None:
        """Answer a TurnPaused: the turn ends after so much silence."""
        self._wait_s = silence_s

    def step(self, probability: float) -> Edge | None:
        """Hear one frame."""
        edge = self._speech.step(probability)
        if isinstance(edge, SpeechStarted):
            return self._on_speech(edge)
        if isinstance(edge, SpeechStopped):
            self._silent_since_s, self._wait_s = self._begins_s + edge.at_s, None
            if self._is_semantic:
                self._paused = True
                return TurnPaused(self._silent_since_s)
            return self._end(self._begins_s + edge.known_at_s)
        if self._speech.state.speaking:
            return self._on_silent_frames()
        now_s = self._begins_s + self._speech.state.heard * self._speech.frame_s
        since_s, wait_s = self._silent_since_s, self._wait_s
        if since_s is None or wait_s is None or now_s - since_s < wait_s - 1e-9:
            return None
        return self._end(now_s)

    def _on_silent_frames(self) -> TurnPaused | None:
        """Say once that half of the silence which ends the turn is over."""
        state, frame_s = self._speech.state, self._speech.frame_s
        was_paused, half_s = self._paused, self._speech.options.min_silence_s / 2
        self._paused = not self._is_semantic and state.against * frame_s >= half_s > 0
        if was_paused or not self._paused:
            return None
        return TurnPaused(self._begins_s + (state.heard - state.against) * frame_s)

    def _on_speech(self, edge: SpeechStarted) -> Edge | None:
        self._silent_since_s, self._paused = None, False
        if self._in_turn:  # it was only a pause
            return None
        self._in_turn = True
        return TurnStarted(self._begins_s + edge.at_s, self._begins_s + edge.known_at_s)

    def _end(self, at_s: float) -> TurnEnded:
        paused, self._paused = self._paused, False
        self._in_turn, self._silent_since_s = False, None
        return TurnEnded(at_s, paused)
