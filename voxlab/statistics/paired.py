"""Paired comparison: the differences of two agents on the same trials, and how sure we are.

What both have in common, such as long and short questions, cancels out in the difference. Source:
Efron and Tibshirani 1993, chapter 13, by `intervals.bootstrap_interval`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import VoxlabError
from voxlab.statistics.intervals import bootstrap_interval

NOTHING = 5e-4  # less than what is printed, half a millisecond
FEWEST = 6  # five of five in one direction happen by chance once in 16 times: more than 5%

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class PairedComparison:
    """A time of two agents on the same trials, in seconds, where both have one.

    first, second: float64 (pairs,). kept: which trials they are. left_out: in how many at least
    one has none. low, high: the range of the median difference, second less first.
    """

    first: Array
    second: Array
    kept: tuple[int, ...]
    left_out: int
    low: float
    high: float

    @property
    def differences(self) -> Array:
        """Second less first, of each pair."""
        return self.second - self.first

    @property
    def median(self) -> float:
        """The median of the differences: not the difference of the medians."""
        return float(np.median(self.differences))

    @property
    def less(self) -> str:
        """Which has less of it: "first", "second", or "" if these data do not tell."""
        if len(self.kept) < FEWEST or (self.low < NOTHING and self.high > -NOTHING):
            return ""
        return "second" if self.high < 0 else "first"

    def in_words(self, first: str, second: str) -> str:
        """Say what came out, in milliseconds. first, second: the agents' names."""
        low, median, high = (f"{1000 * x:+z.0f}" for x in (self.low, self.median, self.high))
        quicker = {"first": f"{first} is quicker", "second": f"{second} is quicker"}
        told = quicker.get(self.less, "these data do not tell which is quicker")
        pairs = f"{len(self.kept)} pairs" + (f", {self.left_out} left out" * bool(self.left_out))
        return f"{second} less {first} {median} ms ({low} to {high}; {pairs}): {told}"


def compare_pairs(
    first: Sequence[float | None],
    second: Sequence[float | None],
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> PairedComparison:
    """Compare a time of two agents, trial by trial; trials where one has None are left out.

    Raises VoxlabError if the numbers of trials differ, or fewer than two pairs are left.
    """
    if len(first) != len(second):
        raise VoxlabError(f"{len(first)} trials against {len(second)}: pairs need the same trials")
    both = [k for k, pair in enumerate(zip(first, second, strict=True)) if None not in pair]
    values = np.array([[x if x is not None else nan for x in each] for each in (first, second)])
    one, other = values[:, both]
    if len(both) < 2:
        raise VoxlabError(
            f"{len(both)} of {len(first)} trials have a time from both agents: need two trials"
        )
    low, high = bootstrap_interval(
        other - one, lambda sample: np.median(sample, axis=-1), rng, confidence
    )
    return PairedComparison(one, other, tuple(both), len(first) - len(both), low, high)
