"""The live dashboard: one page on this machine that shows the calls of workers as they run.

    async with serving_dashboard(page, "http://127.0.0.1:8090", token) as dashboard:
        print(dashboard.url)  # http://127.0.0.1:43210

It watches a worker or a front, keeps what it is told, and tells each page that is open how a call
is now whenever that has changed: a page that is slow, or comes late, only sees fewer steps.
"""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from voxlab.errors import VoxlabError
from voxlab.observability.live_events import describe_call
from voxlab.serving.sockets import listen, respond_content
from voxlab.serving.workers.admission import Status
from voxlab.serving.workers.joining import stay_connected
from voxlab.serving.workers.loads import Load, read_load
from voxlab.serving.workers.watching import WATCH_PATH, LiveCalls, Watchers
from voxlab.timeline import Timeline

HOST = "127.0.0.1"
LIVE_PATH = "/live"
LEFT_SHOWN_S = 10.0  # a worker that has left is shown for so long
GONE = "gone"  # the status of a worker that left without having drained
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
}


_Version = tuple[int, bool]


@dataclass
class _Worker:
    """A worker as it is known here.

    rows: of calls by number, each with the events and the end that it is made of. leaves_s: when
    the worker is no longer shown, on the loop's clock.
    """

    load: Load
    live: LiveCalls = field(default_factory=LiveCalls)
    rows: dict[int, tuple[_Version, dict[str, Any]]] = field(default_factory=dict)
    leaves_s: float | None = None


class Board:
    """What is known of the workers and their calls; after the connection is lost, what was last."""

    def __init__(self) -> None:
        self.is_connected = False
        self._workers: dict[int, _Worker] = {}  # by numbers that no other one ever had
        self._numbers: dict[int, int] = {}  # of ours by those of this connection
        self._next_number = itertools.count(1)
        self._name = secrets.token_hex(4)

    def id_of(self, worker_number: int, number: int) -> str:
        """Return a call's name for a page, which may know those of a dashboard before this one."""
        return f"{self._name}-{worker_number}-{number}"

    async def follow(self, connection: ClientConnection) -> None:
        """Take what a watcher is told, until the connection ends."""
        self.is_connected = True
        self._workers.clear()
        self._numbers.clear()
        try:
            async for message in connection:
                self.take(json.loads(message))
        finally:
            self.is_connected = False

    def take(self, told: Mapping[str, Any]) -> None:
        """Take a message about one worker. Raises VoxlabError if it is none."""
        try:
            theirs, load = int(told["worker"]), told["load"]
        except (KeyError, TypeError, ValueError) as error:
            raise VoxlabError(f"not a message to a watcher: {error}") from error
        if theirs not in self._numbers:
            self._numbers[theirs] = next(self._next_number)
        number = self._numbers[theirs]
        if load is not None:
            load = read_load(load)
            self._workers.setdefault(number, _Worker(load)).load = load
        if (worker := self._workers.get(number)) is None:
            return
        worker.live.follow(told)
        worker.rows = {n: row for n, row in worker.rows.items() if n in worker.live.calls}
        if load is None:
            self._leave(worker)

    def _leave(self, worker: _Worker) -> None:
        has_drained = worker.load.status != Status.SERVING
        status = Status.STOPPED if has_drained else GONE
        worker.load = Load(**{**worker.load.to_json(), "status": status, "active": 0, "placed": 0})
        for call in worker.live.calls.values():
            call.is_over = True
        worker.leaves_s = asyncio.get_running_loop().time() + LEFT_SHOWN_S

    @property
    def loads(self) -> dict[int, dict[str, Any]]:
        """The load of each worker."""
        now_s = asyncio.get_running_loop().time()
        for number, worker in tuple(self._workers.items()):
            if worker.leaves_s is not None and worker.leaves_s <= now_s:
                del self._workers[number]
        return {number: worker.load.to_json() for number, worker in self._workers.items()}

    @property
    def versions(self) -> dict[tuple[int, int], _Version]:
        """How far each call is, by the numbers of its worker and of itself."""
        return {
            (worker_number, number): (call.count, call.is_over)
            for worker_number, worker in self._workers.items()
            for number, call in worker.live.calls.items()
        }

    def describe(self, worker_number: int, number: int) -> dict[str, Any]:
        """Return the row of a call as it is now; of what has not changed since, the same."""
        worker = self._workers[worker_number]
        call = worker.live.calls[number]
        version = (call.count, call.is_over)
        made_of, row = worker.rows.get(number, (None, {}))
        if made_of != version:
            timeline = Timeline(call.events)
            row = {
                "id": self.id_of(worker_number, number),
                "name": call.name,
                "worker": worker_number,
                "is_over": call.is_over,
                "lost": call.count - len(call.events),
                "lasted_s": timeline.duration_s,
                **describe_call(timeline),
            }
            worker.rows[number] = (version, row)
        return {**row, "now_s": asyncio.get_running_loop().time() - call.began_s}


class _PageReader:
    """Reads what has changed on the board since it last read."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._told: dict[tuple[int, int], _Version] = {}
        self._header: dict[str, Any] | None = None

    def read(self) -> list[dict[str, Any]]:
        """Return one message, or none if nothing has changed."""
        board, told = self._board, self._told
        header = {"is_connected": board.is_connected, "workers": board.loads}
        versions = board.versions
        rows = [board.describe(*key) for key in versions if told.get(key) != versions[key]]
        gone = [board.id_of(*key) for key in told if key not in versions]
        if header == self._header and not rows and not gone:
            return []
        self._header, self._told = header, versions
        return [{**header, "calls": rows, "gone": gone}]


class Dashboard:
    """Answers browsers. url: of the page; following: ends only by an error."""

    following: asyncio.Task[None]

    def __init__(self, page: str) -> None:
        self.board = Board()
        self.url = ""
        self._page = page
        self._pages = Watchers()

    def route(self, connection: ServerConnection, request: Request) -> Response | None:
        """Give the page, and let it open its WebSocket; nobody else's page may do that."""
        own = request.headers.get("Host", "") == self.url.removeprefix("http://")
        if not own:  # a foreign name that leads here
            return connection.respond(HTTPStatus.FORBIDDEN, f"Please open {self.url}\n")
        if request.path == "/":
            response = respond_content(connection, self._page, "text/html")
            response.headers.update(HEADERS)
            return response
        if request.path != LIVE_PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"Please open {self.url}\n")
        if request.headers.get("Origin") != self.url:
            return connection.respond(HTTPStatus.FORBIDDEN, "Only our own page may ask.\n")
        return self._pages.refuse_more(connection)

    async def hold(self, connection: ServerConnection) -> None:
        """Tell a page of the calls until it is closed."""
        await self._pages.hold(connection, _PageReader(self.board).read)


@asynccontextmanager
async def serving_dashboard(
    page: str, watched: str, token: str, port: int = 0
) -> AsyncIterator[Dashboard]:
    """Serve a page on this machine until the block ends.

    page: its HTML. watched: the address of the front or worker; token: its workers'. port: 0 for
    any that is free. Raises VoxlabError if the port is taken.
    """
    dashboard = Dashboard(page)
    server = await listen(dashboard.hold, HOST, port, process_request=dashboard.route)
    async with server:
        dashboard.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        dashboard.following = asyncio.create_task(
            stay_connected(watched, WATCH_PATH, token, dashboard.board.follow)
        )
        try:
            yield dashboard
        finally:
            dashboard.following.cancel()
