"""Record the turns of exercise 19.7.2 for its tests.

    python data/make/turns.py

The twenty utterances of data/comparison.yaml are put to the offline pipeline and to the realtime
agent on the local session, in virtual time. We keep what a stopwatch needs of each timeline, as
plain events. Four utterances go to data/turns.json, which the exercise shows; the others to
tests/graded/turns.json, for hidden tests. On one machine both files repeat to the byte.
"""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxlab.agents.calls import Party
from voxlab.agents.comparison import hold_trial
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.realtime.settings import RealtimeOptions
from voxlab.agents.shop import shop_agent, shop_realtime_agent
from voxlab.data.comparison import Trial, load_trials
from voxlab.providers.offline import offline
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.timeline import Timeline
from voxlab.turn_taking.manager import TurnOptions

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("weather_tomorrow", "order_hesitating", "shoes", "order_email")
KINDS = {  # source: the kinds that we keep
    "caller": ("speech_started", "speech_stopped"),
    "turn": ("commit",),
    "stt": ("final",),
    "llm": ("request", "first_token", "done"),
    "tool": ("started", "finished"),
    "tts": ("request", "first_audio", "done"),
    "agent": ("speech_started", "speech_stopped", "said"),
}
KEPT = ("text", "name")  # of an event's data


def pipeline(database: sqlite3.Connection) -> Party:
    """Return the pipeline agent, which waits for the caller."""
    silent = PipelineOptions(turns=TurnOptions(greeting=""))
    return shop_agent(offline(), silent, database)


def realtime(database: sqlite3.Connection) -> Party:
    """Return its twin behind a realtime connection."""
    connect = in_memory(offline(), SessionOptions(filler=ReplyOptions().filler))
    return shop_realtime_agent(connect, options=RealtimeOptions(greeting=""), database=database)


def plain(timeline: Timeline) -> list[Mapping[str, Any]]:
    """Return the events that we keep, as plain data."""
    return [
        {
            "at_s": round(event.at_s, 6),
            "source": event.source,
            "kind": event.kind,
            "data": {name: event.data[name] for name in KEPT if name in event.data},
        }
        for event in timeline
        if event.kind in KINDS.get(event.source, ())
    ]


def record(trial: Trial) -> Mapping[str, Any]:
    """Put an utterance to both agents."""
    agents = {"pipeline": pipeline, "realtime": realtime}
    turns = {name: plain(hold_trial(trial, agent).call.timeline) for name, agent in agents.items()}
    return {"said": trial.utterance.text, **turns}


def main() -> None:
    """Record all turns, an event a line."""
    for file, shown in (
        (ROOT / "data" / "turns.json", True),
        (ROOT / "tests" / "graded" / "turns.json", False),
    ):
        turns = {each.id: record(each) for each in load_trials() if (each.id in SHOWN) is shown}
        lines = json.dumps(turns).replace('{"at_s"', '\n{"at_s"')
        file.write_text(lines + "\n", encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {len(turns)} turns, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
