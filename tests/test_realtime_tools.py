"""How a realtime session lets its model use tools: none, one of them, this one, several at once."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from realtime_client import WEATHER_TOOL, Client, engines, session, weather_call

from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolChoice, ToolSpec
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.serving.realtime.session import SessionOptions

Event = dict[str, Any]
ORDER_TOOL = {
    "type": "function",
    "name": "lookup_order",
    "description": "Find an order",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
}
BY_NAME = {"type": "function", "name": "lookup_order"}


class Obedient:
    """Calls each tool on offer if it has to call one, else writes; notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[list[str], ToolChoice]] = []

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = ToolChoice(),  # noqa: B008
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.told.append(([tool.name for tool in tools], tool_choice))
        if tool_choice.required:
            for tool in tools:
                yield ToolCall(f"call_{tool.name}", tool.name, {})
        else:
            yield TextDelta("No call.")


async def answer(client: Client, **settings: Any) -> Event:
    await client.send("response.create", response=settings)
    response: Event = (await client.until("response.done"))["response"]
    await client.until("rate_limits.updated")
    return response


@pytest.mark.parametrize(
    ("choice", "offered", "required"),
    [
        ("auto", ["get_weather", "lookup_order"], False),
        ("none", [], False),
        ("required", ["get_weather", "lookup_order"], True),
        (BY_NAME, ["lookup_order"], True),
    ],
)
@pytest.mark.parametrize("of", ["session", "response"])
def test_the_choice_of_tools_reaches_the_model(
    choice: Any, offered: list[str], required: bool, of: str
):
    llm = Obedient()

    async def turn() -> Event:
        async with session(replace(engines(), llm=llm)) as client:
            await client.update(tools=[WEATHER_TOOL, ORDER_TOOL], output_modalities=["text"])
            if of == "session":
                await client.update(tool_choice=choice)
                return await answer(client)
            return await answer(client, tool_choice=choice)

    response = run_virtual(turn())
    assert llm.told == [(offered, ToolChoice(required))]
    assert [item.get("name") for item in response["output"]] == (offered if required else [None])


@pytest.mark.parametrize("parallel", [True, False])
def test_without_parallel_calls_there_is_one_whatever_the_model_does(parallel: bool):
    llm = Obedient()

    async def turn() -> Event:
        async with session(replace(engines(), llm=llm)) as client:
            tools = [WEATHER_TOOL, ORDER_TOOL]
            await client.update(tools=tools, tool_choice="required", parallel_tool_calls=parallel)
            return await answer(client)

    response = run_virtual(turn())
    assert llm.told[0][1] == ToolChoice(required=True, parallel=parallel)
    assert len(response["output"]) == (2 if parallel else 1)


def test_a_model_that_calls_none_though_it_must_fails_the_response():
    async def turn() -> Event:
        async with session(engines(["I would rather talk."])) as client:
            return await answer(client, tools=[WEATHER_TOOL], tool_choice="required")

    response = run_virtual(turn())
    assert response["status"] == "failed"
    assert "called no tool" in response["status_details"]["error"]["message"]


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"tool_choice": BY_NAME, "tools": [WEATHER_TOOL]}, "response.tool_choice"),
        ({"tool_choice": BY_NAME}, "response.tool_choice"),
    ],
)
def test_the_name_of_no_tool_is_an_error(settings: Event, param: str):
    async def turn() -> None:
        async with session(engines([weather_call()])) as client:
            await client.send("response.create", response=settings)
            error = (await client.until("error"))["error"]
            assert (error["code"], error["param"]) == ("invalid_value", param)
            assert "lookup_order" in error["message"]
            patch = {"type": "realtime", "tool_choice": BY_NAME}
            await client.send("session.update", session=patch)
            assert (await client.until("error"))["error"]["param"] == "session.tool_choice"
            event = await client.update(**patch, tools=[ORDER_TOOL])
            assert event["session"]["tool_choice"] == BY_NAME

    run_virtual(turn())


@pytest.mark.parametrize(
    ("said", "tools", "call"),
    [
        ("Hello.", [ORDER_TOOL, WEATHER_TOOL], ("lookup_order", {})),
        ("Is it sunny in Rome?", [ORDER_TOOL, WEATHER_TOOL], ("get_weather", {"city": "Rome"})),
        ("Where is order 12345?", [WEATHER_TOOL], ("get_weather", {})),
        ("Where is order 12345?", [ORDER_TOOL], ("lookup_order", {"order_id": "12345"})),
    ],
)
def test_the_rules_call_a_tool_when_they_must(
    said: str, tools: list[Event], call: tuple[str, Event]
):
    specs = [ToolSpec(t["name"], t["description"], t["parameters"]) for t in tools]

    async def parts() -> list[Any]:
        stream = RuleLLM().stream([Message("user", said)], specs, ToolChoice(required=True))
        return [part async for part in stream]

    (part,) = run_virtual(parts())
    assert (part.name, part.arguments) == call


def test_several_function_calls_come_in_one_turn_and_their_results_are_answered():
    heard: list[Sequence[Message]] = []

    class Asking:
        async def stream(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec]
        ) -> AsyncIterator[TextDelta | ToolCall]:
            heard.append(messages)
            assert [tool.name for tool in tools] == ["get_weather"]
            if messages[-1].role == "tool":
                yield TextDelta("Both are sunny.")
            else:
                yield TextDelta("Let me look that up. ")
                yield weather_call("Paris")
                yield weather_call("Rome")

    async def turn() -> None:
        async with session(replace(engines(), llm=Asking())) as client:
            await client.push_to_talk()
            await client.update(tools=[WEATHER_TOOL])
            await client.ask("Paris or Rome?")
            await client.send("response.create")
            done = await client.until("response.done")
            filler, first, second = done["response"]["output"]
            assert filler["content"][0]["transcript"] == "Let me look that up."
            assert first["call_id"] != second["call_id"]
            cities = [json.loads(call["arguments"])["city"] for call in (first, second)]
            assert cities == ["Paris", "Rome"]
            for call in (first, second):
                output = {"type": "function_call_output", "call_id": call["call_id"]}
                await client.send(
                    "conversation.item.create", item={**output, "output": '{"sky": "clear"}'}
                )
            await client.send("response.create")
            done = await client.until("response.done")
            assert done["response"]["output"][0]["content"][0]["transcript"] == "Both are sunny."
            roles = [message.role for message in heard[-1]]
            assert roles == ["system", "user", "assistant", *["assistant", "tool"] * 2]

    run_virtual(turn())


def test_a_filler_is_spoken_before_a_tool_is_called_in_silence():
    async def turn() -> None:
        options = SessionOptions(filler="One moment.")
        async with session(engines([weather_call()]), options) as client:
            await client.send("response.create")
            done = await client.until("response.done")
            filler, call = done["response"]["output"]
            assert filler["content"][0]["transcript"] == "One moment."
            assert call["name"] == "get_weather"

    run_virtual(turn())
