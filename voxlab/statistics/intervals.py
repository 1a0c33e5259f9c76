"""Confidence intervals for figures that come from few measurements."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxlab.errors import VoxlabError

Array = NDArray[np.float64]
RESAMPLES = 4000


def bootstrap_interval(
    sample: ArrayLike,
    statistic: Callable[[Array], Array],
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the bootstrap confidence interval of a statistic, by redrawing the sample from itself.

    sample: (n,), two values at least. statistic: float (..., n) -> (...), such as
    `lambda x: np.percentile(x, 95, axis=-1)`. To compare two systems on the same trials, give the
    differences. The percentile method; at the tails of small samples the range is too narrow.
    Source: Efron and Tibshirani 1993, chapter 13.
    """
    values = np.asarray(sample, np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise VoxlabError(
            f"a sample of the shape {values.shape}: needs one row of two finite values or more"
        )
    if not 0 < confidence < 1:
        raise VoxlabError(f"a confidence of {confidence}: needs a number between 0 and 1, try 0.95")
    again = values[rng.integers(values.size, size=(RESAMPLES, values.size))]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(statistic(again), [tail, 100 - tail])
    return float(low), float(high)


def wilson_interval(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson confidence interval of a proportion, from successes and trials.

    It stays honest where nothing or everything succeeded: after 0 of 10 the true share may well be
    a quarter. successes may be a sum of chances. Raises VoxlabError unless there is a trial, and
    0 <= successes <= trials.
    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> low, high = wilson_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.278)
    """
    if not (trials > 0 and 0 <= successes <= trials):
        raise VoxlabError(
            f"{successes} successes in {trials} trials: need 1 trial or more, and 0 successes up "
            "to as many as there are trials"
        )
    if not 0 < confidence < 1:
        raise VoxlabError(f"a confidence of {confidence}: needs a number between 0 and 1, try 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * share * (1 - share) + weight * weight / 4) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(
    successes: float,
    trials: int,
    other_successes: float,
    other_trials: int,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return Newcombe's confidence interval of a proportion less another, of separate trials.

    It joins the two Wilson intervals. Source: Newcombe 1998, "Interval estimation for the
    difference between independent proportions", method 10.

    >>> low, high = difference_interval(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    share, other = successes / max(trials, 1), other_successes / max(other_trials, 1)
    low, high = wilson_interval(successes, trials, confidence)
    other_low, other_high = wilson_interval(other_successes, other_trials, confidence)
    down = math.hypot(share - low, other_high - other)
    up = math.hypot(high - share, other - other_low)
    return share - other - down, share - other + up


def mean_difference_interval(
    sample: ArrayLike, other: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the confidence interval of a mean less another, of two separate samples.

    sample, other: (n,) and (m,), two values at least. By the normal distribution: for some twenty
    values and more; the spreads may differ. Raises VoxlabError for smaller samples.
    Source: Welch 1938, with z in place of t.
    """
    first, second = np.asarray(sample, np.float64), np.asarray(other, np.float64)
    if min(first.size, second.size) < 2:
        raise VoxlabError(f"{first.size} and {second.size} values: a spread needs two of each")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * math.sqrt(sum(float(x.var(ddof=1)) / x.size for x in (first, second)))
    difference = float(first.mean() - second.mean())
    return difference - half, difference + half
