"""The shipped adapter of SmolLM2: small, whole, and of use."""

import numpy as np
import pytest

from voxlab import data
from voxlab.agents.pipeline.options import INSTRUCTIONS
from voxlab.agents.shop import shop_tools
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.smollm.trained import ADAPTER, TrainedSmolLM

SHOP = [tool.spec for tool in shop_tools(data.shop())]
WASHING = [
    ToolSpec("start_wash", "Start the washing machine.", {"properties": {}}),
    ToolSpec("stop_wash", "Stop the washing machine.", {"properties": {}}),
    ToolSpec("call_mechanic", "Call a mechanic to repair it.", {"properties": {}}),
]


def move(tools: list[ToolSpec], *said: str) -> tuple[str, dict[str, object]] | str:
    """Return the call that the model makes, or what it says."""
    messages = [Message("system", INSTRUCTIONS), *(Message("user", text) for text in said)]

    async def ask() -> list[TextDelta | ToolCall]:
        return [part async for part in TrainedSmolLM.load().stream(messages, tools)]

    (part,) = run_virtual(ask())
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
        ("What's the weather in Paris?", "For which day?"),
        ("Thank you, goodbye.", "Thank you for calling. Goodbye!"),
    ],
)
def test_the_trained_model_understands_plain_words(said: str, wanted: object) -> None:
    assert move(SHOP, said) == wanted


@pytest.mark.slow
def test_a_readers_own_tool_is_chosen_by_its_description() -> None:
    assert move(WASHING, "Please stop the washing machine.") == ("stop_wash", {})
