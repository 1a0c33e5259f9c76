"""Record the calls of exercise 9: python tests/graded/calls/make.py

Each script is held with the offline agent, in virtual time; 0.5 s of silence end a turn, as in the
chapter. We keep what a turn manager meets, in frames of 32 ms: where Silero hears speech, when a
reply to each commit is heard, how long it lasts. And we keep what the agent did, to compare with.
On one machine the files repeat to the byte.

A file has these keys; all counts are frames, unless the key ends in _s.

- runs: silence, speech, silence, ... in the caller's channel: probability at or above 0.5
- segments_s: the same speech as voxlab.vad.endpointing has it, [start, end], widened by 0.3 s
- greeting, replies: for the greeting and for each commit [frames until it is heard, frames it
  lasts]; a reply that the caller cut short has the length it would have had without him
- commits, stops, cancels: when the agent committed a turn, fell silent for the caller, and took
  back a reply that was not heard yet
"""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from voxlab import data
from voxlab.agents.callers.script import CallScript, load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.providers.offline import offline
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.manager import State
from voxlab.vad.endpointing import speech_segments
from voxlab.vad.silero import FRAME_S, speech_probabilities

HERE = Path(__file__).parent
NAMES = ("barge_in", "cafe", "first_call", "hesitation", "minute", "order_number", "real_person")
EARLIER_S = 0.15  # so long before the VAD is sure of a caller, he has not said anything yet


def record_call(script: CallScript) -> dict[str, Any]:
    """Hold a call and return it in frames."""
    call = _play(script)
    if call.user is None:
        raise ValueError(f"{script.title}: a call without sound has no frames")
    probabilities = speech_probabilities(call.user)
    commits = call.timeline.select("turn", "commit")
    greeting, *replies = [
        _reply(script, call.timeline, at_s) for at_s in (0.0, *(event.at_s for event in commits))
    ]
    taken = _interruptions(call.timeline)
    return {
        "title": script.title,
        "runs": _runs((probabilities >= 0.5).tolist()),
        "segments_s": [
            [round(segment.start_s, 3), round(segment.end_s, 3)]
            for segment in speech_segments(probabilities)
        ],
        "greeting": greeting,
        "replies": replies,
        "commits": _frames(commits),
        "stops": _frames(event for event in taken if event.data["was"] == State.SPEAKING),
        "cancels": _frames(event for event in taken if event.data["was"] == State.THINKING),
    }


def _play(script: CallScript) -> Call:
    return play(script, shop_agent(replace(offline(), end_of_turn=None)))


def _interruptions(timeline: Timeline) -> list[Event]:
    changes = timeline.select("turn", "state")
    return [event for event in changes if event.data["now"] == State.INTERRUPTED]


def _reply(script: CallScript, timeline: Timeline, commit_s: float) -> list[int]:
    """Return how long after a commit its reply is heard, and how long it would last."""
    cut_s = _first(_interruptions(timeline), commit_s)
    if cut_s < _first(_finished(timeline), commit_s):
        timeline = _play(_until(script, timeline, cut_s - EARLIER_S)).timeline
    start_s = _first(timeline.select("agent", "speech_started"), commit_s)
    end_s = _first(_finished(timeline), start_s)
    return [round((start_s - commit_s) / FRAME_S), round((end_s - start_s) / FRAME_S)]


def _finished(timeline: Timeline) -> list[Event]:
    changes = timeline.select("turn", "state")
    return [event for event in changes if event.data["why"] == "AgentFinished"]


def _first(events: Iterable[Event], after_s: float) -> float:
    return next((event.at_s for event in events if event.at_s >= after_s), math.inf)


def _until(script: CallScript, timeline: Timeline, end_s: float) -> CallScript:
    """Return the script of a caller who says nothing more from end_s on."""
    starts = [e for e in timeline.select("caller", "speech_started") if e.at_s < end_s]
    lines = []
    for line, start in zip(script.lines, starts, strict=False):
        sound = line.utterance.audio
        heard = sound and sound.between(0.0, end_s - start.at_s)
        lines.append(replace(line, utterance=replace(line.utterance, audio=heard)))
    return replace(script, lines=tuple(lines))


def _runs(speech: list[bool]) -> list[int]:
    """Return the lengths of silence, speech, silence, ... in turn."""
    lengths = [len(list(run)) for _, run in groupby(speech)]
    return [0, *lengths] if speech[0] else lengths


def _frames(events: Iterable[Event]) -> list[int]:
    return [round(event.at_s / FRAME_S) for event in events]


def main() -> None:
    """Record every call, a key a line."""
    for path in (*(data.path(f"calls/{name}.yaml") for name in NAMES), *HERE.glob("*.yaml")):
        call = record_call(load_script(path))
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in call.items()]
        file = HERE / f"{path.stem}.json"
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        print(f"{file.name}: {call['title']}")


if __name__ == "__main__":
    main()
