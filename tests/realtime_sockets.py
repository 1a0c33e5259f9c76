"""A realtime server on a socket of this machine, and short ways to speak to it. Real time."""

import asyncio
import base64
import json
import socket
from collections.abc import Coroutine
from typing import Any

from realtime_automaton import Automaton
from realtime_client import engines

from voxlab.serving.realtime.engines import Engines
from voxlab.serving.realtime.transport.server import RealtimeServer

Event = dict[str, Any]
PATIENCE_S = 30.0
MODEL = "?model=gpt-realtime"
KEY = {"Authorization": "Bearer test"}
BETA = {**KEY, "OpenAI-Beta": "realtime=v1"}
LONG = "A long answer that goes on. " * 30


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def in_time() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    return asyncio.run(in_time())


def scripted(*answers: Any) -> Engines:
    return lambda: engines(answers or ["Hello to you."])


def append(sound: bytes) -> str:
    sound64 = base64.b64encode(sound).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound64})


async def until(ws: Any, kind: str, automaton: Automaton | None = None) -> Event:
    async for raw in ws:
        event: Event = automaton.feed(raw) if automaton else json.loads(raw)
        if event["type"] == kind:
            return event
    raise AssertionError(f"the connection closed before {kind}")


async def opened(server: RealtimeServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a session with bare hands and small buffers, as no library would let us be a client."""
    host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
    writer.write(OPENING)
    await reader.readuntil(b"session.created")
    return reader, writer


OPENING = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer x\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """Return a short text frame of a client, masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
