"""Watching: a worker tells of its calls while they are on, to whoever has its token.

    tell = live.begin("call-1")  # the call's events go in, without a word of what was said
    news = NewsReader(live).read()  # a watcher reads what they have not been told yet

What is kept does not depend on who reads it: a watcher who is slow costs a call nothing. They miss
what has been forgotten meanwhile, and are told how much that was.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from voxlab.errors import VoxlabError
from voxlab.observability.live_events import read_event, strip_event, write_event
from voxlab.serving.http import is_bearer, path_of
from voxlab.serving.workers.loads import Load
from voxlab.timeline import Event

WATCH_PATH = "/watch"
TOLD_EVERY_S = 0.1
MOST_EVENTS = 2000  # of a call; a quarter of an hour has fewer
LAST_NEWS_S = 1.0
MOST_AT_ONCE = 500  # events in one message, so that writing it takes about a millisecond
MOST_OVER = 20  # calls that are over and are still told of
MOST_WATCHERS = 8
NOTHING: Mapping[str, Any] = {"calls": (), "gone": ()}  # of a worker whose load alone is new
NAME = 6  # of an address that opens once and has been opened: what the log shows of it

Tell = Callable[[Event], None]


@dataclass
class LiveCall:
    """A call's last events. began_s: on the loop's clock; count: of all its events so far.

    number: among the calls of its worker.
    """

    number: int
    name: str
    began_s: float
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    count: int = 0
    is_over: bool = False


class LiveCalls:
    """The calls of one worker that are on, and the last ones that are over, by number.

    on_over: is told of each call when it is over.
    """

    def __init__(self, on_over: Callable[[LiveCall], None] = lambda call: None) -> None:
        self._on_over = on_over
        self.calls: dict[int, LiveCall] = {}
        self._numbers = itertools.count(1)

    def begin(self, name: str) -> tuple[int, Tell]:
        """Keep a new call; return its number, and who is to be told of its events."""
        now_s = asyncio.get_running_loop().time
        number = next(self._numbers)
        call = self.calls[number] = LiveCall(number, name[:NAME], now_s())

        def tell(event: Event) -> None:
            if not call.count:  # a call's clock starts when its line does, not when it is let in
                call.began_s = now_s() - event.at_s
            if (told := strip_event(event)) is not None:
                call.events.append(told)
                call.count += 1

        return number, tell

    def end(self, number: int) -> None:
        """Note that a call is over; forget those that have been over for longest."""
        call = self.calls[number] = self.calls.pop(number)  # behind those that were over before
        call.is_over = True
        self._on_over(call)
        over = [each for each, call in self.calls.items() if call.is_over]
        for each in over[:-MOST_OVER]:
            del self.calls[each]

    def follow(self, news: Mapping[str, Any]) -> None:
        """Keep what a worker elsewhere tells of its calls. Raises VoxlabError if it is no news.

        A call whose end the worker told before, to a front that has been restarted since, is kept
        and shown; `on_over` does not hear of it again.
        """
        now_s = asyncio.get_running_loop().time()
        try:
            for told in news["calls"]:
                began_s = now_s - float(told["now_s"])
                number, name = int(told["number"]), str(told["name"])[:NAME]
                call = self.calls.setdefault(number, LiveCall(number, name, began_s))
                events = [event for each in told["events"] if (event := read_event(each))]
                if lost := int(told["lost"]):
                    call.events.clear()  # what is kept has no hole
                call.events.extend(events)
                call.count += lost + len(events)
                if told["is_over"] and not call.is_over:
                    call.is_over = True
                    if not told.get("was_told"):
                        self._on_over(call)
            for number in news["gone"]:
                self.calls.pop(number, None)
        except (KeyError, TypeError, ValueError) as error:
            raise VoxlabError(f"not news of a worker's calls: {error}") from error


class NewsReader:
    """Reads, again and again, what is new of a worker's calls; at first everything."""

    def __init__(self, live: LiveCalls) -> None:
        self._live = live
        self._read: dict[int, tuple[int, bool]] = {}  # by call: events, and whether it was over

    def read(self) -> dict[str, Any] | None:
        """Return the news as JSON can hold it; None if there is none."""
        now_s, room = asyncio.get_running_loop().time(), MOST_AT_ONCE
        calls = []
        for number, call in self._live.calls.items():
            if self._read.get(number) == (call.count, call.is_over) or not room:
                continue
            before, _ = self._read.get(number, (0, False))
            forgotten = max(before, call.count - len(call.events))
            skipped = forgotten - (call.count - len(call.events))
            events = list(itertools.islice(call.events, skipped, skipped + room))
            room -= len(events)
            read = forgotten + len(events)
            is_over = call.is_over and read == call.count
            self._read[number] = (read, is_over)
            calls.append(
                {
                    "number": number,
                    "name": call.name,
                    "now_s": now_s - call.began_s,
                    "is_over": is_over,
                    "lost": forgotten - before,
                    "events": [write_event(event) for event in events],
                }
            )
        gone = [number for number in self._read if number not in self._live.calls]
        for number in gone:
            del self._read[number]
        return {"calls": calls, "gone": gone} if calls or gone else None


def is_watcher(connection: ServerConnection) -> bool:
    """Tell whether a connection that was let in is a watcher's."""
    request = connection.request
    return request is not None and path_of(request) == WATCH_PATH


class Watchable(Protocol):
    """A worker, here or behind a connection, whose load and calls can be watched."""

    @property
    def load(self) -> Load | None:
        """Its last report, if there is one."""
        ...

    @property
    def live(self) -> LiveCalls:
        """Its calls."""
        ...


class Watchers:
    """Those who watch. They are so many at most: the next one is refused."""

    def __init__(self) -> None:
        self._watching: dict[ServerConnection, Callable[[], list[dict[str, Any]]]] = {}

    def admit(
        self, connection: ServerConnection, request: Request, token: str | None
    ) -> Response | None:
        """Let a watcher in who has the token, or refuse them; without a token nobody watches."""
        if not token or not is_bearer(request.headers.get("Authorization", ""), token):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "This is no worker's token.\n")
        return self.refuse_more(connection)

    def refuse_more(self, connection: ServerConnection) -> Response | None:
        """Refuse a watcher too many."""
        if len(self._watching) < MOST_WATCHERS:
            return None
        said = f"{len(self._watching)} watch already, and more may not. Please close a dashboard.\n"
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, said)

    async def hold(
        self, connection: ServerConnection, next_messages: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Tell a watcher what is new, again and again, until they leave."""
        self._watching[connection] = next_messages
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(connection))
                await connection.wait_closed()
                telling.cancel()
        finally:
            del self._watching[connection]

    async def _tell(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._tell_news(connection)
                await asyncio.sleep(TOLD_EVERY_S)

    async def _tell_news(self, connection: ServerConnection) -> None:
        for message in self._watching[connection]():
            await connection.send(json.dumps(message))

    async def tell_last(self) -> None:
        """Tell all what is new, before the server closes; who does not read has a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_NEWS_S):
                telling = map(self._tell_news, tuple(self._watching))
                await asyncio.gather(*telling, return_exceptions=True)


class WorkersReader:
    """Reads what is new of several workers. find_workers: those that are there."""

    def __init__(self, find_workers: Callable[[], Iterable[Watchable]]) -> None:
        self._find_workers = find_workers
        self._numbers = itertools.count(1)
        self._known: dict[Watchable, tuple[int, NewsReader]] = {}
        self._loads: dict[Watchable, Load] = {}

    def read(self) -> list[dict[str, Any]]:
        """Return a message a worker, {"worker", "load", "calls", "gone"}; load: null if it left."""
        workers = {each: load for each in self._find_workers() if (load := each.load) is not None}
        messages: list[dict[str, Any]] = []
        for left in self._known.keys() - workers.keys():
            del self._loads[left]
            number, reader = self._known.pop(left)
            messages.append({"worker": number, "load": None, **(reader.read() or NOTHING)})
        for worker, load in workers.items():
            if worker not in self._known:
                self._known[worker] = next(self._numbers), NewsReader(worker.live)
            number, reader = self._known[worker]
            news = reader.read()
            if news or self._loads.get(worker) != load:
                self._loads[worker] = load
                messages.append({"worker": number, "load": load.to_json(), **(news or NOTHING)})
        return messages
