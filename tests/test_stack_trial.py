"""The decision for another stack: criteria with intervals, drawn trials, and the bill."""

import numpy as np
import pytest
from sounds import rng

from voxlab.errors import VoxlabError
from voxlab.evaluation.stack_trial import (
    Criterion,
    StackChange,
    decide,
    decision_table,
    draw_trial,
    judge_trial,
    net_saving,
)
from voxlab.statistics import difference_interval, mean_difference_interval

CARLOS = StackChange()
REQUESTS = (100, 10)


@pytest.mark.parametrize(
    ("low", "high", "above", "verdict"),
    [
        (0.1, 0.2, True, "met"),
        (-0.2, -0.1, True, "missed"),
        (-0.1, 0.2, True, "open"),
        (-0.2, -0.1, False, "met"),
        (0.1, 0.2, False, "missed"),
    ],
)
def test_a_criterion_is_open_until_its_interval_lies_on_one_side(low, high, above, verdict):
    assert Criterion("it", 0.0, low, high, 0.0, above).verdict == verdict


def test_one_missed_criterion_is_enough_to_stay_and_one_open_to_go_on():
    met, missed, open_ = (Criterion("it", x, x - 0.1, x + 0.1, 0.0, True) for x in (0.5, -0.5, 0.0))
    assert decide([met, met]) == "move"
    assert decide([met, open_]) == "go on testing"
    assert decide([met, open_, missed]) == "stay"


def decisions(change, calls, trials=200):
    draws = rng()
    return [
        decide(judge_trial(draw_trial(change, calls, REQUESTS, draws), change))
        for _ in range(trials)
    ]


@pytest.mark.slow
def test_many_calls_find_what_the_chapter_tells_and_few_do_not():
    assert decisions(CARLOS, 300).count("move") >= 190
    assert decisions(CARLOS, 5).count("move") <= 20


@pytest.mark.slow
def test_where_nothing_is_better_a_trial_moves_next_to_never():
    same = StackChange(terms_gain=0.0, rating_gain=0.0)
    assert decisions(same, 100).count("move") <= 2  # 2.5% of 2.5% are expected


@pytest.mark.slow
def test_the_intervals_hold_the_truth_about_95_times_of_100():
    draws = rng(1)
    held = np.zeros(3)
    for _ in range(400):
        wait, terms, voice, _ = judge_trial(draw_trial(CARLOS, 60, REQUESTS, draws), CARLOS)
        truths = 0.48, 0.6 * 0.31, 3.5 * 0.18
        pairs = zip((wait, terms, voice), truths, strict=True)
        held += [each.low <= truth <= each.high for each, truth in pairs]
    assert (held >= 370).all(), held


def test_what_is_dropped_is_paid_as_well():
    assert net_saving(CARLOS, 0.0) == pytest.approx(0.22)
    # half of the requests dropped: the model's 40% of the bill are paid twice
    assert net_saving(CARLOS, 0.5) == pytest.approx(1 - 0.78 * 1.4)
    with pytest.raises(VoxlabError, match="needs a share below 1"):
        net_saving(CARLOS, 1.0)


def test_the_table_has_the_intervals_and_the_decision():
    trial = draw_trial(CARLOS, 300, REQUESTS, rng())
    rows = decision_table(judge_trial(trial, CARLOS)).splitlines()
    assert rows[0].startswith("median wait (s)")
    assert rows[0].endswith("needs under 0.5: met")
    assert rows[-1] == "decision: move"


def test_impossible_figures_are_refused():
    with pytest.raises(VoxlabError, match="a share up to 100%"):
        draw_trial(StackChange(terms_gain=1.0), 10, REQUESTS, rng())


def test_intervals_of_differences_turn_round_with_their_arms():
    low, high = difference_interval(30, 40, 20, 50)
    assert difference_interval(20, 50, 30, 40) == pytest.approx((-high, -low))
    first, second = rng(2).standard_normal((2, 50))
    low, high = mean_difference_interval(first, second)
    assert mean_difference_interval(second, first) == pytest.approx((-high, -low))
    assert (low + high) / 2 == pytest.approx(first.mean() - second.mean())
    with pytest.raises(VoxlabError, match="1 and 50 values"):
        mean_difference_interval([1.0], second)
