"""Sentences out of a stream: the same pieces however it flows, and cut where one would pause."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.sentences import ABBREVIATIONS, SentenceChunker

# Written-like text: the words and marks that decide, in every order.
tokens = st.sampled_from(
    ["hello", "No", "Dr", "e.g", "a.m", "J", "I", "4.50", "$4", "7:30", "“quote", "well…", "über"]
)
marks = st.sampled_from(["", ",", ".", "?", "", ", ", ". ", "...", "…", ";", '."', ".”", "?)"])
spaces = st.sampled_from([" ", " ", " ", "  ", "\n", " \t", "\u00a0"])
written = st.lists(st.tuples(tokens, marks, spaces), min_size=3, max_size=12).map(
    lambda parts: "".join(itertools.chain.from_iterable(parts))
)
texts = written | written | written | st.text(max_size=60)
limits = st.sampled_from([(40, 300), (10, 300), (0, 60), (12, 30), (1000, 20)])


def pieces_of(deltas, *options):
    chunker = SentenceChunker(*options)
    fed = [piece for delta in deltas for piece in chunker.feed(delta)]
    return fed + chunker.flush()


def cut(text, points):
    edges = [0, *sorted(point % (len(text) + 1) for point in points), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def folded(text):
    return " ".join(text.split())


# --- properties ----------------------------------------------------------------------------


@pytest.mark.slow
@given(texts, st.lists(st.integers(0, 500), max_size=6), limits)
def test_the_pieces_joined_are_the_text_with_its_white_space_folded(text, points, options):
    pieces = pieces_of(cut(text, points), *options)
    if all(len(word) <= options[1] for word in text.split()):
        assert " ".join(pieces) == folded(text)
    assert "".join(pieces).replace(" ", "") == folded(text).replace(" ", "")


@pytest.mark.slow
@given(texts, st.lists(st.integers(0, 500), max_size=6), limits)
def test_how_the_text_is_cut_into_deltas_does_not_change_the_pieces(text, points, options):
    at_once = pieces_of([text], *options)
    assert pieces_of(cut(text, points), *options) == at_once
    assert pieces_of(list(text), *options) == at_once


@pytest.mark.slow
@given(texts, limits)
def test_no_piece_is_empty_or_longer_than_max_chars(text, options):
    assert all(0 < len(piece) <= options[1] for piece in pieces_of([text], *options))


@pytest.mark.slow
@given(texts, st.integers(0, 500))
def test_a_piece_is_out_as_soon_as_its_white_space_is(text, point):
    begun = text[: point % (len(text) + 1)]
    chunker = SentenceChunker()
    early = chunker.feed(begun)
    assert early == pieces_of([text])[: len(early)]
    assert len(early) >= len(pieces_of([begun])) - 1  # nothing but the last piece is held back


# --- cases worked by hand ------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        ["It costs $4.50.", "Anything else?"],
        ["Your total is $4.", "Thank you!"],
        ["We open at 7:30 a.m. on Monday.", "Do come!"],
        ["Dr. Smith and Mrs. Jones live in St. Albans.", "Yes."],
        ["J. R. R. Tolkien wrote it.", "So did I.", "Really."],
        ["Take e.g. apples, i.e. fruit.", "Good."],
        ["That is order No. 5.", "It has left."],
        ["No.", "We are closed on Sundays."],
        ["Is it plan B?", "Yes."],
        ["At 9 a.m.?", "Good."],
        ["Well...", "Let me see…", "Yes."],
        ["What?!", "Never!!", "Ever."],
        ['He said "Stop."', "Then he left."],
        ["He said “Stop.”", "Then (he left.)", "«Non!»", "It's over.'"],
        ["Go to example.com or 10.0.0.1 now.", "Bye."],
        ["Wait.", '"Go on."'],
        ["She works for the U.S. Army.", "Since 1999.", "Still."],
    ],
)
def test_pieces_end_where_sentences_end(pieces):
    chunker = SentenceChunker(first_clause_chars=1000)
    assert [*chunker.feed(" ".join(pieces)), *chunker.flush()] == pieces


@pytest.mark.parametrize("abbreviation", sorted(ABBREVIATIONS))
def test_an_abbreviation_ends_no_piece_in_any_case(abbreviation):
    for word in (abbreviation, abbreviation.capitalize(), "(" + abbreviation.upper()):
        assert pieces_of([f"Ask {word}. Smith) about it."]) == [f"Ask {word}. Smith) about it."]


def test_a_stop_without_white_space_waits_for_what_follows():
    chunker = SentenceChunker()
    assert chunker.feed("It costs $4.") == []
    assert chunker.feed("50.") == []
    assert chunker.feed(" ") == ["It costs $4.50."]


def test_a_text_without_punctuation_comes_at_the_flush():
    assert pieces_of(["so we have ", "nothing to say"]) == ["so we have nothing to say"]


def test_nothing_gives_nothing():
    assert pieces_of([]) == pieces_of(["", " ", "\n"]) == []


def test_the_first_piece_may_end_at_a_comma_once_it_is_long_enough():
    opening = "Let me see, your order of two red shirts,"
    assert pieces_of([opening + " size M, has left, today."], 40) == [
        opening,
        "size M, has left, today.",
    ]


def test_a_first_clause_is_spoken_alone_from_its_least_length_on():
    text = "Well, so it is, yes. No."
    assert pieces_of([text], 15)[0] == "Well, so it is,"
    assert pieces_of([text], 16)[0] == "Well, so it is, yes."


def test_a_sentence_that_ends_before_the_comma_comes_first():
    text = "It has left. It will be with you on Tuesday, or so I hope."
    assert pieces_of([text])[0] == "It has left."


def test_a_comma_after_the_first_piece_ends_nothing():
    second = "And the second, which is longer than forty characters, has left, too."
    assert pieces_of(["Yes. " + second]) == ["Yes.", second]


def test_a_text_without_any_stop_is_cut_between_words():
    pieces = pieces_of(["word " * 100], 1000, 22)
    assert pieces == ["word word word word"] * 25


def test_a_sentence_given_at_once_is_held_to_max_chars_too():
    assert pieces_of(["one two three four. five"], 1000, 9) == ["one two", "three", "four.", "five"]


def test_a_word_longer_than_max_chars_is_cut():
    assert pieces_of(["x" * 25], 1000, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_a_limit_of_no_characters_is_refused():
    with pytest.raises(ValueError, match="max_chars is 0, needs 1 or more"):
        SentenceChunker(max_chars=0)
