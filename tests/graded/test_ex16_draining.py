"""Exercise 16: which calls a worker takes, and when a draining one stops."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import compare, expect

BY_HAND = [
    (0, "ask", "a"),
    (1, "open", "a"),
    (2, "ask", "b"),
    (3, "ask", "c"),
    (4, "SIGTERM", ""),
    (5, "ask", "d"),
    (6, "open", "b"),
    (30, "end", "a"),
    (50, "end", "b"),
    (51, "ask", "e"),
]


def counted(happenings, most_calls, drain_s):
    """Return what the exercise asks for, by a table of where each call is."""
    where, answers, begun_s, over_s = {}, [], None, None
    for at_s, what, call in happenings:
        if begun_s is not None and at_s >= begun_s + drain_s:
            over_s = begun_s + drain_s if over_s is None else over_s
        if over_s is not None:
            answers.append("gone")
            continue
        held = [each for each, place in where.items() if place in ("promised", "on")]
        if what == "ask":
            room = len(held) < most_calls
            answers.append("draining" if begun_s is not None else "placed" if room else "full")
            if answers[-1] == "placed":
                where[call] = "promised"
        elif what == "open":
            answers.append("on" if where.get(call) == "promised" else "unknown")
            if answers[-1] == "on":
                where[call] = "on"
        else:
            answers.append("")
            if what == "end" and where.get(call) == "on":
                where[call] = "over"
            elif what == "SIGTERM" and begun_s is None:
                begun_s = at_s
        if begun_s is not None and not {"promised", "on"} & set(where.values()):
            over_s = at_s
    if over_s is None and begun_s is not None:
        over_s = begun_s + drain_s
    return answers, over_s


def day(rng, count):
    """Return calls that come and go around a SIGTERM, in order."""
    happenings = []
    for number in range(count):
        name, at_s = f"call {number}", int(rng.integers(0, 60))
        happenings.append((at_s, "ask", name))
        if rng.random() < 0.9:
            opens_s = at_s + int(rng.integers(0, 20))
            happenings.append((opens_s, "open", name))
            happenings.append((opens_s + int(rng.integers(1, 60)), "end", name))
    happenings += [(int(rng.integers(10, 60)), "SIGTERM", "") for _ in range(rng.integers(0, 3))]
    return sorted(happenings, key=lambda each: each[0])


@graded(
    "ex16.1",
    points=1,
    hint="Keep promised and open calls apart: both take room, both are waited for, and a promised "
    "call may open while the worker drains.",
)
def test_a_draining_worker_keeps_its_promises(exercise):
    got = exercise.drained(BY_HAND, 2, 60)
    answers = ["placed", "on", "placed", "full", "", "draining", "on", "", "", "gone"]
    expect(list(got), [answers, 50], f"drained({BY_HAND}, 2, 60)")

    def run(happenings, most_calls, drain_s):
        found = exercise.drained(happenings, most_calls, drain_s)
        return list(found), list(counted(happenings, most_calls, drain_s))

    rng = np.random.default_rng(16)
    small = [(day(rng, 2), 1, 30) for _ in range(40)]
    large = [(day(rng, 12), int(rng.integers(2, 8)), 40) for _ in range(30)]
    compare("drained", [*small, *large], run)
