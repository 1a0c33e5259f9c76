"""The front: a small door that gives each call the address of the worker that will hold it.

    async with serving_front("twilio") as front:
        print(front.url)  # http://127.0.0.1:43210; POST /calls gives {"url": "ws://...", ...}

The call itself never passes through here, so that a call stays with its process without a proxy,
and the front may be restarted while calls go on. A protocol may be asked in its own way: a
Realtime client that opens /v1/realtime is redirected, and Twilio's web hook /voice gets the stream
to open; `sip` adds a SIP address. A front that has no room says so at once: 503 and Retry-After,
to Twilio a busy signal.
"""

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from voxlab.agents.rates import Buckets, Rate
from voxlab.errors import VoxlabError
from voxlab.serving.http import HttpAnswer, HttpRequest, error_body, is_bearer, path_of, speaking
from voxlab.serving.sockets import listen
from voxlab.serving.twilio import VOICE_PATH, answer_web_hook, is_signed, respond_xml
from voxlab.serving.workers.admission import RETRY_S
from voxlab.serving.workers.joining import JOIN_PATH
from voxlab.serving.workers.loads import Load, in_order, read_load
from voxlab.serving.workers.measuring import METRICS_PATH, CallMetrics
from voxlab.serving.workers.protocols import PATHS, REALTIME, TWILIO, call_address
from voxlab.serving.workers.watching import (
    MOST_OVER,
    WATCH_PATH,
    LiveCall,
    LiveCalls,
    Watchers,
    WorkersReader,
    is_watcher,
)

CALLS_PATH = "/calls"
ANSWERS_WITHIN_S = 2.0  # a worker that does not is passed over
LARGEST_REPORT = 2**18  # a load, and 500 events of calls
MOST_MEASURED = 100 * MOST_OVER  # calls that are remembered: the last of a hundred workers
BUSY = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>'
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrontOptions:
    """How a front runs.

    port: 0 for any that is free. worker_token: that workers join with. key: that callers need as
    "Authorization: Bearer KEY"; None: none. auth_token, public_url: as in TwilioOptions.
    calls: of one client, by their address; of Twilio, where it signs, as many as there are.
    measures: whether /metrics tells what the calls of all workers were like, for who has the token.
    """

    host: str = "127.0.0.1"
    port: int = 0
    worker_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    key: str | None = None
    auth_token: str | None = None
    public_url: str = ""
    calls: Rate = field(default_factory=lambda: Rate(per_s=5, burst=20))
    measures: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call has no place."""

    status: HTTPStatus
    code: str
    said: str
    retry_s: int = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that tell when to come again."""
        return {"Retry-After": str(self.retry_s)} if self.retry_s else {}


class _Joined:
    """A worker that has joined: its last report, its calls, and those it was asked to place."""

    def __init__(
        self, connection: ServerConnection, on_over: Callable[["_Joined", LiveCall], None]
    ) -> None:
        self.connection = connection
        self.load: Load | None = None
        self.live = LiveCalls(lambda call: on_over(self, call))
        self.asked: dict[str, asyncio.Future[str]] = {}


