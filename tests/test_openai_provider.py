"""The OpenAI-compatible providers against a server on this machine that speaks the wire format.

Chunks and events are built with the SDK's own models, so that the server cannot be wrong in the
same way as the provider.
"""

import asyncio
import contextlib
import email.parser
import email.policy
import io
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
)
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)
from pydantic import BaseModel, TypeAdapter

from voxlab.audio import Audio, concatenate, silence
from voxlab.errors import AudioError, ProviderError, ProviderTimeout
from voxlab.providers.openai import connection
from voxlab.providers.openai.chat import chat_message, chat_tool
from voxlab.providers.openai.sound import whole_samples
from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS, connect
from voxlab.providers.openai.tool_calls import ToolCallAssembler
from voxlab.providers.protocols import (
    LLM,
    STT,
    TTS,
    Message,
    Speech,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
    Transcript,
)

T = TypeVar("T")
PATIENCE_S = 5.0  # a test that waits this long has failed; none sleeps
HELLO = [Message("user", "Hello")]
WEATHER = ToolSpec(
    "get_weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


# --- a server on this machine ---------------------------------------------------------------


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, Any]:
        """The fields of a multipart body, read by the standard library's parser."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        return {
            part.get_param("name", header="content-disposition"): part
            for part in parser.parsebytes(head + self.body).iter_parts()
        }


@dataclass
class Wire:
    """The server's end of one request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: str, kind: str, body: bytes, headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        await self.send(f"{head}{headers}\r\n".encode() + body)

    async def start(self, kind: str = "text/event-stream; charset=utf-8") -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.send(head.encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, data: BaseModel | str) -> None:
        text = data if isinstance(data, str) else data.model_dump_json(exclude_unset=True)
        await self.chunk(f"data: {text}\n\n".encode())

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def hung_up(self) -> None:
        """Return when the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()


Reply = Callable[[Wire], Awaitable[None]]


@dataclass
class Server:
    """Answers the n-th request with the n-th reply, and remembers what was asked."""

    replies: list[Reply]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def _serve(self, wire: Wire) -> None:
        self.connections += 1
        while (request := await _read_request(wire.reader)) is not None:
            self.requests.append(request)
            await self.replies.pop(0)(wire)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *fields = head.strip().split("\r\n")
    headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in fields)}
    return Request(
        line.split()[1], headers, await reader.readexactly(int(headers["content-length"]))
    )


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Server]:
    """A server on a free port of this machine; every connection is gone when the block ends."""
    server = Server(list(replies))
    tasks: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.append(asyncio.create_task(server._serve(Wire(reader, writer))))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # also of a task that was cancelled before it began
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(bounded())


async def collect(pieces: AsyncIterator[T]) -> list[T]:
    return [piece async for piece in pieces]


@pytest.fixture(autouse=True)
def _no_key_no_proxy_no_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    # Our server speaks plain HTTP; to read the machine's certificates takes 0.1 s a client.
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path_factory.getbasetemp()))


# --- what the server says -------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None) -> ChatCompletionChunk:
    """One chunk of a reply, checked by the SDK's model; no delta is the closing usage chunk."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return ChatCompletionChunk.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": choices,
        },
        strict=True,
    )


def tool_chunk(index: int, **fragment: Any) -> ChatCompletionChunk:
    if "id" in fragment:
        fragment["type"] = "function"
    return chunk({"tool_calls": [{"index": index, **fragment}]})


def chat(*chunks: ChatCompletionChunk | str, end: str = "[DONE]") -> Reply:
    """A whole streamed reply, as OpenAI ends it."""

    async def reply(wire: Wire) -> None:
        await wire.start()
        for one in (*chunks, *filter(None, [end])):
            await wire.event(one)
        await wire.end()

    return reply


def says(text: str) -> Reply:
    words = [chunk({"content": word}) for word in text.split(" ")]
    return chat(chunk({"role": "assistant", "content": ""}), *words, chunk({}, "stop"), chunk())


