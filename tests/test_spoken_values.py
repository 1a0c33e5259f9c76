"""Values as people say them and recognisers write them; a part is never taken for the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.providers.rule_based.slots import find_slots
from voxlab.text import DIGIT_WORDS, NUMBER_WORDS, TENS, normalise

SAID = [
    ("a table for twenty five people", "party_size", 25),
    ("twenty-two guests", "party_size", 22),
    ("for two people at eight", "party_size", 2),
    ("a table for two, no, three", "party_size", 3),
    ("for four, sorry, five people", "party_size", 5),
    ("a hundred and twenty five people", "party_size", None),
    ("on Friday, no, Saturday", "day", "Saturday"),
    ("Monday, I mean Tuesday", "day", "Tuesday"),
    ("at eight thirty five", "time", "20:35"),
    ("at seven ten", "time", "19:10"),
    ("at 11 in the morning", "time", "11:00"),
    ("at 10 a.m.", "time", "10:00"),
    ("at ten thirty", "time", "22:30"),
    ("half past seven", "time", "19:30"),
    ("at 7:45", "time", "19:45"),
    ("ann underscore lee at example dot com", "email", "ann_lee@example.com"),
    ("my address is ann dash lee at example dot co dot uk", "email", "ann-lee@example.co.uk"),
    ("a n n at example dot com", "email", "ann@example.com"),
    ("it's ann lee at example dot com", "email", None),  # whose is lee@example.com?
    ("four double two one three", "order_id", "42213"),
    ("triple five one two", "order_id", "55512"),
    ("four eight two thirteen", "order_id", "48213"),
    ("forty-eight, two, thirteen", "order_id", "48213"),
    ("nought eight two one three", "order_id", "08213"),
    ("four eight to one three", "order_id", "48213"),
    ("four ate two won three", "order_id", "48213"),
    ("４８２１３", "order_id", "48213"),
    ("four eight two one three seven", "order_id", None),
    ("four eight two one", "order_id", None),
    ("I want to return it for a refund", "order_id", None),
]


@pytest.mark.parametrize(("said", "slot", "value"), SAID)
def test_a_value_is_found_or_asked_for(said, slot, value):
    assert find_slots(normalise(said), slot).get(slot) == value


@given(st.sampled_from(TENS), st.sampled_from(DIGIT_WORDS[1:]), st.booleans())
def test_a_number_of_two_words_never_counts_as_one_of_them(tens, unit, hyphen):
    said = f"a table for {tens}{'-' if hyphen else ' '}{unit} people"
    expected = 10 * (TENS.index(tens) + 2) + DIGIT_WORDS.index(unit)
    assert find_slots(normalise(said))["party_size"] == expected


@given(st.lists(st.sampled_from(DIGIT_WORDS), min_size=1, max_size=9))
def test_digits_are_an_order_number_only_if_there_are_five(words):
    found = find_slots(normalise(" ".join(words)), "order_id").get("order_id", "")
    digits = "".join(str(NUMBER_WORDS.index(word)) for word in words)
    assert found == (digits if len(digits) == 5 else "")


@given(st.from_regex(r"[a-z]{2,8}", fullmatch=True), st.from_regex(r"[a-z]{2,8}", fullmatch=True))
def test_a_longer_address_is_never_cut_to_another_customers(first, last):
    for between in ("underscore", "dash", "dot"):
        said = f"{first} {between} {last} at example dot com"
        email = find_slots(normalise(said)).get("email", "")
        assert email in (
            "",
            f"{first}{ {'underscore': '_', 'dash': '-', 'dot': '.'}[between] }{last}@example.com",
        )
