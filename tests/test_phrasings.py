"""The phrasings that a model may choose from: other words, the same values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.providers.rule_based.language_model import QUESTIONS
from voxlab.providers.rule_based.phrases import PHRASES, phrase, phrasings, tell
from voxlab.providers.smollm.likelihood import SCORED, scored_tokens
from voxlab.providers.smollm.moves import REPLIES, ways_to_ask, ways_to_reply

DAYS = st.sampled_from(["Monday", "Friday", "today", "tomorrow", "next Tuesday"])
NAMES = st.text("abcxyz", min_size=3, max_size=8)
FIELDS = {
    "id": st.from_regex(r"[0-9]{5}", fullmatch=True),
    "status": st.sampled_from(["processing", "shipped", "delivered", "delayed", "cancelled"]),
    "total": st.integers(1, 99_999).map(lambda cents: cents / 100),
    "item_count": st.integers(1, 9),
    "carrier": st.none() | NAMES,
    "tracking_number": st.from_regex(r"[A-Z]{2}[0-9]{4}", fullmatch=True),
    "eta": DAYS,
    "day": DAYS,
    "said_day": DAYS,
    "time": st.builds("{}:{}".format, st.integers(1, 23), st.sampled_from(["00", "15", "30"])),
    "party_size": st.integers(1, 12),
    "city": NAMES,
    "forecast": NAMES,
    "temperature_c": st.integers(-20, 40),
}
FIELDS |= {"order_id": FIELDS["id"], "refund": FIELDS["total"]}
RESULTS = st.fixed_dictionaries(FIELDS)
ERRORS = (
    "no order found for 12345",
    "no table on Friday at 19:00; free on Friday: 18:00, 20:30",
    "no table on Friday at 19:00; free on Friday: none",
    "no reservation under the name Kim",
    "no forecast for Paris on Sunday",
    "order 12345 is shipped, not delivered",
    "the system is down",
)


def check(tool, result):
    """Assert that all phrasings hold the values, and differ soon enough for a choice."""
    values = tell(tool, {"order_id": "12345"}, result).values
    offered = phrasings(tool, {"order_id": "12345"}, result)
    assert all(str(value) in said for value in values.values() for said in offered)
    assert len({*map(tuple, scored_tokens(offered))}) == len(offered)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.sampled_from([*PHRASES]), RESULTS)
def test_every_phrasing_of_a_result_holds_every_value_and_shows_its_style_soon(tool, result):
    check(tool, result)


@pytest.mark.parametrize("error", ERRORS)
def test_every_phrasing_of_an_error_holds_every_value_and_shows_its_style_soon(error):
    check("lookup_order", {"error": error})


@pytest.mark.slow
@settings(max_examples=40)
@given(st.sampled_from([*PHRASES]), RESULTS, RESULTS)
def test_phrasings_differ_between_two_results_wherever_the_rules_sentence_does(tool, one, other):
    for name, value in other.items():
        changed = one | {name: value}
        is_told = phrase(tool, {}, one) != phrase(tool, {}, changed)
        pairs = zip(phrasings(tool, {}, one), phrasings(tool, {}, changed), strict=True)
        assert all((said != again) == is_told for said, again in pairs)


@pytest.mark.parametrize(
    "offered",
    [*map(ways_to_ask, (*QUESTIONS, "bike_number"))]
    + [ways_to_reply(kind, [], []) for kind in REPLIES],
)
def test_replies_and_questions_differ_within_the_tokens_that_are_scored(offered):
    assert len({*map(tuple, scored_tokens(offered))}) == len(offered)


def test_equally_many_tokens_of_each_phrasing_are_scored():
    short, long = scored_tokens(["Anything else?", "Is there anything else that I can do?"])
    assert 0 < len(short) == len(long) < SCORED
    assert [len(each) for each in scored_tokens([f"{'so ' * 20}"] * 2)] == [SCORED] * 2
