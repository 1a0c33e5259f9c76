"""What a realtime agent tells the server about itself, and how it behaves on the line.

Seconds here, milliseconds on the wire. Source: openai/types/realtime/
realtime_session_create_request_param.py and realtime_audio_input_turn_detection_param.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from voxlab.agents.pipeline.options import GREETING, INSTRUCTIONS
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.realtime.protocol import RATE_HZ
from voxlab.providers.protocols import ToolSpec

DEFAULT_MODEL = "gpt-realtime"
PCM = {"type": "audio/pcm", "rate": RATE_HZ}
PREAMBLE = " Before you call a tool, say in a few words that you look it up."


@dataclass(frozen=True, slots=True)
class ServerVAD:
    """The server ends a turn after a fixed silence.

    padding_s: sound before the first speech that belongs to the turn. idle_timeout_s: after so
    much silence the server speaks by itself; None for never. interrupts: the server stops a
    response that the user speaks over; else the agent does.
    """

    threshold: float = 0.5
    padding_s: float = 0.3
    silence_s: float = 0.5
    idle_timeout_s: float | None = None
    interrupts: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return the session's turn_detection."""
        idle_ms = None if self.idle_timeout_s is None else round(self.idle_timeout_s * 1000)
        return {
            "type": "server_vad",
            "threshold": self.threshold,
            "prefix_padding_ms": round(self.padding_s * 1000),
            "silence_duration_ms": round(self.silence_s * 1000),
            "idle_timeout_ms": idle_ms,
            "create_response": True,
            "interrupt_response": self.interrupts,
        }


@dataclass(frozen=True, slots=True)
class SemanticVAD:
    """The server ends a turn when it sounds finished.

    eagerness: how long it waits at most, 8, 4 or 2 s for low, medium (auto) and high.
    """

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    interrupts: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return the session's turn_detection."""
        return {
            "type": "semantic_vad",
            "eagerness": self.eagerness,
            "create_response": True,
            "interrupt_response": self.interrupts,
        }


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """The session, as the server is told.

    turn_detection: None for none: then the agent listens itself and commits each turn.
    transcription: the model that writes down what the user says; None for no transcripts (then a
    lost connection loses the user's words). modality: "text" for an agent that only writes.
    """

    instructions: str = INSTRUCTIONS + PREAMBLE
    voice: str = "marin"
    turn_detection: ServerVAD | SemanticVAD | None = field(default_factory=ServerVAD)
    transcription: str | None = "gpt-4o-mini-transcribe"
    modality: Literal["audio", "text"] = "audio"
    max_output_tokens: int | None = None

    def to_wire(self, tools: Sequence[ToolSpec]) -> dict[str, Any]:
        """Return the session of a session.update."""
        detection = self.turn_detection
        transcribing = {"transcription": {"model": self.transcription}}
        return {
            "type": "realtime",
            "instructions": self.instructions,
            "output_modalities": [self.modality],
            "max_output_tokens": self.max_output_tokens or "inf",
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                }
                for tool in tools
            ],
            "audio": {
                "input": {
                    "format": PCM,
                    **(transcribing if self.transcription else {}),
                    "turn_detection": detection.to_wire() if detection else None,
                },
                "output": {"format": PCM, "voice": self.voice},
            },
        }


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """How the agent behaves on the line.

    greeting: the model is asked to begin with these words; "" to wait for the caller.
    step_s: sound goes up in pieces of this length. tool_timeout_s: longest wait for a tool.
    patience_s: longest wait for a connection to open, or to take an event. retries: a lost
    connection is opened again so often in a row, first after retry_after_s and then after twice as
    long each time, at most retry_at_most_s. kept_s: so much of the user's sound is kept for the
    next connection. failures: so many failed responses in a row, and the agent gives up.
    max_rounds: how often the model may call tools in a reply; then it is to answer without.
    """

    greeting: str = GREETING
    step_s: float = 0.04
    tool_timeout_s: float = 8.0
    patience_s: float = 10.0
    retries: int = 5
    retry_after_s: float = 0.5
    retry_at_most_s: float = 8.0
    kept_s: float = 30.0
    failures: int = 2
    max_rounds: int = ReplyOptions().max_rounds
