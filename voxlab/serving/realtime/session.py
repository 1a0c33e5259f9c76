"""One realtime session: a single task owns all of its state; a reader and a writer stand beside it.

Whatever happens (a frame of the client, a report of a maker, a timer) goes through one bounded
inbox and is handled there, one after another, so that no two hands ever change the state at once.
A client that does not read fills the outbox; then makers wait, then the inbox, then the client's
own connection: nobody else notices.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers
from voxlab.serving.realtime.conversation import (
    LARGEST_ITEM,
    Conversation,
    Item,
    Sound,
    new_item,
)
from voxlab.serving.realtime.listening import Judges, Listening
from voxlab.serving.realtime.protocol import beta_dialect, client_events
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.protocol.session_config import new_session, updated
from voxlab.serving.realtime.responding import Responding
from voxlab.serving.realtime.response_generation import Made, Maker, Pace, Patience, Said
from voxlab.serving.realtime.transcription import Hearing
from voxlab.serving.realtime.transport.send_queue import Outbox

INBOX = 4  # messages; a frame may hold 15 MiB of audio
FAREWELL_S = 5.0  # the last events have so long to reach the client
log = logging.getLogger(__name__)
Event = dict[str, Any]
T = TypeVar("T")


class WireClosed(Exception):
    """The client is gone."""


class Wire(Protocol):
    """A connection to a client: a WebSocket, or two queues in memory."""

    async def receive(self) -> str | bytes:
        """Return the next frame. Raises WireClosed."""
        ...

    async def send(self, frame: str) -> None:
        """Send a frame; returns when the connection can take more. Raises WireClosed."""
        ...


@dataclass(frozen=True)
class SessionOptions:
    """How a session is held.

    started_at: seconds since 1970, for the expiry that the client is told. token: makes the
    session's names unique. settings: the session object's first update (of a client secret).
    """

    model: str = "gpt-realtime"
    token: str = ""
    started_at: int = 0
    longest_s: float = 3600.0
    settings: Event = field(default_factory=dict)
    is_beta: bool = False
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    filler: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    item: Item
    duration_s: float
    result: str | ProviderError


@dataclass(frozen=True, slots=True)
class _Idle:
    turn: int


class _Expired: ...


class _Over(Exception):
    """The session ends: whoever notices first raises this."""


Message = str | bytes | Said | Made | _Heard | _Idle | _Expired


class Session:
    """Holds one session over a wire, until the client leaves or the time is up."""

    def __init__(self, wire: Wire, providers: Providers, options: SessionOptions) -> None:
        self._wire = wire
        self._providers = providers
        self._options = options
        self._names = 0
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(INBOX)
        self._outbox = Outbox(beta_dialect.outgoing if options.is_beta else lambda event: (event,))
        self._conversation = Conversation(self._new_id("conv"))
        expires_at = options.started_at + round(options.longest_s)
        session = new_session(self._new_id("sess"), options.model, expires_at)
        self._session = updated(session, options.settings)
        judges = Judges(providers.vad, providers.end_of_turn)
        self._listening = Listening(judges, self._session, self, self._emit, self._new_id)
        maker = Maker(
            providers,
            self._inbox.put,
            self._outbox.room,
            self._outbox.flushed,
            options.pace,
            options.patience,
            options.filler,
        )
        self._responding = Responding(
            maker, self._conversation, self._outbox, self._emit, self._new_id
        )
        self._hearing = Hearing(providers.stt, options.patience.stt_s)
        self._idle_turn = 0  # a timer that was set before something happened is out of date

    async def run(self) -> None:
        """Hold the session; returns when it is over, with nothing left running."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._emit("session.created", session=self._session)
                for task in (self._read(), self._write(), self._expire()):
                    self._group.create_task(task)
                await self._own()
                async with asyncio.timeout(FAREWELL_S):
                    await self._outbox.flushed()
                raise _Over
        except* (_Over, TimeoutError):
            pass

    async def _read(self) -> None:
        try:
            while True:
                await self._inbox.put(await self._wire.receive())
        except WireClosed:
            raise _Over from None

    async def _write(self) -> None:
        try:
            while True:
                for frame in await self._outbox.get():
                    await self._wire.send(frame)
        except WireClosed:
            raise _Over from None

    async def _expire(self) -> None:
        await asyncio.sleep(self._options.longest_s)
        await self._inbox.put(_Expired())

    async def _own(self) -> None:
        """Handle what comes in, one thing at a time, until the session expires."""
        while True:
            message = await self._inbox.get()
            await self._outbox.relief()
            if isinstance(message, str | bytes):
                await self._on_frame(message)
            elif isinstance(message, Said | Made):
                self._on_piece(message)
            elif isinstance(message, _Heard):
                self._on_heard(message)
            elif isinstance(message, _Idle):
                self._on_idle(message)
            else:
                minutes = self._options.longest_s / 60
                said = f"Your session hit the maximum duration of {minutes:g} minutes."
                self._refuse(Refused("session_expired", said), None)
                return

    def _new_id(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._options.token}{self._names:06d}"

    def _emit(self, kind: str, **fields: Any) -> None:
        self._outbox.put({"type": kind, "event_id": self._new_id("event"), **fields})

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._group.create_task(work)

    def _refuse(self, error: Refused, event_id: str | None) -> None:
        self._emit("error", error=error.to_wire(event_id))

    # --- what the client says ---------------------------------------------------------------

    async def _on_frame(self, frame: str | bytes) -> None:
        event_id = None
        try:
            event = client_events.parse(frame)
            event_id = client_events.event_id_of(event)
            if self._options.is_beta:
                event = beta_dialect.incoming(event)
            client_events.check(event)
            await self._handlers[event["type"]](event)
        except Refused as error:
            self._refuse(error, event_id)
        except Exception as error:  # our own fault must not end the session
            log.exception("the session cannot handle %.200r", frame)
            said = f"The server had an error while processing your request: {error}"
            self._refuse(Refused("server_error", said, kind="server_error"), event_id)

    @cached_property
    def _handlers(self) -> dict[str, Any]:
        return {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    async def _update(self, event: Event) -> None:
        has_spoken = self._responding.has_spoken
        session = updated(self._session, event["session"], has_spoken=has_spoken)
        if len(json.dumps(session)) > LARGEST_ITEM:
            raise Refused("string_above_max_length", "Invalid 'session': too long.", "session")
        self._session = session
        self._listening.configure(session)
        self._idle_turn += 1
        self._emit("session.updated", session=session)

    async def _append(self, event: Event) -> None:
        await self._listening.append(client_events.audio_bytes(event["audio"], "audio"))

    async def _commit(self, event: Event) -> None:
        self._listening.commit()

    async def _clear(self, event: Event) -> None:
        self._listening.clear()
        self._emit("input_audio_buffer.cleared")

    async def _create_item(self, event: Event) -> None:
        item = self._item(event["item"])
        previous = self._conversation.insert(item, event.get("previous_item_id"))
        self._emit("conversation.item.added", previous_item_id=previous, item=item.data)
        self._emit("conversation.item.done", previous_item_id=previous, item=item.data)

    async def _delete_item(self, event: Event) -> None:
        self._conversation.delete(event["item_id"])
        self._emit("conversation.item.deleted", item_id=event["item_id"])

    async def _retrieve_item(self, event: Event) -> None:
        item = self._conversation.get(event["item_id"], "retrieve")
        self._emit("conversation.item.retrieved", item=item.with_audio())

    async def _truncate_item(self, event: Event) -> None:
        place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        end_s = event["audio_end_ms"] / 1000
        self._conversation.truncate(event["item_id"], event["content_index"], end_s)
        self._emit("conversation.item.truncated", **place)

    async def _create_response(self, event: Event) -> None:
        self._respond(event.get("response") or {})

    async def _cancel_response(self, event: Event) -> None:
        self._responding.cancel(event.get("response_id"), "client_cancelled")

    def _item(self, given: Event) -> Item:
        item_wire = self._listening.buffer.wire
        item = new_item(given, given.get("id") or self._new_id("item"), item_wire)
        is_unheard = not any(part.get("transcript") for part in given.get("content", []))
        if item.sounds and is_unheard:
            data = b"".join(sound.data for sound in item.sounds.values())
            sound = Sound(item_wire, bytearray(data))
            item.heard = self._spawn(self._hearing.recognised(sound))
        return item

    # --- responses --------------------------------------------------------------------------

    def _respond(self, request: Event) -> None:
        given = request.get("input")
        context = self._conversation.items if given is None else self._context(given)
        self._responding.create(self._session, request, context, self._spawn)
        self._idle_turn += 1

    def _context(self, given: Sequence[Event]) -> list[Item]:
        """Return the items of a response's own input: new ones, and references to old ones."""
        return [
            self._conversation.get(entry["id"], "reference")
            if entry["type"] == "item_reference"
            else self._item(entry)
            for entry in given
        ]

    def _on_piece(self, piece: Said | Made) -> None:
        response = self._responding.on_piece(piece)
        detection = self._session["audio"]["input"]["turn_detection"] or {}
        if response is None or response.conversation is None:
            return
        if idle_ms := detection.get("idle_timeout_ms"):
            self._idle_turn += 1
            self._spawn(self._wait_idle(response.spoken_s + idle_ms / 1000, self._idle_turn))

    async def _wait_idle(self, duration_s: float, turn: int) -> None:
        await asyncio.sleep(duration_s)
        await self._inbox.put(_Idle(turn))

    def _on_idle(self, idle: _Idle) -> None:
        detection = self._session["audio"]["input"]["turn_detection"] or {}
        if idle.turn == self._idle_turn and detection.get("idle_timeout_ms"):
            self._listening.time_out(detection["idle_timeout_ms"] / 1000)

    # --- what the user says -----------------------------------------------------------------

    def speech_started(self) -> None:
        """Stop the response that the user speaks over."""
        self._idle_turn += 1
        detection = self._session["audio"]["input"]["turn_detection"] or {}
        if detection.get("interrupt_response") and self._responding.default is not None:
            self._responding.cancel(None, "turn_detected")

    def turn_paused(self, audio: bytes) -> None:
        """Recognise what was said so far: if the turn is over, its text is there the sooner."""
        sound = Sound(self._listening.buffer.wire, bytearray(audio))
        self._hearing.pause(sound, self._spawn)

    def turn_committed(
        self, item_id: str, audio: bytes, *, by_client: bool, paused: bool = False
    ) -> None:
        """Put what the user said into the conversation, and answer it unless a client commits."""
        previous = self._conversation.last_id
        sound = Sound(self._listening.buffer.wire, bytearray(audio))
        data = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio"}],
        }
        item = Item(data, {0: sound})
        self._conversation.insert(item)
        self._emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        self._emit("conversation.item.added", previous_item_id=previous, item=data)
        self._emit("conversation.item.done", previous_item_id=previous, item=data)
        audio_input = self._session["audio"]["input"]
        heard = self._hearing.turn(sound, self._spawn, paused=paused)
        item.heard = heard
        if audio_input["transcription"] is not None:
            self._spawn(self._tell(item, heard, sound.duration_s))
        self._idle_turn += 1
        if not by_client and (audio_input["turn_detection"] or {}).get("create_response"):
            try:
                self._respond({})
            except Refused as error:
                self._refuse(error, None)

    async def _tell(
        self, item: Item, heard: asyncio.Task[str | ProviderError], duration_s: float
    ) -> None:
        await self._inbox.put(_Heard(item, duration_s, await heard))

    def _on_heard(self, heard: _Heard) -> None:
        if heard.item.id not in self._conversation:
            return
        kind = "conversation.item.input_audio_transcription."
        place = {"item_id": heard.item.id, "content_index": 0}
        if isinstance(heard.result, ProviderError):
            error = {"type": "server_error", "code": "audio_unintelligible"}
            error["message"] = str(heard.result)
            self._emit(kind + "failed", **place, error=error)
            return
        heard.item.data["content"][0]["transcript"] = heard.result
        if heard.result:
            self._emit(kind + "delta", **place, delta=heard.result)
        usage = {"type": "duration", "seconds": round(heard.duration_s, 3)}
        self._emit(kind + "completed", **place, transcript=heard.result, usage=usage)
