"""Exercise 1: pieces of text that a voice can start with."""

import itertools
import operator
import re

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect
from voxlab.sentences import ABBREVIATIONS

WORDS = ("we", "have", "table", "order", "Friday", "parcel", "your", "left", "four", "people")
TRAPS = (
    *("$4.50", "Dr. Smith", "J. R. Doe", "9 a.m. sharp", "e.g. shoes", "7:30", "version 2.0.1"),
    *("(approx. two", "1,234", "the U.S. shop", "well, then"),
)
ENDINGS = (".", "!", "?", "...", "…", '."', ".)", "?!")


def pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def sentence(rng, parts):
    """Return a sentence with traps in it, which ends where it ends and nowhere else."""
    inner = [pick(rng, TRAPS if rng.random() < 0.3 else WORDS) for _ in range(parts)]
    return " ".join([*inner, pick(rng, ("today", "$2.75", "I", "(so it is)"))]) + pick(rng, ENDINGS)


def cuts(rng, sentences):
    """Return places at which the text of the sentences is cut into deltas."""
    length = len(" ".join(sentences))
    return sorted({*rng.integers(1, length, rng.integers(1, 30)).tolist()})


def deltas_of(sentences, places):
    text = " ".join(sentences)
    places = [0, *(place for place in places if 0 < place < len(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


def call(sentences, places):
    return f"Chunker fed with {deltas_of(sentences, places)}, then flushed"


def check_known(sentences, places, cases):
    """Raise ValueError for sentences that were taken apart, and for cuts that are out of order."""
    known = {sentence for sentences, _ in cases for sentence in sentences}
    if not sentences or not known.issuperset(sentences) or places != sorted(set(places)):
        raise ValueError("whole sentences only")


# --- ex01.1 --------------------------------------------------------------------------------


@graded(
    "ex01.1",
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
            expect(got, before in ends, f"is_sentence_end({before!r}, {after!r})")
    for before, after in (("It is $4.", "5"), ("voxlab.", "a"), ("So!", '"'), ("No?", ")")):
        got = exercise.is_sentence_end(before, after)
        expect(got, False, f"is_sentence_end({before!r}, {after!r})")
    for numeral in np.random.default_rng(1).uniform(1, 999, 40):
        before = f"That is ${numeral:.2f}."
        expect(exercise.is_sentence_end(before, " "), True, f"is_sentence_end({before!r}, ' ')")


# --- ex01.2 --------------------------------------------------------------------------------


@graded(
    "ex01.2",
    points=1,
    hint="Keep what no piece has taken yet, judge a place only when the character after it is "
    "there, and go on after a cut: a delta may complete several pieces.",
)
def test_however_a_text_arrives_its_sentences_come_out_whole(exercise):
    rng = np.random.default_rng(2)
    cases = []
    for number in range(16):
        sentences = [sentence(rng, number // 2) for _ in range(rng.integers(1, 5))]
        every_character = list(range(1, len(" ".join(sentences))))
        cases += [(sentences, cut) for cut in ([], cuts(rng, sentences), every_character)]

    def pieces(sentences, places):
        check_known(sentences, places, cases)
        chunker = exercise.Chunker()
        deltas = deltas_of(sentences, places)
        return [
            piece for each in deltas for piece in chunker.feed(each)
        ] + chunker.flush(), sentences

    compare(call, cases, pieces)


@graded(
    "ex01.2",
    points=1,
    hint="An agent's reply comes out in other pieces, or later: look at what is abbreviated in it, "
    "and hand out a piece as soon as the character after it is there.",
    hidden=True,
)
def test_the_agent_s_replies_are_cut_at_their_sentences_and_as_soon_as_can_be(exercise):
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
    texts += [[sentence(rng, 5), sentence(rng, 5)] for _ in range(5)]
    cases = [(sentences, cuts(rng, sentences)) for sentences in texts]

    def by_delta(sentences, places):
        """Return what has come out after each delta and at the end, and what should have."""
        check_known(sentences, places, cases)
        ends = np.cumsum([len(each) + 1 for each in sentences[:-1]])  # and the white space
        chunker, out, got, expected, fed = exercise.Chunker(), [], [], [], 0
        for delta in deltas_of(sentences, places):
            out = [*out, *chunker.feed(delta)]
            fed += len(delta)
            got.append(out)
            expected.append(sentences[: np.searchsorted(ends, fed, "right")])
        return [*got, out + chunker.flush()], [*expected, sentences]

    compare(call, cases, by_delta)


# --- ex01.3 --------------------------------------------------------------------------------


@graded(
    "ex01.3",
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
            told = f"is_long_clause({before!r}, ' ', {wanted}), with {len(clause)} characters"
            expect(got, least_chars <= 0, told)
        for before, after in ((clause, "5"), (clause[:-1], " "), (clause[:-1] + ".", " ")):
            got = exercise.is_long_clause(before, after, 1)
            expect(got, False, f"is_long_clause({before!r}, {after!r}, 1)")


# --- ex01.4 --------------------------------------------------------------------------------


@graded(
    "ex01.4",
    points=1,
    hint="Token 0 comes first_token_s after the request; each one after it token_s later; all "
    "pieces of a token are ready when it comes.",
)
def test_a_piece_is_ready_when_the_token_comes_that_completes_it(exercise):
    by_hand = [[], ["Yes."], [], ["It left.", "Bye."]]
    got = [[piece, round(at_s, 9)] for piece, at_s in exercise.ready_times(by_hand, 0.2, 0.02)]
    expected = [["Yes.", 0.22], ["It left.", 0.26], ["Bye.", 0.26]]
    expect(got, expected, f"ready_times({by_hand}, 0.2, 0.02)")

    def ready(fed, first_token_s, token_s):
        arrivals_s = [first_token_s + token_s * token for token in range(len(fed))]
        pairs = zip(fed, arrivals_s, strict=True)
        expected = [[piece, at_s] for pieces, at_s in pairs for piece in pieces]
        return exercise.ready_times(fed, first_token_s, token_s), expected

    def same(got, expected):
        pieces, times_s = (([pair[k] for pair in both] for both in (got, expected)) for k in (0, 1))
        return operator.eq(*pieces) and close(*times_s)

    rng = np.random.default_rng(5)
    cases = []
    for _ in range(10):
        counts = rng.poisson(0.4, 40)
        fed = [[f"piece {token}.{k}" for k in range(count)] for token, count in enumerate(counts)]
        cases.append((fed, round(rng.uniform(0.1, 1), 3), round(rng.uniform(0.001, 0.1), 3)))
    compare("ready_times", cases, ready, same)
