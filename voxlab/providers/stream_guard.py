"""What stands between an agent and its providers: they may raise, hang or say nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar, get_args

from voxlab.audio import Audio, Samples
from voxlab.errors import ProviderError, ProviderTimeout
from voxlab.providers.protocols import BatchedVADStream, EndOfTurn, VADStream

T = TypeVar("T")

CLOSE_S = 1.0  # a provider has so long to end its stream


async def guarded(
    open_stream: Callable[[], AsyncIterator[T]],
    timeout_s: float | None,
    who: str,
    gives: Any,
) -> AsyncGenerator[T, None]:
    """Yield from a provider's stream; every way it can fail becomes a ProviderError.

    open_stream: opens the stream; a provider may fail as early as that. timeout_s: how long each
    item may take; None: for ever. who: the provider, for the message. gives: the type of its items.
    The provider's stream is closed with this one: use `contextlib.aclosing`. What goes wrong while
    it closes changes nothing any more, and is dropped.
    """
    stream: AsyncIterator[T] | None = None
    limit = asyncio.timeout(None)
    try:
        stream = open_stream()
        while True:
            async with asyncio.timeout(timeout_s) as limit:
                item = await anext(stream)
            if _is_cancelled():  # the provider caught it and went on
                raise asyncio.CancelledError
            if not isinstance(item, gives):
                wanted = " or ".join(each.__name__ for each in get_args(gives) or (gives,))
                raise ProviderError(f"{who} gave {item!r:.80}, and {wanted} was needed")
            yield item
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise ProviderError(f"{who} cancelled its own work") from error
    except Exception as error:
        if _is_cancelled():  # a provider that fails, or ends, must not undo the cancellation
            raise asyncio.CancelledError from error
        if limit.expired():
            raise ProviderTimeout(
                f"{who} gave nothing for {timeout_s:g} s: try again, or allow it more time"
            ) from error
        if isinstance(error, StopAsyncIteration):
            return
        if isinstance(error, ProviderError):
            raise
        raise ProviderError(f"{who} failed: {type(error).__name__}: {error}") from error
    finally:
        await _close(stream)


async def judged(judge: EndOfTurn, turn: Audio) -> float:
    """Return how likely a turn is finished. Raises ProviderError, however the judge fails."""

    async def ask() -> AsyncIterator[object]:
        yield await judge.probability(turn)

    who = "the judge of turns"
    async with aclosing(guarded(ask, None, who, object)) as stream:
        return checked_probability(await anext(stream), who)


def speech_probability(stream: VADStream, frame: Samples) -> float:
    """Return how likely a frame is speech. Raises ProviderError, however the VAD fails."""
    try:
        probability = stream.probability(frame)
    except Exception as error:
        raise ProviderError(f"the VAD failed: {type(error).__name__}: {error}") from error
    return checked_probability(probability, "the VAD")


async def batched_probability(stream: BatchedVADStream, frame: Samples, *, is_ahead: bool) -> float:
    """Return how likely a frame is speech, from a run for several streams; as above."""
    try:
        probability = await stream.hear(frame, is_ahead=is_ahead)
    except Exception as error:
        raise ProviderError(f"the VAD failed: {type(error).__name__}: {error}") from error
    return checked_probability(probability, "the VAD")


def checked_probability(probability: object, who: str) -> float:
    """Return what a provider gave, if it is a probability. Raises ProviderError."""
    # what SupportsFloat asks for; Python 3.11 needs 4 us to ask it, once for each frame of sound
    if hasattr(probability, "__float__") and 0 <= float(probability) <= 1:
        return float(probability)
    raise ProviderError(f"{who} gave {probability!r:.80}, and a number from 0 to 1 was needed")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(stream: object) -> None:
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    try:
        async with asyncio.timeout(CLOSE_S):
            await close()
    except Exception:  # of a provider that has failed already, or is not needed any more
        if _is_cancelled():
            raise asyncio.CancelledError from None
