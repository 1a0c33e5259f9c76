"""How sure are we? Intervals for figures that come from few measurements."""

from collections.abc import Callable

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
    """Return the range in which a statistic lies when the sample is drawn again from itself.

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
