"""Exercise 13 (19.7.4): times, percentiles, accuracy, recovery, tasks, pass^k, and the gate."""

from itertools import combinations

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect

USER = [[1.0, 3.0], [7.0, 9.0], [12.0, 13.0], [16.0, 17.0]]  # the table that is worked by hand
AGENT = [[3.9, 6.0], [8.5, 10.0], [17.5, 18.0], [18.3, 19.0]]


def steady(calls=30, seed=0):
    """Return the measures of drawn calls."""
    rng = np.random.default_rng(seed)
    return [
        {
            "wait_s": float(rng.normal(0.8, 0.05)),
            "cut_ins": int(rng.random() < 0.1),
            "dead_air": int(rng.random() < 0.1),
            "failed": int(rng.random() < 0.1),
        }
        for _ in range(calls)
    ]


# --- ex13.1 --------------------------------------------------------------------------------


@graded(
    "ex13.1",
    points=1,
    hint="A reply begins after the turn's start and before the next turn's start; the last turn "
    "has no next. Of two stretches the first one is the reply.",
)
def test_each_turn_of_the_table_has_its_reply(exercise):
    got = exercise.judge_turns(USER, AGENT)
    expect([t["ttfb_s"] for t in got], [0.9, None, None, 0.5], "the TTFBs", close_or_none)
    expect([t["missed"] for t in got], [False, False, True, False], "which are missed")
    expect(exercise.judge_turns([], [[1.0, 2.0]]), [], "judge_turns([], [[1.0, 2.0]])")


def close_or_none(got, expected):
    """Tell whether lists of numbers and None are alike."""
    return len(got) == len(expected) and all(
        one is other if None in (one, other) else close(one, other)
        for one, other in zip(got, expected, strict=True)
    )


@graded(
    "ex13.1",
    points=1,
    hint="A reply that begins before the caller's end is a cut-in: it has no TTFB, and it is not "
    "missed.",
)
def test_a_cut_in_has_no_ttfb_and_is_not_missed(exercise):
    got = exercise.judge_turns(USER, AGENT)
    expect([t["cut_in"] for t in got], [False, True, False, False], "which are cut in")
    got = exercise.judge_turns([[1.0, 3.0]], [[2.5, 2.8], [3.5, 5.0]])
    expect(got[0]["ttfb_s"], None, "the TTFB of a turn that is cut in and then answered")


@graded(
    "ex13.1",
    points=1,
    hint="What the agent has been saying since before the caller began answers nothing.",
    hidden=True,
)
def test_what_began_before_the_user_is_no_reply(exercise):
    got = exercise.judge_turns([[5.0, 6.0]], [[1.0, 5.5]])
    expect(got[0]["missed"], True, "judge_turns([[5.0, 6.0]], [[1.0, 5.5]]): missed")


# --- ex13.2 --------------------------------------------------------------------------------


@graded(
    "ex13.2",
    points=1,
    hint="Count the times that are not None: 10 for a percentile, 20 above the 90th.",
)
def test_a_percentile_of_too_few_times_is_none(exercise):
    for count, percent, is_known in (
        (9, 50, False),
        (10, 50, True),
        (10, 90, True),
        (19, 95, False),
        (20, 95, True),
    ):
        times_s = [None, *np.linspace(0.5, 1.5, count).tolist(), None]
        got = exercise.percentile(times_s, percent)
        want = float(np.percentile(np.linspace(0.5, 1.5, count), percent)) if is_known else None
        told = f"percentile of {count} times and two None, {percent}"
        expect(got, want, told, lambda a, b: a is b if b is None else close(a, b))


# --- ex13.3 --------------------------------------------------------------------------------

PAIRS = [("yes", "yeah"), ("where is my order number 12345", "where is my order number 12845")]


def true_accuracy(pairs):
    """Return both figures, in other lines than the solution's."""
    errors = words = hits = having = 0
    for said, heard in pairs:
        errors += edits(said.split(), heard.split())
        words += len(said.split())
        wanted = [each for each in said.split() if each.isdigit()]
        having += bool(wanted)
        hits += bool(wanted) and wanted == [each for each in heard.split() if each.isdigit()]
    return (errors / words if words else None), (hits / having if having else None)


