"""Exercise 2: pieces of text that a voice can start with."""

import itertools
import re

import numpy as np

from voxlab.grading import graded
from voxlab.sentences import ABBREVIATIONS

WORDS = ("we", "have", "table", "order", "Friday", "parcel", "your", "left", "four", "people")
TRAPS = (
    *("$4.50", "Dr. Smith", "J. R. Doe", "9 a.m. sharp", "e.g. shoes", "7:30", "version 2.0.1"),
    *("(approx. two", "1,234", "the U.S. shop", "well, then"),
)
ENDINGS = (".", "!", "?", "...", "…", '."', ".)", "?!")


def pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def sentence(rng):
    """Return a sentence with one trap or two in it, which ends where it ends and nowhere else."""
    parts = [pick(rng, TRAPS if rng.random() < 0.3 else WORDS) for _ in range(rng.integers(2, 9))]
    return " ".join([*parts, pick(rng, ("today", "$2.75", "I", "(so it is)"))]) + pick(rng, ENDINGS)


def cut(rng, text):
    """Return the text in deltas of random lengths."""
    edges = sorted({0, len(text), *rng.integers(0, len(text), rng.integers(1, 30)).tolist()})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def pieces_of(exercise, deltas, *options):
    chunker = exercise.Chunker(*options)
    return [piece for delta in deltas for piece in chunker.feed(delta)] + chunker.flush()


# --- ex02.1 --------------------------------------------------------------------------------


@graded(
    "ex02.1",
    points=1,
    hint="A stop ends a sentence only before white space, and a single full stop only if the word "
    "before it is no abbreviation, initial or row of letters; quotes and case do not matter.",
)
def test_a_stop_ends_a_sentence_unless_it_belongs_to_a_word(exercise):
    ends = ["It is $4.50.", "So do I.", 'He said "no!"', "(It left.)", "Well...", "Well…", "Dr?!"]
    inner = ["It costs", "Let me see,", "J.", "by R. J.", "at 9 a.m.", "the U.S.", 'the "e.g.']
    inner += [f"Ask {word}." for word in sorted(ABBREVIATIONS)] + ["ask (DR."]
    for before in (*ends, *inner):
        for after in (" ", "\n"):
            got = exercise.is_sentence_end(before, after)
            assert got == (before in ends), f"{before!r}, then {after!r}: got {got}"
    for before, after in (("It is $4.", "5"), ("voxlab.", "a"), ("So!", '"'), ("No?", ")")):
        got = exercise.is_sentence_end(before, after)
        assert got == False, f"{before!r}, then {after!r}: got {got}"  # noqa: E712
    for numeral in np.random.default_rng(1).uniform(1, 999, 40):
        assert exercise.is_sentence_end(f"That is ${numeral:.2f}.", " "), f"${numeral:.2f}. ended"


# --- ex02.2 --------------------------------------------------------------------------------


@graded(
    "ex02.2",
    points=1,
    hint="Keep what no piece has taken yet, judge a place only when the character after it is "
    "there, and go on after a cut: a delta may complete several pieces.",
)
def test_however_a_text_arrives_its_sentences_come_out_whole(exercise):
    rng = np.random.default_rng(2)
    for _ in range(12):
        sentences = [sentence(rng) for _ in range(rng.integers(1, 5))]
        text = " ".join(sentences)
        for deltas in ([text], cut(rng, text), list(text)):
            got = pieces_of(exercise, deltas)
            assert got == sentences, (
                f"{text!r} in {len(deltas)} deltas, {deltas[:5]} and so on: got pieces {got}, "
                f"expected {sentences}"
            )


