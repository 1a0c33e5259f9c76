"""The trace of a call as a tree of spans: session, turns, and the work of each stage in them.

Made from the finished timeline, so that each span has its true begin and end, and a call held by
any agent has the same tree. A piece of work belongs to the turn in which it began; what comes
before the caller's first word, such as the greeting, belongs to the session. Turns may overlap: the
agent is still at work for one when the caller begins the next.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from voxlab.evaluation.stage_times import StageTimes, stage_times
from voxlab.evaluation.stage_work import STAGES, StageWork, divide_wait, find_work
from voxlab.evaluation.turn_times import TurnTimes, interruptions, speech_spans, turn_times
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
    stages = stage_times(timeline)
    work = [each for stage in STAGES for each in find_work(timeline, stage)]
    inside: list[list[CallSpan]] = [[] for _ in range(len(turns) + 1)]  # first: before any turn
    for each in work:
        inside[_turn_at(turns, each.begun.at_s)].append(_of_work(each, with_text))
    for start_s, end_s in speech_spans(timeline, "vad"):
        heard = CallSpan("VAD", "speech", max(0.0, start_s), end_s)
        inside[_turn_at(turns, (start_s + end_s) / 2)].append(heard)
    for start_s, end_s in speech_spans(timeline, "agent"):
        inside[_turn_at(turns, start_s)].append(CallSpan("playout", "", start_s, end_s))
    metrics = measure_session(timeline, session_id)
    children = [
        _of_turn(number, turn, times, spans, timeline, work)
        for number, (turn, times, spans) in enumerate(
            zip(turns, stages, inside[1:], strict=True), start=1
        )
    ]
    return _around(
        CallSpan(
            "session",
            metrics.session_id,
            0.0,
            timeline.duration_s,
            error=_error(timeline.failures),
            attributes={
                str(names.CONVERSATION): metrics.session_id,
                **metrics.to_otel_attributes(),
            },
        ),
        [*inside[0], *children],
    )


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


def _of_turn(
    number: int,
    turn: TurnTimes,
    times: StageTimes,
    inside: list[CallSpan],
    timeline: Timeline,
    work: list[StageWork],
) -> CallSpan:
    outcome = turn_outcome(turn)
    attributes: dict[str, Value] = {
        str(names.OPERATION): names.OPERATIONS["turn"][1],
        str(names.TURN_NUMBER): number,
        str(names.TURN_OUTCOME): outcome,
    }
    if outcome == "answered" and turn.ttfb_s is not None:
        attributes[str(names.TTFB_S)] = _seconds(turn.ttfb_s)
        for stage, part_s in divide_wait(times, work).items():
            attributes[f"{names.WAIT_S}.{part_name(stage)}"] = _seconds(part_s)
    elif outcome == "cut_in" and turn.ttfb_s is not None:
        attributes[str(names.CUT_IN_S)] = _seconds(-turn.ttfb_s)
    played = [span for span in inside if span.stage == "playout"]
    if played:
        attributes[str(names.END_REASON)] = _end_reason(played, timeline)
    span = _around(CallSpan("turn", f"turn {number}", turn.start_s, turn.end_s), inside)
    failed = [e for e in timeline.failures if span.start_s <= e.at_s <= span.end_s]
    return replace(span, attributes=attributes, error=_error(failed))


def _end_reason(played: list[CallSpan], timeline: Timeline) -> str:
    """Return how the agent's speech in a turn ended, in the words of the GenAI conventions."""
    cuts_s = [cut.at_s for cut in interruptions(timeline) if not cut.resumed]
    if any(span.start_s <= at_s < span.end_s for at_s in cuts_s for span in played):
        return "interrupted"
    stops = timeline.select("agent", "speech_stopped")
    is_open = not stops or stops[-1].at_s < played[-1].start_s
    return "session_closed" if is_open else "completed"


def _error(failures: list[Event]) -> str:
    return str(failures[0].data.get("who", failures[0].source)) if failures else ""


def _of_work(work: StageWork, with_text: bool) -> CallSpan:
    begun, last = work.begun.data, work.last.data if work.last else {}
    operation = names.OPERATIONS[work.stage][1]
    attributes: dict[str, Value] = {
        str(names.OPERATION): operation,
        str(names.WORK_OUTCOME): work.outcome,
    }
    label = ""
    if work.stage in ("LLM", "TTS") and work.first_output_s is not None:
        attributes[str(names.FIRST_CHUNK_S)] = _seconds(work.first_output_s)
    if work.stage == "TTS":
        attributes[str(names.OUTPUT_TYPE)] = "speech"
    if work.stage == "tools":
        label = str(begun.get("name", ""))
        attributes |= {
            str(names.TOOL_NAME): label,
            str(names.TOOL_CALL): str(begun.get("id", "")),
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
                str(names.TOOL_ARGUMENTS): _json(begun.get("arguments")),
                str(names.TOOL_RESULT): _json(last.get("result")),
            }
        case "TTS":
            return {str(names.INPUT): _message("assistant", begun.get("text"))}
        case "STT":
            return {str(names.OUTPUT): _message("user", last.get("text"))}
        case _:
            return {str(names.OUTPUT): _message("assistant", last.get("text"))}


def _message(role: str, text: Any) -> str:
    """Return a text as the GenAI conventions hold messages."""
    return _json([{"role": role, "parts": [{"type": "text", "content": str(text or "")}]}])


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(to_plain(value), ensure_ascii=False)


def _seconds(value: float) -> float:
    return round(float(value), NUMBER_OF_PLACES)