def refuses(status: str, body: Any, headers: str = "") -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.answer(status, "application/json", json.dumps(body).encode(), headers)

    return reply


def error_body(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def plain(kind: str, body: bytes) -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.answer("200 OK", kind, body)

    return reply


async def ask(
    *replies: Reply, messages: list[Message] = HELLO, tools: tuple[ToolSpec, ...] = ()
) -> list[TextDelta | ToolCall]:
    """Put one question to a server that answers as told."""
    async with serving(*replies) as server, OpenAILLM("m", base_url=server.url) as llm:
        return await collect(llm.stream(messages, tools))


# --- translation to the chat format ---------------------------------------------------------

CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "Weather in Zürich?"),
    Message("assistant", "", (ToolCall("call_1", "get_weather", {"city": "Zürich"}),)),
    Message("tool", '{"celsius": 18}', tool_call_id="call_1"),
    Message("assistant", "18 degrees."),
    Message("assistant", "And now?", (ToolCall("call_2", "now", {}),)),
]


def _plain_value(value: Any) -> Any:
    """Pydantic checks an Iterable only while it is read: read all of them."""
    if isinstance(value, dict):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, type(None))):
        return value
    return [_plain_value(item) for item in value]


@pytest.mark.parametrize("message", CONVERSATION, ids=lambda m: f"{m.role}-{m.text[:9]}")
def test_messages_have_the_shape_of_the_sdks_own_types(message: Message) -> None:
    ours = chat_message(message)
    theirs = TypeAdapter(ChatCompletionMessageParam).validate_python(ours)
    assert _plain_value(theirs) == ours  # validation drops a key that the type does not know


