"""The rule-based model: every utterance leads somewhere sensible, and it remembers the dialogue."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.agents.tools import Toolbox
from voxlab.clock import run_virtual
from voxlab.data.yaml_files import read_yaml
from voxlab.providers.protocols import Message, TextDelta, ToolCall
from voxlab.providers.rule_based.language_model import (
    CANNOT,
    HELP,
    INTENTS,
    QUESTIONS,
    RuleLLM,
    decide,
    topic_of,
)
from voxlab.providers.rule_based.phrases import phrase
from voxlab.providers.rule_based.slots import find_slots
from voxlab.text import normalise

TOOLS = {intent.tool for intent in INTENTS}


def decision(*texts):
    """What is decided when the user says these, one after the other, with nothing between."""
    answer = decide([Message("user", text) for text in texts], TOOLS)
    return (answer.name, dict(answer.arguments)) if isinstance(answer, ToolCall) else answer


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


# --- one sentence --------------------------------------------------------------------------

DECISIONS = {
    "weather_tomorrow": ("get_weather", {"city": "Paris", "day": "tomorrow"}),
    "weather_friday": ("get_weather", {"city": "London", "day": "Friday"}),
    "order_where": ("lookup_order", {"order_id": "12345"}),
    "order_check": QUESTIONS["order_id"],
    "order_number": ("lookup_order", {"order_id": "48213"}),
    "order_unknown": ("lookup_order", {"order_id": "98761"}),
    "order_email": ("lookup_order", {"email": "grace.kim@example.com"}),
    "shipping_arrival": QUESTIONS["order_id"],
    "shipping_tracking": ("check_shipping", {"order_id": "30592"}),
    "return_shoes": QUESTIONS["order_id"],
    "book_table": ("book_table", {"day": "Friday", "time": "19:00", "party_size": 4}),
    "book_full": ("book_table", {"day": "Saturday", "time": "19:00", "party_size": 2}),
    "change_party": QUESTIONS["customer"],
    "cancel_reservation": QUESTIONS["customer"],
    "give_name": HELP,
    "correct_day": "Okay, I'm listening.",
    "correct_number": HELP,
    "correct_city": QUESTIONS["day"],
    "correct_party": HELP,
    "just_no": "All right. Is there anything else?",
    "hesitate_order": ("lookup_order", {"order_id": "12345"}),
    "hesitate_booking": QUESTIONS["party_size"],
    "hesitate_weather": ("get_weather", {"city": "New York", "day": "Wednesday"}),
    "uh_huh": "Great. What would you like?",
    "yeah": "Great. What would you like?",
    "okay": "Great. What would you like?",
    "um": HELP,
    "uh": HELP,
    "i_see": HELP,
    "really": HELP,
    "go_on": "Great. What would you like?",
    "thank_you": "You're welcome. Is there anything else?",
    "stop": "Okay, I'm listening.",
    "hold_on": "Okay, I'm listening.",
    "okay_stop": "Okay, I'm listening.",
    "be_quiet": HELP,
    "never_mind": "All right. Is there anything else?",
    "real_person": ("talk_to_person", {}),
    "real_person_fast": ("talk_to_person", {}),
    "human": ("talk_to_person", {}),
    "manager": ("talk_to_person", {}),
    "no_person": HELP,
    "just_yes": "Great. What would you like?",
    "yes_please": "Great. What would you like?",
    "repeat": HELP,
    "joke": "I only know about orders, tables and the weather, and none of it is funny.",
    "why": HELP,
    "how_much": HELP,
    "yes_but": QUESTIONS["day"],
    "goodbye": "Thank you for calling Acme. Goodbye!",
}


UTTERANCES = read_yaml(data.path("callers/utterances.yaml"))


def test_words_that_the_instructions_give_exactly_are_said_exactly():
    told = Message("system", 'You are kind. Say exactly these words: "Hello, this is Acme."')
    assert decide([told, Message("user", "Where is my order?")], TOOLS) == "Hello, this is Acme."


@pytest.mark.parametrize("name", UTTERANCES)
def test_every_utterance_of_the_data_leads_to_its_decision(name):
    pieces = UTTERANCES[name].get("pieces", [UTTERANCES[name].get("text")])
    text = " ".join(piece for piece in pieces if isinstance(piece, str))
    assert decision(text) == DECISIONS[name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'd like to speak to someone.", ("talk_to_person", {})),
        ("Is it raining in Rome today?", ("get_weather", {"city": "Rome", "day": "today"})),
        ("Berlin, please, on Monday.", ("get_weather", {"city": "Berlin", "day": "Monday"})),
        ("I want to send back order 70316", ("return_order", {"order_id": "70316"})),
        ("Has 30592 been delivered?", ("check_shipping", {"order_id": "30592"})),
        ("I ordered a book and it is not here.", QUESTIONS["order_id"]),
        ("Cancel my order, please.", QUESTIONS["order_id"]),
        ("Can I book for Friday?", QUESTIONS["time"]),
        ("I'd like to book for two on Friday.", QUESTIONS["time"]),
        ("Hello?", "Hello! What can I do for you?"),
        ("Uh-huh.", "Great. What would you like?"),
        ("Mm-hmm.", "Great. What would you like?"),
        ("Good-bye.", "Thank you for calling Acme. Goodbye!"),
        ("", HELP),
    ],
)
def test_other_ways_to_say_it_are_understood(text, expected):
    assert decision(text) == expected


@pytest.mark.parametrize(
    "number",
    [
        "12345",
        "12345.",
        "#12345",
        "1-2-3-4-5",
        "1 2 3 4 5",
        "12 345",
        "12,345",
        "one two three four five",
        "One, two, three, four, five.",
        "1, 2, three, four, 5",
        "one two, um, three four five",
        "not 99999, it's 12345",
        "99999, no wait, 12345",
    ],
)
def test_an_order_number_is_found_however_it_is_written(number):
    assert decision("I'd like to check on my order.", f"It's {number}") == (
        "lookup_order",
        {"order_id": "12345"},
    )


@pytest.mark.parametrize("number", ["1234", "123456", "one two three four", "1 2 3 4 5 6", "half"])
def test_a_number_that_is_not_five_digits_is_asked_for_again(number):
    assert decision("Where is my order?", number) == QUESTIONS["order_id"]


@pytest.mark.parametrize(
    "address",
    [
        "grace.kim@example.com",
        "Grace.Kim@Example.com.",
        "grace dot kim at example dot com",
        "Grace dot Kim at example.com",
        "grace.kim at example dot com.",
        "grace . kim @ example . com",
        "grace dot kim@example.com",
    ],
)
def test_an_email_address_is_found_however_it_is_written(address):
    said = f"I'm at home. My email is {address}"
    assert decision(said) == ("lookup_order", {"email": "grace.kim@example.com"})


@pytest.mark.parametrize(
    "said", ["a table at 7.30", "I'm at home. Thanks.", "at 7 p.m.", "meet me at the shop. Okay"]
)
def test_what_is_no_email_address_is_not_taken_for_one(said):
    assert "email" not in find_slots(normalise(said))


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("seven", "19:00"),
        ("Seven, please.", "19:00"),
        ("7", "19:00"),
        ("at 7", "19:00"),
        ("around eight", "20:00"),
        ("7:30", "19:30"),
        ("7.30", "19:30"),
        ("at 7 30", "19:30"),
        ("seven thirty", "19:30"),
        ("half past eight", "20:30"),
        ("half past 8", "20:30"),
        ("quarter past six", "18:15"),
        ("quarter to eight", "19:45"),
        ("7 p.m.", "19:00"),
        ("7pm", "19:00"),
        ("eight o'clock", "20:00"),
        ("20:30", "20:30"),
        ("half-past-eight", "20:30"),
        ("at seven, no, at eight", "20:00"),
        ("not at seven, at eight", "20:00"),
    ],
)
def test_a_time_is_found_however_it_is_said(said, time):
    booking = ("book_table", {"day": "Monday", "time": time, "party_size": 2})
    assert decision("A table for two on Monday", said) == booking


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("four", 4),
        ("Four, please.", 4),
        ("4", 4),
        ("for four people", 4),
        ("a party of six", 6),
        ("the two of us", 2),
        ("one person", 1),
        ("Sorry, not two people. Four people.", 4),
        ("Four people, not two people.", 4),
        ("fifteen people", 15),
    ],
)
def test_a_number_of_people_is_found_however_it_is_said(said, people):
    booking = ("book_table", {"day": "Monday", "time": "19:00", "party_size": people})
    assert decision("A table on Monday at seven", said) == booking


@pytest.mark.parametrize(
    "said",
    [
        "The name is Morgan.",
        "Morgan.",
        "It's Morgan, please.",
        "My name is Peter Morgan.",
        "Peter Morgan",
        "under Morgan",
        "under the name of Morgan",
        "Mr. Morgan",
        "The name is Morgan and I want it now",
    ],
)
def test_a_reservation_is_found_by_surname(said):
    assert decision("Please cancel my reservation.", said) == (
        "cancel_reservation",
        {"customer": "Morgan"},
    )


def test_the_day_after_tomorrow_is_not_tomorrow():
    assert decision("Will it rain in Paris the day after tomorrow?") == QUESTIONS["day"]


def test_a_city_that_nobody_knows_is_asked_for_and_then_taken_as_it_is():
    assert decision("Will it rain in Lisbon on Friday?") == QUESTIONS["city"]
    assert decision("Will it rain in Lisbon on Friday?", "Lisbon.") == (
        "get_weather",
        {"city": "Lisbon", "day": "Friday"},
    )


def test_without_its_tool_the_model_says_that_it_cannot():
    weather = [Message("user", "Will it rain in London on Friday?")]
    assert decide(weather, set()) == CANNOT
    assert decide([Message("user", "I want to book a table")], set()) == QUESTIONS["day"]


# --- several turns -------------------------------------------------------------------------


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


# --- whatever is said ----------------------------------------------------------------------

VOCABULARY = (
    "order table book cancel change my reservation weather in Paris on Friday at seven half past "
    "eight for two people not one 12345 1-2-3 name is Morgan no wait yes uh @ . , : dot com 7:30 "
    "99:99 p.m. zero under the ’ ² ٣ İ"
)
WORDS = st.sampled_from(VOCABULARY.split())
SAID = st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40)
RESULTS = st.sampled_from(
    [
        "",
        "null",
        "[1]",
        "12",
        "{}",
        '{"error": "no table on Friday at 19:00; free on Friday: none"}',
        '{"error": null}',
        '{"id": "12345", "order_id": 5, "customer": "Lind"}',
    ]
)


@given(SAID)
def test_values_are_always_well_formed(said):
    for expected in ("", *QUESTIONS):
        found = find_slots(normalise(said), expected)
        assert all(found.values())
        assert len(found.get("order_id", "12345")) == 5
        hour, minute = found.get("time", "19:00").split(":")
        assert (len(hour), len(minute), int(hour) < 24, int(minute) < 60) == (2, 2, True, True)
        assert found.get("party_size", 1) > 0
        assert found.get("customer", "X").strip() == found.get("customer", "X")


@pytest.mark.slow
@given(st.lists(st.tuples(SAID, RESULTS), max_size=6))
def test_no_conversation_breaks_the_rules(turns):
    messages = []
    for text, result in turns:
        messages.append(Message("user", text))
        answer = decide(messages, TOOLS)
        if isinstance(answer, str):
            assert answer
            messages.append(Message("assistant", answer))
            continue
        assert answer.name in TOOLS
        json.dumps(dict(answer.arguments))
        messages.append(Message("assistant", "", (answer,)))
        messages.append(Message("tool", result, tool_call_id=answer.id))
        assert topic_of(messages).intent is not None


# --- results in words ----------------------------------------------------------------------


def result_of(tool, **arguments):
    call = ToolCall("1", tool, arguments)
    text = run_virtual(Toolbox(shop_tools(data.shop())).run(call))
    return phrase(tool, arguments, json.loads(text))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            {"tool": "lookup_order", "order_id": "61847"},
            "Order 6 1 8 4 7 is shipped. It has one item, for a total of 19 dollars and 99 cents.",
        ),
        (
            {"tool": "lookup_order", "order_id": "25960"},
            "Order 2 5 9 6 0 is delivered. It has 2 items, for a total of 64 dollars.",
        ),
        (
            {"tool": "check_shipping", "order_id": "12345"},
            "Order 1 2 3 4 5 is on its way with Parcel Express and arrives on Friday. "
            "The tracking number is P X 4 4 7 1.",
        ),
        (
            {"tool": "check_shipping", "order_id": "30592"},
            "Order 3 0 5 9 2 is delayed with Blue Van and arrives next Tuesday. "
            "The tracking number is B V 9 1 5 3.",
        ),
        (
            {"tool": "check_shipping", "order_id": "61847"},
            "Order 6 1 8 4 7 is on its way with Swift Post and arrives tomorrow. "
            "The tracking number is S P 2 1 1 4.",
        ),
        (
            {"tool": "check_shipping", "order_id": "70316"},
            "Order 7 0 3 1 6 was delivered last Thursday by Swift Post. "
            "The tracking number is S P 2 0 8 6.",
        ),
        ({"tool": "check_shipping", "order_id": "83421"}, "Order 8 3 4 2 1 is cancelled."),
        (
            {"tool": "return_order", "order_id": "70316"},
            "The return of order 7 0 3 1 6 is registered. "
            "You will get 45 dollars and 98 cents back.",
        ),
        (
            {"tool": "return_order", "order_id": "16629"},
            "That order is returned. Only a delivered order can be returned.",
        ),
        (
            {"tool": "lookup_order", "email": "nobody@example.com"},
            "I can't find an order for that email address. Could you check the number?",
        ),
        (
            {"tool": "book_table", "day": "Friday", "time": "18:00", "party_size": 1},
            "Your table for one person is booked on Friday at 6 o'clock. See you then!",
        ),
        (
            {"tool": "book_table", "day": "Friday", "time": "18:00", "party_size": 9},
            "I'm sorry, we have no table for you on that day. Would another day work?",
        ),
        (
            {"tool": "cancel_reservation", "customer": "Kim"},
            "The reservation on Monday at 8 30 is cancelled.",
        ),
        (
            {"tool": "cancel_reservation", "customer": "Nobody"},
            "I can't find a reservation under the name Nobody.",
        ),
        (
            {"tool": "get_weather", "city": "Paris", "day": "tonight"},
            "In Paris the forecast tonight is light rain, with 16 degrees Celsius.",
        ),
        (
            {"tool": "get_weather", "city": "Paris", "day": "Sunday"},
            "I have no forecast for that. I know the weather up to Friday.",
        ),
        ({"tool": "talk_to_person"}, "Of course. I am connecting you with a colleague now."),
        (
            {"tool": "book_table", "day": "someday", "time": "18:00", "party_size": 2},
            "I'm sorry, the system does not answer at the moment. Please try again later.",
        ),
    ],
)
def test_results_and_errors_are_put_into_words(call, words):
    assert result_of(**call) == words


def test_an_unknown_tool_is_reported_without_details():
    assert phrase("water_plants", {}, {"litres": 3}) == "That is done."
