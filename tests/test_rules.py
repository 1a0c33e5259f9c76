"""The rule-based model: every utterance leads somewhere sensible, whatever is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_decisions import TOOLS, decision

from voxlab import data
from voxlab.data.yaml_files import read_yaml
from voxlab.providers.protocols import Message
from voxlab.providers.rule_based.language_model import CANNOT, HELP, QUESTIONS, decide, topic_of
from voxlab.providers.rule_based.slots import find_slots
from voxlab.text import normalise

# --- one sentence ---------------------------------------------------------------------------


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


# --- whatever is said -----------------------------------------------------------------------


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
