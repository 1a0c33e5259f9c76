"""The openai client's connection to a session of ours, without a socket: also in virtual time.

    agent = shop_realtime_agent(in_memory(offline()))

Between the two stands what stands between them on a network: frames in order, a bounded number of
them on their way, and an end that either side notices.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from voxlab.agents.realtime.connection import AsyncRealtimeConnection, Connect, over
from voxlab.agents.sockets import SocketClosed
from voxlab.providers.protocols import Providers
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.session_loop import run_session

FRAMES_AHEAD = 8


class _Pipe:
    """One direction. After its end what is in it can still be taken out, unless it was cut."""

    def __init__(self) -> None:
        self._frames: deque[str] = deque()
        self._changed = asyncio.Event()
        self.is_closed = False

    async def put(self, frame: str) -> bool:
        """Send a frame when there is room; False if nobody takes it any more."""
        await self._until(lambda: len(self._frames) < FRAMES_AHEAD)
        if not self.is_closed:
            self._frames.append(frame)
            self._changed.set()
        return not self.is_closed

    async def get(self) -> str | None:
        """Return the next frame; None after the last one."""
        await self._until(lambda: bool(self._frames))
        if not self._frames:
            return None
        self._changed.set()
        return self._frames.popleft()

    def close(self, *, cut: bool) -> None:
        """End it. cut: what is on its way is lost."""
        self.is_closed = True
        if cut:
            self._frames.clear()
        self._changed.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds() and not self.is_closed:
            self._changed.clear()
            await self._changed.wait()


class Link:
    """Both ends of a connection: the session's, and the socket below the openai client."""

    def __init__(self) -> None:
        self._up, self._down = _Pipe(), _Pipe()
        self._is_cut = False

    def drop(self) -> None:
        """Break the connection, as a network does: what is on its way is lost."""
        self._is_cut = True
        self._end(cut=True)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection."""
        self._end(cut=False)

    def _end(self, *, cut: bool) -> None:
        self._up.close(cut=cut)
        self._down.close(cut=cut)

    async def receive(self) -> str:
        """Return the client's next frame."""
        frame = await self._up.get()
        if frame is None:
            raise SocketClosed
        return frame

    async def send_down(self, frame: str) -> None:
        """Send the client a frame."""
        if not await self._down.put(frame):
            raise SocketClosed

    async def recv(self, decode: bool | None = None) -> bytes:
        """Return the server's next frame."""
        frame = await self._down.get()
        if frame is None:
            raise self._closed()
        return frame.encode()

    async def send(self, message: str) -> None:
        """Send the server a frame."""
        if not await self._up.put(message):
            raise self._closed()

    def _closed(self) -> ConnectionClosedOK | ConnectionClosedError:
        if self._is_cut:
            return ConnectionClosedError(None, None)
        return ConnectionClosedOK(Close(1000, ""), None)


class _ServerEnd:
    """The link as the session sees it."""

    def __init__(self, link: Link) -> None:
        self.receive = link.receive
        self.send = link.send_down


def in_memory(
    providers: Providers,
    options: SessionOptions | None = None,
    on_link: Callable[[Link], None] | None = None,
) -> Connect:
    """Return a way to sessions of our own: a new one each time it is taken.

    on_link: told of each connection, so that an experiment can `drop` it.
    """
    sessions = 0

    @asynccontextmanager
    async def connect() -> AsyncIterator[AsyncRealtimeConnection]:
        nonlocal sessions
        sessions += 1
        link = Link()
        named = replace(options or SessionOptions(), token=f"{sessions}_")
        session = asyncio.create_task(run_session(_ServerEnd(link), providers, named))
        session.add_done_callback(lambda _: link._end(cut=False))
        if on_link is not None:
            on_link(link)
        try:
            yield over(link)
        finally:
            await link.close()
            await session

    return connect
