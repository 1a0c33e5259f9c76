"""Do people who rate the same things agree? Krippendorff's alpha."""

from collections.abc import Sequence

import numpy as np

from voxlab.errors import VoxlabError


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]]) -> float:
    """Return how far raters agree on an interval scale: 1 wholly, 0 as if they had drawn lots.

    ratings: a row for each rater, a column for each thing rated, None where somebody did not. What
    fewer than two have rated does not count. Alpha is 1 less the mean squared difference of the
    ratings of one thing over that of all ratings. Raises VoxlabError if nothing was rated twice, or
    all ratings are the same.
    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability".

    >>> krippendorff_alpha([[1, 2, 3], [1, 2, 3]])
    1.0
    """
    each = [[r for r in column if r is not None] for column in zip(*ratings, strict=True)]
    shared = [column for column in each if len(column) > 1]
    if not shared:
        raise VoxlabError("nothing was rated by two raters: agreement needs two ratings of a thing")
    within = sum(_squares(column) / (len(column) - 1) for column in shared)
    everything = [rating for column in shared for rating in column]
    overall = _squares(everything) / (len(everything) - 1)
    if not overall:
        raise VoxlabError("all ratings are the same: they tell nothing about agreement")
    return float(1 - within / overall)


def _squares(ratings: Sequence[float]) -> float:
    """Return the sum of the squared differences of all ordered pairs."""
    values = np.asarray(ratings, np.float64)
    return float(np.square(values[:, None] - values[None, :]).sum())
