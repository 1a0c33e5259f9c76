"""Messages and tools in OpenAI's format, and tool calls joined from their fragments."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from openai_server import CONVERSATION, WEATHER, fragment
from pydantic import TypeAdapter

from voxlab.errors import ProviderError
from voxlab.providers.openai.chat import chat_message, chat_tool
from voxlab.providers.openai.tool_calls import ToolCallAssembler
from voxlab.providers.protocols import Message, ToolCall, ToolSpec

pytestmark = pytest.mark.usefixtures("no_openai_settings")


# --- translation to the chat format ---------------------------------------------------------


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