@graded(
    "ex02.2",
    points=1,
    hint="An agent's reply comes out in other pieces, or later: look at what is abbreviated in it, "
    "and hand out a piece as soon as the character after it is there.",
    hidden=True,
)
def test_the_agents_replies_are_cut_at_their_sentences_and_as_soon_as_can_be(exercise):
    from voxlab.providers.rule_based import language_model, phrases

    order = {"id": "12345", "status": "shipped", "item_count": 3, "total": 4.5}
    parcel = {"order_id": "70316", "status": "shipped", "carrier": "UPS", "eta": "Friday"}
    replies = [
        *(language_model.HELP, language_model.CANNOT, *language_model.QUESTIONS.values()),
        *(answer for _, answer in language_model.SMALL_TALK),
        phrases.phrase("lookup_order", {}, order),
        phrases.phrase("check_shipping", {}, {**parcel, "tracking_number": "1Z999"}),
        phrases.phrase("lookup_order", {"order_id": "98761"}, {"error": "no order found"}),
        phrases.phrase("book_table", {}, {"error": "no table, free: 18:00, 20:30"}),
    ]
    texts = [re.split("(?<=[.!?]) ", reply) for reply in replies]
    quoted = ['Mr. J. Doe said: "See you at 7:30."', "He paid $1,234.50 (approx. 2 p.m.) today."]
    texts += [list(itertools.chain.from_iterable(texts)), [*quoted, "Why?", "So so"]]
    rng = np.random.default_rng(3)
    for sentences in (*texts, *([sentence(rng), sentence(rng)] for _ in range(5))):
        text = " ".join(sentences)
        ends = np.cumsum([len(each) + 1 for each in sentences[:-1]])  # and the white space
        chunker, out, fed = exercise.Chunker(), [], 0
        for delta in cut(rng, text):
            out += chunker.feed(delta)
            fed += len(delta)
            expected = sentences[: np.searchsorted(ends, fed, "right")]
            assert out == expected, f"after {text[:fed]!r}: got {out}, expected {expected}"
        out += chunker.flush()
        assert out == sentences, f"{text!r}: got {out}, expected {sentences}"


# --- ex02.3 --------------------------------------------------------------------------------


@graded(
    "ex02.3",
    points=1,
    hint="Count the characters without the white space around the clause; exactly least_chars is "
    "enough, and the mark must have white space after it.",
)
def test_a_long_clause_ends_at_a_comma_before_white_space(exercise):
    rng = np.random.default_rng(4)
    for _ in range(30):
        clause = " ".join(pick(rng, WORDS) for _ in range(rng.integers(1, 12))) + pick(rng, ",;:")
        for least_chars, around in itertools.product((-1, 0, 1), ("", "  ")):
            before, wanted = around + clause, len(clause) + least_chars
            got = exercise.is_long_clause(before, " ", wanted)
            assert got == (least_chars <= 0), (
                f"{before!r}, least_chars={wanted}: got {got}; the clause has {len(clause)}"
            )
        for before, after in ((clause, "5"), (clause[:-1], " "), (clause[:-1] + ".", " ")):
            got = exercise.is_long_clause(before, after, 1)
            assert got == False, f"{before!r}, then {after!r}: got {got}"  # noqa: E712


# --- ex02.4 --------------------------------------------------------------------------------


@graded(
    "ex02.4",
    points=1,
    hint="Token 0 comes first_token_s after the request; each one after it token_s later; all "
    "pieces of a token are ready when it comes.",
)
def test_a_piece_is_ready_when_the_token_comes_that_completes_it(exercise):
    got = exercise.ready_times([[], ["Yes."], [], ["It left.", "Bye."]], 0.2, 0.02)
    times_s = [round(ready_s, 9) for _, ready_s in got]
    assert [piece for piece, _ in got] == ["Yes.", "It left.", "Bye."], f"got the pieces {got}"
    assert times_s == [0.22, 0.26, 0.26], f"the example worked by hand gave {times_s}"
    rng = np.random.default_rng(5)
    for _ in range(10):
        counts = rng.poisson(0.4, 40)
        first_token_s, token_s = rng.uniform(0.1, 1), rng.uniform(0.001, 0.1)
        fed = [[f"piece {token}.{k}" for k in range(count)] for token, count in enumerate(counts)]
        got = exercise.ready_times(fed, first_token_s, token_s)
        arrivals_s = first_token_s + token_s * np.repeat(np.arange(40), counts)
        pieces = list(itertools.chain.from_iterable(fed))
        assert [piece for piece, _ in got] == pieces, f"every piece once, in order: got {got}"
        assert np.allclose([ready_s for _, ready_s in got], arrivals_s), (
            f"first token after {first_token_s:.3f} s, then every {token_s:.3f} s: got {got}"
        )
