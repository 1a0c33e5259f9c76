"""Words compared however they are written; what an agent heard of them, value by value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.data.expectations import Kind
from voxlab.evaluation.heard_words import find_heard, find_values
from voxlab.evaluation.word_errors import comparable_words, word_errors
from voxlab.text import spoken_words
from voxlab.timeline import Event, Timeline

TEXTS = st.lists(st.sampled_from(["yes", "no", "well", "so"]), max_size=9).map(" ".join)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("will it rain on friday", "we'll eat rain on friday", 2),
        ("yes no", "no", 1),
        ("", "three words more", 3),
        ("so", "", 1),
    ],
)
def test_word_errors_are_the_fewest_changes(said, heard, errors):
    assert word_errors(said, heard) == (errors, len(said.split()))


@settings(max_examples=50)
@given(TEXTS, TEXTS, TEXTS)
def test_word_errors_are_a_distance(one, two, three):
    def distance(said, heard):
        return word_errors(said, heard).errors

    assert distance(one, two) == distance(two, one)
    assert distance(one, three) <= distance(one, two) + distance(two, three)
    assert (distance(one, two) == 0) == (one == two)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$86.50.", "eighty six dollars and fifty cents"),
        ("$5 each", "five dollars each"),
        ("Order 12345,", "order one two three four five"),
        ("14 degrees", "fourteen degrees"),
        ("8:30", "8 30"),
        ("BV9153", "BV nine one five three"),
        ("To-morrow!", "tomorrow"),
        ("grace.kim@example.com", "Grace dot Kim at example dot com"),
        ("It’s four", "it's 4"),
    ],
)
def test_what_is_written_and_what_is_said_are_the_same_words(written, spoken):
    assert spoken_words(written) == spoken_words(spoken)


def test_nothing_said_is_nothing_wrong():
    assert word_errors("", "...") == (0, 0)


@pytest.mark.parametrize(
    "spellings",
    [
        ("uh-huh", "Uh huh.", "uhhuh", "ah-huh"),
        ("mm-hmm", "Mhm.", "mmhmm", "mm hm"),
        ("O.K.", "okay", "OK,", "o k"),
        ("goodbye", "Good-by,", "good-bye", "Good bye"),
        ("um", "Uhm,", "erm...", "uh"),
        ("double five", "five five", "55"),
        ("triple zero", "000", "zero zero zero"),
        ("four oh two", "402", "4 o 2"),
        ("half past 7:30", "half past seven thirty"),
    ],
)
def test_what_sounds_the_same_is_no_error(spellings):
    said, *others = spellings
    for heard in others:
        assert comparable_words(heard) == comparable_words(said)


@pytest.mark.parametrize(
    ("said", "heard", "kinds"),
    [
        ("It's order 48213.", "Its order 4 8 2 1 3", {"order number": True}),
        ("It's order 48213.", "Its order 48 21", {"order number": False}),
        ("It's order 48213.", "Its order 482130", {"order number": False}),
        ("00123", "123", {"order number": False}),
        ("A table at seven thirty", "a table at 7:30", {"time": True}),
        ("A table at seven", "a table at eleven", {"time": False}),
        ("I paid $86.50", "I paid eighty six dollars and fifty cents", {"price": True}),
        ("For four people on Friday", "for 14 people on Friday", {"people": False, "day": True}),
        ("I am grace.kim@example.com", "I am Grace dot Kim at example.com", {"email": True}),
        ("Tomorrow, not Tuesday", "to-morrow, not Thursday", {"day": False}),
    ],
)
def test_a_value_is_heard_whole_or_not_at_all(said, heard, kinds):
    assert {value.kind: value.is_heard for value in find_values(said, heard)} == kinds


def test_one_value_that_is_heard_is_not_two():
    found = find_values("Friday. I said Friday.", "Friday. I said fry day.")
    assert [value.is_heard for value in found] == [True, False]


def said(start_s, line, text, heard=None):
    """A line of two seconds, and what is recognised of it."""
    yield Event(start_s, "caller", "speech_started", {"line": line, "text": text})
    yield Event(start_s + 2, "caller", "speech_stopped", {"line": line})
    if heard is not None:
        yield Event(start_s + 0.2, "stt", "started")
        yield Event(start_s + 2.5, "stt", "final", {"text": heard})


def test_words_in_silence_and_in_noise_are_no_word_errors():
    silence = [Event(7.0, "stt", "started"), Event(8.0, "stt", "final", {"text": "so so so"})]
    timeline = Timeline(
        [
            *said(1, "ask", "order 12345", "order 12345"),
            *silence,
            *said(11, "radio", "buy a new car", "buy a"),
            *said(21, "yes", "uh huh", "her"),
            Event(40.0, "transport", "call_ended", {"reason": "over"}),
        ]
    )
    heard = find_heard(timeline, {"radio": Kind.NOISE, "yes": Kind.BACKCHANNEL})
    assert heard.errors == (0, 6)
    assert heard.invented == 3 + 2
    assert [value.is_heard for value in heard.values] == [True]


def test_two_lines_that_are_heard_as_one_are_compared_as_one():
    lines = [*said(1, "ask", "book a table"), *said(3.6, "when", "friday at seven")]
    heard = [
        Event(1.2, "stt", "started"),
        Event(6.0, "stt", "final", {"text": "Book a table. Friday at 7."}),
    ]
    timeline = Timeline([*lines, *heard, Event(20.0, "transport", "call_ended", {"reason": "x"})])
    assert find_heard(timeline, {}).errors == (0, 6)


def test_a_line_in_two_pieces_is_compared_as_one_and_a_missed_line_is_all_errors():
    timeline = Timeline(
        [
            *said(1, "ask", "order 12345"),
            Event(1.2, "stt", "started"),
            Event(1.9, "stt", "final", {"text": "order 12"}),
            Event(2.1, "stt", "started"),
            Event(3.6, "stt", "final", {"text": "345"}),
            *said(11, "again", "is it late"),
            Event(40.0, "transport", "call_ended", {"reason": "over"}),
        ]
    )
    heard = find_heard(timeline, {})
    assert heard.errors == (3, 9)
    assert heard.invented == 0
