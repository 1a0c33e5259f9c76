"""The words of a speech: where they most likely sound, and which have been heard for certain."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.agents.spoken_words import SLOWEST_CHARS_PER_S, SpokenWords
from voxlab.providers.protocols import Word

TICK_S = 1 / 64


def untimed(text, *pieces_s, finished=True):
    words = SpokenWords()
    words.add(text)
    for piece_s in pieces_s:
        words.grow(piece_s)
    if finished:
        words.finish()
    return words


def timed(ticks):
    ends_s = [sum(ticks[: n + 1]) * TICK_S for n in range(len(ticks))]
    given_words = [
        Word(f"w{n}", end_s - ticks[n] * TICK_S, end_s) for n, end_s in enumerate(ends_s)
    ]
    words = SpokenWords()
    words.add(" ".join(word.text for word in given_words), given_words)
    words.grow(ends_s[-1])
    words.finish()
    return words, given_words


# --- a text that comes whole ---------------------------------------------------------------


def test_of_a_sentence_that_has_stalled_only_words_that_sounded_are_heard():
    """1.1 of 3.0 s have been played, and nothing more is there: that is not all six words."""
    words = untimed("one two three four five six", 1.1, finished=False)
    assert words.heard(1.1, 1.1) == 2
    words.grow(1.9)
    assert words.heard(1.1, 3.0) == 2
    words.finish()
    assert words.heard(1.1, 3.0) == 2  # they end at 0.86 s, the third at 1.5 s
    assert words.heard(1.6, 3.0) == 3
    assert words.heard(3.0, 3.0) == 6


def test_a_word_that_is_short_to_write_and_long_to_say_is_not_over_too_soon():
    """ "0" is said in 0.4 s, "W" in 0.5 s."""
    words = untimed("0 W 9", 0.45, finished=False)
    assert words.heard(0.45, 0.45) == 0


@given(st.text(max_size=60), st.floats(0.001, 20), st.booleans())
def test_likely_times_fill_the_speech_when_it_is_complete(text, duration_s, finished):
    words = untimed(text, duration_s, finished=finished).likely(duration_s)
    assert [word.text for word in words] == text.split()
    if words:
        assert words[0].start_s == 0
        assert words[-1].end_s >= duration_s * (1 - 1e-9)
        assert not finished or words[-1].end_s == pytest.approx(duration_s)
        assert all(a.end_s == b.start_s and a.start_s < a.end_s for a, b in pairwise(words))


def test_the_first_piece_of_a_stream_is_not_taken_for_the_whole():
    (word, *_, last) = untimed("one two three four five six", 0.2, finished=False).likely(0.2)
    assert word.end_s == pytest.approx(4 / 15)  # at the usual pace
    assert last.end_s == pytest.approx(28 / 15)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=5), st.integers(-1, 60))
def test_a_cut_keeps_every_word_on_one_side(ticks, at_tick):
    words, told = timed(ticks)
    duration_s, played_s = words.came_s, at_tick * TICK_S
    count = words.heard(played_s, duration_s)
    assert [word.end_s <= played_s for word in told] == [n < count for n in range(len(told))]
    start_s = words.drop(count, max(0.0, played_s))
    assert words.texts == [word.text for word in told[count:]]
    if words.texts:
        assert words.came_s == duration_s - start_s
        late = [Word(w.text, w.start_s + start_s, w.end_s + start_s) for w in words.likely(0.0)]
        assert late == told[count:]


# --- a text that streams beside its sound ----------------------------------------------------


def streamed(*steps, finished=False):
    """Words whose text and sound come in these steps: a text, or seconds of sound."""
    words = SpokenWords()
    for step in steps:
        words.stream(step) if isinstance(step, str) else words.grow(step)
    if finished:
        words.finish()
    return words


def test_a_word_is_over_when_the_next_one_must_have_begun():
    """It comes with the slice in which it begins, so that by the end of the slice it has."""
    words = streamed("One", 0.1, 0.1, 0.1, " two", 0.1, 0.1, " three", 0.1)
    sound_s = words.came_s
    assert [words.heard(at_s, sound_s) for at_s in (0.35, 0.41, 0.55, 0.61)] == [0, 1, 1, 2]


def test_text_without_any_sound_after_it_is_not_heard():
    words = streamed("One", 0.3, " two three")
    assert words.heard(9.0, 0.3) <= 1


def test_text_that_runs_ahead_of_its_sound_is_not_believed():
    """Forty characters came with 0.4 s of sound: nobody speaks so fast."""
    words = streamed("the ", 0.06, "quick ", 0.06, "brown fox ", 0.1, "jumps over ", 0.1, "it", 0.1)
    assert words.heard(words.came_s, words.came_s) == 0
    words.grow(3.0)
    words.finish()
    assert words.heard(1.8, words.came_s) == pytest.approx(4, abs=1)
    assert words.heard(words.came_s, words.came_s) == 7


STEPS = st.lists(
    st.text("ab .", min_size=1, max_size=8) | st.floats(0.01, 0.5), min_size=1, max_size=20
)


@given(STEPS, st.booleans(), st.floats(0, 5), st.floats(0, 5))
def test_more_is_heard_the_more_has_sounded_and_never_more_than_there_is(steps, done, some, more):
    words = streamed(*steps, finished=done)
    text = "".join(step for step in steps if isinstance(step, str))
    assert words.texts == text.split()
    sound_s = words.came_s
    some_s, more_s = sorted((min(some, sound_s), min(more, sound_s)))
    assert words.heard(some_s, sound_s) <= words.heard(more_s, sound_s) <= len(words.texts)
    slowest_s = sum(len(text) + 1 for text in words.texts) / SLOWEST_CHARS_PER_S
    if done and sound_s > slowest_s:
        assert words.heard(sound_s + 1e-6, sound_s) == len(words.texts)


@given(STEPS)
def test_every_word_is_told_once_in_a_sentence(steps):
    words = streamed(*steps, finished=True)
    told = []
    while sentence := words.next_sentence():
        told += sentence.text.split()
    assert told == words.texts
    assert words.told == len(told)


# --- scripts without spaces ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "你好。今天天气很好。你想要什么？",
        "「行こう。」と言った。はい！",
        "हाँ। नहीं।",
        "Hi. 你好！Bye.",
    ],
)
def test_sentences_that_stream_without_spaces_have_words_of_their_own(text):
    for size in (1, 2, 3, len(text)):
        words = SpokenWords()
        for start in range(0, len(text), size):
            words.stream(text[start : start + size])
            words.grow(0.4)
        words.finish()
        told = []
        while sentence := words.next_sentence():
            texts = words.texts[words.told - sentence.count : words.told]
            assert "".join(texts) == sentence.text.replace(" ", "")
            told.append(sentence.text)
        assert "".join(told).replace(" ", "") == text.replace(" ", "")
        assert words.told == len(words.texts)