def edits(said, heard):
    if not said or not heard:
        return len(said) + len(heard)
    if said[0] == heard[0]:
        return edits(said[1:], heard[1:])
    return 1 + min(edits(said[1:], heard[1:]), edits(said, heard[1:]), edits(said[1:], heard))


@graded(
    "ex13.3",
    points=1,
    hint="Add up the errors of all pairs and the words said in all pairs, then divide once.",
)
def test_the_word_error_rate_is_pooled(exercise):
    wer, _ = exercise.accuracy(PAIRS)
    expect(wer, 2 / 7, f"the word error rate of {PAIRS}", close)


@graded(
    "ex13.3",
    points=1,
    hint="Only what has a number counts, and all its numbers must be there, in order.",
    hidden=True,
)
def test_an_utterance_counts_if_all_its_numbers_were_heard_in_order(exercise):
    pairs = [("for 4 at 7", "for 4 at 7"), ("for 2 at 8", "at 8 for 2"), ("yes", "yeah 3")]
    expect(exercise.accuracy(pairs)[1], 0.5, f"the share of {pairs}", close)
    expect(exercise.accuracy([("yes", "yes")])[1], None, "the share where nobody says a number")


# --- ex13.4 --------------------------------------------------------------------------------


@graded(
    "ex13.4",
    points=1,
    hint="The agent's stretch around the caller's first sound ends yield_s later. The reply is the "
    "first stretch that begins after the caller's first sound.",
)
def test_the_parts_of_a_recovery_are_those_of_the_example(exercise):
    got = exercise.recovery([4.0, 5.5], [[1.0, 4.3], [6.5, 8.0]])
    expect(got["yield_s"], 0.3, "yield_s", close)
    expect(got["reply_s"], 1.0, "reply_s", close)
    expect(got["recovered"], True, "recovered")
    expect(exercise.recovery([4.0, 5.5], [[1.0, 4.3]])["reply_s"], None, "no reply: reply_s")


@graded(
    "ex13.4",
    points=1,
    hint="Recovered needs all of it: silent within 2 s, a reply, within 3 s, not before the end.",
    hidden=True,
)
def test_each_part_alone_can_spoil_a_recovery(exercise):
    for what, agent, want in (
        ("all is well, at the edges", [[1.0, 6.0], [8.5, 9.0]], True),
        ("it talks on", [[1.0, 6.5], [8.0, 9.0]], False),
        ("it never answers", [[1.0, 4.5]], False),
        ("it answers late", [[1.0, 4.5], [8.75, 9.0]], False),
        ("it answers before the caller is done", [[1.0, 4.5], [5.0, 9.0]], False),
    ):
        got = exercise.recovery([4.0, 5.5], agent)["recovered"]
        expect(got, want, f"{what}: recovered")


# --- ex13.5 --------------------------------------------------------------------------------


@graded(
    "ex13.5",
    points=1,
    hint="Make the state that should be: before, with the wanted values put in, and those of None "
    "taken out. Then compare all of it.",
)
def test_a_task_is_done_by_exactly_the_wanted_changes(exercise):
    before = {"Kim": "Friday"}
    for wanted, after, want in (
        ({"Lee": "Monday"}, {"Kim": "Friday", "Lee": "Monday"}, True),
        ({"Lee": "Monday"}, {"Kim": "Friday"}, False),
        ({"Lee": "Monday"}, {"Lee": "Monday"}, False),
        ({"Lee": "Monday"}, {"Kim": "Friday", "Lee": "Monday", "Ann": "Monday"}, False),
        ({"Kim": None}, {}, True),
        ({"Kim": None}, {"Kim": "Friday"}, False),
        ({}, {"Kim": "Friday"}, True),
    ):
        got = exercise.task_done(before, wanted, after)
        expect(got, want, f"before {before}, wanted {wanted}, after {after}")


# --- ex13.6 --------------------------------------------------------------------------------


