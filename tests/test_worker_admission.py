"""Which calls a worker takes, and when a draining one is done."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.agents.rates import Bucket, Rate
from voxlab.serving.workers.admission import (
    Accept,
    Drain,
    End,
    Limits,
    Measure,
    Open,
    Place,
    Refuse,
    SayGoodbye,
    Status,
    Stop,
    Tick,
    Unknown,
    Why,
    WorkerState,
    step,
)
from voxlab.serving.workers.loads import Load, in_order

LIMITS = Limits(most_calls=2, opens_within_s=5, drain_s=60, goodbye_s=10)


def after(*events, state=None):
    """Return the state and the last actions after events (at_s, event)."""
    state, actions = state or WorkerState(), []
    for at_s, event in events:
        state, actions = step(state, event, at_s, LIMITS)
    return state, actions


def test_a_promise_counts_as_a_call():
    _, actions = after((0, Place("a")), (0, Open("a")), (0, Place("b")), (0, Place("c")))
    assert [action.why for action in actions] == [Why.FULL]


def test_a_promise_that_nobody_takes_up_is_free_again():
    assert after((0, Place("a")), (0, Place("b")), (5, Place("c")))[1] == [Accept()]
    assert after((0, Place("a")), (5, Open("a")))[1] == [Unknown()]


def test_an_address_opens_once():
    assert after((0, Place("a")), (1, Open("a")), (2, Open("a")))[1] == [Unknown()]


def test_who_was_promised_a_place_gets_in_while_the_worker_drains():
    state, actions = after((0, Place("a")), (1, Drain()), (2, Place("b")))
    assert actions == [Refuse(Why.DRAINING, 1)]
    state, actions = after((3, Open("a")), state=state)
    assert actions == [Accept()]
    state, actions = after((40, End("a")), state=state)
    assert actions == [Stop()]


def test_an_idle_worker_stops_at_once():
    assert after((0, Drain()))[1] == [Stop()]


def test_what_is_left_at_the_deadline_says_goodbye_and_is_cut_off_later():
    state, actions = after((0, Place("a")), (0, Open("a")), (1, Drain()), (1, Drain()))
    assert (actions, state.due_s) == ([], 61)
    state, actions = after((61, Tick()), state=state)
    assert (actions, state.due_s) == ([SayGoodbye()], 71)
    assert after((66, End("a")), state=state)[1] == [Stop()]
    assert after((71, Tick()), state=state)[1] == [Stop()]


def test_a_worker_that_is_late_takes_no_calls_until_it_has_kept_up_for_a_while():
    late, actions = after((0, Measure(0.5)), (0, Place("a")))
    assert actions == [Refuse(Why.OVERLOADED, 5)]
    state = late
    for _ in range(9):
        state, _ = after((1, Measure(0.0)), state=state)
    assert after((1, Place("a")), state=state)[1] == [Accept()]
    once = after((1, Measure(0.0)), state=late)[0]
    assert isinstance(after((1, Place("a")), state=once)[1][0], Refuse)


CALLS = st.sampled_from("abcd")
EVENTS = st.one_of(
    *(CALLS.map(kind) for kind in (Place, Open, End)),
    st.floats(0, 1).map(Measure),
    st.just(Drain()),
    st.just(Tick()),
)


@given(st.lists(st.tuples(st.floats(0, 20), EVENTS), max_size=60))
def test_whatever_happens_there_are_never_too_many_calls_and_the_end_comes_once(happenings):
    state, now_s, stops, goodbyes, refused_since = WorkerState(), 0.0, 0, 0, False
    for later_s, event in happenings:
        now_s += later_s
        was = state
        state, actions = step(state, event, now_s, LIMITS)
        assert len(state.active) + len(state.placed) <= LIMITS.most_calls
        assert was.active - state.active <= ({event.call} if isinstance(event, End) else set())
        stops += actions.count(Stop())
        goodbyes += actions.count(SayGoodbye())
        if refused_since and isinstance(event, Place):
            assert Accept() not in actions
        refused_since = refused_since or state.status is not Status.SERVING
        assert (state.status is Status.STOPPED) == (stops == 1)
    assert goodbyes <= 1
    if state.status in (Status.DRAINING, Status.CLOSING):
        assert math.isfinite(state.due_s)
        for _ in range(8):  # promises run out, then the drain, then the goodbyes
            if math.isfinite(state.due_s):
                state, _ = step(state, Tick(), state.due_s, LIMITS)
        assert state.status is Status.STOPPED


def load(url, active, **changes):
    given = {"protocol": "twilio", "pid": 1, "status": "serving", "refuses": "", "placed": 0}
    given |= {"most_calls": 4, "lag_s": 0.0, **changes}
    return Load(url=url, active=active, **given)


def test_the_least_busy_worker_is_asked_first_and_one_that_refuses_never():
    one, two, three = load("one", 2), load("two", 1), load("three", 0, refuses="draining")
    assert in_order([(one, 0), (two, 0), (three, 0)]) == [two, one]
    assert in_order([(one, 0), (two, 2)]) == [one, two]
    assert in_order([(one, 2), (two, 3)]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_a_bucket_never_gives_more_than_its_burst_and_what_time_has_filled(waits_s):
    rate = Rate(per_s=3, burst=5)
    bucket, now_s, taken = Bucket(rate, 0.0), 0.0, 0
    for wait_s in waits_s:
        now_s += wait_s
        taken += bucket.wait_s(now_s) == 0
        assert taken <= rate.burst + now_s * rate.per_s + 1e-6
    wait_s = bucket.wait_s(now_s)
    if wait_s:
        assert bucket.wait_s(now_s + wait_s + 1e-9) == pytest.approx(0)
