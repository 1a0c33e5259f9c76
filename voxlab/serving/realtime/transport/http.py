"""The one HTTP request that a realtime server answers beside WebSockets, on the same port.

`Connection` looks at the first bytes: a GET is a WebSocket's opening and goes to websockets, which
reads no other method; a POST for a client secret is answered here, and the connection closed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection

LARGEST_REQUEST = 2**20
LARGEST_HEAD = 2**14


@dataclass(frozen=True)
class HttpRequest:
    """A whole request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Answer = tuple[HTTPStatus, dict[str, Any]]
Respond = Callable[[HttpRequest], Answer]


def error_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error as the API's HTTP side writes it."""
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Connection(ServerConnection):
    """A connection that may be a WebSocket's or one HTTP request's."""

    answer_http: Respond  # set by `speaking`

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first = b""
        self._is_websocket = False

    def data_received(self, data: bytes) -> None:
        """Take what the socket brings."""
        if self._is_websocket:
            super().data_received(data)
            return
        self._first += data
        if self._first.startswith(b"GET "):
            self._is_websocket = True
            first, self._first = self._first, b""
            super().data_received(first)
        elif not b"GET ".startswith(self._first[:4]):
            self._on_http()

    def _on_http(self) -> None:
        head, found, body = self._first.partition(b"\r\n\r\n")
        if not found:
            if len(head) > LARGEST_HEAD:
                self._answer((HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, {}))
            return
        line, _, fields = head.partition(b"\r\n")
        try:
            method, target, version = line.decode("ascii").split(" ")
            headers = BytesHeaderParser().parsebytes(fields)
            length = int(headers.get("Content-Length", "0"))
            if not version.startswith("HTTP/1.") or length < 0:
                raise ValueError(version)
        except ValueError:
            self._answer((HTTPStatus.BAD_REQUEST, error_body("bad_request", "Not HTTP/1.1.")))
            return
        if length > LARGEST_REQUEST:
            said = f"The body has {length} bytes, the limit is {LARGEST_REQUEST}."
            self._answer((HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error_body("too_large", said)))
        elif len(body) >= length:
            known = {name.title(): value for name, value in headers.items()}
            self._answer(self.answer_http(HttpRequest(method, target, known, body[:length])))

    def _answer(self, answer: Answer) -> None:
        status, content = answer
        body = json.dumps(content).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def speaking(respond: Respond) -> type[Connection]:
    """Return the kind of connection whose HTTP requests are answered by `respond`."""
    return type("RespondingConnection", (Connection,), {"answer_http": staticmethod(respond)})
