"""The way to a realtime server: the openai client's connection, over a socket or anything like it.

    agent = RealtimeAgent(to_server("http://127.0.0.1:8765/v1"))
    agent = RealtimeAgent(in_memory(offline()))  # serving.realtime.transport: no socket

Both ways the agent holds the same object, openai's AsyncRealtimeConnection. Of the WebSocket below
it, that needs `send`, `recv(decode=False)` and `close`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from openai import OpenAIError
from openai.resources.realtime.realtime import AsyncRealtimeConnection as AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from voxlab.agents.realtime.settings import DEFAULT_MODEL
from voxlab.errors import ProviderError
from voxlab.providers.openai.connection import STATUS_ADVICE, connect

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

CLOSE_TIMEOUT_S = 1.0  # a server that is gone does not answer our goodbye
REFUSALS = (3000, 4000)  # close codes: the key, or the request, is wrong
CODE_ADVICE = {
    "invalid_api_key": "check OPENAI_API_KEY",
    "invalid_model": f"use a realtime model, such as {DEFAULT_MODEL}",
    "model_not_found": f"use a realtime model, such as {DEFAULT_MODEL}",
}
Connect = Callable[[], AbstractAsyncContextManager[AsyncRealtimeConnection]]


class Lost(Exception):
    """The connection broke, or did not open; it may open another time."""


class Socket(Protocol):
    """What the openai client needs of a WebSocket.

    The last two raise websockets' ConnectionClosed once the other end is gone.
    """

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection."""
        ...

    async def send(self, message: str) -> None:
        """Send a frame."""
        ...

    async def recv(self, decode: bool | None = None) -> bytes:
        """Return the next frame."""
        ...


def over(socket: Socket) -> AsyncRealtimeConnection:
    """Return the openai client's connection over a socket of our own."""
    return AsyncRealtimeConnection(cast("ClientConnection", socket))


def to_server(base_url: str | None = None, model: str = DEFAULT_MODEL) -> Connect:
    """Return the way to OpenAI, or to another server that speaks its protocol.

    base_url, key and errors: see `voxlab.providers.openai.connection.connect`.
    """
    client = connect(base_url)
    options: Any = {"close_timeout": CLOSE_TIMEOUT_S}
    return lambda: client.realtime.connect(model=model, websocket_connection_options=options)


def refusal(error: dict[str, Any]) -> ProviderError:
    """Return what a server's error means that ends a session before it begins."""
    code = str(error.get("code") or error.get("type"))
    advice = CODE_ADVICE.get(code, "check the session's settings")
    said = str(error.get("message", "")).rstrip(".")
    return ProviderError(f"the realtime server refused ({code}): {said}. To try: {advice}")


@contextmanager
def explained() -> Iterator[None]:
    """Turn what breaks in the block into Lost, or into a ProviderError if a retry is no use."""
    try:
        yield
    except ConnectionClosed as error:
        closed = error.rcvd
        said = f"closed with {closed.code} {closed.reason}".strip() if closed else "broken off"
        if closed is not None and closed.code in REFUSALS:
            raise ProviderError(f"the realtime server refused: {said}") from error
        raise Lost(said) from error
    except InvalidStatus as error:
        status, body = (
            error.response.status_code,
            (error.response.body or b"").decode(errors="replace"),
        )
        said = f"HTTP {status} instead of a WebSocket: {body.strip() or 'no reason was given'}"
        said = f"{said[:300].rstrip('.')}. To try: {STATUS_ADVICE.get(status, 'look at its log')}"
        if status in STATUS_ADVICE and status != 429:
            raise ProviderError(f"the realtime server refused: {said}") from error
        raise Lost(said) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Lost(f"{said}. Is the server running?") from error
    except OpenAIError as error:
        raise ProviderError(f"the openai client cannot connect: {error}") from error
