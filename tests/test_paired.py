"""Paired differences: what is common cancels out, and few pairs tell nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.errors import VoxlabError
from voxlab.statistics.intervals import bootstrap_interval
from voxlab.statistics.paired import FEWEST, compare_pairs

TIMES_S = st.lists(st.integers(0, 4000).map(lambda n: n / 1024), min_size=6, max_size=25)


def compare(first, second):
    return compare_pairs(first, second, np.random.default_rng(0))


@settings(max_examples=25)
@given(TIMES_S, st.data())
def test_what_both_agents_have_in_common_does_not_matter(first, data):
    second = data.draw(st.lists(st.just(0.5), min_size=len(first), max_size=len(first)))
    common = np.arange(len(first)) * 8.0
    plain = compare(first, second)
    shifted = compare(list(common + first), list(common + second))
    assert (plain.low, plain.median, plain.high) == (shifted.low, shifted.median, shifted.high)
    assert plain.low <= plain.median <= plain.high


def test_the_interval_is_that_of_the_median_of_the_differences():
    rng = np.random.default_rng(1)
    first, second = rng.random(20), rng.random(20)
    result = compare(list(first), list(second))
    expected = bootstrap_interval(
        second - first, lambda sample: np.median(sample, axis=-1), np.random.default_rng(0)
    )
    assert (result.low, result.high) == expected
    assert result.median == np.median(second - first) != np.median(second) - np.median(first)


def test_a_pair_without_one_of_its_times_is_left_out():
    result = compare([1.0, None, 3.0, 4.0], [2.0, 3.0, None, 5.5])
    assert result.kept == (0, 3)
    assert result.left_out == 2
    assert list(result.differences) == [1.0, 1.5]
    assert "2 pairs, 2 left out" in result.in_words("a", "b")


@pytest.mark.parametrize(("sign", "quicker"), [(1, "first"), (-1, "second")])
def test_the_one_with_less_on_every_trial_is_named_from_six_pairs_on(sign, quicker):
    for pairs in range(2, 10):
        first = [1.0] * pairs
        second = [1.0 + sign * (0.1 + k / 100) for k in range(pairs)]
        assert compare(first, second).less == (quicker if pairs >= FEWEST else "")


def test_differences_around_nothing_do_not_tell():
    assert compare([1.0] * 20, [1.0 + (-1) ** k * 0.3 for k in range(20)]).less == ""
    assert compare([1.0] * 20, [1.0 + 1e-5] * 20).less == "", "less than a millisecond is nothing"


def test_what_came_out_is_one_sentence():
    told = compare([1.0] * 8, [1.25] * 8).in_words("pipeline", "realtime")
    assert told == "realtime less pipeline +250 ms (+250 to +250; 8 pairs): pipeline is quicker"
    assert compare([1.0] * 8, [1.0] * 8).in_words("a", "b").endswith("do not tell which is quicker")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([1.0], [1.0, 2.0], "1 trials against 2"),
        ([1.0, None, 2.0], [1.0, 2.0, None], "1 of 3 trials have a time from both"),
        ([], [], "0 of 0"),
    ],
)
def test_what_cannot_be_paired_is_refused(first, second, reason):
    with pytest.raises(VoxlabError, match=reason):
        compare(first, second)
