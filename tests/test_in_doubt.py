"""In doubt the rules ask: what they did not understand in other words, what they may have misheard
before they write it."""

import asyncio
import json

import pytest

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.providers.protocols import Message, ToolCall
from voxlab.providers.rule_based.language_model import HINTS, OR_A_PERSON, QUESTIONS, decide

BOOKED = "Your table for 3 people is booked on Friday at 7 o'clock. See you then!"
CORRECTED = "A table for two, no, three people on Friday at seven."


def talk(*said: str) -> tuple[list[str], list[ToolCall]]:
    """Return what the agent answers to each, and the tools that it has called."""
    tools = {tool.spec.name: tool for tool in shop_tools(data.shop())}
    messages, answers, calls = [Message("system", "Be kind.")], [], []
    for text in said:
        messages.append(Message("user", text))
        while isinstance(answer := decide(messages, set(tools)), ToolCall):
            result = asyncio.run(tools[answer.name].run(answer.arguments))
            calls.append(answer)
            messages.append(Message("assistant", "", (answer,)))
            messages.append(Message("tool", json.dumps(result), tool_call_id=answer.id))
        messages.append(Message("assistant", answer))
        answers.append(answer)
    return answers, calls


def test_a_question_that_was_not_answered_is_asked_in_other_words_and_then_a_person_is_offered():
    answers, calls = talk("A table, please.", "Next Friday.", "Next Friday!", "Friday.")
    assert answers == [
        QUESTIONS["day"],
        HINTS["day"],
        f"{HINTS['day']} {OR_A_PERSON}",
        QUESTIONS["time"],
    ]
    assert not calls
    _, calls = talk("A table, please.", "Next Friday.", "Next Friday!", "A real person.")
    assert [call.name for call in calls] == ["talk_to_person"]


@pytest.mark.parametrize("yes", ["Yes.", "Yes, please.", "That's right.", "Correct.", "Uh huh."])
def test_what_was_corrected_in_one_breath_is_read_back_before_it_is_written(yes):
    answers, calls = talk(CORRECTED, yes)
    assert answers == ["For 3 people, on Friday, at 7 o'clock: is that right?", BOOKED]
    assert len(calls) == 1


def test_of_two_times_in_one_breath_the_last_is_read_back():
    answers, _ = talk("A table for two on Monday at seven, no, at eight.")
    assert answers == ["For 2 people, on Monday, at 8 o'clock: is that right?"]


def test_after_a_no_the_agent_asks_what_is_wrong_and_reads_back_once_more():
    answers, calls = talk(CORRECTED, "No.", "On Wednesday.", "Yes.")
    assert answers[1] == QUESTIONS["change"]
    assert answers[2] == "For 3 people, on Wednesday, at 7 o'clock: is that right?"
    assert [call.arguments["day"] for call in calls] == ["Wednesday"]
    answers, _ = talk(CORRECTED, "No, four people.")
    assert answers[1] == "For 4 people, on Friday, at 7 o'clock: is that right?"


def test_a_digit_that_may_be_a_small_word_is_read_back_before_a_return():
    answers, calls = talk("I want to return order 1 2 for 4 5.", "No.", "5 5 8 2 0.", "Yes.")
    assert answers[:2] == ["Order 1 2 4 4 5: is that right?", QUESTIONS["order_id"]]
    assert [call.arguments for call in calls] == [{"order_id": "55820"}]


def test_what_only_reads_and_what_was_plain_is_not_asked_twice():
    _, calls = talk("Where is order 1 2 for 4 5?")
    assert len(calls) == 1
    answers, _ = talk("A table for three people on Friday at seven.")
    assert answers == [BOOKED]


def test_another_wish_in_place_of_a_yes_writes_nothing():
    _, calls = talk(CORRECTED, "What is the weather in Paris today?")
    assert [call.name for call in calls] == ["get_weather"]
