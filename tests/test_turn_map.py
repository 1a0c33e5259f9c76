"""The map of the turn manager, and its picture."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from voxlab.plots import plot_transitions
from voxlab.turn_taking.events import EVENTS, UserStarted
from voxlab.turn_taking.manager import TABLE, State, Turn, TurnOptions, step
from voxlab.turn_taking.transitions import transitions


@pytest.fixture(scope="module")
def leads():
    return transitions()


def test_every_pair_is_on_the_map(leads) -> None:
    assert set(leads) == set(TABLE)
    assert all(leads.values())


def test_the_faults_of_the_printed_manager_are_not_on_it(leads) -> None:
    finished = next(event for event in EVENTS if event.__name__ == "AgentFinished")
    assert leads[State.SPEAKING, finished] == {State.LISTENING}
    for busy in (State.SPEAKING, State.THINKING):
        assert leads[busy, UserStarted] == {State.INTERRUPTED}


def test_a_pair_that_is_ignored_leads_nowhere_else(leads) -> None:
    for (state, event), rule in TABLE.items():
        if rule.__name__ == "_ignore":
            assert leads[state, event] == {state}


EVERY_EVENT = st.sampled_from(
    [event for event in EVENTS if event.__name__ not in ("Transcribed", "EndJudged", "Guessed")]
).map(lambda event: event())


@given(st.lists(EVERY_EVENT, max_size=12))
def test_no_call_takes_a_way_that_is_not_on_the_map(leads, events) -> None:
    turn, options = Turn(), TurnOptions(greeting="Hello.")
    for event in events:
        after, _ = step(turn, event, options)
        assert after.state in leads[turn.state, type(event)]
        turn = after


@pytest.mark.slow
def test_the_picture_names_every_rule_and_no_labels_overlap(leads) -> None:
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    ax = plot_transitions(leads, ax=figure.subplots())
    figure.canvas.draw()
    words = {text.get_text().partition("\n")[0] for text in ax.texts}
    assert {rule.__name__.strip("_").replace("_", " ") for rule in TABLE.values()} - {"ignore"} <= (
        words
    )
    boxes = [text.get_window_extent().shrunk(0.95, 0.9) for text in ax.texts if text.get_text()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
