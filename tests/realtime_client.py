"""A client in memory for the realtime session, in virtual time; everything it reads is refereed."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from realtime_automaton import Automaton

from voxlab.agents.sockets import SocketClosed
from voxlab.providers.protocols import EndOfTurn, Providers, ToolCall
from voxlab.providers.scripted import Answer, ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.serving.realtime.engines import LevelVAD
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.session_loop import run_session

Event = dict[str, Any]
RATE_HZ = 24_000
PATIENCE_S = 60.0  # of virtual time


def tone(duration_s: float) -> bytes:
    """Return what `LevelVAD` takes for speech, 16 bit at 24 kHz."""
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (8000 * np.sin(2 * np.pi * 200 * times_s)).astype("<i2").tobytes()


def quiet(duration_s: float) -> bytes:
    return bytes(2 * round(duration_s * RATE_HZ))


TURN = quiet(0.5) + tone(1.0) + quiet(0.8)


def engines(
    answers: Sequence[Answer] = (),
    texts: Sequence[str] = ("Hello there.",),
    end_of_turn: EndOfTurn | None = None,
) -> Providers:
    """Return engines with given words and delays."""
    return Providers(
        ScriptedSTT(texts), ScriptedLLM(answers), ScriptedTTS(), LevelVAD(), end_of_turn
    )


class MemoryWire:
    """Two bounded queues; `hang_up` ends both."""

    def __init__(self, size: int = 8) -> None:
        self.to_server: asyncio.Queue[str | bytes] = asyncio.Queue(size)
        self.to_client: asyncio.Queue[str] = asyncio.Queue(size)
        self._gone = asyncio.Event()

    async def receive(self) -> str | bytes:
        frame: str | bytes = await self._unless_gone(self.to_server.get())
        return frame

    async def send(self, frame: str) -> None:
        await self._unless_gone(self.to_client.put(frame))

    def hang_up(self) -> None:
        self._gone.set()

    async def _unless_gone(self, step: Any) -> Any:
        working = asyncio.ensure_future(step)
        leaving = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise SocketClosed
        finally:
            working.cancel()
            leaving.cancel()


class Client:
    """Sends events and waits for events; `events` is all that was read."""

    def __init__(self, wire: MemoryWire) -> None:
        self.wire = wire
        self.automaton = Automaton()

    @property
    def events(self) -> list[Event]:
        return self.automaton.events

    async def send(self, kind: str, **fields: Any) -> None:
        await self.raw(json.dumps({"type": kind, **fields}))

    async def raw(self, frame: str | bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.wire.to_server.put(frame)

    async def append(self, audio: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def stream(self, audio: bytes, step_s: float = 0.02) -> None:
        """Send audio as a microphone would, in real (virtual) time."""
        size = 2 * round(step_s * RATE_HZ)
        for start in range(0, len(audio), size):
            await self.append(audio[start : start + size])
            await asyncio.sleep(step_s)

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            return self.automaton.feed(await self.wire.to_client.get())

    async def until(self, kind: str) -> Event:
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def read_on(self) -> None:
        """Read for ever."""
        while True:
            self.automaton.feed(await self.wire.to_client.get())

    async def rest(self, quiet_s: float = 30.0) -> list[Event]:
        """Read until nothing has come for quiet_s; return what came."""
        before = len(self.events)
        try:
            while True:
                async with asyncio.timeout(quiet_s):
                    self.automaton.feed(await self.wire.to_client.get())
        except TimeoutError:
            return self.events[before:]

    def types(self, *, without_deltas: bool = True) -> list[str]:
        types = [event["type"] for event in self.events]
        return [kind for kind in types if not (without_deltas and kind.endswith(".delta"))]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def sound(self, item_id: str | None = None) -> bytes:
        deltas = self.of("response.output_audio.delta")
        mine = [event for event in deltas if item_id in (None, event["item_id"])]
        return b"".join(base64.b64decode(event["delta"]) for event in mine)

    async def update(self, **session: Any) -> Event:
        await self.send("session.update", session={"type": "realtime", **session})
        return await self.until("session.updated")

    async def push_to_talk(self) -> None:
        await self.update(audio={"input": {"turn_detection": None}})

    async def ask(self, text: str, item_id: str | None = None) -> None:
        """Write a message of the user."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        item |= {"id": item_id} if item_id else {}
        await self.send("conversation.item.create", item=item)


@asynccontextmanager
async def session(
    providers: Providers | None = None,
    options: SessionOptions | None = None,
    *,
    opened: bool = True,
) -> AsyncIterator[Client]:
    """Hold a session in this loop; after the block the client hangs up and nothing is left.

    opened: whether session.created has been read.
    """
    before = asyncio.all_tasks()
    client = Client(MemoryWire())
    held = asyncio.create_task(
        run_session(client.wire, providers or engines(), options or SessionOptions())
    )
    try:
        if opened:
            await client.until("session.created")
        yield client
    finally:
        client.wire.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            await held
    assert asyncio.all_tasks() <= before | {held}


def weather_call(city: str = "Paris") -> ToolCall:
    return ToolCall("call_1", "get_weather", {"city": city, "day": "tomorrow"})


WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
