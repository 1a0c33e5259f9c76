"""Every written word gets its time, whatever was said for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.providers.protocols import Word
from voxlab.providers.word_times import written_words


def said(*texts):
    """Each text lasts a second; one in brackets makes no sound."""
    spoken, at_s = [], 0.0
    for text in texts:
        sounds = not text.startswith("(")
        spoken.append(Word(text.strip("()"), at_s, at_s + sounds))
        at_s += sounds
    return spoken


def times(text, spoken, **weight):
    return [(w.text, w.start_s, w.end_s) for w in written_words(text, spoken, **weight)]


def test_words_said_as_written_keep_their_times():
    assert times("Good day.", said("Good", "day.")) == [("Good", 0, 1), ("day.", 1, 2)]


def test_one_written_word_covers_all_the_words_said_for_it():
    spoken = said("at", "seven", "thirty", "P.M.", "sharp")
    assert times("At 7:30 p.m. sharp", spoken) == [
        ("At", 0, 1),
        ("7:30", 1, 3),
        ("p.m.", 3, 4),
        ("sharp", 4, 5),
    ]


def test_several_written_words_share_the_time_by_their_weight():
    spoken = said("on", "March", "fourth", "seven", "thirty")
    weight = {"3/4": 3.0, "7:30": 1.0}
    assert times("on 3/4 7:30", spoken, weight=weight.get) == [
        ("on", 0, 1),
        ("3/4", 1, 4),
        ("7:30", 4, 5),
    ]


def test_words_without_any_weight_share_equally():
    assert times("α β", said("alpha", "beta", "x", "y"), weight=lambda _: 0.0) == [
        ("α", 0, 2),
        ("β", 2, 4),
    ]


def test_a_mark_that_is_not_said_joins_the_word_before_it():
    assert times("Hello 🙂 — world", said("Hello", "(🙂)", "(—)", "world")) == [
        ("Hello 🙂 —", 0, 1),
        ("world", 1, 2),
    ]


def test_a_mark_at_the_start_joins_the_word_after_it():
    assert times("— Yes", said("(—)", "Yes")) == [("— Yes", 0, 1)]


def test_a_word_that_is_said_but_not_written_belongs_to_the_word_before_it():
    assert times("five now", said("five", "dollars", "now")) == [("five", 0, 2), ("now", 2, 3)]


def test_a_text_without_sound_has_no_words():
    assert written_words("🙂 —", said("(🙂)", "(—)")) == ()
    assert written_words("", []) == ()


def test_times_that_run_backwards_are_put_in_order():
    backwards = [Word("a", 0.0, 1.0), Word("b", 0.5, 0.8), Word("c", 0.7, 1.5)]
    assert times("a b c", backwards) == [("a", 0, 1), ("b", 1, 1), ("c", 1, 1.5)]


WORDS = st.lists(st.sampled_from(["a", "b", "7:30", "x", "—", "A."]), max_size=8)
SOUNDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "seven", "x", "—"]), st.booleans()), max_size=8
)


@pytest.mark.slow
@given(written=WORDS, sounds=SOUNDS)
def test_no_word_is_lost_and_times_never_decrease(written, sounds):
    spoken = said(*(text if sound else f"({text})" for text, sound in sounds))
    words = written_words(" ".join(written), spoken)
    assert not words or " ".join(word.text for word in words) == " ".join(written)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    if words:
        assert edges[-1] == pytest.approx(spoken[-1].end_s) or not sounds[-1][1]
