"""Live events: what may be told of a call while it is on, and a call's row on a dashboard.

Times, states and counts go out; words, sound, arguments, reasons and error messages stay, for an
error may quote a key. `TOLD` is the whole list.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from voxlab.errors import VoxlabError
from voxlab.evaluation.call_lanes import STATES
from voxlab.evaluation.turn_times import interruptions, speech_spans, turn_times
from voxlab.observability.session_metrics import OUTCOMES, turn_outcome
from voxlab.timeline import Event, Timeline

SPEECH = ("speech_at_s",)
TOLD: Mapping[tuple[str, str], tuple[str, ...]] = {  # source and kind: the data that go with it
    ("transport", "call_started"): (),
    ("transport", "call_ended"): (),
    ("transport", "failed"): (),
    ("vad", "speech_started"): SPEECH,
    ("vad", "speech_stopped"): SPEECH,
    ("turn", "state"): ("was", "now"),
    ("agent", "speech_started"): SPEECH,
    ("agent", "speech_stopped"): SPEECH,
    ("agent", "interrupted"): (),
    ("agent", "resumed"): (),
    ("agent", "said"): (),
    ("tool", "started"): (),
    ("tool", "finished"): (),
    ("tool", "failed"): (),
    ("stt", "failed"): (),
    ("llm", "failed"): (),
    ("tts", "failed"): (),
}


def strip_event(event: Event) -> Event | None:
    """Return what may be told of an event, a number or a state at most; None if nothing may.

    >>> strip_event(Event(1.0, "agent", "interrupted", {"heard": "It comes on"}))
    Event(at_s=1.0, source='agent', kind='interrupted', data={})
    """
    names = TOLD.get((event.source, event.kind))
    if names is None:
        return None
    data = {name: event.data[name] for name in names if _is_harmless(event.data.get(name))}
    return Event(event.at_s, event.source, event.kind, data)


def _is_harmless(value: Any) -> bool:
    if isinstance(value, str):
        return value in STATES
    return isinstance(value, int | float) and math.isfinite(value)


def write_event(event: Event) -> list[Any]:
    """Return an event as it goes over the wire: [at_s, source, kind, data]."""
    return [event.at_s, event.source, event.kind, dict(event.data)]


def read_event(given: Sequence[Any]) -> Event | None:
    """Return an event that came over the wire, stripped again. Raises VoxlabError if it is none."""
    try:
        at_s, source, kind, data = given
        return strip_event(Event(at_s, source, kind, data))
    except (AttributeError, TypeError, ValueError) as error:
        raise VoxlabError(f"not an event of a live call: {error}") from error


def describe_call(timeline: Timeline) -> dict[str, Any]:
    """Return what a dashboard shows of a call, by the same rules as `measure_session`.

    Spans are [start_s, end_s]; the end of one that goes on is None. cuts_s: where the caller spoke
    over the agent and stopped it.
    """
    turns = turn_times(timeline)
    outcomes = [turn_outcome(turn) for turn in turns]
    waits_s = [turn.ttfb_s or 0.0 for turn in turns if turn_outcome(turn) == "answered"]
    states = [(event.at_s, str(event.data["now"])) for event in timeline.select("turn", "state")]
    is_over = bool(timeline.select("transport", "call_ended"))
    ends_s = [*(at_s for at_s, _ in states[1:]), timeline.duration_s if is_over else None]
    return {
        "state": states[-1][1] if states else "listening",
        "user": _spans(timeline, "vad", is_over),
        "agent": _spans(timeline, "agent", is_over),
        "thinking": [
            [at_s, end_s]
            for (at_s, state), end_s in zip(states, ends_s, strict=False)
            if state == "thinking"
        ],
        "cuts_s": [cut.at_s for cut in interruptions(timeline) if not cut.resumed],
        "ttfb_s": waits_s,
        "ttfb_p50_s": median(waits_s) if waits_s else None,
        "turns": {outcome: outcomes.count(outcome) for outcome in OUTCOMES},
        "tool_calls": len(timeline.select("tool", "started")),
        "failures": len(timeline.failures),
    }


def _spans(timeline: Timeline, source: str, is_over: bool) -> list[list[float | None]]:
    """Return the stretches of speech of a source; one that goes on has no end."""
    spans: list[list[float | None]] = [list(span) for span in speech_spans(timeline, source)]
    edges = [each.kind for each in timeline.select(source) if each.kind.startswith("speech_")]
    if edges and edges[-1] == "speech_started" and not is_over:
        spans[-1][1] = None
    return spans
