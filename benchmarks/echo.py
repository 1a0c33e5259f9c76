"""The agent's voice leaks into the microphone: how often each stack interrupts itself.

    python benchmarks/echo.py [--json]

Each stack holds data/calls/loudspeaker.yaml at three levels of echo, with WebRTC's echo canceller
at the caller's end and without; the frameworks also with their own defences: LiveKit's warm-up of
three seconds and none, and half duplex. Ours and the Realtime session run in virtual time, the
frameworks in real time (`make frameworks`). A false interruption is a reply that stops although
the caller says nothing. The caller speaks over the agent once: barge_in_s tells how soon it stops
for that, None if it does not, or the call never comes to it.
data/frameworks/echo.json has the last run; ERLE is measured in tests/test_echo.py and lesson 06.
"""

import dataclasses
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent, shop_realtime_agent
from voxlab.evaluation.false_interruptions import count_false_interruptions
from voxlab.evaluation.turn_times import interruptions
from voxlab.frameworks import FRAMEWORKS
from voxlab.frameworks.processes import hold_in_process
from voxlab.providers.offline import offline
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.timeline import Timeline

SCRIPT = data.path("calls/loudspeaker.yaml")
LEVELS_DB = (-10.0, -20.0, -30.0)
BARGE_IN = "weather"  # the line that is said over the agent
DEFENCES = {  # settings without the canceller, and with it
    "voxlab": (("defaults",), ("defaults",)),
    "realtime": (("defaults",), ("defaults",)),
    "livekit": (("defaults", "no_warmup", "half_duplex"), ("defaults",)),
    "pipecat": (("defaults", "half_duplex"), ("defaults",)),
}


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    runs = [
        (stack, settings, level_db, cancelled)
        for level_db in LEVELS_DB
        for stack, defences in DEFENCES.items()
        for cancelled in (False, True)
        for settings in defences[cancelled]
    ]
    rows = [measure(*run) for run in tqdm(runs, desc="calls", unit=" calls", disable=None)]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if "--json" in sys.argv:
        print(json.dumps(rows))


def measure(stack: str, settings: str, level_db: float, cancelled: bool) -> dict[str, Any]:
    """Return what a stack does in the call on a loudspeaker."""
    timeline = hold(stack, settings, level_db, cancelled)
    (line,) = (e for e in load_script(SCRIPT).lines if e.id == BARGE_IN)
    starts_s = [
        event.at_s
        for event in timeline.select("caller", "speech_started")
        if event.data["text"] == line.utterance.text
    ]
    cuts = [cut for cut in interruptions(timeline) if cut.at_s in starts_s and cut.unheard]
    return {
        "stack": stack,
        "settings": settings,
        "level_db": level_db,
        "cancelled": cancelled,
        "false_interruptions": count_false_interruptions(timeline),
        "barge_in_s": round(cuts[0].yield_s, 3) if cuts else None,
        "call_s": round(timeline.duration_s, 1),
    }


def hold(stack: str, settings: str, level_db: float, cancelled: bool) -> Timeline:
    """Return the call's timeline."""
    if stack not in FRAMEWORKS:
        script = load_script(SCRIPT)
        assert script.echo is not None
        echo = dataclasses.replace(script.echo, level_db=level_db, cancelled=cancelled)
        agent = shop_agent() if stack == "voxlab" else shop_realtime_agent(in_memory(offline()))
        return play(dataclasses.replace(script, echo=echo), agent).timeline
    written = SCRIPT.read_text("utf-8")
    with TemporaryDirectory() as folder:
        script_there = Path(folder) / "loudspeaker.yaml"
        here = f"level_db: {level_db:g}, cancelled: {str(cancelled).lower()}"
        script_there.write_text(written.replace("level_db: -20", here), "utf-8")
        return hold_in_process(script_there, stack, folder, settings=settings).call.timeline


if __name__ == "__main__":
    main()
