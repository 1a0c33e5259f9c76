"""The OpenAI-compatible language model: what it asks, and what it makes of a streamed reply."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from openai_server import (
    CONVERSATION,
    HELLO,
    WEATHER,
    Reply,
    Request,
    Wire,
    chat,
    chunk,
    collect,
    run,
    says,
    serving,
)

from voxlab.errors import ProviderError
from voxlab.providers.openai import connection
from voxlab.providers.openai.chat import chat_message, chat_tool
from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS
from voxlab.providers.protocols import (
    LLM,
    STT,
    TTS,
    Message,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
)

pytestmark = pytest.mark.usefixtures("no_openai_settings")


# --- what the server says -------------------------------------------------------------------


def tool_chunk(index: int, **fragment: Any) -> ChatCompletionChunk:
    if "id" in fragment:
        fragment["type"] = "function"
    return chunk({"tool_calls": [{"index": index, **fragment}]})


async def ask(
    *replies: Reply, messages: list[Message] = HELLO, tools: tuple[ToolSpec, ...] = ()
) -> list[TextDelta | ToolCall]:
    """Put one question to a server that answers as told."""
    async with serving(*replies) as server, OpenAILLM("m", base_url=server.url) as llm:
        return await collect(llm.stream(messages, tools))


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
