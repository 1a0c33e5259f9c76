"""Two clocks: virtual time is exact, in order, and never hangs."""

import asyncio
import heapq
import itertools
import math
import re
import signal
import threading
from pathlib import Path

import pytest
from clock_runs import beside_a_loop, in_a_notebook, now_s
from hypothesis import given
from hypothesis import strategies as st

import voxlab
from voxlab.clock import VirtualLoop, is_virtual, run_real, run_virtual
from voxlab.errors import Deadlock

anywhere = pytest.mark.parametrize("run", [run_virtual, in_a_notebook])


# --- time passes as asyncio's own primitives say --------------------------------------------


@pytest.mark.parametrize("delay_s", [0.0, 1e-6, 0.1, 0.5, 86_400.0, 1e6])
def test_a_sleep_takes_exactly_its_time(delay_s):
    async def main():
        await asyncio.sleep(delay_s)
        return now_s()

    assert run_virtual(main()) == delay_s


def test_a_sleep_of_three_years_ends():
    async def main():
        await asyncio.sleep(1e8)  # beside which asyncio's clock resolution of 1e-9 s vanishes
        return now_s()

    assert run_virtual(main()) == 1e8


def test_sleeps_add_up_as_floats_do():
    async def main():
        for _ in range(10):
            await asyncio.sleep(0.1)
        return now_s()

    expected_s = 0.0
    for _ in range(10):
        expected_s += 0.1
    assert run_virtual(main()) == expected_s


def test_wait_for_gives_up_at_its_timeout():
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2.5)
        return now_s()

    assert run_virtual(main()) == 2.5


def test_wait_for_returns_as_soon_as_the_result_is_there():
    async def main():
        return await asyncio.wait_for(asyncio.sleep(1.5, "done"), 2.5), now_s()

    assert run_virtual(main()) == ("done", 1.5)


def test_a_timeout_fires_at_its_deadline_and_can_be_moved():
    async def main():
        async def work():
            async with asyncio.timeout(1.0) as limit:
                await asyncio.sleep(0.5)
                limit.reschedule(now_s() + 3.0)
                await asyncio.sleep(60)

        with pytest.raises(TimeoutError):
            await work()
        return now_s()

    assert run_virtual(main()) == 3.5


def test_a_bounded_queue_lets_the_producer_wait_for_the_consumer():
    async def main():
        queue = asyncio.Queue(maxsize=1)
        put_at_s, got = [], []

        async def produce():
            for number in range(4):
                await queue.put(number)
                put_at_s.append(now_s())

        async def consume():
            for _ in range(4):
                await asyncio.sleep(1)
                got.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        return put_at_s, got

    assert run_virtual(main()) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_an_event_wakes_all_who_wait_at_the_time_it_is_set():
    async def main():
        event, woken_at_s = asyncio.Event(), []

        async def wait():
            await event.wait()
            woken_at_s.append(now_s())

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(wait())
            await asyncio.sleep(7)
            event.set()
        return woken_at_s

    assert run_virtual(main()) == [7, 7, 7]


def test_a_failing_task_cancels_its_siblings_at_that_time():
    async def main():
        cancelled_at_s = []

        async def fail():
            await asyncio.sleep(1)
            raise ValueError("broken")

        async def wait():
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled_at_s.append(now_s())
                raise

        async def both():
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(wait())

        with pytest.raises(ExceptionGroup, match="unhandled errors"):
            await both()
        return cancelled_at_s, now_s()

    assert run_virtual(main()) == ([1], 1)


def test_the_timer_of_a_cancelled_sleep_does_not_move_the_clock():
    async def main():
        sleeper = asyncio.create_task(asyncio.sleep(50))
        await asyncio.sleep(2)
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        await asyncio.sleep(1)
        return now_s()

    assert run_virtual(main()) == 3


delays_s = st.lists(st.integers(0, 40).map(lambda ticks: ticks / 8), max_size=6)


@pytest.mark.slow
@given(st.lists(delays_s, max_size=6))
def test_sleeping_tasks_wake_in_the_order_of_a_heap(plans):
    async def main():
        log = []

        async def sleeper(name, plan):
            for delay_s in plan:
                await asyncio.sleep(delay_s)
                log.append((now_s(), name))

        async with asyncio.TaskGroup() as group:
            for name, plan in enumerate(plans):
                group.create_task(sleeper(name, plan))
        return log

    heap, expected = [(0.0, name, 0) for name in range(len(plans))], []
    while heap:
        at_s, name, step = heapq.heappop(heap)
        if step:
            expected.append((at_s, name))
        if step < len(plans[name]):
            heapq.heappush(heap, (at_s + plans[name][step], name, step + 1))
    log = run_virtual(main())
    assert [at_s for at_s, _ in log] == [at_s for at_s, _ in expected]
    assert sorted(log) == sorted(expected)
    assert run_virtual(main()) == log  # ties included, it repeats


# --- nothing left to wait for ---------------------------------------------------------------


async def wait_for_godot():
    await asyncio.Event().wait()


