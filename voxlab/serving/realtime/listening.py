"""The listening half of a session: audio comes in, turns come out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from voxlab.audio import Audio
from voxlab.providers.protocols import VAD, EndOfTurn
from voxlab.serving.realtime.buffer import KEPT_SILENCE_S, LONGEST_S, Ear, InputBuffer
from voxlab.serving.realtime.conversation import refuse_split_samples
from voxlab.serving.realtime.protocol.audio_formats import wire_format
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.turn_detection import (
    Edge,
    TurnDetector,
    TurnEnded,
    TurnPaused,
    TurnStarted,
    semantic_wait_s,
)

SHORTEST_COMMIT_S = 0.1
STEP_S = 0.5  # a long append is heard in steps, and other sessions between them
UNJUDGED = 0.5  # a turn that no judge could judge


class Listener(Protocol):
    """Who is told what was heard: the session."""

    def speech_started(self) -> None:
        """Somebody began to speak, and the client has been told."""
        ...

    def turn_paused(self, audio: bytes) -> None:
        """A turn may be over: this is all of it up to now."""
        ...

    def turn_committed(
        self, item_id: str, audio: bytes, *, by_client: bool, paused: bool = False
    ) -> None:
        """A turn is over, or the client has committed its audio.

        paused: since the latest `turn_paused` nobody has spoken.
        """
        ...


@dataclass(frozen=True)
class Judges:
    """The engines that tell when a turn starts and ends."""

    vad: VAD | None
    end_of_turn: EndOfTurn | None


class Listening:
    """Keeps the input buffer, hears turns in it, and tells the client and the session of them."""

    def __init__(
        self,
        judges: Judges,
        session: dict[str, Any],
        listener: Listener,
        emit: Callable[..., None],
        new_id: Callable[[str], str],
    ) -> None:
        self._judges = judges
        self._listener = listener
        self._emit = emit
        self._new_id = new_id
        self._config: dict[str, Any] | None = None
        self.buffer = InputBuffer(wire_format(session["audio"]["input"]["format"]["type"]))
        self._ear: Ear | None = None
        self._detector: TurnDetector | None = None
        self.turn_id: str | None = None  # the item that the open turn will become
        self._turn_start_s = 0.0
        self.configure(session)

    def configure(self, session: dict[str, Any]) -> None:
        """Follow an update of the session."""
        wire = wire_format(session["audio"]["input"]["format"]["type"])
        if wire is not self.buffer.wire:
            self.buffer.convert(wire)
            if self._ear:
                self._ear.change_format(wire)
        self._config = session["audio"]["input"]["turn_detection"]
        if self._config is None:
            self._ear = self._detector = self.turn_id = None
        elif self._detector is not None:
            self._detector.change(self._config)
        elif self._judges.vad is not None:
            begins_s = self.buffer.end_s
            self._ear = Ear(self._judges.vad, wire, begins_s)
            self._detector = TurnDetector(self._config, self._ear.frame_s, begins_s)

    async def append(self, audio: bytes) -> None:
        """Hear more audio. Raises Refused if it is not whole samples, or too much in all."""
        wire = self.buffer.wire
        refuse_split_samples(audio, wire, "audio")
        if self._ear is None and self.buffer.duration_s > LONGEST_S:
            raise Refused(
                "input_audio_buffer_full", "The input audio buffer is full: commit or clear it."
            )
        step = wire.size(STEP_S)
        for start in range(0, len(audio), step):
            piece = audio[start : start + step]
            self.buffer.append(piece)
            if self._ear is not None and self._detector is not None:
                for probability in self._ear.hear(wire.decode(piece)):
                    await self._on_edge(self._detector.step(probability))
                if self.turn_id is None:
                    self.buffer.keep(KEPT_SILENCE_S)
            if start + step < len(audio):
                await asyncio.sleep(0)

    async def _on_edge(self, edge: Edge | None) -> None:
        if isinstance(edge, TurnStarted):
            self._start_turn(edge)
        elif isinstance(edge, TurnPaused):
            await self._on_pause()
        elif isinstance(edge, TurnEnded) and self.turn_id is not None:
            self._emit(
                "input_audio_buffer.speech_stopped",
                item_id=self.turn_id,
                audio_end_ms=round(edge.at_s * 1000),
            )
            self._commit(edge.at_s, by_client=False, paused=edge.paused)

    def _start_turn(self, edge: TurnStarted) -> None:
        config = self._config or {}
        padding_s = config.get("prefix_padding_ms", 300) / 1000
        self.turn_id = self._new_id("item")
        self._turn_start_s = max(edge.at_s - padding_s, self.buffer.start_s, 0.0)
        self.buffer.take(self._turn_start_s)
        self._emit(
            "input_audio_buffer.speech_started",
            item_id=self.turn_id,
            audio_start_ms=round(self._turn_start_s * 1000),
        )
        self._listener.speech_started()

    async def _on_pause(self) -> None:
        if self._ear is None or self._detector is None or self._config is None:
            return
        said = self.buffer.copy(self._ear.heard_s)
        self._listener.turn_paused(said)
        if self._config["type"] == "semantic_vad":
            finished = await self._judged(self.buffer.wire.audio(said))
            self._detector.wait(semantic_wait_s(finished, self._config.get("eagerness") or "auto"))

    async def _judged(self, said: Audio) -> float:
        """Ask how finished the turn sounds; a judge that fails leaves it open."""
        if self._judges.end_of_turn is None:
            return UNJUDGED
        try:
            return await self._judges.end_of_turn.probability(said)
        except Exception:  # the judge is an engine: the turn ends all the same, only later
            return UNJUDGED

    def commit(self) -> None:
        """Commit what is there, as the client asks. Raises Refused under 100 ms of audio."""
        duration_s = self.buffer.duration_s
        if duration_s < SHORTEST_COMMIT_S:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms "
                f"of audio, but buffer only has {duration_s * 1000:.2f}ms of audio.",
            )
        self._commit(None, by_client=True)

    def _commit(self, until_s: float | None, *, by_client: bool, paused: bool = False) -> None:
        item_id, self.turn_id = self.turn_id or self._new_id("item"), None
        if by_client and self._detector is not None:
            self._detector.reset()
        taken = self.buffer.take(until_s)
        self._listener.turn_committed(item_id, taken, by_client=by_client, paused=paused)

    def clear(self) -> None:
        """Forget what is uncommitted, an open turn included."""
        self.buffer.take()
        self.turn_id = None
        if self._detector is not None:
            self._detector.reset()

    def time_out(self, idle_s: float) -> None:
        """Commit the silence after a reply: nobody has spoken for idle_s."""
        item_id = self._new_id("item")
        end_s = self.buffer.end_s
        start_s = max(self.buffer.start_s, end_s - idle_s)
        self.buffer.take(start_s)
        self._emit(
            "input_audio_buffer.timeout_triggered",
            item_id=item_id,
            audio_start_ms=round(start_s * 1000),
            audio_end_ms=round(end_s * 1000),
        )
        self._listener.turn_committed(item_id, self.buffer.take(), by_client=False)
