"""Shall an agent move to another stack? An A/B trial of both, judged with intervals.

The worked case is Carlos' of 39.1.3: a dental clinic's agent on the Realtime API, and a pipeline
beside it. Each criterion is met, missed, or open: as long as one is open, the trial goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import VoxlabError
from voxlab.statistics.intervals import (
    difference_interval,
    mean_difference_interval,
    wilson_interval,
)

Array = NDArray[np.float64]
RATINGS = (1, 5)  # worst and best


@dataclass(frozen=True, slots=True)
class StackChange:
    """What a move to another stack brings, before and after; the defaults are Carlos'.

    wait: voice to voice. terms: the share of special terms that are recognised. rating: of the
    voice, 1 to 5. cost_saving: of the bill, before any request is dropped. model_share: of the
    language model in the new bill. Of the chapter: wait_before_s ("under 400 ms"), wait_added_s,
    wait_limit_s, terms_gain, rating_gain, cost_saving. Assumed, put in your own: the rest.
    """

    wait_before_s: float = 0.40
    wait_added_s: float = 0.08
    wait_limit_s: float = 0.50
    wait_spread: float = 0.25  # standard deviation of its logarithm, from turn to turn
    terms_before: float = 0.60
    terms_gain: float = 0.31  # relative
    rating_before: float = 3.5
    rating_gain: float = 0.18  # relative
    cost_saving: float = 0.22
    model_share: float = 0.40
    turns_a_call: int = 6
    terms_a_call: int = 2
    rated_share: float = 0.25  # of the callers who rate the call


@dataclass(frozen=True, eq=False, slots=True)
class Arm:
    """What one arm of the trial has shown: waits_s (turns,), terms, ratings (rated calls,)."""

    waits_s: Array
    terms_right: int
    terms: int
    ratings: Array


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """Both arms, and the new one's requests to its language model; dropped: those paid in vain."""

    before: Arm
    after: Arm
    requests: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question of the decision: an estimate with its 95% interval, and where it must lie.

    above: it must lie above the limit, else below it.
    """

    name: str
    estimate: float
    low: float
    high: float
    limit: float
    above: bool

    @property
    def verdict(self) -> str:
        """Return met, missed or open: the interval lies on one side of the limit, or over it."""
        if self.low <= self.limit <= self.high:
            return "open"
        return "met" if (self.low > self.limit) == self.above else "missed"


def draw_trial(
    change: StackChange,
    calls: int,
    requests: tuple[int, int],
    rng: np.random.Generator,
) -> Trial:
    """Return what a trial with so many calls an arm might show if a change is as it is said to be.

    requests: made and dropped, as counted in calls of one's own.
    """
    wait_s = change.wait_before_s
    terms, rating = change.terms_before, change.rating_before
    before = _draw_arm(change, calls, (wait_s, terms, rating), rng)
    wait_s += change.wait_added_s
    terms, rating = terms * (1 + change.terms_gain), rating * (1 + change.rating_gain)
    return Trial(before, _draw_arm(change, calls, (wait_s, terms, rating), rng), *requests)


def _draw_arm(
    change: StackChange, calls: int, means: tuple[float, float, float], rng: np.random.Generator
) -> Arm:
    """means: the median wait, the share of terms, the mean rating."""
    wait_s, share, rating = means
    worst, best = RATINGS
    if calls < 1 or not 0 <= share <= 1 or not worst <= rating <= best:
        raise VoxlabError(
            f"{calls} calls, {share:.0%} of the terms, a rating of {rating:g}: a trial needs a "
            f"call, a share up to 100% and ratings of {worst} to {best}"
        )
    spread = change.wait_spread
    waits_s = wait_s * np.exp(spread * rng.standard_normal(calls * change.turns_a_call))
    terms = calls * change.terms_a_call
    rated = max(2, rng.binomial(calls, change.rated_share))
    steps = best - worst
    ratings = worst + rng.binomial(steps, (rating - worst) / steps, rated)
    return Arm(waits_s, int(rng.binomial(terms, share)), terms, ratings.astype(np.float64))


def judge_trial(trial: Trial, change: StackChange) -> tuple[Criterion, ...]:
    """Return the four criteria: wait, terms, voice, cost.

    change: gives the limit of the wait and the bill's figures. The median's interval lies between
    the ranks that Wilson's interval of one half gives: it holds for waits of any distribution.
    """
    before, after = trial.before, trial.after
    turns = after.waits_s.size
    low_s, high_s = map(float, np.quantile(after.waits_s, wilson_interval(turns / 2, turns)))
    terms = difference_interval(after.terms_right, after.terms, before.terms_right, before.terms)
    more_terms = after.terms_right / after.terms - before.terms_right / before.terms
    voice = mean_difference_interval(after.ratings, before.ratings)
    louder = float(after.ratings.mean() - before.ratings.mean())
    shares = wilson_interval(trial.dropped, trial.requests)
    saved, most, least = (
        net_saving(change, share) for share in (trial.dropped / trial.requests, *shares)
    )
    return (
        Criterion(
            "median wait (s)",
            float(np.median(after.waits_s)),
            low_s,
            high_s,
            change.wait_limit_s,
            False,
        ),
        Criterion("terms recognised, more", more_terms, *terms, 0.0, True),
        Criterion("rating of the voice, more", louder, *voice, 0.0, True),
        Criterion("saved of the bill", saved, least, most, 0.0, True),
    )


def net_saving(change: StackChange, dropped_share: float) -> float:
    """Return what is saved of the bill if a share of the model's requests is dropped and paid."""
    if not 0 <= dropped_share < 1:
        raise VoxlabError(f"{dropped_share:g} of the requests dropped: needs a share below 1")
    extra = change.model_share * dropped_share / (1 - dropped_share)  # to each that is used
    return 1 - (1 - change.cost_saving) * (1 + extra)


def decide(criteria: Sequence[Criterion]) -> str:
    """Return "move" if all are met, "stay" if one is missed, else "go on testing"."""
    verdicts = {criterion.verdict for criterion in criteria}
    if "missed" in verdicts:
        return "stay"
    return "go on testing" if "open" in verdicts else "move"


def decision_table(criteria: Sequence[Criterion]) -> str:
    """Return the criteria, a row each, and the decision."""
    rows = [
        f"{each.name:27}{each.estimate:+6.2f}  ({each.low:+.2f} to {each.high:+.2f})  "
        f"needs {'over' if each.above else 'under'} {each.limit:g}: {each.verdict}"
        for each in criteria
    ]
    return "\n".join([*rows, f"decision: {decide(criteria)}"])
