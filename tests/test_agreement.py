"""Krippendorff's alpha against published values, and at its ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import VoxlabError
from voxlab.statistics.agreement import krippendorff_alpha

N = None
# A worked example that is often printed: interval alpha 0.811.
RATERS = [
    [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
    [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
    [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
]


def test_the_published_example_has_its_published_value():
    assert krippendorff_alpha(RATERS) == pytest.approx(0.811, abs=0.0005)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=9).filter(lambda r: len(set(r)) > 1))
def test_who_agrees_wholly_has_one_and_scale_and_order_do_not_matter(ratings):
    assert krippendorff_alpha([ratings, ratings, ratings]) == 1.0
    other = [6 - rating for rating in ratings]
    turned = krippendorff_alpha([other, ratings])
    assert turned == pytest.approx(krippendorff_alpha([ratings, other]))
    assert turned == pytest.approx(
        krippendorff_alpha([[2 * r + 1 for r in ratings], [2 * r + 1 for r in other]])
    )


def test_lots_agree_as_lots_do():
    lots = np.random.default_rng(0).integers(1, 6, (3, 2000)).tolist()
    assert krippendorff_alpha(lots) == pytest.approx(0.0, abs=0.05)


def test_without_two_ratings_of_a_thing_or_a_difference_there_is_no_alpha():
    with pytest.raises(VoxlabError, match="nothing was rated by two"):
        krippendorff_alpha([[1, None], [None, 2]])
    with pytest.raises(VoxlabError, match="all ratings are the same"):
        krippendorff_alpha([[3, 3], [3, 3]])
