"""WebSockets as the servers here use them: a port to listen on, and a connection's messages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.typing import Data

from voxlab.agents.rates import Bucket, Rate
from voxlab.agents.sockets import SocketClosed
from voxlab.errors import VoxlabError

MESSAGES = Rate(per_s=200, burst=1000)  # of one connection: fifty a second are a call's sound


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


class PacedConnection(ServerConnection):
    """A connection that takes so many messages a second: a client that floods waits."""

    rate: Rate  # set by `listen`
    _bucket: Bucket | None = None

    async def recv(self, decode: bool | None = None) -> Data:  # type: ignore[override]
        """Return the next message, when it is its time."""
        message = await super().recv(decode)
        bucket = self._bucket = self._bucket or Bucket(self.rate, self.loop.time())
        while wait_s := bucket.wait_s(self.loop.time()):  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        return message


async def listen(
    hold: Callable[[ServerConnection], Awaitable[None]],
    host: str,
    port: int,
    *,
    messages: Rate = MESSAGES,
    create_connection: type[ServerConnection] = ServerConnection,
    **options: Any,
) -> Server:
    """Start a server of WebSockets.

    port: 0 for any that is free. messages: of each client, more must wait. options: of websockets'
    `serve`, as create_connection is. It says nothing of clients that vanish. Raises VoxlabError if
    the port is taken.
    """
    paced = type("Paced", (PacedConnection, create_connection), {"rate": messages})
    try:
        return await serve(
            hold,
            host,
            port,
            compression=None,
            close_timeout=2,
            logger=_quiet(),
            create_connection=paced,
            **options,
        )
    except OSError as error:
        raise VoxlabError(
            f"cannot listen on {host}:{port} ({error.strerror}): "
            "choose another --port, 0 for any that is free"
        ) from error


def respond_content(connection: ServerConnection, content: str, kind: str) -> Response:
    """Return a response that is no plain text. kind: such as text/html."""
    response = connection.respond(HTTPStatus.OK, content)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = f"{kind}; charset=utf-8"
    return response


def _quiet() -> logging.Logger:
    """Return a logger that says nothing: websockets reports each client that vanishes."""
    logger = logging.getLogger(f"{__name__}.websockets")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger
