"""The rule-based model remembers the dialogue."""

import asyncio

import pytest
from rule_decisions import TOOLS, decision

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.agents.tools import Toolbox
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall
from voxlab.providers.rule_based.language_model import HELP, HINTS, QUESTIONS, RuleLLM, decide


class Dialogue:
    """A caller and the rules, with the real tools between them but without time or sound."""

    def __init__(self):
        self.database = data.shop()
        self.tools = shop_tools(self.database)
        self.messages = [Message("system", "You are Acme's agent.")]
        self.calls = []

    def say(self, text):
        """Return what the agent answers; the tool calls it makes for that are noted."""
        self.messages.append(Message("user", text))
        return run_virtual(self._answer())

    async def _answer(self):
        while isinstance(answer := decide(self.messages, TOOLS), ToolCall):
            assert len(self.calls) < 20, "the rules ask for tools for ever"
            self.calls.append((answer.name, dict(answer.arguments)))
            result = await Toolbox(self.tools).run(answer)
            self.messages.append(Message("assistant", "", tool_calls=(answer,)))
            self.messages.append(Message("tool", result, tool_call_id=answer.id))
        self.messages.append(Message("assistant", answer))
        return answer

    def booked(self):
        rows = self.database.execute(
            "SELECT customer, day, time, party_size FROM reservations "
            "WHERE status = 'booked' AND id > 14 ORDER BY id"
        )
        return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    "pieces",
    [["four eight", "two one three"], ["482.", "It is, uh, one three."], ["4 8", "8 2", "48 213"]],
)
def test_digits_of_an_order_number_are_joined_over_the_pauses_between_them(pieces):
    talk = Dialogue()
    talk.say("I'd like to check on my order.")
    *_, answer = map(talk.say, pieces)
    assert "processing" in answer


def test_a_joined_number_is_read_back_before_it_is_written():
    talk = Dialogue()
    talk.say("I want to return my order.")
    assert talk.say("It's seven zero three.") == HINTS["order_id"]
    assert talk.say("One six.") == "Order 7 0 3 1 6: is that right?"
    assert "registered" in talk.say("Yes.")


def test_a_word_that_is_a_digit_is_no_begun_number():
    talk = Dialogue()
    talk.say("I'd like to check on my order.")
    talk.say("One moment.")
    talk.say("Eight two one three.")
    assert talk.calls == []


def test_an_order_number_is_asked_for_and_kept_for_the_next_question():
    talk = Dialogue()
    assert talk.say("I'd like to check on my order.") == QUESTIONS["order_id"]
    assert "processing" in talk.say("It's four eight two one three.")
    assert "not been shipped" in talk.say("When will my package arrive?")
    assert "Only a delivered order" in talk.say("Then I want to return it.")
    assert talk.calls == [
        ("lookup_order", {"order_id": "48213"}),
        ("check_shipping", {"order_id": "48213"}),
        ("return_order", {"order_id": "48213"}),
    ]
    assert talk.say("And where is my other order?") == QUESTIONS["order_id"]


def test_a_wrong_order_number_is_not_kept():
    talk = Dialogue()
    assert "can't find an order 9 9 9 9 9" in talk.say("Where is order 99999?")
    assert talk.say("When will my package arrive?") == QUESTIONS["order_id"]
    assert "Parcel Express" in talk.say("12345")


def test_a_wrong_order_number_can_be_followed_by_the_right_one():
    talk = Dialogue()
    talk.say("Where is order 99999?")
    assert talk.say("Oh.") == QUESTIONS["order_id"]
    assert "1 2 3 4 5 is shipped" in talk.say("One two three four five.")


def test_a_parcel_is_found_by_email_in_two_rounds_of_tools():
    talk = Dialogue()
    talk.say("When will my package arrive?")
    assert "Swift Post" in talk.say("I don't know. My email is grace dot kim at example dot com.")
    assert talk.calls == [
        ("lookup_order", {"email": "grace.kim@example.com"}),
        ("check_shipping", {"order_id": "70316"}),
    ]


def test_a_booking_collects_what_is_missing_over_three_turns():
    talk = Dialogue()
    assert talk.say("I'd like to book a table.") == QUESTIONS["day"]
    assert talk.say("On Friday.") == QUESTIONS["time"]
    assert talk.say("Half past eight.") == QUESTIONS["party_size"]
    assert talk.say("Two.") == (
        "Your table for 2 people is booked on Friday at 8 30. See you then!"
    )
    assert talk.booked() == [("Guest 15", "Friday", "20:30", 2)]


def test_saying_the_wish_again_does_not_forget_what_is_known():
    assert decision("I'd like a table on Friday.", "A table for two.") == QUESTIONS["time"]


@pytest.mark.parametrize("said", ["Yes.", "Okay.", "What do you mean?", "Um."])
def test_an_open_question_is_asked_again(said):
    assert decision("I'd like a table on Friday.", said) == QUESTIONS["time"]


def test_a_correction_before_the_booking_changes_the_value():
    talk = Dialogue()
    assert talk.say("A table for two on Friday, please.") == QUESTIONS["time"]
    assert talk.say("No wait, I meant Tuesday.") == QUESTIONS["time"]
    assert talk.say("Sorry, not two people. Four people.") == QUESTIONS["time"]
    assert "booked on Tuesday" in talk.say("At seven.")
    assert talk.booked() == [("Guest 15", "Tuesday", "19:00", 4)]


def test_a_correction_after_the_booking_changes_that_reservation():
    talk = Dialogue()
    talk.say("I'd like to book a table for four people on Friday at seven.")
    assert "booked on Tuesday at 7" in talk.say("No wait, I meant Tuesday.")
    assert "for 3 people is booked on Tuesday" in talk.say("Sorry, not four people. Three people.")
    assert [name for name, _ in talk.calls] == [
        "book_table",
        "change_reservation",
        "change_reservation",
    ]
    assert talk.calls[1][1] == {"customer": "Guest 15", "day": "Tuesday"}
    assert len(talk.booked()) == 1


def test_a_correction_that_names_the_table_again_is_still_a_correction():
    talk = Dialogue()
    talk.say("I'd like to book a table for four people on Friday at seven.")
    assert "booked on Tuesday at 7" in talk.say("Sorry, I meant a table on Tuesday.")
    assert len(talk.booked()) == 1


def test_a_second_table_is_a_new_booking():
    talk = Dialogue()
    talk.say("I'd like to book a table for four people on Friday at seven.")
    assert talk.say("And I want to book a table on Tuesday.") == QUESTIONS["time"]


def test_a_full_evening_is_offered_other_times_and_one_of_them_can_be_taken():
    talk = Dialogue()
    assert talk.say("Do you have a table for two on Saturday at seven?") == (
        "I'm sorry, we have no table then. There is one at 6 o'clock or 8 30."
    )
    assert talk.say("Yes, please.") == QUESTIONS["time"]
    assert "booked on Saturday at 6 o'clock" in talk.say("Six.")
    assert talk.booked() == [("Guest 15", "Saturday", "18:00", 2)]


def test_a_closed_day_is_answered_with_another_day():
    talk = Dialogue()
    assert "Would another day work?" in talk.say("A table for two on Sunday at seven.")
    assert "booked on Monday at 7" in talk.say("Monday.")


def test_a_change_that_is_not_possible_keeps_the_old_table():
    talk = Dialogue()
    talk.say("A table for two on Friday at seven, under Lind.")
    assert "There is one at 6 o'clock or 8 30" in talk.say("No wait, I meant Saturday.")
    assert talk.booked() == [("Lind", "Friday", "19:00", 2)]
    assert "booked on Saturday at 8 30" in talk.say("Half past eight then.")
    assert talk.booked() == [("Lind", "Saturday", "20:30", 2)]


def test_a_reservation_of_an_earlier_day_is_changed_by_name():
    talk = Dialogue()
    assert talk.say("Can you change my reservation to six people?") == QUESTIONS["customer"]
    assert "for 6 people is booked on Monday at 7" in talk.say("The name is Morgan.")
    assert "on Monday at 7 o'clock is cancelled" in talk.say("Please cancel it.")
    assert talk.say("Please cancel my reservation.") == QUESTIONS["customer"]


def test_a_change_is_asked_what_to_change():
    assert decision("Can you change my reservation?", "Morgan") == QUESTIONS["change"]
    assert decision("Can you change my reservation?", "Morgan", "To half past eight.") == (
        "change_reservation",
        {"customer": "Morgan", "time": "20:30"},
    )


def test_a_wrong_name_is_asked_for_again():
    talk = Dialogue()
    talk.say("Please cancel my reservation.")
    assert talk.say("Smith.") == "I can't find a reservation under the name Smith."
    assert "is cancelled" in talk.say("Morgan.")


def test_a_name_said_after_the_booking_does_not_touch_the_reservation_of_a_namesake():
    talk = Dialogue()
    talk.say("A table for two on Friday at seven.")
    talk.say("The name is Morgan.")
    assert len(talk.calls) == 1


def test_the_weather_can_be_asked_on():
    talk = Dialogue()
    talk.say("What is the weather in Paris tomorrow?")
    assert "In London the forecast tomorrow" in talk.say("And in London?")
    assert "In London the forecast on Friday" in talk.say("And on Friday?")
    assert "no forecast" in talk.say("And in Berlin?")
    assert "In Rome" in talk.say("Then in Rome.")


def test_another_topic_in_between_is_answered():
    talk = Dialogue()
    talk.say("I'd like to book a table.")
    assert "In London" in talk.say("Wait, will it rain in London on Friday?")


@pytest.mark.parametrize("said", ["Never mind.", "No.", "No, thanks."])
def test_a_topic_can_be_given_up(said):
    talk = Dialogue()
    talk.say("I'd like to book a table.")
    assert talk.say(said) == "All right. Is there anything else?"
    assert talk.say("Okay.") == "Great. What would you like?"


def test_the_last_reply_is_repeated_word_for_word():
    talk = Dialogue()
    answer = talk.say("Where is order 12345?")
    assert talk.say("Sorry, could you repeat that, please?") == answer


def test_a_tool_that_the_user_interrupted_is_asked_for_again_with_the_correction():
    messages = [
        Message("user", "I'd like to book a table for four people on Friday at seven."),
        Message("assistant", "", (ToolCall("1", "book_table", {"day": "Friday"}),)),
        Message("tool", '{"error": "the user interrupted before there was"}', tool_call_id="1"),
    ]
    again = decide(messages, TOOLS)
    assert (again.name, again.arguments["day"]) == ("book_table", "Friday")
    corrected = decide([*messages, Message("user", "No wait, I meant Tuesday.")], TOOLS)
    assert (corrected.name, corrected.arguments["day"]) == ("book_table", "Tuesday")


def test_nothing_is_kept_between_two_calls_of_the_model():
    llm, messages = RuleLLM(), [Message("user", "And on Friday?")]

    async def answers():
        return [[part async for part in llm.stream(messages, [])] for _ in range(2)]

    first, second = run_virtual(answers())
    assert first == second
    assert "".join(part.text for part in first) == HELP


def test_the_model_speaks_at_its_pace():
    async def times():
        loop, found = asyncio.get_running_loop(), []
        async for part in RuleLLM(0.25, 0.5).stream([Message("user", "Stop.")], []):
            found.append((loop.time(), part))
        return found

    assert run_virtual(times()) == [
        (0.25, TextDelta("Okay, ")),
        (0.75, TextDelta("I'm ")),
        (1.25, TextDelta("listening.")),
    ]
