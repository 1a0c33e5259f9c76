"""Admission: which calls a worker takes, and when a draining worker is done. No clock, no await.

    state, actions = step(state, Place("call-1"), now_s, limits)

A call is placed first: it is promised room, and told the address at which it opens. A worker that
drains takes no new calls, but keeps its promises: a call that was placed before may still open.
Source: chapter 39.1.6, "graceful draining (letting active calls finish before shutting down)".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

LAG_FADES = 0.9  # of the lag stays from one measurement to the next: load comes in bursts
RETRY_S = 5  # a full worker may have room again after so long
ELSEWHERE_S = 1  # another worker is there at once, or soon


class Status(StrEnum):
    """What a worker is doing."""

    SERVING = "serving"
    DRAINING = "draining"  # active calls finish, new ones are refused
    CLOSING = "closing"  # the deadline is over: goodbyes are being said
    STOPPED = "stopped"


class Why(StrEnum):
    """Why a call is refused."""

    FULL = "full"
    OVERLOADED = "overloaded"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker bears.

    most_calls: at the same time, 0 or more. most_lag_s: no new call while the event loop is later
    than this. opens_within_s: a placed call loses its place then. drain_s: calls may last so long
    after the drain has begun. goodbye_s: a goodbye may last so long after that.
    """

    most_calls: int = 8
    most_lag_s: float = 0.2
    opens_within_s: float = 10.0
    drain_s: float = 600.0
    goodbye_s: float = 15.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker knows. placed: calls that may open, until when; ends_s: of this status."""

    status: Status = Status.SERVING
    placed: Mapping[str, float] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    lag_s: float = 0.0
    ends_s: float = math.inf

    @property
    def is_empty(self) -> bool:
        """True if no call is on, or may still open."""
        return not self.active and not self.placed

    @property
    def due_s(self) -> float:
        """When time alone changes something: then a Tick is needed."""
        return min(self.ends_s, *self.placed.values(), math.inf)


# --- what happens, and what is to be done about it --------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody asks for room for a call."""

    call: str


@dataclass(frozen=True, slots=True)
class Open:
    """The call has come."""

    call: str


@dataclass(frozen=True, slots=True)
class End:
    """The call is over."""

    call: str


@dataclass(frozen=True, slots=True)
class Measure:
    """The event loop was so late."""

    lag_s: float


@dataclass(frozen=True, slots=True)
class Drain:
    """The process is to stop: SIGTERM."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


WorkerEvent = Place | Open | End | Measure | Drain | Tick


@dataclass(frozen=True, slots=True)
class Accept:
    """The call has room."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call has no room. retry_s: when it is worth to ask again."""

    why: Why
    retry_s: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody has placed this call here, or it comes too late."""


@dataclass(frozen=True, slots=True)
class SayGoodbye:
    """Let all calls end with a goodbye."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process, and with it what is left."""


Action = Accept | Refuse | Unknown | SayGoodbye | Stop


def refusal(state: WorkerState, limits: Limits) -> Refuse | None:
    """Return why a new call would be refused; None if it has room."""
    if state.status is not Status.SERVING:
        return Refuse(Why.DRAINING, ELSEWHERE_S)
    if len(state.active) + len(state.placed) >= limits.most_calls:
        return Refuse(Why.FULL, RETRY_S)
    if state.lag_s > limits.most_lag_s:
        return Refuse(Why.OVERLOADED, RETRY_S)
    return None


def step(
    state: WorkerState, event: WorkerEvent, now_s: float, limits: Limits
) -> tuple[WorkerState, list[Action]]:
    """Return the state after an event, and what is to be done."""
    placed = {call: until_s for call, until_s in state.placed.items() if until_s > now_s}
    state = replace(state, placed=placed)
    actions: list[Action] = []
    match event:
        case Place(call):
            refused = refusal(state, limits)
            if refused is None:
                state = replace(state, placed={**placed, call: now_s + limits.opens_within_s})
            actions.append(refused or Accept())
        case Open(call):
            is_expected = call in placed and state.status in (Status.SERVING, Status.DRAINING)
            if is_expected:
                placed = {each: until_s for each, until_s in placed.items() if each != call}
                state = replace(state, placed=placed, active=state.active | {call})
            actions.append(Accept() if is_expected else Unknown())
        case End(call):
            state = replace(state, active=state.active - {call})
        case Measure(lag_s):
            state = replace(state, lag_s=max(lag_s, LAG_FADES * state.lag_s))
        case Drain() if state.status is Status.SERVING:
            state = replace(state, status=Status.DRAINING, ends_s=now_s + limits.drain_s)
    state, more = _pass_time(state, now_s, limits)
    return state, actions + more


def _pass_time(
    state: WorkerState, now_s: float, limits: Limits
) -> tuple[WorkerState, list[Action]]:
    """Stop a worker whose last call is over; at the deadline, let those that are left go."""
    match state.status:
        case Status.SERVING | Status.STOPPED:
            return state, []
        case Status.DRAINING if not state.is_empty and now_s >= state.ends_s:
            ends_s = now_s + limits.goodbye_s
            closing = replace(state, status=Status.CLOSING, placed={}, ends_s=ends_s)
            if closing.active:
                return closing, [SayGoodbye()]
            state = closing
    if state.is_empty or now_s >= state.ends_s:
        return replace(state, status=Status.STOPPED, ends_s=math.inf), [Stop()]
    return state, []