def test_an_assistants_tool_call_keeps_its_id_name_and_arguments() -> None:
    (call,) = chat_message(CONVERSATION[2])["tool_calls"]  # type: ignore[typeddict-item]
    assert (call["id"], call["function"]["name"]) == ("call_1", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Zürich"}


@pytest.mark.parametrize("tool", [WEATHER, ToolSpec("now", "The time")], ids=lambda t: t.name)
def test_tools_have_the_shape_of_the_sdks_own_types(tool: ToolSpec) -> None:
    ours = chat_tool(tool)
    assert TypeAdapter(ChatCompletionFunctionToolParam).validate_python(ours) == ours
    assert ours["function"]["parameters"]["type"] == "object"


# --- tool calls from fragments --------------------------------------------------------------


def fragment(index: int | None, arguments: str = "", **given_once: Any) -> dict[str, Any]:
    function = {"arguments": arguments}
    if "name" in given_once:
        function["name"] = given_once.pop("name")
    return {"index": index, "function": function, **given_once}


json_objects = st.dictionaries(
    st.text(max_size=5), st.text(max_size=9) | st.integers() | st.booleans() | st.none(), max_size=3
)


@pytest.mark.slow
@settings(max_examples=30)
@given(arguments=st.lists(json_objects, min_size=1, max_size=4), data=st.data())
def test_any_cutting_and_interleaving_of_fragments_gives_the_calls_back(
    arguments: list[dict[str, Any]], data: st.DataObject
) -> None:
    assembler = ToolCallAssembler()
    queues = []
    for index, value in enumerate(arguments):
        text = json.dumps(value)
        cut = data.draw(st.integers(0, len(text)))
        assembler.add(fragment(index, id=f"id{index}", name=f"tool{index}"))
        queues.append([fragment(index, text[:cut]), fragment(index, text[cut:])])
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        assembler.add(queue.pop(0))
    assert assembler.finish() == [
        ToolCall(f"id{n}", f"tool{n}", value) for n, value in enumerate(arguments)
    ]


def test_calls_that_share_one_index_are_told_apart_by_their_ids() -> None:
    assembler = ToolCallAssembler()
    for name in ("a", "b"):
        assembler.add(fragment(0, '{"x":', id=name, name=name))
        assembler.add(fragment(0, "1}"))
    assert assembler.finish() == [ToolCall("a", "a", {"x": 1}), ToolCall("b", "b", {"x": 1})]


def test_a_server_that_repeats_id_and_name_in_every_fragment_is_understood() -> None:
    assembler = ToolCallAssembler()
    for piece in ('{"x"', ": 1}"):
        assembler.add(fragment(None, piece, id="a", name="look"))
    assert assembler.finish() == [ToolCall("a", "look", {"x": 1})]


def test_calls_without_an_id_get_one_each() -> None:
    assembler = ToolCallAssembler(id_prefix="call_7")
    for index in (0, 1):
        assembler.add(fragment(index, name="now"))
    assert [call.id for call in assembler.finish()] == ["call_7_0", "call_7_1"]


@pytest.mark.parametrize("arguments", ['{"city": "Zür', "[1]", "3", "Zürich"])
def test_broken_arguments_name_the_tool_and_what_came(arguments: str) -> None:
    assembler = ToolCallAssembler()
    assembler.add(fragment(0, arguments, id="a", name="get_weather"))
    with pytest.raises(ProviderError, match="get_weather") as caught:
        assembler.finish()
    assert repr(arguments) in str(caught.value)


def test_a_call_without_a_name_is_an_error() -> None:
    assembler = ToolCallAssembler()
    assembler.add(fragment(0, "{}", id="a"))
    with pytest.raises(ProviderError, match="needs a name"):
        assembler.finish()


# --- the language model ---------------------------------------------------------------------


def test_the_providers_keep_the_protocols() -> None:
    client = AsyncOpenAI(api_key="k")
    llm: LLM = OpenAILLM(client=client)
    stt: STT = OpenAISTT(client=client)
    tts: TTS = OpenAITTS(client=client)
    assert {provider.client for provider in (llm, stt, tts)} == {client}  # type: ignore[attr-defined]


def test_text_comes_before_the_server_has_said_the_rest() -> None:
    async def scene() -> list[str]:
        heard = asyncio.Event()

        async def reply(wire: Wire) -> None:
            await wire.start()
            await wire.event(chunk({"role": "assistant", "content": "Good"}))
            await heard.wait()  # nothing more until the first word has arrived
            await wire.event(chunk({"content": " day"}))
            await wire.event(chunk({}, "stop"))
            await wire.end()

        texts = []
        async with serving(reply) as server, OpenAILLM(base_url=server.url) as llm:
            async for piece in llm.stream(HELLO, []):
                texts.append(piece.text)
                heard.set()
        return texts

    assert run(scene()) == ["Good", " day"]


def test_the_request_is_what_the_chat_protocol_asks_for() -> None:
    async def scene() -> Request:
        async with serving(says("ok")) as server:
            warm = {"temperature": 0.3}
            async with OpenAILLM("small", base_url=server.url, settings=warm) as llm:
                await collect(llm.stream(CONVERSATION, [WEATHER]))
            return server.requests[0]

    request = run(scene())
    assert request.path == "/v1/chat/completions"
    assert request.json == {
        "model": "small",
        "stream": True,
        "temperature": 0.3,
        "messages": [chat_message(message) for message in CONVERSATION],
        "tools": [chat_tool(WEATHER)],
    }


@pytest.mark.parametrize(
    ("choice", "asked"),
    [
        (ToolChoice(), {}),
        (ToolChoice(required=True), {"tool_choice": "required"}),
        (ToolChoice(parallel=False), {"parallel_tool_calls": False}),
    ],
)
def test_how_tools_are_to_be_used_is_asked_for_only_where_it_differs(
    choice: ToolChoice, asked: dict[str, Any]
) -> None:
    async def sent(tools: list[ToolSpec]) -> dict[str, Any]:
        async with serving(says("ok")) as server, OpenAILLM(base_url=server.url) as llm:
            await collect(llm.stream(HELLO, tools, choice))
            return dict(server.requests[0].json)

    names = ("tool_choice", "parallel_tool_calls")
    with_tools, without = run(sent([WEATHER])), run(sent([]))
    assert {name: with_tools[name] for name in names if name in with_tools} == asked
    assert not set(names) & set(without)


def test_without_tools_the_request_names_none() -> None:
    async def scene() -> Request:
        async with serving(says("ok")) as server, OpenAILLM(base_url=server.url) as llm:
            await collect(llm.stream(HELLO, []))
            return server.requests[0]

    assert "tools" not in run(scene()).json  # OpenAI refuses an empty list


def test_two_interleaved_tool_calls_come_whole_after_the_text() -> None:
    reply = chat(
        chunk({"role": "assistant", "content": "One moment."}),
        tool_chunk(0, id="a", function={"name": "get_weather", "arguments": ""}),
        tool_chunk(1, id="b", function={"name": "now", "arguments": ""}),
        tool_chunk(0, function={"arguments": '{"city":'}),
        tool_chunk(1, function={"arguments": ""}),
        tool_chunk(0, function={"arguments": '"Bern"}'}),
        chunk({}, "tool_calls"),
        chunk(),
    )
    assert run(ask(reply, tools=(WEATHER,))) == [
        TextDelta("One moment."),
        ToolCall("a", "get_weather", {"city": "Bern"}),
        ToolCall("b", "now", {}),
    ]


def test_no_call_of_a_turn_is_given_if_one_is_broken() -> None:
    async def scene() -> None:
        reply = chat(
            tool_chunk(0, id="a", function={"name": "now", "arguments": "{}"}),
            tool_chunk(1, id="b", function={"name": "book", "arguments": '{"day": 3'}),
            chunk({}, "length"),
        )
        async with serving(reply) as server, OpenAILLM(base_url=server.url) as llm:
            stream = llm.stream(HELLO, [WEATHER])
            with pytest.raises(ProviderError, match=r"'book' with the arguments '\{\"day\": 3'"):
                await anext(stream)

    run(scene())


def test_two_replies_use_one_connection() -> None:
    async def scene() -> int:
        async with serving(says("one"), says("two")) as server:
            async with OpenAILLM(base_url=server.url) as llm:
                await collect(llm.stream(HELLO, []))
                await collect(llm.stream(HELLO, []))
            return server.connections

    assert run(scene()) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([chunk({"content": "Good"})], "broke off.*finish_reason"),
        ([chunk({}, "content_filter")], "content filter cut"),
        (['{"error": {"message": "out of memory", "code": 500}}'], "out of memory"),
        (['{"choices": ['], "not speak the OpenAI protocol"),
        (['"hello"'], "streamed 'hello'"),
    ],
    ids=["unfinished", "filtered", "error-event", "broken-json", "not-a-chunk"],
)
def test_a_reply_that_is_not_whole_is_an_error(
    lines: list[ChatCompletionChunk | str], message: str
) -> None:
    with pytest.raises(ProviderError, match=message):
        run(ask(chat(*lines, end="")))


