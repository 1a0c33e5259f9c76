"""What is said for what is written: a list, no word lost, and heard by the recogniser."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.data.yaml_files import read_yaml
from voxlab.evaluation.word_errors import word_error_rate
from voxlab.providers.protocols import Word
from voxlab.providers.read_aloud import Reading, read_aloud, spoken_text, without_markup
from voxlab.providers.word_times import as_written
from voxlab.text import VALUES, say_digits, say_number, say_ordinal

READINGS = read_yaml(data.path("readings.yaml"))
PAIRS = [tuple(pair) for pairs in READINGS.values() for pair in pairs]
WRITTEN = [written for written, _ in PAIRS]

parts = st.sampled_from(
    [
        *("$", "€", "-", "–", "+", "%", "°", "#", "*", "_", "`", "|", "&", "@", "/", ":", ".", ","),
        *(" ", " ", "\n", "5", "12", "007", "1,234", "a", "pm", "km", "A4", "🙂", "(", ")", "٣"),
        *("[x](y)", "!", "  "),
    ]
)
texts = st.lists(parts, max_size=12).map("".join) | st.text(max_size=40) | st.sampled_from(WRITTEN)


# --- what is said --------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "spoken"), PAIRS)
def test_it_is_read_as_people_read_it(written, spoken):
    assert spoken_text(read_aloud(written)) == spoken


def test_the_list_is_as_large_as_it_should_be():
    assert len(set(WRITTEN)) == len(WRITTEN) >= 100


@pytest.mark.slow
@given(texts)
def test_each_written_word_stands_in_one_reading(text):
    for english in (True, False):
        readings = read_aloud(text, english)
        assert [word for reading in readings for word in reading.written] == text.split()


def value_of(words):
    """The number that English words name, worked out the other way round."""
    value, part = 0, 0
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    for word in words.replace("-", " ").split():
        if word in scales:
            value, part = value + part * scales[word], 0
        elif word == "hundred":
            part *= 100
        else:
            part += VALUES[word]
    return value + part


@given(st.integers(0, 10**15 - 1))
def test_a_number_in_words_names_its_size(number):
    assert value_of(say_number(number)) == number


@given(
    st.integers(2, 10**9),
    st.integers(2, 99),
    st.sampled_from(["", "-"]),
    st.sampled_from([",", ""]),
)
def test_an_amount_is_said_to_the_cent_wherever_it_was_written(whole, cents, sign, grouping):
    american = f"{whole:{grouping}}.{cents:02d}"
    european = american.translate(str.maketrans(".,", ",."))
    words = "minus " if sign else ""
    for written, unit in ((f"{sign}${american}", "dollars"), (f"{sign}{european} €", "euros")):
        said = spoken_text(read_aloud(f"It is {written}.")).removeprefix(f"It is {words}")
        many, few = said.removesuffix(" cents.").split(f" {unit} and ")
        assert (value_of(many), value_of(few)) == (whole, cents)


@given(st.text("0123456789", min_size=1, max_size=30))
def test_digits_are_said_one_by_one_and_none_is_lost(digits):
    said = say_digits(digits)
    assert "".join(str(VALUES[word]) for word in re.findall(r"\w+", said)) == digits
    assert all(2 < len(group.split()) < 6 for group in said.split(", ")) or len(digits) < 6


def test_ranks_up_to_thirty_one():
    said = [say_ordinal(day) for day in (1, 2, 3, 4, 5, 8, 9, 12, 20, 21, 22, 30, 31)]
    assert said == [
        *("first", "second", "third", "fourth", "fifth", "eighth", "ninth", "twelfth"),
        *("twentieth", "twenty-first", "twenty-second", "thirtieth", "thirty-first"),
    ]


def test_a_hosted_voice_gets_the_text_without_markup_and_with_its_numbers():
    assert without_markup("# **Total:** $12.50 🙂, see [help](https://a.b)") == (
        "Total: $12.50, see help"
    )
    assert without_markup("- It is -3 °C & 5% up.") == "It is -3 °C & 5% up."


# --- the times of written words ------------------------------------------------------------


def timed(text):
    """One second a spoken word."""
    return [Word(word, at, at + 1.0) for at, word in enumerate(text.split())]


def test_a_written_word_lasts_as_long_as_all_that_is_said_for_it():
    readings = read_aloud("It costs $12.50 today.")
    words = as_written(readings, timed(spoken_text(readings)))
    assert [(w.text, w.start_s, w.end_s) for w in words] == [
        ("It", 0, 1),
        ("costs", 1, 2),
        ("$12.50", 2, 7),
        ("today.", 7, 8),
    ]


def test_words_that_are_read_together_share_the_time_and_silent_ones_join_the_word_before():
    readings = read_aloud("It is 12,50 € 🙂 now.")
    words = as_written(readings, timed(spoken_text(readings)))
    assert [word.text for word in words] == ["It", "is", "12,50 € 🙂", "now."]
    assert (words[2].start_s, words[2].end_s) == (2, 7)
    readings = read_aloud("Call 0800 123.")
    words = as_written(readings, timed(spoken_text(readings)))
    assert [(w.text, w.start_s, w.end_s) for w in words[1:]] == [("0800", 1, 5), ("123.", 5, 8)]


@given(texts)
def test_no_written_word_is_lost_and_times_never_decrease(text):
    readings = read_aloud(text)
    words = as_written(readings, timed(spoken_text(readings)))
    if words:
        assert " ".join(word.text for word in words) == " ".join(text.split())
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_without_sound_there_are_no_times():
    assert as_written(read_aloud("🙂 ---"), []) == ()
    assert as_written([Reading(("a",), "a")], []) == ()


# --- heard ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_said_is_heard():
    """benchmarks/readings.py has the whole list heard; here are some that were lost once."""
    from voxlab.providers.hibari import HibariTTS
    from voxlab.providers.moonshine import MoonshineSTT

    voice, recogniser = HibariTTS(), MoonshineSTT(partial_every_s=None)
    texts = [
        *("A refund of -$86.50 was made.", "It costs $5–$10.", "It costs 12,50 €."),
        *("The code is 007.", "Call 0800 123 456.", "Order #48213 has left."),
    ]
    heard = [recogniser.recognize(voice.speak(text).audio) for text in texts]
    said = [spoken_text(read_aloud(text)) for text in texts]
    assert word_error_rate(said, heard) < 0.05
