"""A call's timeline as lanes of intervals, each with a sentence that explains it.

The picture of a call (`plots.call`) and its player (`plots.player`) both draw these lanes.
"""

import json
from dataclasses import dataclass

from voxlab.evaluation.stage_work import STAGES, StageWork, find_work
from voxlab.evaluation.turn_times import interruptions, turn_times
from voxlab.timeline import Event, Timeline

STATES = {
    "listening": "The agent listens: it is the caller's turn",
    "thinking": "The turn has gone to the agent, which makes its answer",
    "speaking": "The agent speaks",
    "interrupted": "The caller spoke over the agent: it is silent and waits for their words",
}


@dataclass(frozen=True, slots=True)
class Interval:
    """Something that lasted from start_s to end_s, in seconds from the start of the call.

    kind: for its colour. label: for a bar, may be "". about: what it is, in a sentence or two.
    """

    start_s: float
    end_s: float
    kind: str
    label: str
    about: str


def call_lanes(timeline: Timeline) -> dict[str, list[Interval]]:
    """Return the intervals of a call, by lane from top to bottom; a lane may be empty."""
    return {
        "wait": _waits(timeline),
        "barge-in": _barge_ins(timeline),
        "VAD": _vad(timeline),
        "turn": _turns(timeline),
        **{stage: [_as_interval(work) for work in find_work(timeline, stage)] for stage in STAGES},
        "failed": [_failed(event) for event in timeline.failures],
    }


def _waits(timeline: Timeline) -> list[Interval]:
    found = []
    for turn in turn_times(timeline):
        if turn.reply_s is None or turn.ttfb_s is None:
            continue
        wait = f"{1000 * abs(turn.ttfb_s):.0f} ms"
        about = f"The caller waited {wait} from their last sound to the agent's first."
        if turn.cut_off:
            about = f"The agent began to answer {wait} before the caller's last sound."
        kind = "cut off" if turn.cut_off else "wait"
        label = f"{1000 * turn.ttfb_s:.0f} ms"
        start_s, end_s = sorted((turn.end_s, turn.reply_s))
        found.append(Interval(start_s, end_s, kind, label, about))
    return found


def _barge_ins(timeline: Timeline) -> list[Interval]:
    found = []
    for cut in interruptions(timeline):
        about = f"The caller spoke over the agent, which was silent {_ms(cut.yield_s)} later"
        if cut.resumed:
            about += " and then went on: it took this for a sign of listening."
        elif cut.unheard:
            about += f". Heard up to there: “{cut.heard}” Never said: “{cut.unheard}”"
        else:
            about += "; it had nothing left to say."
        kind = "resumed" if cut.resumed else "interrupted"
        end_s = cut.at_s + cut.yield_s
        found.append(Interval(cut.at_s, end_s, kind, "went on" if cut.resumed else "", about))
    return found


def _vad(timeline: Timeline) -> list[Interval]:
    found: list[Interval] = []
    started: Event | None = None
    for event in [*timeline.select("vad"), None]:
        if event and event.kind == "speech_started":
            started = event
        elif started and (event is None or event.kind == "speech_stopped"):
            from_s, to_s = _speech_s(started), _speech_s(event) if event else timeline.duration_s
            end = f", and of its end {_ms(event.at_s - to_s)} later" if event else ""
            about = (
                f"The voice activity detector hears speech. It was sure of the start "
                f"{_ms(started.at_s - from_s)} later{end}."
            )
            found.append(Interval(from_s, to_s, "vad", "speech", about))
            started = None
    return found


def _speech_s(event: Event) -> float:
    return float(event.data.get("speech_at_s", event.at_s))


def _turns(timeline: Timeline) -> list[Interval]:
    changes = timeline.select("turn", "state")
    if not changes:
        return []
    states = [(0.0, changes[0].data["was"], "")]
    states += [(e.at_s, e.data["now"], f" (after {e.data.get('why')})") for e in changes]
    ends_s = [*(start_s for start_s, _, _ in states[1:]), timeline.duration_s]
    return [
        Interval(start_s, end_s, str(state), str(state), f"{STATES[state]}{why}.")
        for (start_s, state, why), end_s in zip(states, ends_s, strict=True)
    ]


def _as_interval(work: StageWork) -> Interval:
    begun = work.begun
    name = str(begun.data.get("name", ""))
    match work.stage:
        case "STT":
            what = "Speech to text: the recogniser at work"
        case "LLM":
            what = "The language model at work"
        case "tools":
            what = f"The tool {name}({_arguments(begun)}) at work"
        case _:
            what = f"Text to speech of “{begun.data.get('text', '')}”"
    parts = [what]
    if work.first and work.first is not work.last and work.first_output_s is not None:
        first = work.first.kind.replace("_", " ")
        parts.append(f"{first} after {_ms(work.first_output_s)}")
    parts.append(f"{work.outcome} after {_ms(work.end_s - begun.at_s)}")
    about = ", ".join(parts)
    last = work.last.data if work.last else {}
    if work.outcome == "failed":
        about += f": {last.get('error')}"
    result = last.get("text", last.get("result")) if work.outcome == "done" else None
    about += f". Result: “{result}”" if result else "."
    kind = "failed" if work.outcome == "failed" else work.stage
    return Interval(begun.at_s, work.end_s, kind, name, about)


def _arguments(begun: Event) -> str:
    arguments = begun.data.get("arguments")
    return "" if not arguments else json.dumps(arguments, ensure_ascii=False, default=str)


def _failed(event: Event) -> Interval:
    return Interval(event.at_s, event.at_s, "failed", "failed", event.failure)


def _ms(duration_s: float) -> str:
    return f"{1000 * duration_s:.0f} ms"
