"""WebSockets as the servers here use them: a port to listen on, and a connection's messages."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voxlab.agents.sockets import SocketClosed
from voxlab.errors import VoxlabError


class WebSocket:
    """One end of a WebSocket as a MessageSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes:
        """Return the next message. Raises SocketClosed after the last one."""
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            raise SocketClosed from None

    async def send(self, message: str) -> None:
        """Send a message. Raises SocketClosed if nobody takes it any more."""
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise SocketClosed from None


async def listen(
    hold: Callable[[ServerConnection], Awaitable[None]], host: str, port: int, **options: Any
) -> Server:
    """Start a server of WebSockets. port: 0 for any that is free; options: of websockets' `serve`.

    It says nothing of clients that vanish. Raises VoxlabError if the port is taken.
    """
    try:
        return await serve(
            hold, host, port, compression=None, close_timeout=2, logger=_quiet(), **options
        )
    except OSError as error:
        raise VoxlabError(
            f"cannot listen on {host}:{port} ({error.strerror}): "
            "choose another --port, 0 for any that is free"
        ) from error


def _quiet() -> logging.Logger:
    """Return a logger that says nothing: websockets reports each client that vanishes."""
    logger = logging.getLogger(f"{__name__}.websockets")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger
