"""Workers as Ray actors: the same workers, on machines of a Ray cluster that have room for them.

    async with serving_front("twilio") as front:
        workers = RayWorkers(front, make_serve, WorkerOptions(limits=Limits(most_calls=1)))
        await workers.start(4)

An actor is a worker that joins the front as a process does. Its calls come to a socket of its own,
so no sound passes through Ray. With one call a worker each call has an actor to itself. Actors wait
for calls and not calls for actors: an actor takes seconds to start, which a caller would hear as
silence. So back-pressure has two places: when all workers are busy the front refuses a call at
once, and a cluster without room refuses another worker after a bounded time.
"""

import asyncio
import importlib.util
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any

from voxlab.errors import VoxlabError, missing_extra
from voxlab.serving.workers.front import Front
from voxlab.serving.workers.joining import work_until_stopped
from voxlab.serving.workers.processes import AGAIN_S, STARTS_WITHIN_S
from voxlab.serving.workers.worker import Worker, WorkerOptions

Serve = Callable[[WorkerOptions], AbstractAsyncContextManager[Worker]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayOptions:
    """The cluster, and what a worker takes of it.

    address: of the cluster, HOST:PORT, or auto for the one that runs on this machine. cpus: of a
    worker; Ray places by them, and does not hold a worker to them.
    """

    address: str = "auto"
    cpus: float = 1.0


class RayWorkers:
    """Workers behind a front, each an actor; the front and they share options.token.

    make_serve: returns what runs a worker, in the actor, where engines are loaded. It has to be a
    name of a module that the cluster's machines have. Raises VoxlabError without the extra, or if
    there is no cluster.
    """

    def __init__(
        self,
        front: Front,
        make_serve: Callable[[], Serve],
        options: WorkerOptions,
        ray_options: RayOptions | None = None,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise VoxlabError(f"Ray needs its package: {missing_extra('ray')}")
        import ray

        self._ray = ray
        self._front = front
        self._given = make_serve, options, front.url
        self._options = ray_options or RayOptions()
        self._serving: list[_Held] = []
        self._watching: set[asyncio.Task[None]] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        try:
            address = self._options.address
            ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
        except ConnectionError as error:
            raise VoxlabError(f"no Ray cluster at {address}: start one (ray start)") from error

    async def start(self, count: int, within_s: float = STARTS_WITHIN_S) -> None:
        """Start so many workers.

        Raises VoxlabError if one has no room, or does not start; the others serve.
        """
        started = await asyncio.gather(
            *(self._start(within_s) for _ in range(count)), return_exceptions=True
        )
        self._serving += [held for held in started if isinstance(held, _Held)]
        for error in started:
            if isinstance(error, BaseException):
                raise error

    async def _start(self, within_s: float = STARTS_WITHIN_S) -> "_Held":
        actor_class = self._ray.remote(num_cpus=self._options.cpus)(_WorkerActor)
        actor = actor_class.remote(*self._given)
        held = _Held(actor, asyncio.ensure_future(_wait(actor.run.remote())))
        with ExitStack() as stack:
            stack.callback(held.run.cancel)
            stack.callback(self._ray.kill, actor)  # also one that waits for room
            try:
                async with asyncio.timeout(within_s):
                    address = asyncio.ensure_future(_wait(actor.url.remote()))
                    stack.callback(address.cancel)
                    await asyncio.wait({address, held.run}, return_when=asyncio.FIRST_COMPLETED)
                    if held.run.done():
                        held.run.result()  # says why it has ended
                    await self._front.joined_at(await address)
            except TimeoutError:
                raise VoxlabError(self._tell_room(within_s)) from None
            except self._ray.exceptions.RayError as error:
                why = str(error).strip().rpartition("\n")[2]
                raise VoxlabError(f"a worker did not start: {why}") from error
            stack.pop_all()
        _keep(self._watching, self._watch(held))
        return held

    def _tell_room(self, within_s: float) -> str:
        there, free = self._ray.cluster_resources(), self._ray.available_resources()
        return (
            f"no worker of {self._options.cpus:g} CPU has started within {within_s:g} s: of the "
            f"cluster's {there.get('CPU', 0):g} CPUs {free.get('CPU', 0):g} are free. Add a node, "
            "or ask for fewer workers"
        )

    async def _watch(self, held: "_Held") -> None:
        """Free what a worker took when it has ended; replace one that was not asked to."""
        try:
            await held.run
        except self._ray.exceptions.RayError as error:
            log.warning("a worker died, and its calls with it: %s", type(error).__name__)
        self._ray.kill(held.actor)
        if held in self._serving:
            _keep(self._replacing, self._replace(held))

    async def _replace(self, held: "_Held") -> None:
        """Start another worker as soon as there is room for one."""
        while held in self._serving:
            await asyncio.sleep(AGAIN_S)
            try:
                new = await self._start()
            except VoxlabError as error:
                log.warning("%s", error)
                continue
            self._put(new, held)

    async def restart(self) -> None:
        """Replace the workers one after another; each needs room for one more meanwhile."""
        for old in tuple(self._serving):
            self._put(await self._start(), old)
            old.actor.drain.remote()

    def _put(self, new: "_Held", old: "_Held") -> None:
        """Let a new worker stand for an old one; drain it if that one was replaced meanwhile."""
        if old in self._serving:
            self._serving[self._serving.index(old)] = new
        else:
            new.actor.drain.remote()

    async def drain(self) -> None:
        """Let all calls finish; return when every worker has ended."""
        serving, self._serving = self._serving, []
        for task in self._replacing:
            task.cancel()
        for held in serving:
            held.actor.drain.remote()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*self._watching)
        self._ray.shutdown()


@dataclass(frozen=True, eq=False)
class _Held:
    """A worker: its actor, and what is done when it has ended."""

    actor: Any
    run: asyncio.Future[Any]


class _WorkerActor:
    """One worker, in a process of the cluster's."""

    def __init__(self, make_serve: Callable[[], Serve], options: WorkerOptions, front_url: str):
        self._serve, self._options, self._front_url = make_serve(), options, front_url
        self._started = asyncio.Event()
        self._worker: Worker | None = None
        self._url = ""

    async def run(self) -> None:
        """Hold calls until the worker has drained."""
        from ray.util import get_node_ip_address

        from voxlab.serving.realtime.transport.server import use_few_threads

        use_few_threads()
        async with self._serve(replace(self._options, host=get_node_ip_address())) as self._worker:
            self._url = self._worker.url
            self._started.set()
            await work_until_stopped(self._worker, self._front_url, self._options.token or "")

    async def url(self) -> str:
        """Return the worker's address when it has one."""
        await self._started.wait()
        return self._url

    async def drain(self) -> None:
        """Take no new calls; let those that are on finish, until the deadline."""
        if self._worker is not None:
            self._worker.drain()


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _wait(result: Any) -> Any:
    return await result
