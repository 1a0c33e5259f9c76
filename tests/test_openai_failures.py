"""Each OpenAI-compatible provider hangs up when it is left, and says what went wrong."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from openai_server import (
    HELLO,
    Reply,
    Wire,
    chunk,
    collect,
    frames_of,
    heard,
    run,
    says,
    serving,
    tone,
)

from voxlab.errors import ProviderError, ProviderTimeout
from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS, connect
from voxlab.providers.protocols import TextDelta

pytestmark = pytest.mark.usefixtures("no_openai_settings")


# --- what the server says -------------------------------------------------------------------


def refuses(status: str, body: Any, headers: str = "") -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.answer(status, "application/json", json.dumps(body).encode(), headers)

    return reply


def error_body(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


# --- hanging up: each provider, closed and cancelled ----------------------------------------


def _speaks(llm: str) -> tuple[Callable[[str], Any], Callable[[Any], AsyncGenerator[Any, None]]]:
    return {
        "llm": (lambda url: OpenAILLM(base_url=url), lambda p: p.stream(HELLO, [])),
        "stt": (lambda url: OpenAISTT(base_url=url), lambda p: p.transcribe(frames_of(tone()))),
        "tts": (lambda url: OpenAITTS(base_url=url), lambda p: p.synthesize("Hello.")),
    }[llm]


async def _first_piece(wire: Wire, kind: str) -> None:
    """Send as much as makes the provider give its first piece, and no more."""
    if kind == "tts":
        await wire.start("audio/pcm")
        await wire.chunk(bytes(480))
        return
    await wire.start()
    await wire.event(chunk({"content": "Well"}) if kind == "llm" else heard("Well"))


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
@pytest.mark.parametrize("ending", ["closed", "cancelled"])
def test_leaving_early_hangs_up_the_http_stream(kind: str, ending: str) -> None:
    make, speak = _speaks(kind)

    async def scene() -> None:
        first, gone = asyncio.Event(), asyncio.Event()

        async def reply(wire: Wire) -> None:
            await _first_piece(wire, kind)
            await wire.hung_up()
            gone.set()

        async def listen(stream: AsyncGenerator[Any, None]) -> None:
            async for _ in stream:
                first.set()

        async with serving(reply) as server, make(server.url) as provider:
            stream = speak(provider)
            if ending == "closed":
                await anext(stream)
                await stream.aclose()
            else:
                task = asyncio.create_task(listen(stream))
                await first.wait()
                assert not gone.is_set()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await gone.wait()  # the server saw it while the provider itself is still open

    run(scene())


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
def test_a_cancellation_while_the_server_still_thinks_passes_untouched(kind: str) -> None:
    make, speak = _speaks(kind)

    async def scene() -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def reply(wire: Wire) -> None:
            asked.set()
            await wire.hung_up()
            gone.set()

        async with serving(reply) as server, make(server.url) as provider:
            task = asyncio.create_task(collect(speak(provider)))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone.wait()

    run(scene())


# --- what goes wrong on the way, for each provider ------------------------------------------


async def _outcome(kind: str, *replies: Reply, **options: Any) -> list[Any]:
    """Use a provider once, through a client with these options, and without retries."""
    make = {"llm": OpenAILLM, "stt": OpenAISTT, "tts": OpenAITTS}[kind]
    async with (
        serving(*replies) as server,
        connect(server.url, **{"max_retries": 0, **options}) as client,
    ):
        return await collect(_speaks(kind)[1](make("the-model", client=client)))


def in_pieces_then(kind: str, ending: str) -> Reply:
    async def reply(wire: Wire) -> None:
        await _first_piece(wire, kind)
        if ending == "breaks":
            wire.writer.close()  # no closing chunk: the body is not whole
        else:
            await wire.hung_up()

    return reply


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            "401 Unauthorized",
            error_body("Incorrect API key provided", "invalid_api_key"),
            "the-model at http://127.* refused: .*Incorrect API key.*OPENAI_API_KEY",
        ),
        (
            "404 Not Found",
            error_body("The model `the-model` does not exist", "model_not_found"),
            "does not exist.*model's name",
        ),
        (
            "429 Too Many Requests",
            error_body("You exceeded your current quota", "insufficient_quota"),
            "exceeded your current quota.*billing",
        ),
        ("422 Unprocessable Entity", {"detail": "voice missing"}, "voice missing.*request"),
        ("503 Service Unavailable", {}, "503.*moment"),
    ],
    ids=["401", "404", "429", "422", "503"],
)
def test_a_refusal_says_what_came_and_what_to_try(
    kind: str, status: str, body: Any, message: str
) -> None:
    with pytest.raises(ProviderError, match=message):
        run(_outcome(kind, refuses(status, body)))


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
def test_a_stream_that_breaks_in_the_middle_is_an_error(kind: str) -> None:
    with pytest.raises(ProviderError, match=r"no connection to .*, or it broke"):
        run(_outcome(kind, in_pieces_then(kind, "breaks")))


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
def test_a_stream_that_falls_silent_is_a_timeout(kind: str) -> None:
    with pytest.raises(ProviderTimeout, match=r"gave nothing for 0.05 s"):
        run(_outcome(kind, in_pieces_then(kind, "hangs"), timeout_s=0.05))


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
def test_a_server_that_never_answers_is_a_timeout(kind: str) -> None:
    with pytest.raises(ProviderTimeout, match=r"timeout_s"):
        run(_outcome(kind, Wire.hung_up, timeout_s=0.05))


def test_a_server_that_asks_to_wait_a_minute_does_not_hold_up_the_call() -> None:
    busy = refuses("429 Too Many Requests", error_body("slow", "rate"), "Retry-After: 60\r\n")
    with pytest.raises(ProviderTimeout):
        run(_outcome("llm", busy, busy, timeout_s=0.05, max_retries=1))


def test_a_server_that_stumbles_once_is_asked_again() -> None:
    stumble = refuses("503 Service Unavailable", {}, "Retry-After-Ms: 1\r\n")
    assert run(_outcome("llm", stumble, says("Hello"), max_retries=1)) == [TextDelta("Hello")]


@pytest.mark.parametrize("kind", ["llm", "stt", "tts"])
def test_a_refused_connection_is_an_error(kind: str) -> None:
    async def scene() -> None:
        async with serving() as server:
            url = server.url
        make = {"llm": OpenAILLM, "stt": OpenAISTT, "tts": OpenAITTS}[kind]
        async with connect(url, max_retries=0) as client:
            await collect(_speaks(kind)[1](make(client=client)))

    with pytest.raises(ProviderError, match="Is the server running"):
        run(scene())
