"""The trace of a call as a tree of spans: session, turns, and the work of each stage in them.

Made from the finished timeline, so that each span has its true begin and end, and a call held by
any agent has the same tree. A piece of work belongs to the turn in which it began; what comes
before the caller's first word, such as the greeting, belongs to the session. Turns may overlap: the
agent is still at work for one when the caller begins the next.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from voxlab.evaluation.stage_times import stage_times
from voxlab.evaluation.stage_work import STAGES, StageWork, find_work
from voxlab.evaluation.turn_times import TurnTimes, interruptions, speech_spans, turn_times
from voxlab.evaluation.wait_parts import divide_wait
from voxlab.observability import conventions as names
from voxlab.observability.session_metrics import measure_session, turn_outcome
from voxlab.timeline import Event, Timeline, to_plain

Value = str | int | float
NUMBER_OF_PLACES = 9  # of seconds: what is exported counts nanoseconds


@dataclass(frozen=True, slots=True)
class CallSpan:
    """Something that lasted, in seconds from the start of the call, and what it consists of.

    stage: "session", "turn", "VAD", "playout", or one of STAGES. first_s: its first output.
    error: which part failed, "" if none did.
    """

    stage: str
    label: str
    start_s: float
    end_s: float
    first_s: float | None = None
    error: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    children: tuple["CallSpan", ...] = ()

    @property
    def duration_s(self) -> float:
        """From its begin to its end."""
        return self.end_s - self.start_s

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "CallSpan"]]:
        """Yield this span and all below it, parents first, with their depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def build_trace(timeline: Timeline, session_id: str = "", with_text: bool = False) -> CallSpan:
    """Return the trace of a finished call; its root is the session.

    session_id: see `measure_session`. with_text: also what was said, and what tools were given and
    returned. By default no span holds a word of it, nor an error's message.
    """
    turns = turn_times(timeline)
    work = [each for stage in STAGES for each in find_work(timeline, stage)]
    before, *inside = _by_turn(timeline, turns, [_of_work(each, with_text) for each in work])
    spans = [
        _around(CallSpan("turn", f"turn {number}", turn.start_s, turn.end_s), children)
        for number, (turn, children) in enumerate(zip(turns, inside, strict=True), start=1)
    ]
    failures, times = timeline.failures, stage_times(timeline)
    told = [
        replace(
            span,
            error=_error(e for e in failures if span.start_s <= e.at_s <= span.end_s),
            attributes={
                names.OPERATION: names.OPERATIONS["turn"][1],
                names.TURN_NUMBER: number,
                **_outcome(turns[number - 1], divide_wait(times[number - 1], work)),
                **_end_reason(span, timeline),
            },
        )
        for number, span in enumerate(spans, start=1)
    ]
    metrics = measure_session(timeline, session_id)
    session = CallSpan(
        "session",
        metrics.session_id,
        0.0,
        timeline.duration_s,
        error=_error(failures),
        attributes={names.CONVERSATION: metrics.session_id, **metrics.to_otel_attributes()},
    )
    return _around(session, [*before, *told])


def _by_turn(
    timeline: Timeline, turns: list[TurnTimes], work: Iterable[CallSpan]
) -> list[list[CallSpan]]:
    """Return the spans of work, VAD and playout before the first turn, and then in each turn."""
    found: list[list[CallSpan]] = [[] for _ in range(len(turns) + 1)]
    for span in work:
        found[_turn_at(turns, span.start_s)].append(span)
    for start_s, end_s in speech_spans(timeline, "vad"):  # may begin a little before the turn
        heard = CallSpan("VAD", "speech", max(0.0, start_s), end_s)
        found[_turn_at(turns, (start_s + end_s) / 2)].append(heard)
    for start_s, end_s in speech_spans(timeline, "agent"):
        found[_turn_at(turns, start_s)].append(CallSpan("playout", "", start_s, end_s))
    return found


def part_name(stage: str) -> str:
    """Return how a part of the wait is called in an attribute."""
    return stage.replace(" ", "_").lower()