class Front:
    """Knows the workers and places calls. url: where it answers; sip_url: where telephones call."""

    def __init__(self, protocol: str, options: FrontOptions) -> None:
        self._protocol = protocol
        self._options = options
        self._workers: set[_Joined] = set()
        self._buckets = Buckets(options.calls)
        self._changed = asyncio.Condition()
        self.watchers = Watchers()
        self._metrics = CallMetrics("front") if options.measures else None
        self._measured: deque[tuple[str, int, str]] = deque(maxlen=MOST_MEASURED)
        self.url = ""
        self.sip_url = ""
        self.is_stopping = False

    @property
    def loads(self) -> list[Load]:
        """What the workers report."""
        return [each.load for each in self._workers if each.load]

    async def joined(self, pid: int) -> None:
        """Wait until the worker of a process takes calls."""
        await self._find(lambda load: load.pid == pid)

    async def joined_at(self, url: str) -> None:
        """Wait until the worker of an address takes calls."""
        await self._find(lambda load: load.url == url)

    async def _find(self, is_meant: Callable[[Load], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: any(is_meant(each) and not each.refuses for each in self.loads)
            )

    async def place(self) -> str | Refusal:
        """Return the address of a new call, or why there is none."""
        by_url = {each.load.url: each for each in self._workers if each.load}
        asked = [(each.load, len(each.asked)) for each in by_url.values() if each.load]
        said = ""
        for load in [] if self.is_stopping else in_order(asked):
            call = secrets.token_urlsafe(16)
            refused = await self._ask(by_url[load.url], call)
            if not refused:
                return call_address(self._protocol, load.url, call)
            said = refused
        calls = sum(load.active + load.placed for load in self.loads)
        said = said or f"All lines are busy ({calls} calls). Please try again in {RETRY_S} s."
        if self.is_stopping:
            said = f"No new calls are taken here any more. Please try again in {RETRY_S} s."
        elif not self.loads:
            said = f"No worker is here to hold a call. Please try again in {RETRY_S} s."
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "all_lines_busy", said, RETRY_S)

    async def _ask(self, joined: _Joined, call: str) -> str:
        """Ask a worker to place a call; return "", or why it does not."""
        answer = joined.asked[call] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await joined.connection.send(json.dumps({"place": call}))
                return str(await answer)
        except (TimeoutError, ConnectionClosed):
            return f"The worker does not answer. Please try again in {RETRY_S} s."
        finally:
            del joined.asked[call]

    # --- workers ---------------------------------------------------------------------------

    async def hold(self, connection: ServerConnection) -> None:
        """Listen to a worker until it is gone, or tell a watcher of all of them."""
        if is_watcher(connection):
            await self.watchers.hold(connection, WorkersReader(lambda: self._workers).read)
            return
        joined = _Joined(connection, self._measure)
        self._workers.add(joined)
        try:
            async for message in connection:
                await self._take(joined, json.loads(message))
        except (ValueError, VoxlabError) as error:
            log.warning("a worker says what none says: %s", type(error).__name__)
        except ConnectionClosed:
            pass
        finally:
            self._workers.discard(joined)
            for answer in joined.asked.values():
                if not answer.done():
                    answer.set_result("The worker is gone. Please try again.")

    async def _take(self, joined: _Joined, report: Mapping[str, object]) -> None:
        async with self._changed:
            joined.load = read_load(report["load"])  # type: ignore[arg-type]
            self._changed.notify_all()
        if news := report.get("news"):
            joined.live.follow(news)  # type: ignore[arg-type]
        answer = joined.asked.get(str(report.get("call")))
        if answer is not None and not answer.done():
            answer.set_result(str(report["refused"]))

    def _measure(self, joined: _Joined, call: LiveCall) -> None:
        """Measure a call that is over, once: a worker that joins again tells of its last ones."""
        if self._metrics is None or joined.load is None:
            return
        name = (joined.load.url, call.number, call.name)
        if name not in self._measured:
            self._measured.append(name)
            self._metrics.add(call)

    # --- callers ---------------------------------------------------------------------------

    async def admit(self, client: str, headers: Mapping[str, str]) -> str | Refusal:
        """Return the address of a new call for whoever may have one, or why there is none."""
        wait_s = self._buckets.wait_s(client, asyncio.get_running_loop().time())
        if wait_s:
            said = "You ask for calls too often."
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_often", said, int(wait_s) + 1)
        if not is_bearer(headers.get("Authorization", ""), self._options.key):
            return Refusal(HTTPStatus.UNAUTHORIZED, "invalid_api_key", "Incorrect API key.")
        placed = await self.place()
        log.info("a call: %s", placed.code if isinstance(placed, Refusal) else "placed")
        return placed

    async def respond(self, request: HttpRequest) -> HttpAnswer:
        """Answer POST /calls."""
        if (request.method, request.target) != ("POST", CALLS_PATH):
            said = f"No such request here: POST {CALLS_PATH} gives a call its address."
            return HttpAnswer(HTTPStatus.NOT_FOUND, error_body("unknown_url", said))
        placed = await self.admit(request.host, request.headers)
        if isinstance(placed, Refusal):
            body = error_body(placed.code, placed.said)
            return HttpAnswer(placed.status, body, placed.headers)
        content = {"url": placed}
        if self._protocol == REALTIME:  # what the openai package calls base_url
            content["base_url"] = placed.removesuffix("/realtime").replace("ws", "http", 1)
        return HttpAnswer(HTTPStatus.CREATED, content)

    async def route(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a GET: of a worker that joins, of a caller, of Twilio, about our health."""
        path = path_of(request)
        if path == JOIN_PATH:
            sent = request.headers.get("Authorization", "")
            if is_bearer(sent, self._options.worker_token):
                return None
            return connection.respond(HTTPStatus.UNAUTHORIZED, "This is no worker's token.\n")
        if path == METRICS_PATH and self._metrics:
            return self._metrics.answer(connection, request, self._options.worker_token)
        if path == WATCH_PATH:
            return self.watchers.admit(connection, request, self._options.worker_token)
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "alive\n")
        if path in ("/readyz", "/load"):
            ready = bool(in_order((load, 0) for load in self.loads)) and not self.is_stopping
            is_ok = ready or path == "/load"
            status = HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE
            body = json.dumps({"workers": [load.to_json() for load in self.loads]})
            return connection.respond(status, body + "\n")
        if path == VOICE_PATH and self._protocol == TWILIO:
            return await self._answer_web_hook(connection, request)
        if path == PATHS[REALTIME] and self._protocol == REALTIME:
            return await self._redirect(connection, request)
        said = f"No such path here: POST {CALLS_PATH} gives a call its address.\n"
        return connection.respond(HTTPStatus.NOT_FOUND, said)

    async def _redirect(self, connection: ServerConnection, request: Request) -> Response:
        placed = await self.admit(_host(connection), request.headers)
        if isinstance(placed, Refusal):
            response = connection.respond(placed.status, placed.said + "\n")
            for name, value in placed.headers.items():
                response.headers[name] = value
            return response
        query = request.path.partition("?")[2]
        response = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "The call is elsewhere.\n")
        response.headers["Location"] = f"{placed}?{query}" if query else placed
        return response

    async def _answer_web_hook(self, connection: ServerConnection, request: Request) -> Response:
        """Tell Twilio which stream to open; a caller without a place hears the busy signal.

        Twilio would play an error to them for a status of 503.
        """
        base = self._options.public_url.rstrip("/").replace("ws", "http", 1) or self.url
        if not is_signed(request, base, self._options.auth_token):
            return connection.respond(HTTPStatus.FORBIDDEN, "Not signed by Twilio.\n")
        now_s, is_anybody = asyncio.get_running_loop().time(), self._options.auth_token is None
        if is_anybody and self._buckets.wait_s(_host(connection), now_s):
            log.info("a call: too_often")
            return respond_xml(connection, BUSY)
        placed = await self.place()
        if isinstance(placed, Refusal):
            log.info("a call: %s", placed.code)
            return respond_xml(connection, BUSY)
        return answer_web_hook(connection, request, placed)


def _host(connection: ServerConnection) -> str:
    return str(connection.remote_address[0])


@asynccontextmanager
async def serving_front(protocol: str, options: FrontOptions | None = None) -> AsyncIterator[Front]:
    """Place calls until the block ends. Raises VoxlabError if the port is taken."""
    options = options or FrontOptions()
    front = Front(protocol, options)
    server = await listen(
        front.hold,
        options.host,
        options.port,
        create_connection=speaking(front.respond),
        process_request=front.route,
        max_size=LARGEST_REPORT,
    )
    async with server:
        front.url = f"http://{options.host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield front
        finally:
            await front.watchers.tell_last()
