"""A worker: one process that holds calls, each at an address of its own.

    async with serving_worker(twilio_calls(make_agent, tts)) as worker:
        worker.place("call-1")  # ws://127.0.0.1:43210/calls/call-1/media may open now
        ...
        worker.drain()
        await worker.stopped.wait()

Only a call that was placed before can open, and only once: who does not know its address, which
cannot be guessed, gets nothing. What a call speaks is the business of its protocol; here calls are
counted, refused and ended.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from voxlab.agents.rates import Rate
from voxlab.serving.http import is_same, path_of
from voxlab.serving.sockets import MESSAGES, listen
from voxlab.serving.workers import admission
from voxlab.serving.workers.admission import Accept, Action, Limits, Refuse, WorkerState
from voxlab.serving.workers.loads import Load
from voxlab.serving.workers.measuring import METRICS_PATH, CallMetrics
from voxlab.serving.workers.protocols import CALLS, CallProtocol, MakeProtocol
from voxlab.serving.workers.watching import (
    WATCH_PATH,
    LiveCalls,
    Tell,
    Watchers,
    WorkersReader,
    is_watcher,
)

MEASURES_EVERY_S = 0.1
PROBES = ("/healthz", "/readyz", "/load", METRICS_PATH, WATCH_PATH)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker runs.

    port: 0 for any that is free. public_url: how callers reach it, such as wss://one.example.com;
    by default the address that it listens on. elsewhere: where a refused caller may ask, the
    front's address. messages: of one call, more must wait. token: that watchers need; None: nobody
    watches. measures: whether /metrics tells those who have the token what calls were like.
    """

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""
    elsewhere: str = ""
    limits: Limits = field(default_factory=Limits)
    messages: Rate = MESSAGES
    token: str | None = None
    measures: bool = False


