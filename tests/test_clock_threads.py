"""Virtual time stands still for threads, sockets and functions that block."""

import asyncio
import contextvars
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from clock_runs import in_a_notebook, now_s

from voxlab.clock import compute, run_blocking, run_real, run_virtual

# --- threads and sockets --------------------------------------------------------------------


def test_the_clock_stands_still_while_a_thread_works():
    async def main():
        rung, gate = [], threading.Event()
        asyncio.get_running_loop().call_later(1.0, rung.append, "timer")
        waits = asyncio.to_thread(gate.wait)
        opens = asyncio.to_thread(lambda: gate.set() or len(rung))
        _, rung_meanwhile = await asyncio.gather(waits, opens)
        after_jobs_s = now_s()
        await asyncio.sleep(2)
        return rung_meanwhile, after_jobs_s, rung, now_s()

    assert run_virtual(main()) == (0, 0.0, ["timer"], 2.0)


def test_an_exception_in_a_thread_arrives_and_time_goes_on():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        await asyncio.sleep(1)
        return now_s()

    assert run_virtual(main()) == 1


def test_a_job_that_the_executor_refuses_does_not_stop_the_clock():
    async def main():
        loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor()
        pool.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            await loop.run_in_executor(pool, print)
        return loop.jobs

    assert run_virtual(main()) == 0


def test_a_run_leaves_no_thread_behind():
    before = set(threading.enumerate())
    assert run_virtual(asyncio.to_thread(lambda: 42)) == 42
    assert in_a_notebook(asyncio.to_thread(lambda: 43)) == 43
    assert set(threading.enumerate()) == before


def test_the_executor_can_be_shut_down_while_a_timer_waits():
    async def main():
        loop = asyncio.get_running_loop()
        rung = []
        loop.call_later(5, rung.append, "timer")
        await asyncio.to_thread(threading.get_ident)
        await loop.shutdown_default_executor()
        return loop.jobs, now_s(), rung

    assert run_virtual(main()) == (0, 0.0, [])


def test_a_socket_that_has_data_is_read_before_the_clock_jumps():
    async def main():
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            received = asyncio.create_task(loop.sock_recv(right, 10))
            await asyncio.sleep(0)
            left.send(b"hello")
            async with asyncio.timeout(1):
                return await received, now_s()

    assert run_virtual(main()) == (b"hello", 0.0)


# --- compute --------------------------------------------------------------------------------


def test_compute_costs_virtual_time_by_a_number_or_by_the_result():
    async def main():
        first = await compute(max, 3, 4, cost_s=1.5), now_s()
        second = await compute(max, 3, 4, cost_s=lambda result: result / 2), now_s()
        third = await compute(threading.current_thread), now_s()
        return first, second, third

    assert run_virtual(main()) == ((4, 1.5), (4, 3.5), (threading.current_thread(), 3.5))


def test_compute_in_real_time_leaves_the_loop_responsive():
    async def main():
        gate = threading.Event()
        asyncio.get_running_loop().call_soon(gate.set)  # only a loop that runs opens the gate
        return await compute(gate.wait, 10, cost_s=1e9)

    assert run_real(main()) is True


@pytest.mark.parametrize("run", [run_real, run_virtual])
def test_compute_passes_exceptions_on(run):
    with pytest.raises(ZeroDivisionError):
        run(compute(lambda: 1 / 0, cost_s=1.0))


# --- functions that block -------------------------------------------------------------------


SAID = contextvars.ContextVar("SAID")


def test_in_real_time_the_loop_goes_on_while_a_function_blocks():
    async def main():
        gate = threading.Event()
        asyncio.get_running_loop().call_soon(gate.set)
        return await run_blocking(gate.wait, 10)

    assert run_real(main()) is True


def test_in_virtual_time_the_clock_stands_still_and_results_come_in_the_order_of_the_calls():
    """However long each thread really takes: the first one waits for the second to be done."""

    async def main():
        order = []

        async def one(name, at_s, wait, done):
            await asyncio.sleep(at_s)
            await run_blocking(lambda: (wait.wait(0.01), done.set()))
            order.append((name, now_s()))

        gates = [threading.Event() for _ in range(2)]
        await asyncio.gather(one("slow", 1, *gates), one("fast", 1, *reversed(gates)))
        return order

    assert run_virtual(main()) == [("slow", 1), ("fast", 1)]


@pytest.mark.parametrize("run", [run_real, run_virtual])
def test_a_function_that_never_returns_is_left_behind_and_holds_nothing_up(run):
    gate = threading.Event()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await run_blocking(gate.wait, limit_s=0.02)
        return now_s()

    try:
        ended_s = run(main())  # and asyncio.Runner does not wait for the thread, either
        assert run is run_real or ended_s == 0.02
        assert any(thread.name == "voxlab-blocking" for thread in threading.enumerate())
    finally:
        gate.set()


@pytest.mark.parametrize("run", [run_real, run_virtual])
def test_a_blocking_function_has_the_context_of_its_caller_and_raises_there(run):
    async def main():
        SAID.set("hello")
        assert await run_blocking(SAID.get) == "hello"
        with pytest.raises(ZeroDivisionError):
            await run_blocking(lambda: 1 / 0)
        with pytest.raises(RuntimeError, match="StopIteration"):  # a future cannot carry it
            await run_blocking(next, iter([]))

    run(main())
