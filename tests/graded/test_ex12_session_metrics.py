"""Exercise 12: what a session exports, with each turn counted once."""

import json

import numpy as np

from voxlab import data
from voxlab.grading import graded
from voxlab.grading.expect import compare

KINDS = ("answered", "cut_in", "resumed", "unanswered")
BY_HAND = [(2.0, 2.4, False), (9.0, 9.8, False), (15.0, 14.0, False), (20.0, None, True)]


def sessions(rng):
    """Return sessions: the one worked by hand, the empty one, each kind alone, and any."""
    kinds = [[(3.0, reply_s, went_on)] for reply_s in (None, 2.5, 3.0, 3.5) for went_on in (0, 1)]
    yield from ([], BY_HAND, *([[(*turn[:2], bool(turn[2]))] for (turn,) in kinds]))
    for _ in range(60):
        size = int(rng.integers(1, 7))
        ends_s = np.cumsum(rng.integers(2, 20, size)).tolist()
        waits_s = np.round(rng.normal(0.5, 0.6, size), 2).tolist()
        answers = [None if rng.random() < 0.2 else wait_s for wait_s in waits_s]
        yield [
            (float(end_s), None if wait_s is None else end_s + wait_s, bool(rng.random() < 0.2))
            for end_s, wait_s in zip(ends_s, answers, strict=True)
        ]


def recorded_sessions():
    """Return the turns of recorded calls, as their timelines tell them."""
    from voxlab.evaluation.turn_times import turn_times
    from voxlab.timeline import Event, Timeline

    for both in json.loads(data.path("turns.json").read_text("utf-8")).values():
        for agent in ("pipeline", "realtime"):
            timeline = Timeline([Event(**event) for event in both[agent]])
            yield [(turn.end_s, turn.reply_s, turn.resumed) for turn in turn_times(timeline)]


def expected(turns):
    outcomes = [
        "resumed" if went_on else "unanswered" if reply_s is None
        else "cut_in" if reply_s < end_s else "answered"
        for end_s, reply_s, went_on in turns
    ]  # fmt: skip
    waits_s = [
        reply_s - end_s
        for (end_s, reply_s, _), outcome in zip(turns, outcomes, strict=True)
        if outcome == "answered"
    ]
    values = {f"voice.turns.{kind}": outcomes.count(kind) for kind in KINDS}
    average = {"voice.avg_turn_latency_ms": 1000 * float(np.mean(waits_s))} if waits_s else {}
    return values | {"voice.turns": len(turns)} | average


def rounded(attributes):
    if not isinstance(attributes, dict):
        return attributes
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in sorted(attributes.items())
    }


@graded(
    "ex12.1",
    points=1,
    hint="Ask in this order: did the agent go on? is there no reply? did it come before the "
    "caller's end? What is left is answered, and only that has a wait. Without one, leave the "
    "average out.",
)
def test_each_turn_is_counted_once_and_only_answers_are_averaged(exercise):
    def run(turns):
        if any(len(turn) != 3 or turn[0] is None for turn in turns):
            raise ValueError("a turn is three things")
        return rounded(exercise.session_attributes(turns)), rounded(expected(turns))

    cases = [*sessions(np.random.default_rng(12)), *recorded_sessions()]
    compare("session_attributes", [(turns,) for turns in cases], run)