class Worker:
    """Counts the calls of one process and answers whoever comes; see `serving_worker`.

    stopped: set when the process may end. on_change: called when the load has changed. live: what
    may be told of the calls that are on.
    """

    def __init__(self, protocol: str, options: WorkerOptions, leaving: asyncio.Event) -> None:
        self.stopped = asyncio.Event()
        self._metrics = CallMetrics(f"{os.getpid()}") if options.measures else None
        self.live = LiveCalls(self._metrics.add) if self._metrics else LiveCalls()
        self.on_change: Callable[[], None] = lambda: None
        self._protocol = protocol
        self._options = options
        self._leaving = leaving
        self._state = WorkerState()
        self._timer: asyncio.TimerHandle | None = None
        self.watchers = Watchers()
        self.url = ""

    @property
    def load(self) -> Load:
        """What the worker is doing."""
        state, limits = self._state, self._options.limits
        refused = self.refusal
        return Load(
            url=self.url,
            protocol=self._protocol,
            pid=os.getpid(),
            status=state.status,
            refuses=refused.why if refused else "",
            active=len(state.active),
            placed=len(state.placed),
            most_calls=limits.most_calls,
            lag_s=round(state.lag_s, 4),
        )

    @property
    def refusal(self) -> Refuse | None:
        """Why the worker would refuse a new call; None if it has room."""
        return admission.refusal(self._state, self._options.limits)

    def place(self, call: str) -> Refuse | None:
        """Promise room for a call; None if it has room."""
        (action, *_) = self._step(admission.Place(call))
        return action if isinstance(action, Refuse) else None

    def drain(self) -> None:
        """Take no new calls; let those that are on finish, until the deadline."""
        log.info("draining: %d calls are on", len(self._state.active))
        self._step(admission.Drain())

    def explain(self, refused: Refuse) -> str:
        """Return a refusal in words: what, why, and where to ask."""
        ask = self._options.elsewhere
        match refused.why:
            case admission.Why.FULL:
                said = f"All {self._options.limits.most_calls} lines are busy."
            case admission.Why.OVERLOADED:
                said = f"This worker is {self._state.lag_s:.2f} s behind."
            case admission.Why.DRAINING:
                said = "This worker is being stopped and takes no new calls."
        where = f"ask {ask} for another" if ask else "try again"
        return f"{said} Please {where} in {refused.retry_s} s."

    # --- what happens ----------------------------------------------------------------------

    def _step(self, event: admission.WorkerEvent) -> list[Action]:
        loop = asyncio.get_running_loop()
        limits = self._options.limits
        self._state, actions = admission.step(self._state, event, loop.time(), limits)
        for action in actions:
            match action:
                case admission.SayGoodbye():
                    log.warning("the deadline is over: %d calls end", len(self._state.active))
                    self._leaving.set()
                case admission.Stop():
                    self.stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._state.due_s < float("inf"):
            self._timer = loop.call_at(self._state.due_s, self._step, admission.Tick())
        self.on_change()
        return actions

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Measure how late the event loop is until the block ends; tell watchers the last news."""
        task = asyncio.create_task(self._measure_lag())
        try:
            yield
        finally:
            await self.watchers.tell_last()
            task.cancel()
            if self._timer is not None:
                self._timer.cancel()

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + MEASURES_EVERY_S
            await asyncio.sleep(MEASURES_EVERY_S)
            self._step(admission.Measure(max(0.0, loop.time() - due_s)))

    # --- who comes -------------------------------------------------------------------------

    def answer_probe(self, connection: ServerConnection, request: Request) -> Response | None:
        """Tell the worker's health to whoever asks one of PROBES; None lets a watcher in."""
        path = path_of(request)
        if path == WATCH_PATH:
            return self.watchers.admit(connection, request, self._options.token)
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "alive\n")
        if path == METRICS_PATH:
            if self._metrics is not None:
                return self._metrics.answer(connection, request, self._options.token)
            return connection.respond(HTTPStatus.NOT_FOUND, "This worker measures no calls.\n")
        load = self.load
        is_busy = path == "/readyz" and load.refuses
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_busy else HTTPStatus.OK
        return connection.respond(status, json.dumps(load.to_json()) + "\n")

    def route(
        self, protocol: CallProtocol, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Let a placed call in, tell the worker's health, refuse the rest."""
        path = path_of(request)
        if path in PROBES:
            return self.answer_probe(connection, request)
        asked = re.fullmatch(rf"{CALLS}([\w-]{{1,64}}){re.escape(protocol.path)}", path)
        call = self.find(asked[1]) if asked else ""
        if call and isinstance(connection, CallConnection):
            connection.call = call
            # a client that followed a redirect left its key behind: the address is the key
            request.headers.setdefault("Authorization", f"Bearer {call}")
            return None
        return self._turn_away(connection)

    def find(self, asked: str) -> str:
        """Return the placed call of a name, compared in constant time; "" if there is none."""
        calls = self._state.placed
        return next((call for call in calls if is_same(asked, call)), "")

    def _turn_away(self, connection: ServerConnection) -> Response:
        refused = self.refusal
        ask = self._options.elsewhere
        log.info("refused a call: %s", refused.why if refused else "it was not placed")
        if refused is None:
            where = f"POST {ask}" if ask else "the front"
            said = f"No call is expected at this address: {where} gives one, which opens once.\n"
            return connection.respond(HTTPStatus.NOT_FOUND, said)
        said = self.explain(refused) + "\n"
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, said)
        response.headers["Retry-After"] = str(refused.retry_s)
        if ask:
            response.headers["Link"] = f'<{ask}>; rel="alternate"'
        return response

    async def hold(self, protocol: CallProtocol, connection: ServerConnection) -> None:
        """Hold one call, or tell a watcher of all of them."""
        if is_watcher(connection):
            await self.tell_watcher(connection)
            return
        call = connection.call if isinstance(connection, CallConnection) else ""
        with self.opening(call) as tell:
            if tell:
                await protocol.hold(connection, tell)
            else:
                await connection.close(CloseCode.POLICY_VIOLATION, "this call is on already")

    async def tell_watcher(self, connection: ServerConnection) -> None:
        """Tell a watcher who was let in of the calls until they leave."""
        await self.watchers.hold(connection, WorkersReader(lambda: (self,)).read)

    @contextmanager
    def opening(self, call: str) -> Iterator[Tell | None]:
        """Count a call that has come until the block ends.

        The block gets who is to be told of the call's events; None if the call is not expected.
        """
        if not isinstance(self._step(admission.Open(call))[0], Accept):
            yield None
            return
        log.info("call %.6s begins: %d are on", call, len(self._state.active))
        number, tell = self.live.begin(call)
        try:
            yield tell
        finally:
            self.live.end(number)
            self._step(admission.End(call))
            log.info("call %.6s is over: %d are on", call, len(self._state.active))


class CallConnection(ServerConnection):
    """A call's connection. call: its name."""

    call = ""


@asynccontextmanager
async def serving_worker(
    name: str, make_protocol: MakeProtocol, options: WorkerOptions | None = None
) -> AsyncIterator[Worker]:
    """Hold calls until the block ends; what is on then is cut off: `drain` before.

    name: of the protocol. Raises VoxlabError if the port is taken.
    """
    options, leaving = options or WorkerOptions(), asyncio.Event()
    protocol = make_protocol(leaving)
    worker = Worker(name, options, leaving)
    server: Server = await listen(
        lambda connection: worker.hold(protocol, connection),
        options.host,
        options.port,
        messages=options.messages,
        create_connection=CallConnection,
        process_request=lambda connection, request: worker.route(protocol, connection, request),
        max_size=protocol.largest_message,
        max_queue=protocol.messages_ahead,
        **protocol.options,
    )
    async with server, worker.running():
        port = server.sockets[0].getsockname()[1]
        worker.url = options.public_url.rstrip("/") or f"ws://{options.host}:{port}"
        yield worker
