"""The test sets of the language model: they say nothing that no agent could do."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.data.yaml_files import read_yaml

KEYS = {"after", "says", "call", "with", "ask", "for", "reply", "or_ask", "or_call"}
REPLIES = {
    *("hello", "goodbye", "thanks", "help", "cannot"),
    *("never_mind", "wait", "repeat"),
}


def read(name: str) -> Any:
    return read_yaml(data.path(f"language_model/{name}.yaml"))


def blind_turns() -> Iterator[tuple[Mapping[str, Any], Mapping[str, set[str]]]]:
    """Yield each turn of the blind sets with the tools there are, and their arguments."""
    shop = {
        tool.spec.name: {*tool.spec.parameters["properties"]} for tool in shop_tools(data.shop())
    }
    for turns in read("blind_shop").values():
        yield from ((turn, shop) for turn in turns)
    yield from turns_with_own_tools("blind_tools")


def turns_with_own_tools(file: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, set[str]]]]:
    """Yield each turn of a file of readers' own tools, as `blind_turns` does."""
    for domain in read(file).values():
        tools = {
            name: {*tool["needs"], *tool.get("may", {})} for name, tool in domain["tools"].items()
        }
        yield from ((turn, tools) for turn in domain["turns"])


@pytest.mark.parametrize(("turn", "tools"), [*blind_turns(), *turns_with_own_tools("dev_tools")])
def test_a_turn_expects_one_move_that_its_tools_allow(
    turn: Mapping[str, Any], tools: Mapping[str, set[str]]
) -> None:
    assert {*turn} <= KEYS
    assert len({"call", "ask", "reply"} & {*turn}) == 1
    assert {*turn.get("reply", ())} <= REPLIES
    if "call" in turn:
        assert {*turn["with"]} <= tools[turn["call"]]
    if "ask" in turn:
        known = tools[turn["for"]] if "for" in turn else set().union(*tools.values())
        assert {*turn["ask"]} <= known | {"change"}


def test_every_caller_of_the_blind_sets_has_been_heard() -> None:
    heard = read("blind_heard")
    said = {turn["says"] for turn, _ in blind_turns()}
    said |= {
        before["caller"]
        for turn, _ in blind_turns()
        for before in turn.get("after", ())
        if "caller" in before
    }
    assert said == {*heard}


def test_no_caller_says_the_same_in_two_blind_turns_of_one_kind() -> None:
    for turns in read("blind_shop").values():
        said = [(turn["says"], str(turn.get("after"))) for turn in turns]
        assert len({*said}) == len(said)
