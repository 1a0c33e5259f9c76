"""The way to an OpenAI-compatible server: key, address, patience, and errors that say what to try.

`speech` goes through it. Anything with the same HTTP interface works: OpenAI itself, or
llama.cpp, Ollama, vLLM and speech servers on your own machine, given their base_url.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Self, TypeVar

import anyio
import httpx2
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    OpenAIError,
    Timeout,
)

from voxlab.errors import ProviderError, ProviderTimeout
from voxlab.providers.openai.events import EventReader

ResponseT = TypeVar("ResponseT")

OPENAI_URL = "https://api.openai.com/v1"
LINGER_S = 0.5
KEPT_OPEN_S = 60.0  # the SDK closes an idle connection after 5 s: callers listen for longer

# A body that breaks while it is read as bytes reaches us unwrapped: the SDK translates these
# (openai/_httpx2.py, request_exceptions) for requests and event streams only.
BROKEN_CONNECTION = (APIConnectionError, httpx2.HTTPError, anyio.EndOfStream, OSError)
TIMED_OUT = (APITimeoutError, httpx2.TimeoutException, TimeoutError)

STATUS_ADVICE = {
    400: "change what it names",
    401: "check OPENAI_API_KEY",
    403: "use a key, or a model, that this account may use",
    404: "check the model's name, and that base_url is the root of the API (it often ends in /v1)",
    429: "wait, check the quota and billing of the key, or use another provider",
}


def connect(
    base_url: str | None = None, *, timeout_s: float = 10.0, max_retries: int = 1
) -> AsyncOpenAI:
    """Open a client that several providers may share; close it with `await client.close()`.

    base_url: the root of the API; without it OPENAI_BASE_URL, then OpenAI's own.
    timeout_s: the longest silence of the server, while a request waits for its response (retries
    and their pauses included) and then between two pieces of it. max_retries: few, for the caller
    is waiting. The key is OPENAI_API_KEY, and goes to that address; a server of your own usually
    needs none.
    Raises ProviderError if there is neither a key nor an address, or the address is not one.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    address = (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip()
    if not key and not address:
        raise ProviderError(
            "no key for OpenAI: set OPENAI_API_KEY in the environment, or pass base_url (or set "
            "OPENAI_BASE_URL) for a server of your own, such as http://localhost:11434/v1. "
            "The offline providers need neither"
        )
    _check_key(key)
    _check_address(address or OPENAI_URL)
    return AsyncOpenAI(
        api_key=key or "none-needed",
        base_url=address or OPENAI_URL,
        timeout=timeout_s,
        max_retries=max_retries,
        http_client=DefaultAsyncHttpxClient(
            timeout=timeout_s, limits=httpx2.Limits(keepalive_expiry=KEPT_OPEN_S)
        ),
    )


def _check_key(key: str) -> None:
    """Refuse here what would fail in the HTTP header, where the error would print the key."""
    if not all("!" <= character <= "~" for character in key):
        raise ProviderError(
            f"OPENAI_API_KEY ({len(key)} characters) holds a blank, a line break or a letter "
            "that no key has: copy it again"
        )


def _check_address(address: str) -> None:
    try:
        url = httpx2.URL(address)
        if url.scheme in ("http", "https") and url.host:
            return
        reason = "it needs http:// or https:// and a host"
    except httpx2.InvalidURL as error:
        reason = str(error)
    raise ProviderError(
        f"{address} is not an address ({reason}): pass a base_url like http://localhost:8000/v1"
    )


class Endpoint:
    """One model on one server: what the three providers have in common.

    client: shared, with its own patience (a bare AsyncOpenAI waits 600 s), and closed by its
    owner; without one the provider connects by itself and closes that connection in `aclose`, or
    at the end of `async with provider:`.
    settings: further fields of every request, in the vendor's words, such as
    {"temperature": 0.3} or {"language": "en"}; they win over ours.
    A connection belongs to the event loop of its first request.
    """

    default_model: str

    def __init__(
        self,
        model: str | None = None,
        *,
        client: AsyncOpenAI | None = None,
        base_url: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        if client is not None and base_url is not None:
            raise ProviderError(
                f"got a client and base_url {base_url!r}, needs one of them: the client has an "
                "address of its own, so use client=connect(base_url)"
            )
        self.model = model or self.default_model
        self.client = client or connect(base_url)
        self.settings = dict(settings or {})
        self._owns_client = client is None

    async def aclose(self) -> None:
        """Close the connection, unless it came from outside."""
        if self._owns_client:
            await self.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def warm_up(self) -> None:
        """Open the connection, with a request that costs nothing: which models there are.

        The answer is not read: whatever a server lists, the connection is there. Raises
        ProviderError if there is none, or if the server refuses.
        """
        with explained(self._who, self._timeout_s):
            async with asyncio.timeout(self._timeout_s):
                await self.client.models.with_raw_response.list()

    @asynccontextmanager
    async def answer(
        self, request: AbstractAsyncContextManager[ResponseT]
    ) -> AsyncIterator[ResponseT]:
        """Send a request, lend its response, and close that however the block is left.

        The SDK would obey a server that asks it to come back in two minutes; here timeout_s
        bounds the wait for the response, retries included. Leaving early (cancellation, closing
        the generator) closes the HTTP stream, so the server stops working for nobody.
        """
        with explained(self._who, self._timeout_s):
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._timeout_s):
                    response = await stack.enter_async_context(request)
                yield response

    @property
    def _who(self) -> str:
        url = self.client.base_url  # its netloc is without user and password
        return f"{self.model} at {url.scheme}://{url.netloc.decode()}{url.path}"

    @property
    def _timeout_s(self) -> float | None:
        return Timeout(self.client.timeout).read


async def server_values(
    pieces: AsyncIterator[bytes], reader: EventReader, is_over: Callable[[], bool]
) -> AsyncGenerator[object, None]:
    """Give the JSON values in a response's body, to its end.

    is_over: whether the last value that matters has come; the server has LINGER_S to end the body
    then, so that the connection can be used again. Close it with the response.
    """
    while True:
        try:
            async with asyncio.timeout(LINGER_S if reader.is_done or is_over() else None) as limit:
                piece = await anext(pieces)
        except StopAsyncIteration:
            break
        except TimeoutError:
            if not limit.expired():
                raise
            break
        for value in reader.feed(piece):
            yield value
    for value in reader.finish():
        yield value


@contextmanager
def explained(who: str, timeout_s: float | None) -> Iterator[None]:
    """Turn what the SDK raises in the block into a ProviderError; a cancellation passes."""
    try:
        yield
    except ProviderError as error:  # of what reads the answer
        raise ProviderError(f"{who}: {error}") from error
    except TIMED_OUT as error:
        raise ProviderTimeout(
            f"{who} gave nothing for {timeout_s} s: try a smaller model, "
            "client=connect(timeout_s=...), or an offline provider"
        ) from error
    except APIStatusError as error:
        raise ProviderError(f"{who} refused: {_refusal(error)}") from error
    except BROKEN_CONNECTION as error:
        raise ProviderError(
            f"no connection to {who}, or it broke: {_root(error)!r}. "
            "Is the server running, is base_url right, is there a network?"
        ) from error
    except OpenAIError as error:  # also an error that the server sends amid a stream
        raise ProviderError(f"{who} failed: {error}. Try again, or another model") from error
    except ValueError as error:  # not JSON, or not UTF-8
        raise ProviderError(
            f"{who} does not speak the OpenAI protocol: {error}. "
            "Check that base_url is the root of an OpenAI-compatible API"
        ) from error


def _root(error: Exception) -> BaseException:
    """The SDK says "Connection error." and keeps the reason as its cause."""
    return error.__cause__ or error if isinstance(error, APIConnectionError) else error


def _refusal(error: APIStatusError) -> str:
    """What came, and what to try. The SDK's message lacks bodies that are not in OpenAI's form."""
    came = error.message if " - " in error.message else f"{error.message} {error.body or ''!s:.200}"
    fallback = "try again in a moment" if error.status_code >= 500 else "check the request"
    return f"{came.strip()}. To try: {STATUS_ADVICE.get(error.status_code, fallback)}"
