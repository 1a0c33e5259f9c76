"""What a session does about each thing that happens: its settings, items, turns and responses.

`handle` takes one message after another: a frame of the client, a piece of a response, a
transcript, or the idle timeout. What it has to say goes to the send queue; what takes time is done
by tasks, which report as messages. It waits for nothing but the judge of turns.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from voxlab.agents.realtime.protocol import JsonObject
from voxlab.agents.realtime.settings import DEFAULT_MODEL
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers
from voxlab.serving.goodbyes import GOODBYE, RINGS_OUT_S, Leave, Left, SessionOver
from voxlab.serving.realtime.conversation import (
    LARGEST_ITEM,
    Conversation,
    Item,
    Sound,
    new_item,
    user_item,
)
from voxlab.serving.realtime.input_audio import InputAudio
from voxlab.serving.realtime.protocol import beta_dialect, client_events
from voxlab.serving.realtime.protocol.errors import Refused, fault
from voxlab.serving.realtime.protocol.session_config import (
    SERVER_VAD,
    new_session,
    refuse_voice,
    response_config,
    updated,
    voice_name,
)
from voxlab.serving.realtime.response_generation import (
    Made,
    Pace,
    Patience,
    ResponseGenerator,
    Said,
)
from voxlab.serving.realtime.responses import Responses
from voxlab.serving.realtime.transcription import ItemTranscribed, Transcriber
from voxlab.serving.realtime.transport.send_queue import SendQueue
from voxlab.serving.realtime.turn_detection import (
    Edge,
    TurnEnded,
    TurnPaused,
    TurnStarted,
    ask_judge,
    semantic_wait_s,
)
from voxlab.timeline import Event

HEARD_AT_ONCE_S = 0.5  # a long append is heard in steps, and other sessions between them


@dataclass(frozen=True)
class SessionOptions:
    """How a session is held.

    started_at: seconds since 1970, for the expiry that the client is told. token: makes the
    session's names unique. settings: the session object's first update (of a client secret).
    leaving: when set, the session says goodbye and ends. on_event: is told what `SessionEvents` is.
    """

    model: str = DEFAULT_MODEL
    token: str = ""
    started_at: int = 0
    longest_s: float = 3600.0
    settings: JsonObject = field(default_factory=dict)
    is_beta: bool = False
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    filler: str = ""
    leaving: asyncio.Event | None = None
    goodbye: str = GOODBYE
    on_event: Callable[[Event], None] | None = None


class VADFailed(Exception):
    """The VAD fails: the session hears nobody, and cannot go on."""


class IdleTimeout:
    """The idle timeout is over."""


InboxMessage = str | bytes | Said | Made | ItemTranscribed | IdleTimeout | Leave | Left


class Session:
    """One session's state. report: takes a task's message; spawn: starts one; audio: comes in."""

    def __init__(
        self,
        providers: Providers,
        options: SessionOptions,
        queue: SendQueue,
        report: Callable[[InboxMessage], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self._providers = providers
        self._options = options
        self._queue = queue
        self._emit = queue.emit
        self._report = report
        self._spawn = spawn
        self._conversation = Conversation(queue.new_id("conv"))
        generator = ResponseGenerator(
            providers,
            report,
            queue,
            options.pace,
            options.patience,
            options.filler,
        )
        self._transcriber = Transcriber(providers.stt, options.patience.stt_s, spawn)
        self._responses = Responses(queue, generator, spawn)
        self._is_leaving = False
        self._turn_id: str | None = None  # the item that the open turn will become
        self._idle_timer: asyncio.Task[None] | None = None
        expires_at = options.started_at + round(options.longest_s)
        session = new_session(queue.new_id("sess"), options.model, expires_at)
        self._settings = updated(session, options.settings)
        self.audio = InputAudio(self._input, providers.vad)
        self._emit("session.created", session=self._settings)

    @property
    def _input(self) -> JsonObject:
        """The settings of the audio that comes in."""
        settings: JsonObject = self._settings["audio"]["input"]
        return settings

    @property
    def _detection(self) -> JsonObject:
        """The settings of turn detection; {} without."""
        return self._input["turn_detection"] or {}

    def refuse(self, error: Refused, event_id: str | None = None) -> None:
        """Tell the client of an error. event_id: of its event."""
        self._emit("error", error=error.to_wire(event_id))

    async def handle(self, message: InboxMessage) -> None:
        """Do what a message asks for.

        Raises VADFailed or SessionOver, once the client is told why.
        """
        match message:
            case Said() | Made():
                self._on_piece(message)
            case ItemTranscribed(item) if item.id in self._conversation:
                message.tell(self._queue)
            case ItemTranscribed():
                pass  # it was deleted
            case IdleTimeout():
                self._on_idle()
            case Leave():
                self._say_goodbye()
            case Left():
                self.refuse(Refused("session_expired", "The server is being stopped."))
                raise SessionOver
            case _ if self._is_leaving:
                pass  # nobody listens any more
            case _:
                await self._on_frame(message)

    # --- what the client says ---------------------------------------------------------------

    async def _on_frame(self, frame: str | bytes) -> None:
        event_id = None
        try:
            event = client_events.parse(frame)
            event_id = client_events.event_id_of(event)
            if self._options.is_beta:
                event = beta_dialect.incoming(event)
            client_events.check(event)
            await self._on_event(event)
        except Refused as error:
            self.refuse(error, event_id)
        except ProviderError as error:
            self.refuse(Refused("engine_failed", str(error), kind="server_error"), event_id)
            raise VADFailed from error
        except Exception as error:  # our own fault must not end the session
            self.refuse(fault(error), event_id)

    async def _on_event(self, event: JsonObject) -> None:
        match event["type"]:
            case "input_audio_buffer.append":
                await self._append(client_events.audio_bytes(event["audio"], "audio"))
            case "input_audio_buffer.commit":
                self._commit(self.audio.commit())
            case "input_audio_buffer.clear":
                self.audio.clear()
                self._turn_id = None
                self._emit("input_audio_buffer.cleared")
            case "session.update":
                self._update(event["session"])
            case "conversation.item.create":
                self._create_item(event["item"], event.get("previous_item_id"))
            case "conversation.item.delete":
                self._conversation.delete(event["item_id"])
                self._emit("conversation.item.deleted", item_id=event["item_id"])
            case "conversation.item.retrieve":
                item = self._conversation.get(event["item_id"], "retrieve")
                self._emit("conversation.item.retrieved", item=item.with_audio())
            case "conversation.item.truncate":
                place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                self._conversation.truncate(**place)
                self._emit("conversation.item.truncated", **place)
            case "response.create":
                self._respond(event.get("response") or {})
            case "response.cancel":
                self._responses.cancel(event.get("response_id"), "client_cancelled")

    def _update(self, patch: JsonObject) -> None:
        settings = updated(self._settings, patch)
        self._refuse_voice(settings["audio"]["output"], "session.audio.output")
        if len(json.dumps(settings)) > LARGEST_ITEM:
            raise Refused("string_above_max_length", "Invalid 'session': too long.", "session")
        self._settings = settings
        self.audio.follow(self._input)
        self._stop_idle_timer()
        self._emit("session.updated", session=settings)

    def _refuse_voice(self, output: JsonObject, path: str) -> None:
        is_new = voice_name(output) != voice_name(self._settings["audio"]["output"])
        spoken = self._responses.spoken_voice if is_new else None
        refuse_voice(output, self._providers.tts, spoken, path)

    def _create_item(self, given: JsonObject, after: str | None) -> None:
        item = self._new_item(given)
        self._add_item(item, self._conversation.insert(item, after))

    def _new_item(self, given: JsonObject) -> Item:
        wire = self.audio.wire
        item = new_item(given, given.get("id") or self._queue.new_id("item"), wire)
        is_unheard = not any(part.get("transcript") for part in given.get("content", []))
        if item.sounds and is_unheard:
            data = b"".join(sound.data for sound in item.sounds.values())
            item.heard = self._transcriber.start(Sound(wire, bytearray(data)))
        return item

    def _add_item(self, item: Item, previous: str | None) -> None:
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._emit(kind, previous_item_id=previous, item=item.data)

    # --- responses --------------------------------------------------------------------------

    def _respond(self, request: JsonObject) -> None:
        """Start a response. Raises Refused if it cannot be as the request says."""
        given = request.get("input")
        context = self._conversation.items if given is None else self._context(given)
        config = response_config(self._settings, request)
        self._refuse_voice(config, "response.audio.output")
        is_default = config["conversation"] == "auto"
        self._responses.start(config, context, self._conversation if is_default else None)
        self._stop_idle_timer()

    def _context(self, given: Sequence[JsonObject]) -> list[Item]:
        """Return the items of a response's own input: new ones, and references to old ones."""
        return [
            self._conversation.get(entry["id"], "reference")
            if entry["type"] == "item_reference"
            else self._new_item(entry)
            for entry in given
        ]

    def _on_piece(self, piece: Said | Made) -> None:
        response = self._responses.take(piece)
        if response is not None and self._is_leaving:
            self._spawn(self._leave_after(response.spoken_s))
            return
        idle_ms = self._detection.get("idle_timeout_ms")
        if response is not None and response.conversation is not None and idle_ms:
            self._stop_idle_timer()
            self._idle_timer = self._spawn(self._wait_idle(response.spoken_s + idle_ms / 1000))

    # --- what the user says -----------------------------------------------------------------

    async def _append(self, audio: bytes) -> None:
        """Hear more audio. Raises Refused if it is not whole samples, or too much in all."""
        self.audio.check(audio)
        step = self.audio.wire.size(HEARD_AT_ONCE_S)
        for start in range(0, len(audio), step):
            if start:
                await asyncio.sleep(0)
            await self.audio.append(audio[start : start + step], self._on_edge)

    async def _on_edge(self, edge: Edge) -> None:
        match edge:
            case TurnStarted(at_s):
                self._start_turn(at_s)
            case TurnPaused():
                await self._pause_turn(edge)
            case TurnEnded(at_s, paused):
                self._emit(
                    "input_audio_buffer.speech_stopped",
                    item_id=self._turn_id,
                    audio_end_ms=round(at_s * 1000),
                )
                self._commit(self.audio.take(at_s), paused=paused)
                self._answer()

    def _start_turn(self, at_s: float) -> None:
        """Begin a turn, and stop the response that the user speaks over."""
        padding_ms = {**SERVER_VAD, **self._detection}["prefix_padding_ms"]
        start_s = self.audio.drop_before(at_s - padding_ms / 1000)
        self._turn_id = self._queue.new_id("item")
        self._emit(
            "input_audio_buffer.speech_started",
            item_id=self._turn_id,
            audio_start_ms=round(start_s * 1000),
        )
        self._stop_idle_timer()
        if self._detection["interrupt_response"] and self._responses.default is not None:
            self._responses.cancel(None, "turn_detected")

    async def _pause_turn(self, pause: TurnPaused) -> None:
        """Recognise what was said so far: if the turn is over, its text is there the sooner."""
        sound = self.audio.copy(pause.at_s)
        if not pause.is_longer:
            self._transcriber.start_early(sound)
        if self._detection["type"] == "semantic_vad":
            finished = await ask_judge(self._providers.end_of_turn, sound.audio)
            self.audio.wait(semantic_wait_s(finished, self._detection["eagerness"]))

    def _commit(self, sound: Sound, *, paused: bool = False) -> None:
        """Put what the user said into the conversation. paused: as `Transcriber.finish` has it."""
        item_id, self._turn_id = self._turn_id or self._queue.new_id("item"), None
        item = user_item(item_id, sound, self._transcriber.finish(sound, paused=paused))
        previous = self._conversation.insert(item)
        self._emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        self._add_item(item, previous)
        if self._input["transcription"] is not None:
            self._spawn(self._report_transcript(item))
        self._stop_idle_timer()

    async def _report_transcript(self, item: Item) -> None:
        if item.heard is not None:
            await self._report(ItemTranscribed(item, await item.heard))

    def _answer(self) -> None:
        """Answer a turn that the server has found, if it is asked to."""
        if self._detection["create_response"]:
            try:
                self._respond({})
            except Refused as error:
                self.refuse(error)

    # --- when the server stops --------------------------------------------------------------

    def _say_goodbye(self) -> None:
        """Stop what is being said, and say goodbye; nobody is heard any more."""
        self._is_leaving = True
        self._stop_idle_timer()
        if self._responses.default is not None:
            self._responses.cancel(None, "client_cancelled")
        config = response_config(self._settings, {})
        self._responses.start(config, (), self._conversation, says=self._options.goodbye)

    async def _leave_after(self, spoken_s: float) -> None:
        await asyncio.sleep(spoken_s + RINGS_OUT_S)
        await self._report(Left())

    # --- when nobody speaks -----------------------------------------------------------------

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = None

    async def _wait_idle(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s)
        await self._report(IdleTimeout())

    def _on_idle(self) -> None:
        """Commit the silence after a reply."""
        if self._idle_timer is None or not self._idle_timer.done() or self.audio.in_turn:
            return  # something has happened since, another timer runs, or the user speaks
        idle_s = self._detection["idle_timeout_ms"] / 1000
        end_s = self.audio.end_s
        start_s = self.audio.drop_before(end_s - idle_s)
        self._turn_id = self._queue.new_id("item")
        self._emit(
            "input_audio_buffer.timeout_triggered",
            item_id=self._turn_id,
            audio_start_ms=round(start_s * 1000),
            audio_end_ms=round(end_s * 1000),
        )
        self._commit(self.audio.take(end_s))
        self._answer()
