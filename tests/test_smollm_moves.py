"""What the agent does about an answer of the small model."""

import json

import pytest

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolChoice, ToolSpec
from voxlab.providers.scripted import ScriptedLLM
from voxlab.providers.smollm.moves import Ask, read_answer, read_value, ways_to_ask, ways_to_reply
from voxlab.providers.smollm.trained import TrainedSmolLM

TOOLS = [tool.spec for tool in shop_tools(data.shop())]


def after(answer: str, *said: str) -> object:
    move = read_answer(answer, [Message("user", text) for text in said], TOOLS)
    return (move.name, dict(move.arguments)) if isinstance(move, ToolCall) else move


def test_the_callers_words_become_values() -> None:
    answer = '{"book_table": {"day": "friday", "time": "half past seven", "party_size": "four"}}'
    assert after(answer, "For four, on Friday, at half past seven.") == (
        "book_table",
        {"day": "Friday", "time": "19:30", "party_size": 4},
    )


def test_words_that_no_caller_said_are_asked_for() -> None:
    answer = '{"book_table": {"day": "Friday", "time": "seven", "party_size": "four"}}'
    assert after(answer, "A table for four on Friday, please.") == Ask("book_table", "time")


def test_words_without_a_value_are_asked_for() -> None:
    answer = '{"check_shipping": {"order_id": "four eight two"}}'
    assert after(answer, "It's four eight two.") == Ask("check_shipping", "order_id")


def test_words_of_an_earlier_turn_count() -> None:
    answer = '{"get_weather": {"city": "Paris", "day": "Friday"}}'
    assert after(answer, "The weather in Paris?", "On Friday.") == (
        "get_weather",
        {"city": "Paris", "day": "Friday"},
    )


def test_a_change_needs_something_that_is_changed() -> None:
    answer = '{"change_reservation": {"customer": "Rossi"}}'
    assert after(answer, "It's under Rossi.") == Ask("change_reservation", "change")


def test_a_guests_number_comes_from_the_result_of_the_booking() -> None:
    call = ToolCall("call_1", "book_table", {})
    messages = [
        Message("assistant", "", (call,)),
        Message("tool", '{"customer": "Guest 8", "day": "Friday"}', tool_call_id="call_1"),
        Message("user", "No, on Monday."),
    ]
    move = read_answer('{"change_reservation": {"day": "Monday"}}', messages, TOOLS)
    assert isinstance(move, ToolCall)
    assert move.arguments == {"customer": "Guest 8", "day": "Monday"}


@pytest.mark.parametrize("answer", ["", "I think so", '{"fly": {}}', '{"book_table": 3}', "[1]"])
def test_an_answer_that_says_nothing_offers_help(answer: str) -> None:
    assert after(answer, "Hm.") == "help"


def test_own_arguments_are_read_by_what_their_description_says() -> None:
    assert read_value("phone", {"description": "number to ring"}, "five five, oh one") == "5501"
    assert read_value("months", {"type": "integer"}, "three months") == 3
    assert read_value("start", {"description": "24 hour, HH:MM"}, "half past seven") == "19:30"
    assert read_value("state", {"enum": ["on", "off"]}, "off please") == "off"
    assert read_value("dish", {}, "the soup.") == "the soup"


@pytest.mark.parametrize(
    ("does", "told", "said", "time"),
    [
        ("Mend a car", "half past ten", "At half past ten, please.", "10:30"),
        ("Mend a car", "half past ten", "Good evening, at half past ten, please.", "10:30"),
        ("Mend a car", "ten o'clock", "No later than ten o'clock, from 22 Elm Road.", "10:00"),
        ("Mend a car", "half past ten", "Half past ten in the evening.", "22:30"),
        ("Mend a car", "10:30 p.m.", "At 10:30 p.m.", "22:30"),
        ("Mend a car", "22:30", "At 22:30.", "22:30"),
        ("Mend a car", "three o'clock", "At three o'clock.", "15:00"),
        ("Keep a table free", "half past ten", "At half past ten.", "22:30"),
    ],
)
def test_ten_oclock_is_in_the_morning_but_for_a_table(does, told, said, time) -> None:
    parameters = {"properties": {"time": {"type": "string"}}, "required": ["time"]}
    spec = ToolSpec("plan", does, parameters)
    messages = [Message("user", "I was there last night."), Message("user", said)]
    move = read_answer(json.dumps({"plan": {"time": told}}), messages, [spec])
    assert isinstance(move, ToolCall)
    assert move.arguments == {"time": time}


@pytest.mark.parametrize(
    ("choices", "words", "chosen"),
    [
        (["art", "party"], "for a party", "party"),
        (["large", "extra large"], "extra large, please", "extra large"),
        (["next_day", "standard"], "next day", "next_day"),
        ([1, 2, 12], "12", 12),
        (["on", "off"], "one", None),
    ],
)
def test_a_choice_is_the_longest_whose_whole_words_were_said(choices, words, chosen) -> None:
    assert read_value("kind", {"enum": choices}, words) == chosen


@pytest.mark.parametrize("name", ["day", "bike_number"])
def test_a_question_asked_before_is_put_otherwise(name: str) -> None:
    for first in ways_to_ask(name):
        again = ways_to_ask(name, [Message("assistant", first), Message("user", "What?")])
        assert again
        assert not {*again} & {*ways_to_ask(name)}


def test_a_question_is_put_anew_after_something_else_was_said() -> None:
    said = [Message("assistant", ways_to_ask("day")[0]), Message("assistant", "In Paris it rains.")]
    assert ways_to_ask("day", said) == ways_to_ask("day")


def told(answer: str | ToolCall, *said: str, required: bool = False) -> list[TextDelta | ToolCall]:
    """Return what the agent's model gives if the network writes this answer."""
    messages = [Message("user", text) for text in said]

    async def ask() -> list[TextDelta | ToolCall]:
        model = TrainedSmolLM(ScriptedLLM([answer]))
        return [part async for part in model.stream(messages, TOOLS, ToolChoice(required))]

    return run_virtual(ask())


def test_a_call_of_a_tool_that_is_not_there_offers_help() -> None:
    said = told(ToolCall("1", "fly", {"city": "paris"}), "Fly me to Paris.")
    assert said == [TextDelta(*ways_to_reply("help", [], TOOLS))]


def test_the_model_s_call_reaches_the_agent_with_values() -> None:
    words = ToolCall("1", "get_weather", {"city": "paris", "day": "this friday"})
    (call,) = told(words, "How is Paris this Friday?")
    assert isinstance(call, ToolCall)
    assert call.arguments == {"city": "Paris", "day": "Friday"}


def test_a_call_that_lacks_a_value_becomes_the_question_for_it() -> None:
    words = ToolCall("1", "get_weather", {"city": "Paris", "day": "Monday"})
    assert told(words, "How is Paris?") == [TextDelta("For which day?")]


def test_a_call_that_is_insisted_on_is_made_with_the_values_that_were_told() -> None:
    words = ToolCall("1", "get_weather", {"city": "Paris", "day": "Monday"})
    (call,) = told(words, "How is Paris?", required=True)
    assert isinstance(call, ToolCall)
    assert call.arguments == {"city": "Paris"}


def test_a_kind_of_reply_becomes_its_sentence() -> None:
    assert told("goodbye", "Bye.") == [TextDelta("Thank you for calling. Goodbye!")]


def test_of_several_phrasings_the_model_s_choice_is_said() -> None:
    class LastOfAll(ScriptedLLM):
        async def choose(self, messages, tools, phrasings):
            return phrasings[-1]

    async def ask() -> list[TextDelta | ToolCall]:
        model = TrainedSmolLM(LastOfAll(["thanks"]))
        return [part async for part in model.stream([Message("user", "Thanks.")], TOOLS)]

    assert run_virtual(ask()) == [TextDelta(ways_to_reply("thanks", [], TOOLS)[-1])]
