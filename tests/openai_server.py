"""A server on this machine that speaks the OpenAI protocol as told, one reply a request.

Chunks and events are built with the SDK's own models, so that the server cannot be wrong in the
same way as the provider.
"""

import asyncio
import contextlib
import email.parser
import email.policy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from openai.types.audio import TranscriptionTextDeltaEvent
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from voxlab.audio import Audio
from voxlab.providers.protocols import Message, ToolCall, ToolSpec

T = TypeVar("T")
PATIENCE_S = 5.0  # a test that waits this long has failed; none sleeps
HELLO = [Message("user", "Hello")]
WEATHER = ToolSpec(
    "get_weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


# --- a server on this machine ---------------------------------------------------------------


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, Any]:
        """The fields of a multipart body, read by the standard library's parser."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        return {
            part.get_param("name", header="content-disposition"): part
            for part in parser.parsebytes(head + self.body).iter_parts()
        }


@dataclass
class Wire:
    """The server's end of one request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: str, kind: str, body: bytes, headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        await self.send(f"{head}{headers}\r\n".encode() + body)

    async def start(self, kind: str = "text/event-stream; charset=utf-8") -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.send(head.encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, data: BaseModel | str) -> None:
        text = data if isinstance(data, str) else data.model_dump_json(exclude_unset=True)
        await self.chunk(f"data: {text}\n\n".encode())

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def hung_up(self) -> None:
        """Return when the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()


Reply = Callable[[Wire], Awaitable[None]]


@dataclass
class Server:
    """Answers the n-th request with the n-th reply, and remembers what was asked."""

    replies: list[Reply]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def _serve(self, wire: Wire) -> None:
        self.connections += 1
        while (request := await _read_request(wire.reader)) is not None:
            self.requests.append(request)
            await self.replies.pop(0)(wire)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *fields = head.strip().split("\r\n")
    headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in fields)}
    return Request(
        line.split()[1], headers, await reader.readexactly(int(headers.get("content-length", 0)))
    )


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Server]:
    """A server on a free port of this machine; every connection is gone when the block ends."""
    server = Server(list(replies))
    tasks: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.append(asyncio.create_task(server._serve(Wire(reader, writer))))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # also of a task that was cancelled before it began
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(bounded())


async def collect(pieces: AsyncIterator[T]) -> list[T]:
    return [piece async for piece in pieces]


# --- what the server says -------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None) -> ChatCompletionChunk:
    """One chunk of a reply, checked by the SDK's model; no delta is the closing usage chunk."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return ChatCompletionChunk.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": choices,
        },
        strict=True,
    )


def chat(*chunks: ChatCompletionChunk | str, end: str = "[DONE]") -> Reply:
    """A whole streamed reply, as OpenAI ends it."""

    async def reply(wire: Wire) -> None:
        await wire.start()
        for one in (*chunks, *filter(None, [end])):
            await wire.event(one)
        await wire.end()

    return reply


def says(text: str) -> Reply:
    words = [chunk({"content": word}) for word in text.split(" ")]
    return chat(chunk({"role": "assistant", "content": ""}), *words, chunk({}, "stop"), chunk())


# --- translation to the chat format ---------------------------------------------------------


CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "Weather in Zürich?"),
    Message("assistant", "", (ToolCall("call_1", "get_weather", {"city": "Zürich"}),)),
    Message("tool", '{"celsius": 18}', tool_call_id="call_1"),
    Message("assistant", "18 degrees."),
    Message("assistant", "And now?", (ToolCall("call_2", "now", {}),)),
]


# --- tool calls from fragments --------------------------------------------------------------


def fragment(index: int | None, arguments: str = "", **given_once: Any) -> dict[str, Any]:
    function = {"arguments": arguments}
    if "name" in given_once:
        function["name"] = given_once.pop("name")
    return {"index": index, "function": function, **given_once}


# --- the recogniser -------------------------------------------------------------------------


def tone(duration_s: float = 0.3, rate_hz: int = 16_000) -> Audio:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio(0.5 * np.sin(2 * np.pi * 440 * time_s), rate_hz)


async def frames_of(*pieces: Audio) -> AsyncIterator[Audio]:
    for piece in pieces:
        yield piece


def heard(text: str) -> TranscriptionTextDeltaEvent:
    return TranscriptionTextDeltaEvent(type="transcript.text.delta", delta=text)