@graded(
    "ex13.6",
    points=1,
    hint="comb(c, k) / comb(n, k) for each task, then the mean over the tasks.",
)
def test_pass_k_is_the_share_of_sets_of_k_trials_without_a_failure(exercise):
    def run(successes, trials, k):
        if not (0 < k <= trials and successes and all(0 <= c <= trials for c in successes)):
            raise ValueError
        shares = []
        for count in successes:
            results = [True] * count + [False] * (trials - count)
            sets = [all(each) for each in combinations(results, k)]
            shares.append(sum(sets) / len(sets))
        return exercise.pass_k(successes, trials, k), sum(shares) / len(shares)

    cases = [([3], 4, 1), ([3], 4, 2), ([3], 4, 4), ([4, 2, 0], 4, 2), ([5, 4], 5, 3)]
    compare("pass_k", cases, run, close)


# --- ex13.7 --------------------------------------------------------------------------------

CALL = {"user": USER, "agent": AGENT, "before": {}, "wanted": {"Lee": "Monday"}, "after": {}}


@graded(
    "ex13.7",
    points=1,
    hint="Use judge_turns and task_done. Dead air is a TTFB over 2 s, or a turn that was missed.",
)
def test_the_measures_of_the_table_s_call(exercise):
    got = exercise.measure(CALL)
    want = {"wait_s": 0.7, "cut_ins": 1, "dead_air": 1, "failed": 1}
    for name, value in want.items():
        expect(got[name], value, f"{name} of the call in the table", close)


@graded(
    "ex13.7",
    points=1,
    hint="Exactly 2.0 s is no dead air. A call in which nothing is answered has no wait_s.",
    hidden=True,
)
def test_slow_replies_and_silence_are_dead_air(exercise):
    call = CALL | {"user": [[1.0, 2.0], [6.0, 7.0]], "agent": [[4.0, 5.0], [9.5, 10.0]]}
    expect(exercise.measure(call)["dead_air"], 1, "dead_air of waits of 2.0 and 2.5 s")
    silent = exercise.measure(CALL | {"agent": [], "after": {"Lee": "Monday"}})
    expect(silent["wait_s"], None, "wait_s of an agent that never speaks")
    expect(silent["dead_air"], 4, "dead_air of an agent that never speaks, in four turns")
    expect(silent["failed"], 0, "failed of a task that was done in silence")


# --- ex13.8 --------------------------------------------------------------------------------


@graded(
    "ex13.8",
    points=2,
    hint="Differences call by call, their means in 4000 resamples, and the 2.5th percentile above "
    "0. Each measure has a generator of its own, with seed 0.",
)
def test_each_planted_fault_is_found_and_nothing_else(exercise):
    baseline = steady()
    for name, worse in (("wait_s", 0.2), ("cut_ins", 1), ("dead_air", 1), ("failed", 1)):
        candidate = [
            call | {name: call[name] + worse * (number % 2)} for number, call in enumerate(baseline)
        ]
        got = exercise.regressions(baseline, candidate)
        expect(got, [name], f"a candidate that is worse in {name} in every other call")
    expect(exercise.regressions(baseline, baseline), [], "a candidate that is the baseline")


@graded(
    "ex13.8",
    points=1,
    hint="Better is not worse; fewer than six pairs say nothing; pairs with a None are left out; "
    "and what chance may have done is no regression.",
    hidden=True,
)
def test_the_gate_is_silent_where_the_data_are(exercise):
    baseline = steady()
    better = [call | {"wait_s": call["wait_s"] / 2} for call in baseline]
    expect(exercise.regressions(baseline, better), [], "a candidate that is quicker")
    few = exercise.regressions(baseline[:5], [call | {"failed": 2} for call in baseline[:5]])
    expect(few, [], "a candidate that is worse in each of five calls")
    none = [call | {"wait_s": None if n < 26 else 9.0} for n, call in enumerate(baseline)]
    expect(exercise.regressions(baseline, none), [], "four pairs of waits, the others None")
    shaky = [c | {"wait_s": c["wait_s"] + (1 if n % 2 else -0.95)} for n, c in enumerate(baseline)]
    expect(exercise.regressions(baseline, shaky), [], "differences of +1 s and -0.95 s by turns")
