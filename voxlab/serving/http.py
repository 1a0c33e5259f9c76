"""HTTP requests that a server answers beside WebSockets, on the same port.

`SharedPortConnection` looks at the first bytes. A GET opens a WebSocket and goes to websockets,
which reads no other method; anything else, such as the POST for a client secret or for a call, h11
reads and we answer.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

LARGEST_BODY = 2**20


@dataclass(frozen=True)
class HttpRequest:
    """A whole request. headers: their names in Title-Case; host: who asks."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    host: str


@dataclass(frozen=True)
class HttpAnswer:
    """What is answered: content as JSON, and headers besides those that say so."""

    status: HTTPStatus
    content: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[HttpRequest], Awaitable[HttpAnswer]]


def error_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error as the API's HTTP side writes it."""
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def path_of(request: Request) -> str:
    """Return the path that a request asks for, without its query and a slash at its end."""
    return request.path.partition("?")[0].rstrip("/")


def is_same(sent: str, secret: str) -> bool:
    """Tell whether what a client sent is a secret, in constant time; it may have any bytes."""
    return secrets.compare_digest(sent.encode(errors="surrogateescape"), secret.encode())


def is_bearer(sent: str, token: str | None) -> bool:
    """Tell whether an Authorization header has the right token; None: any is."""
    return token is None or is_same(sent, f"Bearer {token}")


class SharedPortConnection(ServerConnection):
    """A connection that may be a WebSocket's or one HTTP request's."""

    answer_http: Respond  # set by `speaking`

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first = b""
        self._is_websocket = False
        self._http: h11.Connection | None = None
        self._head: h11.Request | None = None
        self._body = b""
        self._answering: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Take what the socket brings."""
        if self._answering is not None:
            return  # one request a connection: what follows it nobody reads
        if self._is_websocket:
            super().data_received(data)
        elif self._http is not None:
            self._read_http(self._http, data)
        elif (self._first + data).startswith(b"GET "):
            self._is_websocket = True
            super().data_received(self._first + data)
        elif b"GET ".startswith(self._first + data):
            self._first += data
        else:
            self._http = h11.Connection(h11.SERVER)
            self._read_http(self._http, self._first + data)

    def _read_http(self, http: h11.Connection, data: bytes) -> None:
        """Read more of a request; answer it once it is whole, or wrong."""
        try:
            http.receive_data(data)
            while (event := http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Request):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                if self._head is None:
                    return
                headers = {
                    name.decode().title(): text.decode("ascii", "surrogateescape")  # as websockets
                    for name, text in self._head.headers
                }
                if max(len(self._body), int(headers.get("Content-Length", 0))) > LARGEST_BODY:
                    said = f"The body has more than {LARGEST_BODY} bytes."
                    too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                    self._answer(HttpAnswer(too_large, error_body("too_large", said)))
                    return
                if isinstance(event, h11.EndOfMessage):
                    method, target = self._head.method.decode(), self._head.target.decode()
                    host = str(self.transport.get_extra_info("peername")[0])
                    request = HttpRequest(method, target, headers, self._body, host)
                    self._answering = self.loop.create_task(self._respond(request))
                    return
        except h11.RemoteProtocolError as error:  # also TLS, to a server without
            answer = error_body("bad_request", f"This is no HTTP request: {error}.")
            self._answer(HttpAnswer(HTTPStatus(error.error_status_hint), answer))

    async def _respond(self, request: HttpRequest) -> None:
        self._answer(await self.answer_http(request))

    def _answer(self, answer: HttpAnswer) -> None:
        body = json.dumps(answer.content).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()


def speaking(respond: Respond) -> type[SharedPortConnection]:
    """Return the kind of connection whose HTTP requests are answered by `respond`."""
    return type(
        "RespondingConnection", (SharedPortConnection,), {"answer_http": staticmethod(respond)}
    )