@anywhere
def test_a_deadlock_is_raised_at_once_and_names_the_tasks(run):
    async def main():
        await asyncio.sleep(4)
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_for_godot())

    with pytest.raises(Deadlock, match=r"stands at 4\.000 s.*main, wait_for_godot\)"):
        run(main())


def test_an_endless_sleep_is_a_deadlock_too():
    with pytest.raises(Deadlock, match="sleep"):
        run_virtual(asyncio.sleep(math.inf))


def test_a_deadlock_still_runs_the_cleanup_of_every_task():
    cleaned = []

    async def main():
        try:
            await wait_for_godot()
        finally:
            cleaned.append("up")

    with pytest.raises(Deadlock):
        run_virtual(main())
    assert cleaned == ["up"]


def test_a_task_that_sleeps_is_no_deadlock():
    async def main():
        waiting = asyncio.create_task(wait_for_godot())
        await asyncio.sleep(10)
        waiting.cancel()
        return now_s()

    assert run_virtual(main()) == 10


# --- where it runs --------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("run", "virtual"), [(run_virtual, True), (run_real, False)])
def test_a_run_works_inside_a_running_loop_too(run, virtual, nested):
    async def main():
        return is_virtual(), type(asyncio.get_running_loop()) is VirtualLoop

    result = asyncio.run(beside_a_loop(run, main())) if nested else run(main())
    assert result == (virtual, virtual)


def test_virtual_time_can_be_run_from_within_virtual_time():
    async def main():
        await asyncio.sleep(1)
        return run_virtual(asyncio.sleep(5, "inner")), now_s()

    assert run_virtual(main()) == ("inner", 1)


@anywhere
@pytest.mark.parametrize("error", [ValueError("as it was"), asyncio.CancelledError("stop")])
def test_an_exception_comes_out_as_it_was_raised(error, run):
    async def main():
        await asyncio.sleep(1)
        raise error

    with pytest.raises(type(error)):
        run(main())


@pytest.fixture
def interrupt():
    """Return a function that interrupts the main thread, like Ctrl-C, while it waits for a run.

    Not just anywhere: Python swallows an interrupt that comes in a weak reference's callback.
    """
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals go to the main thread")
    sent_to = []

    def handler(number, frame):
        if not sent_to and frame.f_code.co_name == "_in_thread":
            sent_to.append(frame)
            raise KeyboardInterrupt

    def send():
        if not sent_to:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, handler)
    yield send
    signal.signal(signal.SIGINT, before)


async def tick(interrupt, log):
    try:
        for _ in itertools.count():  # the clock runs on until the interrupt arrives
            interrupt()
            await asyncio.sleep(1)
    finally:
        log.append("cancelled")


def test_an_interrupt_cancels_the_run():
    before, log = signal.signal(signal.SIGINT, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt):
            run_virtual(tick(lambda: signal.raise_signal(signal.SIGINT), log))
    finally:
        signal.signal(signal.SIGINT, before)
    assert log == ["cancelled"]


def test_an_interrupt_in_a_notebook_cancels_the_run_in_its_thread(interrupt):
    before, log = set(threading.enumerate()), []
    loop = asyncio.new_event_loop()  # like Jupyter's, it leaves SIGINT alone
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(beside_a_loop(run_virtual, tick(interrupt, log)))
    loop.close()
    assert log == ["cancelled"]
    assert set(threading.enumerate()) == before


# --- what we rely on ------------------------------------------------------------------------


def test_asyncio_has_the_private_names_that_the_virtual_loop_uses():
    loop = asyncio.SelectorEventLoop()
    handle = loop.call_later(60, print)
    assert loop._scheduled == [handle]
    assert loop._clock_resolution > 0
    loop.close()


REAL_TIME = re.compile(
    r"\btime\.(?:time|monotonic|perf_counter|process_time|sleep)|from time import"
    r"|datetime\.(?:now|utcnow|today)"
)
REASONS = {
    "cli/calls.py": "a trace of a live call tells when it began",
    "cli/suite_calls.py": "a report tells how long each call took to hold; nothing depends on it",
    "models/fetching.py": "the age of a folder that a killed download left is the file system's",
    "codec/train.py": "a training run reports how long it takes; nothing depends on it",
    "providers/smollm/train.py": "a training run reports how long it takes; nothing depends on it",
    "grading/expect.py": "to make a counterexample smaller may not take for ever",
    "grading/submission.py": "a submission that never ends must be stopped in real time",
    "frameworks/livekit.py": "LiveKit is told by the wall clock when playing began",
    "frameworks/livekit_drain.py": "LiveKit's worker drains in real time, in another process",
    "frameworks/worker.py": "the frameworks hold calls in real time; what one costs is measured",
    "serving/workers/measuring.py": "a span of a call that is over tells when the call began",
    "serving/realtime/transport/server.py": "the protocol tells when a secret expires",
}


def test_nothing_reads_real_time():
    package = Path(voxlab.__file__).parent
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if REAL_TIME.search(path.read_text(encoding="utf-8"))
    }
    assert readers - set(REASONS) == set(), "read the event loop's time, or give a reason here"
