"""The shipped adapter of SmolLM2: small, whole, and of use."""

import json

import numpy as np
import pytest

from voxlab import data
from voxlab.agents.pipeline.options import INSTRUCTIONS
from voxlab.agents.shop import shop_tools
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.rule_based.phrases import phrasings
from voxlab.providers.smollm.decoder import SmolLMDecoder
from voxlab.providers.smollm.likelihood import score_phrasings
from voxlab.providers.smollm.moves import ways_to_ask
from voxlab.providers.smollm.prompt import render_prompt
from voxlab.providers.smollm.trained import ADAPTER, TrainedSmolLM

SHOP = [tool.spec for tool in shop_tools(data.shop())]
WASHING = [
    ToolSpec("start_wash", "Start the washing machine.", {"properties": {}}),
    ToolSpec("stop_wash", "Stop the washing machine.", {"properties": {}}),
    ToolSpec("call_mechanic", "Call a mechanic to repair it.", {"properties": {}}),
]


async def answer(tools: list[ToolSpec], *messages: Message) -> TextDelta | ToolCall:
    """Return what the model does after these messages of a call."""
    said = [Message("system", INSTRUCTIONS), *messages]
    (part,) = [part async for part in TrainedSmolLM.load().stream(said, tools)]
    return part


def move(tools: list[ToolSpec], said: str) -> tuple[str, dict[str, object]] | str:
    """Return the call that the model makes, or what it says."""
    part = run_virtual(answer(tools, Message("user", said)))
    return (part.name, dict(part.arguments)) if isinstance(part, ToolCall) else part.text


def test_the_adapter_is_small_and_finite() -> None:
    file = data.path(ADAPTER)
    assert file.stat().st_size <= 6_000_000
    with np.load(file) as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
        assert any(arrays[name].any() for name in arrays.files if name.endswith(".b"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            "A table for four on Friday at seven, please.",
            ("book_table", {"day": "Friday", "time": "19:00", "party_size": 4}),
        ),
        ("Return order 7 0 3 1 6, please.", ("return_order", {"order_id": "70316"})),
        ("I want to talk to a person.", ("talk_to_person", {})),
        ("Thank you, goodbye.", "Thank you for calling. Goodbye!"),
    ],
)
def test_the_trained_model_understands_plain_words(said: str, wanted: object) -> None:
    assert move(SHOP, said) == wanted


@pytest.mark.slow
def test_a_readers_own_tool_is_chosen_by_its_description() -> None:
    assert move(WASHING, "Please stop the washing machine.") == ("stop_wash", {})


@pytest.mark.slow
def test_a_value_that_lacks_is_asked_for() -> None:
    assert move(SHOP, "What's the weather in Paris?") in ways_to_ask("day")


@pytest.mark.slow
def test_a_result_is_told_in_the_likeliest_of_its_phrasings_and_with_its_values() -> None:
    asked = Message("user", "What's the weather in Paris on Friday?")
    call = ToolCall("call_1", "get_weather", {"city": "Paris", "day": "Friday"})
    result = {"city": "Paris", "said_day": "Friday", "forecast": "sunny", "temperature_c": 23}
    told = Message("tool", json.dumps(result), tool_call_id=call.id)
    part = run_virtual(answer(SHOP, asked, Message("assistant", "", (call,)), told))
    assert isinstance(part, TextDelta)
    given = render_prompt([Message("system", INSTRUCTIONS), asked], SHOP)
    decoder = SmolLMDecoder(data.path(ADAPTER), longest=1024)
    scores = score_phrasings(decoder, phrasings(call.name, {}, result), given)
    assert part.text == max(scores, key=scores.__getitem__)
    assert all(value in part.text for value in ("Paris", "Friday", "sunny", "23"))