@pytest.mark.parametrize("last", [chunk({}, "stop"), "[DONE]"], ids=["finish", "done"])
def test_a_server_that_does_not_hang_up_after_its_last_word_is_left(
    last: ChatCompletionChunk | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER_S", 0.02)

    async def reply(wire: Wire) -> None:
        await wire.start()
        await wire.event(chunk({"content": "Hi"}))
        await wire.event(last)
        await wire.hung_up()

    assert run(ask(reply)) == [TextDelta("Hi")]


def test_a_last_chunk_without_a_delta_is_understood() -> None:
    bare = '{"choices": [{"index": 0, "finish_reason": "stop"}]}'
    assert run(ask(chat(chunk({"content": "Hi"}), bare))) == [TextDelta("Hi")]


def test_a_refusal_is_spoken() -> None:
    assert run(ask(chat(chunk({"refusal": "I won't."}), chunk({}, "stop")))) == [
        TextDelta("I won't.")
    ]


# --- hanging up: each provider, closed and cancelled -----------------------------------------


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


# --- what goes wrong on the way, for each provider -------------------------------------------


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


# --- key and address ------------------------------------------------------------------------


@pytest.mark.parametrize("make", [OpenAILLM, OpenAISTT, OpenAITTS])
@pytest.mark.parametrize("key", [None, "", " "])
def test_without_key_and_address_the_error_says_how_to_bring_one(
    make: Any, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("OPENAI_BASE_URL", key)
    with pytest.raises(ProviderError, match=r"OPENAI_API_KEY.*offline providers need neither"):
        make()


def test_key_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> Request:
        async with serving(says("ok")) as server:
            monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test\n")
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            async with OpenAILLM() as llm:
                await collect(llm.stream(HELLO, []))
            return server.requests[0]

    assert run(scene()).headers["authorization"] == "Bearer sk-of-a-test"


def test_a_key_alone_goes_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert str(connect().base_url) == "https://api.openai.com/v1/"


@pytest.mark.parametrize("key", ["sk-geheim\nb", "sk-geheim-schlüssel", "sk-geheim 2"])
def test_a_key_that_no_header_can_carry_is_an_error_that_keeps_it_secret(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ProviderError, match=r"OPENAI_API_KEY .* copy it again") as caught:
        connect()
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://localhost/v1", "http://", "http://a:b:c/v1"]
)
def test_an_address_that_is_none_is_an_error(address: str) -> None:
    with pytest.raises(ProviderError, match=r"is not an address.*http://localhost"):
        connect(address)


def test_errors_name_the_address_without_its_password() -> None:
    async def scene() -> None:
        async with serving() as server:
            url = server.url.replace("http://", "http://ann:geheim@")
        async with connect(url, max_retries=0) as client:
            await collect(OpenAILLM("m", client=client).stream(HELLO, []))

    with pytest.raises(ProviderError, match=r"m at http://127\.0\.0\.1:\d+/v1/,") as caught:
        run(scene())
    assert "geheim" not in str(caught.value)


def test_a_client_and_an_address_together_are_an_error() -> None:
    with pytest.raises(ProviderError, match="needs one of them"):
        OpenAILLM(client=AsyncOpenAI(api_key="k"), base_url="http://localhost/v1")


def test_a_shared_client_stays_open_and_an_own_one_is_closed() -> None:
    async def scene() -> tuple[bool, bool]:
        async with connect("http://localhost/v1") as client:
            async with OpenAILLM(client=client):
                pass
            shared = client.is_closed()
        async with OpenAILLM(base_url="http://localhost/v1") as llm:
            pass
        return shared, llm.client.is_closed()

    assert run(scene()) == (False, True)


@pytest.mark.slow
def test_voxlab_itself_does_not_load_the_openai_package() -> None:
    code = "import voxlab, voxlab.providers.protocols, sys; print('openai' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


# --- the recogniser -------------------------------------------------------------------------


def tone(duration_s: float = 0.3, rate_hz: int = 16_000) -> Audio:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio(0.5 * np.sin(2 * np.pi * 440 * time_s), rate_hz)


async def frames_of(*pieces: Audio) -> AsyncIterator[Audio]:
    for piece in pieces:
        yield piece


def heard(text: str) -> TranscriptionTextDeltaEvent:
    return TranscriptionTextDeltaEvent(type="transcript.text.delta", delta=text)


def transcript(*events: BaseModel | str) -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.start()
        for event in events:
            await wire.event(event)
        await wire.end()

    return reply


def done(text: str) -> TranscriptionTextDoneEvent:
    return TranscriptionTextDoneEvent(type="transcript.text.done", text=text)


async def hear(
    *pieces: Audio, replies: tuple[Reply, ...] = (), **options: Any
) -> tuple[list[Transcript], Server]:
    async with serving(*replies) as server, OpenAISTT(base_url=server.url, **options) as stt:
        return await collect(stt.transcribe(frames_of(*pieces))), server


def test_deltas_grow_into_partials_and_done_is_the_only_final() -> None:
    events = heard("Book"), heard(" a"), heard(" table"), done("Book a table."), "[DONE]"
    transcripts, _ = run(hear(tone(), replies=(transcript(*events),)))
    assert transcripts == [
        Transcript("Book", is_final=False),
        Transcript("Book a", is_final=False),
        Transcript("Book a table", is_final=False),
        Transcript("Book a table.", is_final=True),
    ]


def test_a_model_that_does_not_stream_gives_its_final_at_once() -> None:
    body = Transcription(text=" Book a table. ").model_dump_json().encode()
    transcripts, _ = run(hear(tone(), replies=(plain("application/json", body),)))
    assert transcripts == [Transcript("Book a table.", is_final=True)]


def test_the_upload_is_the_segment_as_a_16_bit_wav() -> None:
    pieces = [tone(0.1), silence(0.05, 16_000), Audio(np.full(800, 1.5), 16_000)]
    options = {"model": "whisper-1", "settings": {"language": "en"}}
    _, server = run(hear(*pieces, replies=(transcript(done("")),), **options))
    (request,) = server.requests
    fields = request.form
    assert request.path == "/v1/audio/transcriptions"
    assert fields["model"].get_content().strip() == "whisper-1"
    assert fields["language"].get_content().strip() == "en"
    assert fields["stream"].get_content().strip() == "true"
    assert fields["file"].get_content_type() == "audio/wav"
    file = soundfile.SoundFile(io.BytesIO(fields["file"].get_content()))
    assert (file.format, file.subtype, file.samplerate, file.channels) == (
        "WAV",
        "PCM_16",
        16_000,
        1,
    )
    sent = np.clip(concatenate(pieces).samples, -1, 1)
    assert np.abs(file.read() - sent).max() <= 1 / 32768


def test_settings_can_forbid_streaming() -> None:
    body = plain("application/json", b'{"text": "Yes."}')
    _, server = run(hear(tone(), replies=(body,), settings={"stream": False}))
    assert server.requests[0].form["stream"].get_content().strip() == "false"


@pytest.mark.parametrize(
    "pieces",
    [[], [silence(0.0, 16_000)], [tone(0.03), tone(0.03)]],
    ids=["none", "empty", "blip"],
)
def test_a_segment_too_short_for_a_word_is_empty_and_not_sent(pieces: list[Audio]) -> None:
    transcripts, server = run(hear(*pieces))
    assert transcripts == [Transcript("", is_final=True)]
    assert not server.requests


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (transcript(heard("Book"), heard(" a")), "broke off after 'Book a'"),
        (plain("application/json", b'{"result": 3}'), r"answered \{'result': 3\}"),
        (plain("text/html", b"<html>"), "answered with a page, '<html>'"),
    ],
    ids=["unfinished", "other-json", "html"],
)
def test_a_transcript_that_is_not_whole_is_an_error(reply: Reply, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        run(hear(tone(), replies=(reply,)))


def test_frames_of_two_rates_are_not_the_servers_fault() -> None:
    with pytest.raises(AudioError, match="rates"):
        run(hear(tone(), tone(rate_hz=8000)))


# --- the voice ------------------------------------------------------------------------------


def speaks(*chunks: bytes, kind: str = "audio/pcm") -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.start(kind)
        for one in chunks:
            await wire.chunk(one)
        await wire.end()

    return reply


async def say(text: str, *replies: Reply, **options: Any) -> tuple[list[Speech], Server]:
    async with serving(*replies) as server, OpenAITTS(base_url=server.url, **options) as tts:
        return await collect(tts.synthesize(text)), server


PCM = (np.sin(np.arange(1000) / 5) * 32767).astype("<i2")


@settings(max_examples=50)
@given(
    cuts=st.lists(st.integers(0, PCM.nbytes), max_size=6).map(sorted),
    odd=st.sampled_from([b"", b"x"]),
)
def test_samples_survive_any_cutting_of_their_bytes(cuts: list[int], odd: bytes) -> None:
    pcm, rest, pieces = PCM.tobytes() + odd, b"", []
    for start, end in zip([0, *cuts], [*cuts, len(pcm)], strict=True):
        samples, rest = whole_samples(rest + pcm[start:end])
        pieces.append(samples)
    assert np.array_equal(np.concatenate(pieces) * 32768, PCM)
    assert rest == odd


def test_speech_comes_before_the_server_has_made_the_rest() -> None:
    async def scene() -> list[Speech]:
        played = asyncio.Event()

        async def reply(wire: Wire) -> None:
            await wire.start("audio/pcm")
            await wire.chunk(PCM[:300].tobytes() + b"\x07")  # and half a sample
            await played.wait()
            await wire.chunk(b"\x00" + PCM[301:].tobytes())
            await wire.end()

        pieces = []
        async with serving(reply) as server, OpenAITTS(base_url=server.url) as tts:
            async for piece in tts.synthesize("Good day."):
                pieces.append(piece)
                played.set()
        return pieces

    first, *later = run(scene())
    assert first.audio.samples.size == 300
    sizes = [piece.audio.samples.size for piece in (first, *later)]
    assert sum(sizes) == PCM.size
    assert later[0].audio.samples[0] * 32768 == 7  # the two halves met


def test_the_pieces_join_to_the_sentence_and_last_as_long_as_their_sound() -> None:
    pcm = PCM.tobytes()  # the first byte is no sample yet
    pieces, _ = run(say("It's 5 o'clock.", speaks(pcm[:1], pcm[1:801], pcm[801:])))
    assert "".join(piece.text for piece in pieces) == "It's 5 o'clock."
    assert all(piece.duration_s == piece.audio.duration_s > 0 for piece in pieces)
    assert all(piece.words == () and piece.audio.rate_hz == 24_000 for piece in pieces)
    whole = concatenate([piece.audio for piece in pieces])
    assert np.array_equal(whole.samples * 32768, PCM)


def test_the_speech_request_asks_for_raw_samples() -> None:
    warm = {"instructions": "Warmly."}
    _, server = run(say("Hi.", speaks(PCM.tobytes()), voice="coral", settings=warm))
    (request,) = server.requests
    assert request.path == "/v1/audio/speech"
    assert request.json == {
        "model": "gpt-4o-mini-tts",
        "voice": "coral",
        "input": "Hi.",
        "response_format": "pcm",
        "instructions": "Warmly.",
    }


@pytest.mark.parametrize("text", ["", " \n", "🙂", "---", "**"])
def test_a_text_without_anything_to_say_is_not_sent(text: str) -> None:
    pieces, server = run(say(text))
    assert pieces == []
    assert not server.requests


def test_markup_is_not_sent_but_the_piece_tells_the_whole_text() -> None:
    pieces, server = run(say("**Total:** $5 🙂", speaks(PCM.tobytes())))
    assert server.requests[0].json["input"] == "Total: $5"
    assert pieces[0].text == "**Total:** $5 🙂"


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/wav", "application/json", "text/html"])
def test_anything_but_raw_samples_is_refused_before_it_is_played(kind: str) -> None:
    with pytest.raises(ProviderError, match=kind):
        run(say("Hi.", speaks(b"ID3\x04", kind=kind)))


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/L16; rate=24000", "application/octet-stream"])
def test_raw_samples_go_by_several_names(kind: str) -> None:
    pieces, _ = run(say("Hi.", speaks(PCM.tobytes(), kind=kind)))
    assert sum(piece.audio.samples.size for piece in pieces) == PCM.size


def test_a_voice_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"spoke nothing for 'Hi\.'"):
        run(say("Hi.", speaks()))
