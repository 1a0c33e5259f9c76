"""The server: a WebSocket a session, on loopback.

    async with serving(scripted_engines()) as server:
        print(server.url)  # ws://127.0.0.1:43210/v1/realtime

Here frames are only moved; what they mean is the session's business.
"""

import asyncio
import json
import logging
import os
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from voxlab.agents.rates import Rate
from voxlab.serving.http import HttpAnswer, HttpRequest, error_body, speaking
from voxlab.serving.realtime.engines import Engines
from voxlab.serving.realtime.protocol import client_events
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.authentication import (
    PATH,
    SECRETS_PATH,
    Authenticator,
    NotAdmitted,
)
from voxlab.serving.realtime.transport.session_loop import run_session
from voxlab.serving.sockets import MESSAGES, WebSocket, listen
from voxlab.timeline import Event

LARGEST_FRAME = 24 * 2**20  # 15 MiB of audio are 20 MiB in base64
FRAMES_AHEAD = 2  # read from the socket before the session takes them
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOptions:
    """How the server runs.

    port: 0 for any that is free. key: the API key that is right; None: any that is not blank.
    most_sessions: at the same time, the next is refused. messages: of each client, more must wait.
    session: how each session is held; its model, names and dialect are the client's.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    allows_beta: bool = False
    most_sessions: int = 100
    messages: Rate = MESSAGES
    tls: ssl.SSLContext | None = None
    session: SessionOptions = field(default_factory=SessionOptions)
    epoch_s: Callable[[], float] = time.time  # the protocol tells times of day


@dataclass(frozen=True)
class RealtimeServer:
    """A server that runs. url: of its WebSocket; http_url: the base_url of an SDK."""

    url: str
    http_url: str
    _server: Server

    @property
    def connections(self) -> int:
        """How many clients are there."""
        return len(self._server.connections)


class RealtimeHost:
    """Answers whoever comes."""

    def __init__(self, engines: Engines, options: ServerOptions) -> None:
        self._engines = engines
        self._options = options
        self._authenticator = Authenticator(options.key, options.allows_beta)
        self._sessions = 0

    async def hold(
        self, connection: ServerConnection, on_event: Callable[[Event], None] | None = None
    ) -> None:
        """Hold one session on a connection. on_event: is told of everything as it happens."""
        request = connection.request
        if request is None:
            return
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")
        protocols = [each.strip() for each in offered]
        now = self._options.epoch_s()
        try:
            admitted = self._authenticator.admit(request.path, request.headers, protocols, now)
        except NotAdmitted as refusal:
            log.info("refused %s: %s", _address(connection), refusal.code)
            await self._turn_away(connection, refusal)
            return
        settings = {name: v for name, v in admitted.settings.items() if name != "model"}
        options = replace(
            self._options.session,
            model=admitted.model,
            is_beta=admitted.is_beta,
            settings=settings,
            token=secrets.token_hex(4),
            started_at=int(now),
            on_event=on_event,
        )
        log.info("session %s: opened by %s", options.token, _address(connection))
        began_s = time.monotonic()
        self._sessions += 1
        try:
            await run_session(WebSocket(connection), self._engines(), options)
        finally:
            self._sessions -= 1
            lasted_s = time.monotonic() - began_s
            log.info("session %s: closed after %.1f s", options.token, lasted_s)

    async def _turn_away(self, connection: ServerConnection, refusal: NotAdmitted) -> None:
        event_id = f"event_{secrets.token_hex(8)}"
        event = {"type": "error", "event_id": event_id, "error": refusal.to_wire()}
        try:
            await connection.send(json.dumps(event))
            await connection.close(refusal.close_code, f"{refusal.kind}.{refusal.code}"[:100])
        except ConnectionClosed:
            pass

    def route(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let only the API's own path become a WebSocket."""
        if urlsplit(request.path).path.rstrip("/") == PATH:
            if self._sessions < self._options.most_sessions:
                return None
            log.warning("refused a session: there are %d already", self._sessions)
            said = f"All {self._sessions} sessions are taken. Please try again later.\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, said)
        said = f"No such path here: WebSockets open {PATH}, POST {SECRETS_PATH} makes secrets.\n"
        return connection.respond(HTTPStatus.NOT_FOUND, said)

    async def respond(self, request: HttpRequest) -> HttpAnswer:
        """Answer what is not a WebSocket."""
        answer = self._answer(request)
        code = answer.content.get("error", {}).get("code", "")
        path = urlsplit(request.target).path.rstrip("/")
        known = path if path == SECRETS_PATH else "a path that is not here"
        log.info("HTTP, %s: %d %s", known, answer.status, code)
        return answer

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if urlsplit(request.target).path.rstrip("/") != SECRETS_PATH:
            said = f"Unknown request URL: {request.method} {request.target[:200]}."
            return HttpAnswer(HTTPStatus.NOT_FOUND, error_body("unknown_url", said))
        if request.method != "POST":
            said = f"{SECRETS_PATH} takes POST."
            return HttpAnswer(
                HTTPStatus.METHOD_NOT_ALLOWED, error_body("method_not_supported", said)
            )
        try:
            body = json.loads(request.body or b"{}")
            secret = self._authenticator.issue(request.headers, body, self._options.epoch_s())
        except (ValueError, RecursionError):
            said = "We could not parse the JSON body of your request."
            return HttpAnswer(HTTPStatus.BAD_REQUEST, error_body("invalid_json", said))
        except NotAdmitted as error:
            return HttpAnswer(HTTPStatus.UNAUTHORIZED, error_body(error.code, str(error)))
        except Refused as error:
            return HttpAnswer(
                HTTPStatus.BAD_REQUEST, error_body(error.code, str(error), error.param)
            )
        return HttpAnswer(HTTPStatus.OK, secret)


def _address(connection: ServerConnection) -> str:
    host, port = connection.remote_address[:2]
    return f"{host}:{port}"


def subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the protocol's own subprotocol, where a client offers it."""
    return Subprotocol("realtime") if "realtime" in offered else None


def use_few_threads() -> None:
    """Let the running loop's engines compute in as many threads as there are cores, two at least.

    asyncio would take more: then they take turns, each is done later, and frames wait for them all.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max(2, cores)))


@asynccontextmanager
async def serving(
    engines: Engines, options: ServerOptions | None = None
) -> AsyncIterator[RealtimeServer]:
    """Serve until the block ends; sessions that are open then are closed.

    Raises VoxlabError if the port is taken.
    """
    options = options or ServerOptions()
    client_events.check({"type": "response.cancel"})  # loads the SDK's models: no session waits
    host = RealtimeHost(engines, options)
    server = await listen(
        host.hold,
        options.host,
        options.port,
        ssl=options.tls,
        create_connection=speaking(host.respond),
        process_request=host.route,
        select_subprotocol=subprotocol,
        messages=options.messages,
        max_size=LARGEST_FRAME,
        max_queue=FRAMES_AHEAD,
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        place = f"{options.host}:{port}{PATH}"
        secure = "s" if options.tls else ""
        http_url = f"http{secure}://{options.host}:{port}/v1"
        yield RealtimeServer(f"ws{secure}://{place}", http_url, server)
