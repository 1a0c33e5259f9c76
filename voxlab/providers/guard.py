"""What stands between an agent and its providers: they may raise, hang or say nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from voxlab.errors import ProviderError, ProviderTimeout

T = TypeVar("T")


async def guarded(
    stream: AsyncIterator[T], timeout_s: float | None, who: str
) -> AsyncGenerator[T, None]:
    """Yield from a provider's stream; every way it can fail becomes a ProviderError.

    timeout_s: how long each item may take; None: for ever. who: the provider, for the message.
    The provider's stream is closed in any case.
    """
    try:
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    item = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise ProviderTimeout(
                    f"{who} gave nothing for {timeout_s:g} s: try again, or allow it more time"
                ) from error
            except ProviderError:
                raise
            except Exception as error:
                raise ProviderError(f"{who} failed: {type(error).__name__}: {error}") from error
            yield item
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
