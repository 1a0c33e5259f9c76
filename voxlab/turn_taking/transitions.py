"""The turn manager's transitions, found by trying: it is pure, so we can run all of it.

From a fresh call on we step every turn that can come about with every event, until nothing new
turns up. What is drawn from this is what the code does, not what somebody thinks it does.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from voxlab.turn_taking.events import EVENTS, EndJudged, Guessed, Transcribed, TurnEvent
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import State, Turn, TurnOptions, step

AT_MOST = 2  # segments and texts in a turn that we follow: more of them are more of the same

Transitions = dict[tuple[State, type[TurnEvent]], frozenset[State]]


def transitions(options: TurnOptions | None = None) -> Transitions:
    """Return the states that each event can lead to from each state.

    >>> leads = transitions()
    >>> [state.value for state in leads[State.SPEAKING, EVENTS[1]]]  # UserStarted
    ['interrupted']
    """
    options = options or TurnOptions(greeting="Hello.", speculates=True)
    found: defaultdict[tuple[State, type[TurnEvent]], set[State]] = defaultdict(set)
    waiting, seen = deque([Turn()]), {Turn()}
    while waiting:
        turn = waiting.popleft()
        for event in _every_event():
            after, _ = step(turn, event, options)
            found[turn.state, type(event)].add(after.state)
            if after not in seen and _small(after):
                seen.add(after)
                waiting.append(after)
    return {pair: frozenset(states) for pair, states in found.items()}


def _every_event() -> Iterator[TurnEvent]:
    """Yield an event of each kind, and of each kind of content that matters."""
    yield Transcribed("")
    yield from (Transcribed("Yes.", meaning) for meaning in Meaning)
    yield from (Guessed(text, meaning) for text in ("", "Yes.") for meaning in Meaning)
    yield from (EndJudged(probability) for probability in (0.0, 1.0))
    bare: list[Any] = [kind for kind in EVENTS if kind not in (Transcribed, EndJudged, Guessed)]
    yield from (kind() for kind in bare)


def _small(turn: Turn) -> bool:
    return max(turn.pending, len(turn.texts), len(turn.unanswered)) <= AT_MOST
