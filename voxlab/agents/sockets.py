"""Messages between two ends, in order: what a WebSocket is to both of them."""

import asyncio
from typing import Protocol

MESSAGES_AHEAD = 512  # ten seconds of sound


class SocketClosed(Exception):
    """The other end has closed, or is gone."""


class MessageSocket(Protocol):
    """One end."""

    async def receive(self) -> str | bytes:
        """Return the next message. Raises SocketClosed after the last one."""
        ...

    async def send(self, message: str) -> None:
        """Send a message when there is room. Raises SocketClosed if nobody takes it any more."""
        ...


class MemorySocket:
    """One end of a connection in memory, which takes delay_s from end to end: see `socket_pair`."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._inbox: asyncio.Queue[tuple[float, str | None]] = asyncio.Queue(MESSAGES_AHEAD)
        self._closed = False
        self.peer: MemorySocket

    async def receive(self) -> str:
        """Return the next message when it is due."""
        due_s, message = await self._inbox.get()
        await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
        if message is None:
            self._closed = True
            raise SocketClosed
        return message

    async def send(self, message: str) -> None:
        """Send a message."""
        if self._closed or self.peer._closed:
            raise SocketClosed
        due_s = asyncio.get_running_loop().time() + self._delay_s
        await self.peer._inbox.put((due_s, message))

    def close(self) -> None:
        """Hang up: the other end gets what is on its way, and then notices."""
        if not self._closed:
            self._closed = True
            due_s = asyncio.get_running_loop().time() + self._delay_s
            if not self.peer._inbox.full():
                self.peer._inbox.put_nowait((due_s, None))


def socket_pair(delay_s: float = 0.0) -> tuple[MemorySocket, MemorySocket]:
    """Return both ends of a connection in memory; each direction takes delay_s."""
    one, other = MemorySocket(delay_s), MemorySocket(delay_s)
    one.peer, other.peer = other, one
    return one, other
