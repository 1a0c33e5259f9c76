"""A session as events of a call's timeline, read off what the server sends.

A session has no line: whether the agent is heard is reckoned from the sound that was sent, which a
client plays as it comes. Only times and states are told.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from voxlab.agents.realtime.protocol import JsonObject
from voxlab.serving.realtime.protocol.audio_formats import FORMATS
from voxlab.serving.realtime.protocol.session_config import SERVER_VAD
from voxlab.timeline import Event


class SessionEvents:
    """Tells of one session's events. `note` takes what is sent, `close` ends the call.

    find_input_s: returns how much audio has come in; who knows that puts theirs in this place.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self.find_input_s: Callable[[], float] = lambda: 0.0
        self._padding_s = self._silence_s = 0.0  # before a turn, and the one that ends it
        self._response: JsonObject | None = None  # that is being made
        self._state = "listening"
        self._audible_until_s = -math.inf
        self._timer: asyncio.TimerHandle | None = None  # set while the agent is audible
        self._record("transport", "call_started")

    def note(self, kind: str, fields: JsonObject) -> None:
        """Take an event of the server."""
        match kind, fields:
            case "session.created" | "session.updated", {"session": session}:
                detection = session["audio"]["input"]["turn_detection"] or {}
                self._padding_s = {**SERVER_VAD, **detection}["prefix_padding_ms"] / 1000
                self._silence_s = detection.get("silence_duration_ms", 0) / 1000
            case "input_audio_buffer.speech_started", {"audio_start_ms": start_ms}:
                at_s = self._heard_at_s(start_ms / 1000 + self._padding_s)
                self._record("vad", "speech_started", speech_at_s=at_s)
            case "input_audio_buffer.speech_stopped", {"audio_end_ms": end_ms}:
                at_s = self._heard_at_s(end_ms / 1000 - self._silence_s)
                self._record("vad", "speech_stopped", speech_at_s=at_s)
            case "response.created", {"response": {"conversation_id": str()} as response}:
                self._response = response
                self._become("thinking")
            case "response.output_audio.delta", {"delta": delta} if self._is_current(fields):
                self._play(3 / 4 * len(delta))
            case "response.done", {"response": {"id": name} as response} if self._is_current(
                {"response_id": name}
            ):
                self._finish(response)
            case "response.output_item.done", {"item": {"type": "function_call"}}:
                self._record("tool", "started")
            case "conversation.item.added", {"item": {"type": "function_call_output"}}:
                self._record("tool", "finished")
            case "conversation.item.truncated", _:
                self._cut()
            case "conversation.item.input_audio_transcription.failed", _:
                self._record("stt", "failed")

    def close(self) -> None:
        """Note that the session is over."""
        if self._timer is not None:
            self._stop()
        self._record("transport", "call_ended")

    @property
    def _now_s(self) -> float:
        return self._loop.time() - self._began_s

    def _heard_at_s(self, offset_s: float) -> float:
        """Return when the caller was at a place of their audio, which comes in as they speak."""
        return self._now_s - max(0.0, self.find_input_s() - offset_s)

    def _record(self, source: str, kind: str, **data: Any) -> None:
        self._tell(Event(self._now_s, source, kind, data))

    def _become(self, state: str) -> None:
        if state != self._state:
            self._record("turn", "state", was=self._state, now=state)
            self._state = state

    def _is_current(self, fields: JsonObject) -> bool:
        return self._response is not None and fields["response_id"] == self._response["id"]

    def _play(self, size: float) -> None:
        """Reckon with so many bytes more that are heard after those before."""
        if self._response is None:
            return
        wire = FORMATS[self._response["audio"]["output"]["format"]["type"]]
        if self._timer is None:
            self._record("agent", "speech_started")
        else:
            self._timer.cancel()
        self._become("speaking")  # also of a reply that goes on from the one before
        begins_s = max(self._audible_until_s, self._loop.time())
        self._audible_until_s = begins_s + size / wire.bytes_per_s
        self._timer = self._loop.call_at(self._audible_until_s, self._on_silence)

    def _on_silence(self) -> None:
        """All that was sent has been heard."""
        self._stop()
        if self._response is None:
            self._record("agent", "said")
            self._become("listening")

    def _finish(self, response: JsonObject) -> None:
        """Note how a response ended; its sound may be heard for longer."""
        self._response = None
        if response["status"] == "cancelled":
            self._cut()
        elif response["status"] == "failed":
            self._record("llm", "failed")
        calls_tool = any(item["type"] == "function_call" for item in response["output"])
        if self._timer is None and not calls_tool:
            self._become("listening")

    def _cut(self) -> None:
        """What was still to be heard is dropped."""
        if self._timer is not None:
            self._stop()
            self._record("agent", "interrupted")
            self._become("listening")

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._audible_until_s = -math.inf
        self._record("agent", "speech_stopped")
