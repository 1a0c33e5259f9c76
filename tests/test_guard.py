"""Between agent and provider: whatever a provider does becomes an item or a ProviderError."""

import asyncio
from contextlib import aclosing

import pytest

from voxlab.clock import run_virtual
from voxlab.errors import ProviderError, ProviderTimeout
from voxlab.providers.stream_guard import CLOSE_S, guarded


def consume(open_stream, timeout_s=2.0):
    """Return the items, the loop's time at the end, and the error if there was one."""

    async def main():
        items, loop = [], asyncio.get_running_loop()
        try:
            async with aclosing(guarded(open_stream, timeout_s, "the oracle", int)) as stream:
                async for item in stream:
                    items.append(item)
        except ProviderError as error:
            return items, loop.time(), error
        return items, loop.time(), None

    return run_virtual(main())


async def counting(*delays_s, then=None):
    for number, delay_s in enumerate(delays_s):
        await asyncio.sleep(delay_s)
        yield number
    if then is not None:
        raise then


def test_items_pass_at_their_own_pace_and_each_has_the_whole_time():
    assert consume(lambda: counting(1.5, 1.5, 1.5)) == ([0, 1, 2], 4.5, None)
    assert consume(lambda: counting(99.0), timeout_s=None) == ([0], 99.0, None)
    assert consume(lambda: counting()) == ([], 0.0, None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad"), "the oracle failed: ValueError: bad"),
        (TimeoutError(), "the oracle failed: TimeoutError: "),
        (ProviderError("no key"), "no key"),
        (asyncio.CancelledError(), "the oracle cancelled its own work"),
    ],
)
@pytest.mark.parametrize("timeout_s", [2.0, None])
def test_what_a_provider_raises_becomes_a_provider_error(error, message, timeout_s):
    items, at_s, caught = consume(lambda: counting(1.0, then=error), timeout_s)
    assert (items, at_s, str(caught)) == ([0], 1.0, message)
    assert caught is error or caught.__cause__ is error


def test_a_provider_that_hangs_is_given_up_in_time_and_told_to_stop():
    ends = []

    async def hanging():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ends.append(asyncio.get_running_loop().time())

    items, at_s, error = consume(hanging)
    assert (items, at_s, ends) == ([1], 2.0, [2.0])
    assert isinstance(error, ProviderTimeout)
    assert str(error) == "the oracle gave nothing for 2 s: try again, or allow it more time"


def test_a_provider_that_ends_when_it_is_told_to_hurry_has_still_given_nothing():
    async def sulking():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return
        yield 1

    assert isinstance(consume(sulking)[2], ProviderTimeout)


@pytest.mark.parametrize(
    "open_stream", [lambda: 1 / 0, lambda: None, lambda: [1, 2], lambda: iter([1])]
)
def test_what_is_no_stream_becomes_a_provider_error(open_stream):
    items, _, error = consume(open_stream)
    assert items == []
    assert str(error).startswith("the oracle failed: ")


@pytest.mark.parametrize("closing", ["raises", "hangs"])
def test_a_stream_that_cannot_be_closed_does_no_harm(closing):
    async def stubborn():
        try:
            yield 1
            yield 2
        finally:
            if closing == "raises":
                raise OSError("the socket is gone")
            await asyncio.Event().wait()

    async def main():
        async with aclosing(guarded(stubborn, 2.0, "the oracle", object)) as stream:
            item = await anext(stream)
        return item, asyncio.get_running_loop().time()

    assert run_virtual(main()) == (1, CLOSE_S if closing == "hangs" else 0.0)


@pytest.mark.parametrize("cleanup", ["clean", "raises", "ends", "goes on"])
def test_a_cancellation_is_never_swallowed(cleanup):
    closed = []

    async def stream():
        try:
            await asyncio.Event().wait()
            yield 1
        except asyncio.CancelledError:
            if cleanup == "raises":
                raise OSError("the socket is gone") from None
            if cleanup == "clean":
                raise
            if cleanup == "goes on":
                yield 2
        finally:
            closed.append(True)

    async def consumer():
        async with aclosing(guarded(stream, None, "the oracle", object)) as items:
            async for _ in items:
                pass

    async def main():
        task = asyncio.create_task(consumer())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run_virtual(main())
    assert closed == [True]