def _turn_at(turns: list[TurnTimes], at_s: float) -> int:
    """Return the number of the turn that a moment is in, from 1; 0 before the first."""
    return sum(turn.start_s <= at_s for turn in turns)


def _around(span: CallSpan, children: list[CallSpan]) -> CallSpan:
    """Return a span with its children in order, wide enough for all of them."""
    ordered = tuple(sorted(children, key=lambda child: (child.start_s, child.end_s)))
    return replace(
        span,
        start_s=min([span.start_s, *(child.start_s for child in ordered)]),
        end_s=max([span.end_s, *(child.end_s for child in ordered)]),
        children=ordered,
    )


def _outcome(turn: TurnTimes, parts_s: Mapping[str, float]) -> dict[str, Value]:
    """Return what became of a turn, and its wait with the parts of it, if it was one."""
    outcome = turn_outcome(turn)
    found: dict[str, Value] = {names.TURN_OUTCOME: outcome}
    if turn.ttfb_s is not None and outcome == "answered":
        found[names.TTFB_S] = _seconds(turn.ttfb_s)
        for part, part_s in parts_s.items():
            found[f"{names.WAIT_S}.{part_name(part)}"] = _seconds(part_s)
    elif turn.ttfb_s is not None and outcome == "cut_in":
        found[names.CUT_IN_S] = _seconds(-turn.ttfb_s)
    return found


def _end_reason(turn: CallSpan, timeline: Timeline) -> dict[str, Value]:
    """Return how the agent's speech in a turn ended, in the words of the GenAI conventions."""
    played = [span for span in turn.children if span.stage == "playout"]
    if not played:
        return {}
    cuts_s = [cut.at_s for cut in interruptions(timeline) if not cut.resumed]
    if any(span.start_s <= at_s < span.end_s for at_s in cuts_s for span in played):
        return {names.END_REASON: "interrupted"}
    stops = timeline.select("agent", "speech_stopped")
    is_open = not stops or stops[-1].at_s < played[-1].start_s
    return {names.END_REASON: "session_closed" if is_open else "completed"}


def _error(failures: Iterable[Event]) -> str:
    """Return which part failed first, "" if none did."""
    return next((str(event.data.get("who", event.source)) for event in failures), "")


def _of_work(work: StageWork, with_text: bool) -> CallSpan:
    begun, last = work.begun.data, work.last.data if work.last else {}
    operation = names.OPERATIONS[work.stage][1]
    attributes: dict[str, Value] = {
        names.OPERATION: operation,
        names.WORK_OUTCOME: work.outcome,
    }
    label = ""
    if work.stage in ("LLM", "TTS") and work.first_output_s is not None:
        attributes[names.FIRST_CHUNK_S] = _seconds(work.first_output_s)
    if work.stage == "TTS":
        attributes[names.OUTPUT_TYPE] = "speech"
    if work.stage == "tools":
        label = str(begun.get("name", ""))
        attributes |= {
            names.TOOL_NAME: label,
            names.TOOL_CALL: str(begun.get("id", "")),
        }
    if with_text:
        attributes |= _texts(work.stage, begun, last)
    return CallSpan(
        work.stage,
        label,
        work.begun.at_s,
        work.end_s,
        work.first.at_s if work.first else None,
        work.begun.source if work.outcome == "failed" else "",
        attributes,
    )


def _texts(stage: str, begun: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Value]:
    match stage:
        case "tools":
            return {
                names.TOOL_ARGUMENTS: _json(begun.get("arguments")),
                names.TOOL_RESULT: _json(last.get("result")),
            }
        case "TTS":
            return {names.INPUT: _message("assistant", begun.get("text"))}
        case "STT":
            return {names.OUTPUT: _message("user", last.get("text"))}
        case _:
            return {names.OUTPUT: _message("assistant", last.get("text"))}


def _message(role: str, text: Any) -> str:
    """Return a text as the GenAI conventions hold messages."""
    return _json([{"role": role, "parts": [{"type": "text", "content": str(text or "")}]}])


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(to_plain(value), ensure_ascii=False)


def _seconds(value: float) -> float:
    return round(float(value), NUMBER_OF_PLACES)
