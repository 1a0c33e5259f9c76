"""Sentences out of a stream: the same pieces however it flows, and cut where one would pause."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.evaluation.sentence_cuts import (
    KnownCuts,
    count_cuts,
    load_known_cuts,
    score_cuts,
    split_into_tokens,
)
from voxlab.sentences import ABBREVIATIONS, SentenceChunker

# Written-like text: the words and marks that decide, in every order.
WORDS = ["hello", "No", "Dr", "e.g", "a.m", "J", "I", "4.50", "$4", "7:30", "“quote", "über"]
DOUBTFUL = ["Inc", "U.S", "The", "Ltd", "3", "am", "1", "hrs", "etc", "Monday", "Yahoo", "«oui"]
OTHER_SCRIPTS = ["你好", "と", "नमस्ते", "مرحبا", "τι", "🎉", "(", "[1]", "</b>", "](x)", "-", "»"]
MARKS = ["", "", ",", ", ", ".", ". ", "?", "...", "…", ";", '."', ".”", "?)", ".**", ".]", "!"]
OTHER_MARKS = ["。", "！」", "।", "؟", "。”", ". . .", " »", "，", "።", ".)", "?[2]", ":"]
SPACES = [" ", " ", " ", "  ", "\n", " \t", "\u00a0", "\n\n", "\r\n"]


def written_like(words, marks, spaces):
    """Texts of these words, marks and spaces in every order."""
    parts = st.tuples(*map(st.sampled_from, (words, marks, spaces)))
    return st.lists(parts, min_size=3, max_size=12).map(
        lambda parts: "".join(itertools.chain.from_iterable(parts))
    )


latin = written_like(WORDS + DOUBTFUL, MARKS, SPACES)
mixed = written_like(WORDS + DOUBTFUL + OTHER_SCRIPTS, MARKS + OTHER_MARKS, [*SPACES, "", ""])
NEXT_WORD_CHARS = 25
texts = latin | mixed | mixed | st.text(max_size=60)
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
    assert "".join(pieces).replace(" ", "") == folded(text).replace(" ", "")


@pytest.mark.slow
@given(latin, st.lists(st.integers(0, 500), max_size=6), limits)
def test_in_scripts_with_spaces_no_word_is_cut(text, points, options):
    if all(len(word) <= options[1] for word in text.split()):
        assert " ".join(pieces_of(cut(text, points), *options)) == folded(text)


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
@given(latin, st.integers(0, 500))
def test_what_is_out_stays_and_no_piece_waits_for_more_than_the_next_word(text, point):
    begun = text[: point % (len(text) + 1)]
    chunker = SentenceChunker()
    early = chunker.feed(begun)
    assert early == pieces_of([text])[: len(early)]
    waiting = folded(begun)[len(" ".join(early)) :]
    first, *later = pieces_of([begun])[len(early) :] or [""]
    assert not later or len(waiting) - len(first) <= NEXT_WORD_CHARS


@pytest.mark.slow
@given(st.lists(st.sampled_from(load_known_cuts()), min_size=1, max_size=4), st.randoms())
def test_the_known_texts_give_the_same_pieces_however_they_arrive(several, random):
    text = "\n".join(known.text for known in several)
    points = [random.randrange(len(text) + 1) for _ in range(random.randrange(20))]
    at_once = pieces_of([text])
    assert at_once == pieces_of(cut(text, points)) == pieces_of(split_into_tokens(text))


# --- the known cuts ------------------------------------------------------------------------

CUT_LATE = ["Come on Tue. or Thu. |Wed. is full.", "好的，请稍等。|我来查一下……|找到了。"]


def sentences_of(text):
    return pieces_of(split_into_tokens(text), 10**6, 10**6)


def test_the_list_of_known_cuts_is_as_large_as_it_should_be():
    known = load_known_cuts()
    assert len({each.text for each in known}) == len(known) >= 300
    assert all(all(sentence.strip() for sentence in each.sentences) for each in known)


def test_no_known_text_is_cut_where_it_changes_the_sense_and_few_are_cut_late():
    total = score_cuts(load_known_cuts(), sentences_of)["all"]
    assert (total.wrong, total.missed) == (0, len(CUT_LATE))
    for text in CUT_LATE:
        known = KnownCuts("", tuple(text.split("|")))
        assert count_cuts(known, sentences_of(known.text)).missed == 1


def test_what_was_cut_once_is_not_cut_again():
    """The agent cuts a reply, and the voice cuts each piece again."""
    pieces = [piece for known in load_known_cuts() for piece in sentences_of(known.text)]
    assert [again for piece in pieces for again in sentences_of(piece)] == pieces


# --- how soon ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["It has left. ", "It costs $4.50. ", "Really?! ", "See you, Grace. ", "So be it… ", "よし。 "],
)
def test_a_plain_sentence_is_out_with_its_white_space(text):
    chunker = SentenceChunker()
    assert chunker.feed(text[:-1]) == []
    out = chunker.feed(text[-1])
    assert out == ([] if "…" in text else [text.strip()])


@pytest.mark.parametrize(
    ("begun", "next_one", "is_end"),
    [
        ("No. ", "6", False),
        ("No. ", "W", True),
        ("He left... ", "a", False),
        ("He left... ", "W", True),
        ('"Is it ready?" ', "s", False),
        ('"Is it ready?" ', "W", True),
        ("From Acme Inc. ", "is", False),
        ("From Acme Inc. ", "The ", True),
        ("The U.S. ", "Army ", False),
        ("The U.S. ", "The ", True),
        ("At 9 a.m. ", "Monday ", False),
        ("At 9 a.m. ", "Please ", True),
        ("It was I. ", "W", None),
        ("It was I. ", "We ", True),
        ("你好。", "」", None),
        ("你好。", "我", True),
        ("We have:\n", "t", None),
        ("We have:\n", "tables", False),
        ("We have:\n", "- ", True),
        ("« Viens. ", "»", None),
    ],
)
def test_a_stop_in_doubt_waits_for_what_decides(begun, next_one, is_end):
    chunker = SentenceChunker(10**6)
    assert chunker.feed(begun) == []
    out = chunker.feed(next_one)
    assert out == ([begun.strip()] if is_end else [])
    if is_end is False:
        assert len([*chunker.feed(" x"), *chunker.flush()]) == 1


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


def test_a_piece_without_a_word_is_only_the_last():
    assert pieces_of(["... ? --- \n Well. 👋"]) == ["... ? --- Well.", "👋"]


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


def test_a_long_text_is_cut_at_a_comma_rather_than_between_words():
    assert pieces_of(["we have red ones, blue ones and green ones"], 1000, 26) == [
        "we have red ones,",
        "blue ones and green ones",
    ]
    chinese = "这是一个很长的句子，" * 40
    assert {len(piece) for piece in pieces_of([chinese], 1000)} == {300, 100}


def test_a_word_longer_than_max_chars_is_cut():
    assert pieces_of(["x" * 25], 1000, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_a_limit_of_no_characters_is_refused():
    with pytest.raises(ValueError, match="max_chars is 0, needs 1 or more"):
        SentenceChunker(max_chars=0)
