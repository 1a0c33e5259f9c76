"""The realtime agent: one connection that hears, thinks and speaks, instead of a pipeline.

Built on the openai client, so that it talks to OpenAI, to `voxlab serve realtime`, or in memory and
in virtual time to a session of our own (`in_memory`). The server decides when a turn begins and
ends, and what is answered. The agent does what only the end of the line can do: it plays the sound,
knows what of it was heard, falls silent when the caller speaks, runs the tools, and lives through a
connection that breaks.

Source: chapter 39.1.2; the protocol's events are those of openai/types/realtime/.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from voxlab.agents.line import Line
from voxlab.agents.pipeline.listening import AudioEar, Ear, EdgeEar
from voxlab.agents.realtime.connection import (
    AsyncRealtimeConnection,
    Connect,
    Lost,
    explained,
    refusal,
)
from voxlab.agents.realtime.protocol import RATE_HZ, JsonObject, append, note_event
from voxlab.agents.realtime.responses import Replying
from voxlab.agents.realtime.resumption import RESENT, SAMPLE_BYTES, Entry, UntranscribedAudio
from voxlab.agents.realtime.settings import (
    RealtimeOptions,
    RealtimeSettings,
    SemanticVAD,
    ServerVAD,
)
from voxlab.agents.tools import Tool, Toolbox
from voxlab.audio import Resampler, to_pcm16
from voxlab.errors import ProviderError
from voxlab.providers.protocols import VAD
from voxlab.turn_taking.events import UserStarted, UserStopped
from voxlab.vad.endpointing import VADOptions

OUTBOX = 4096  # events on their way up; more than two minutes of sound
RESENT_STEP_S = 0.5
SETUP = "setup"  # the name of our session.update
GREETING_INSTRUCTIONS = "Greet the caller with exactly these words: "


class RealtimeAgent:
    """A voice agent behind one realtime connection.

    connect: the way to the server, see `connection`. settings: what the server is told;
    options: how the agent behaves. vad: hears the caller's turns when settings have no
    turn_detection; None for a call without sound, whose script says itself when somebody speaks.
    It holds any number of calls, one after the other or side by side.
    """

    def __init__(
        self,
        connect: Connect,
        tools: Sequence[Tool] = (),
        settings: RealtimeSettings | None = None,
        options: RealtimeOptions | None = None,
        vad: VAD | None = None,
    ) -> None:
        self.connect = connect
        self.tools = Toolbox(tools)
        self.settings = settings or RealtimeSettings()
        self.options = options or RealtimeOptions()
        self.vad = vad

    async def run(self, line: Line) -> None:
        """Hold one call; ends when the line is closed or this task is cancelled.

        Raises ProviderError if the server refuses, or the connection is lost for good.
        """
        await _Call(self, line).run()


class _Call:
    """One call of a RealtimeAgent: keeps it connected, and carries the caller's voice up."""

    def __init__(self, agent: RealtimeAgent, line: Line) -> None:
        self._agent = agent
        self._options = agent.options
        self._detection = agent.settings.turn_detection
        self._line = line
        self._untranscribed = UntranscribedAudio(agent.options.kept_s)
        self._outbox: asyncio.Queue[JsonObject] | None = None  # None: not connected
        self._greeted = False
        self._lost_in_a_row = 0
        self._fault = ""  # of the server, in this connection
        self._commits: dict[str, float] = {}  # turns whose words have not come: committed when
        self._turns = 0
        setup = (agent.settings, agent.options)
        self._replying = Replying(line, agent.tools, setup, self._send, self._spawn)
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                hear = self._stream if self._detection else self._detect
                self._tasks.create_task(hear())
                await self._stay_connected()
        finally:
            self._outbox = None
            for item_id in tuple(self._commits):
                self._note_commit(item_id, "")
            self._replying.close()

    def _spawn(self, work: Any) -> object:
        return self._tasks.create_task(work)

    # --- the connection ---------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        """Hold one connection after the other, until one is refused or too many are lost."""
        while True:
            why = ""
            try:
                await self._hold_connection()
            except* Lost as lost:
                why = f"{_first(lost)}{self._fault}"
            self._outbox = None
            self._line.record("transport", "disconnected", error=why)
            for item_id in self._commits:
                self._line.record("stt", "failed", id=item_id, error=why)
            self._commits.clear()  # they will be heard again
            self._replying.connection_lost(f"the connection was lost: {why}")
            if not self._greeted:
                raise ProviderError(f"no connection to the realtime server: {why}")
            retry, options = self._lost_in_a_row, self._options
            if retry >= options.retries:
                said = f"{retry} attempts to open it again failed, the last one: {why}"
                raise ProviderError(f"the connection to the realtime server is lost: {said}")
            delay_s = min(options.retry_after_s * 2**retry, options.retry_at_most_s)
            self._lost_in_a_row += 1
            self._line.record("transport", "reconnecting", attempt=retry + 1, delay_s=delay_s)
            await asyncio.sleep(delay_s)

    async def _hold_connection(self) -> None:
        async with self._opened() as connection:
            self._begin()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._write(connection))
                while True:
                    self._on_event(await self._receive(connection))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncRealtimeConnection]:
        """Open a connection up to the server's first word. Raises Lost, or ProviderError."""
        async with AsyncExitStack() as stack:
            with explained():
                async with asyncio.timeout(self._options.patience_s):
                    connection = await stack.enter_async_context(self._agent.connect())
                    hello = await self._receive(connection)
            if hello["type"] == "error" and hello["error"].get("type") == "server_error":
                raise Lost(str(hello["error"].get("message")))
            if hello["type"] == "error":
                raise refusal(hello["error"])
            yield connection

    def _begin(self) -> None:
        """Configure the session; tell a new one what was said, and send what it has not heard."""
        self._outbox, self._fault = asyncio.Queue(OUTBOX), ""
        session = self._agent.settings.to_wire(self._agent.tools.specs)
        self._send({"type": "session.update", "event_id": SETUP, "session": session})
        is_first, self._greeted = not self._greeted, True
        is_heard_again, sound = self._untranscribed.has_turn, self._untranscribed.resend()
        resent_s = len(sound) / SAMPLE_BYTES / RATE_HZ
        self._line.record("transport", "connected", again=not is_first, resent_s=resent_s)
        for item in self._replying.conversation.to_wire():
            self._send({"type": "conversation.item.create", "item": item})
        self._send_sound(sound)
        if is_first:
            self._greet()
        elif not is_heard_again:
            self._replying.resume()
        elif self._detection is None:
            self._commit()

    def _greet(self) -> None:
        if self._options.greeting:
            said = f'{GREETING_INSTRUCTIONS}"{self._options.greeting}"'
            self._replying.ask(instructions=f"{self._agent.settings.instructions} {said}")

    async def _receive(self, connection: AsyncRealtimeConnection) -> JsonObject:
        with explained():
            event: JsonObject = json.loads(await connection.recv_bytes())
        note_event(self._line, "received", event)
        return event

    async def _write(self, connection: AsyncRealtimeConnection) -> None:
        outbox = self._outbox
        while outbox is not None:
            event = await outbox.get()
            note_event(self._line, "sent", event)
            with explained():
                async with asyncio.timeout(self._options.patience_s):
                    if event["type"] == "input_audio_buffer.append":
                        # the client's own way takes 1.5 ms an event, with 25 of them a second
                        await connection.send_raw(json.dumps(event))
                    else:
                        await connection.send(event)  # type: ignore[arg-type]

    def _send(self, event: JsonObject) -> None:
        """Put an event on its way; without a connection it is not needed: see `_begin`."""
        if self._outbox is None:
            return
        try:
            self._outbox.put_nowait(event)
        except asyncio.QueueFull:
            raise ProviderError(
                f"the realtime server reads nothing: {OUTBOX} events wait for it"
            ) from None

    # --- the caller's voice -------------------------------------------------------------------

    async def _stream(self) -> None:
        """Send all that is heard; the server finds the turns in it."""
        rate_hz = self._line.rate_hz
        resampler = Resampler(rate_hz, RATE_HZ)
        async for frame in self._line.frames(round(self._options.step_s * rate_hz)):
            sound = to_pcm16(resampler.feed(frame))
            if not sound:
                continue
            had_dropped = self._untranscribed.dropped_s > 0
            self._untranscribed.add(sound)
            if self._outbox is not None:
                self._send(append(sound))
                self._untranscribed.sent()
            elif self._untranscribed.dropped_s > 0 and not had_dropped:  # told once
                self._line.record("transport", "overflow", kept_s=self._options.kept_s)

    async def _detect(self) -> None:
        """Find the turns here, and send each of them when it is over."""
        options = VADOptions(min_silence_s=ServerVAD().silence_s)
        ear: Ear = AudioEar(self._agent.vad, options) if self._agent.vad else EdgeEar(options)
        start_s = 0.0
        async for heard in ear.listen(self._line):
            if isinstance(heard, UserStarted):
                start_s = self._line.now_s - options.min_speech_s - options.padding_s
                self._replying.user_started()
            elif isinstance(heard, UserStopped):
                self._send_turn(start_s)

    def _send_turn(self, start_s: float) -> None:
        rate_hz = self._line.rate_hz
        first, last = (round(at_s * rate_hz) for at_s in (start_s, self._line.now_s))
        samples = self._line.heard(max(0, first), last)
        self._untranscribed.turn_started(RESENT, self._untranscribed.offset_s)
        sound = to_pcm16(Resampler(rate_hz, RATE_HZ).feed(samples, last=True))
        self._untranscribed.add(sound)
        if self._outbox is not None:
            self._send_sound(sound)
            self._commit()

    def _send_sound(self, sound: bytes) -> None:
        size = 2 * round(RESENT_STEP_S * RATE_HZ)
        for start in range(0, len(sound), size):
            self._send(append(sound[start : start + size]))

    def _commit(self) -> None:
        self._send({"type": "input_audio_buffer.commit"})
        self._replying.turn_committed(is_answered=False)

    # --- what the server hears --------------------------------------------------------------

    def _on_event(self, event: JsonObject) -> None:
        if event["type"] == "response.done":  # a server that only lets us in counts as lost again
            self._lost_in_a_row = 0
        match event["type"]:
            case "error" if event["error"].get("event_id") == SETUP:
                raise refusal(event["error"])
            case "error" if event["error"].get("type") == "server_error":
                self._fault = f", after: {event['error'].get('message')}"
                self._replying.on_event(event)
            case "input_audio_buffer.speech_started":
                self._on_speech(event)
            case "input_audio_buffer.speech_stopped":
                self._on_silence(event)
            case "input_audio_buffer.committed":
                self._on_commit(event["item_id"])
            case "conversation.item.input_audio_transcription.delta":
                text = event.get("delta") or ""
                self._line.record("stt", "partial", id=event["item_id"], text=text)
            case "conversation.item.input_audio_transcription.completed":
                self._on_words(event["item_id"], event["transcript"])
            case "conversation.item.input_audio_transcription.failed":
                said = event["error"].get("message")
                self._line.record("stt", "failed", id=event["item_id"], error=said)
                self._note_commit(event["item_id"], "")
            case _:
                self._replying.on_event(event)

    def _on_speech(self, event: JsonObject) -> None:
        start_s = event["audio_start_ms"] / 1000
        padding_s = self._detection.padding_s if isinstance(self._detection, ServerVAD) else 0.0
        self._untranscribed.turn_started(event["item_id"], start_s)
        speech_at_s = min(self._untranscribed.call_s(start_s + padding_s), self._line.now_s)
        self._line.record("vad", "speech_started", speech_at_s=speech_at_s)
        self._replying.user_started()

    def _on_silence(self, event: JsonObject) -> None:
        """Note the end of speech; how much silence semantic_vad has waited for it does not tell."""
        end_s = event["audio_end_ms"] / 1000
        self._untranscribed.turn_ended(event["item_id"], end_s)
        if isinstance(self._detection, SemanticVAD):
            self._line.record("vad", "speech_stopped")
        elif isinstance(self._detection, ServerVAD):
            speech_at_s = self._untranscribed.call_s(end_s - self._detection.silence_s)
            self._line.record("vad", "speech_stopped", speech_at_s=speech_at_s)

    def _on_commit(self, item_id: str) -> None:
        self._turns += 1
        self._commits[item_id] = self._line.now_s
        self._replying.conversation.add(Entry(item_id, "user"))
        if self._detection is not None:
            self._replying.turn_committed(is_answered=True)
        else:
            self._untranscribed.turn_ended(item_id, self._untranscribed.offset_s)
        if self._agent.settings.transcription is None:
            self._note_commit(item_id, "")
        else:
            self._line.record("stt", "started", id=item_id)

    def _on_words(self, item_id: str, text: str) -> None:
        self._line.record("stt", "final", id=item_id, text=text)
        self._replying.conversation.hear(item_id, text)
        self._note_commit(item_id, text)

    def _note_commit(self, item_id: str, text: str) -> None:
        """Note a turn with its words, which come some time after it."""
        self._untranscribed.turn_written(item_id)
        at_s = self._commits.pop(item_id, None)
        if at_s is not None:
            turn = self._turns - len(self._commits)
            self._line.record_at(at_s, "turn", "commit", turn=turn, text=text)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
