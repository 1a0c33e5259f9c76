"""One agent, two clocks: an event loop whose time is a number, so that a call takes milliseconds.

Code reads `loop.time()` and waits with `asyncio.sleep`. Under `asyncio.run` that is real time;
under `run_virtual` the loop jumps to the next timer as soon as nothing is left to do, and the
same call runs again bit for bit. Work that costs real time goes through `compute`, which charges
virtual time for it.
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import math
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from voxlab.errors import Deadlock

T = TypeVar("T")

SOCKET_GRACE_S = 0.001  # real time that open sockets get before the clock jumps
RESOLUTION_S = 1e-9  # timers closer together than this are due together


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never waits for a timer: it moves the loop's clock onto it instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        sockets = len(self.get_map()) > 1  # the first entry is the loop's own wake-up pipe
        if self.loop.jobs:  # a thread owes us an answer: wait in real time, the clock stands
            return super().select(None if timeout is None or timeout > 0 else 0)
        if timeout is not None and timeout <= 0:
            return super().select(0) if sockets else []
        if sockets and (ready := super().select(SOCKET_GRACE_S)):
            return ready
        if timeout is not None and self.loop.jump():
            return []
        if sockets:
            return super().select(None)
        raise Deadlock(self.loop.waiting_tasks())


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time: `time()` is a counter that jumps from timer to timer.

    Exact for sleep, wait_for, timeout, Queue, Event, TaskGroup and cancellation. Work in an
    executor takes no virtual time (see `compute`). Sockets work, but their timing is not virtual.
    Raises Deadlock at once when every task waits and no timer is set.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        self.jobs = 0  # work handed to threads and not yet back
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self._now_s

    def jump(self) -> bool:
        """Move the clock onto the next timer; False if that is infinitely far away."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        when_s = scheduled[0].when()
        if math.isinf(when_s):
            return False
        self._now_s = max(self._now_s, when_s)
        # a timer is due before now + resolution: after some years 1e-9 would vanish in that sum
        self._clock_resolution = max(RESOLUTION_S, math.ulp(self._now_s))
        return True

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run func in a thread; virtual time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.jobs += 1  # only now: an executor that is shut down refuses the job
        future.add_done_callback(lambda _: self._job_done())
        return future

    def _job_done(self) -> None:
        self.jobs -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the executor's threads in real time."""
        self.jobs += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self.jobs -= 1

    def waiting_tasks(self) -> str:
        """Say who waits, for the Deadlock message."""
        names = sorted(task.get_coro().__qualname__ for task in asyncio.all_tasks(self))  # type: ignore[union-attr]
        return (
            f"virtual time stands at {self._now_s:.3f} s: no timer is set, and nobody can wake "
            f"the tasks that wait ({', '.join(names)}): look for an event that nobody sets"
        )


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result.

    Works inside Jupyter's running loop too, in a thread of its own.

    >>> async def nap():
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> run_virtual(nap())
    3600.0
    """
    return _run(main, VirtualLoop)


def run_real(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in real time and return its result; inside Jupyter too."""
    return _run(main, asyncio.new_event_loop)


def _run(main: Coroutine[Any, Any, T], new_loop: Callable[[], asyncio.AbstractEventLoop]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(main)
    return _in_thread(main, new_loop)


class _LoopThread(threading.Thread, Generic[T]):
    """Runs a coroutine to its end in an event loop and a thread of its own."""

    def __init__(
        self, main: Coroutine[Any, Any, T], new_loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        super().__init__(name="voxlab-loop")
        self._main = main
        self._new_loop = new_loop
        self._results: list[T] = []
        self._failures: list[BaseException] = []
        self._cancels: list[Callable[[], object]] = []
        self._begun = threading.Event()
        self.running = threading.Lock()  # an interrupted wait leaves a bare lock as it was
        self.running.acquire()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._new_loop) as runner:
                loop = runner.get_loop()
                task = loop.create_task(self._main)
                self._cancels.append(lambda: loop.call_soon_threadsafe(task.cancel))
                self._begun.set()
                self._results.append(loop.run_until_complete(task))
        except BaseException as error:  # `result` raises it in the caller's thread
            self._failures.append(error)
        finally:
            self.running.release()

    def cancel(self) -> None:
        self._begun.wait(1.0)  # real time: the loop may not be there yet
        for cancel in self._cancels:
            with contextlib.suppress(RuntimeError):  # the loop is closed: main was just done
                cancel()

    def result(self) -> T:
        if self._failures:
            raise self._failures[0]
        return self._results[0]


def _in_thread(
    main: Coroutine[Any, Any, T], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> T:
    """Run main beside the caller's loop; interrupting the wait cancels main."""
    thread = _LoopThread(main, new_loop)
    try:
        thread.start()
        thread.running.acquire()
    except KeyboardInterrupt:
        thread.cancel()
        raise
    finally:
        if thread.is_alive():
            thread.join()
    return thread.result()


def is_virtual() -> bool:
    """Tell whether the running loop keeps virtual time."""
    return isinstance(asyncio.get_running_loop(), VirtualLoop)


async def compute(
    function: Callable[..., T], *args: Any, cost_s: float | Callable[[T], float] = 0.0
) -> T:
    """Return function(*args), and let it take time on either clock.

    In real time it runs in a thread, so that the loop stays responsive (cancelling does not stop
    the thread; its result is dropped). In virtual time it runs at once and cost_s seconds pass:
    a number, or a function of the result.
    """
    if not is_virtual():
        return await asyncio.to_thread(function, *args)
    result = function(*args)
    await asyncio.sleep(cost_s(result) if callable(cost_s) else cost_s)
    return result


async def run_blocking(function: Callable[..., T], *args: Any, limit_s: float | None = None) -> T:
    """Return function(*args), which may block: it gets a thread of its own.

    In real time the loop goes on meanwhile. In virtual time the clock stands still, so that a call
    repeats, but only for limit_s of real time: then it goes on, and this never returns, as if the
    function took for ever. Put `asyncio.timeout` around it in both cases.
    A thread cannot be stopped: when nobody waits any more it runs on, its result is dropped, and
    it does not hold up the end of the program.
    """
    outcome: concurrent.futures.Future[tuple[list[T], BaseException | None]]
    outcome = concurrent.futures.Future()
    outcome.set_running_or_notify_cancel()  # whoever stops waiting cannot stop the function
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(([context.run(function, *args)], None))
        except BaseException as error:  # raised below, where somebody waits for it
            outcome.set_result(([], error))

    threading.Thread(target=work, name="voxlab-blocking", daemon=True).start()
    if is_virtual():
        concurrent.futures.wait([outcome], limit_s)
        if not outcome.done():
            await asyncio.get_running_loop().create_future()
        results, error = outcome.result()
    else:
        results, error = await asyncio.wrap_future(outcome)
    if error is not None:
        raise error
    return results[0]
