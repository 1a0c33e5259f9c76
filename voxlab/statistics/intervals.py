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
