"""Words compared however they are written; jiwer is the oracle of the distance."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.evaluation.word_errors import word_errors
from voxlab.text import spoken_words

TEXTS = st.lists(st.sampled_from(["yes", "no", "well", "so"]), max_size=9).map(" ".join)


@given(TEXTS.filter(bool), TEXTS)
def test_word_errors_are_those_of_jiwer(said, heard):
    counted = jiwer.process_words(said, heard)
    expected = counted.substitutions + counted.deletions + counted.insertions
    assert word_errors(said, heard) == (expected, len(said.split()))


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
