"""What judging costs: hours of recorded calls a core-minute, a suite's call, a report.

    python benchmarks/evaluation.py [--json] [--frameworks]

Calls of data/suite are held with each agent, spoken and as text; then their recordings are judged,
on one core: by `evaluation.judge_recording`, by all of `judge_call` (also words, tools, the shop),
and by voicebench from PyPI, which gets the same sound and the caller's true moments
(.venv/bin/pip install -c constraints.txt -e '.[bench]'). At last a report is made of all calls.
With --frameworks also LiveKit's and Pipecat's calls, in real time (make frameworks).

Measured in November 2026 on one of two busy cores: 36 hours of stereo a core-minute, with words
and tools 30, voicebench 15. The aim, five times voicebench, is not reached: it goes by the level
alone, and most of our time is the VAD that tells speech from other sounds.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tqdm import tqdm

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.cli.suite_calls import SuiteCall, hold
from voxlab.data.expectations import HeldScript
from voxlab.evaluation.call_result import Level, PlayedScript, judge_call
from voxlab.evaluation.recording_judge import judge_recording
from voxlab.evaluation.suite_report import SuiteReport
from voxlab.frameworks import FRAMEWORKS
from voxlab.plots.suite_page import suite_page
from voxlab.timeline import Call

if TYPE_CHECKING:
    from voicebench.runner import SessionRecord

SCRIPTS = ("order_clean", "order_cafe", "order_telephone", "booking_corrected", "uh_huh")
VIRTUAL = ("voxlab", "realtime")
ROUNDS = 5  # of judging; the quickest counts


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--frameworks", action="store_true")
    arguments = parser.parse_args()
    agents = (*VIRTUAL, *FRAMEWORKS) if arguments.frameworks else VIRTUAL
    figures: dict[str, float | None] = {}
    with TemporaryDirectory() as folder:
        calls = {agent: plan(agent, Level.SPOKEN, Path(folder)) for agent in agents}
        calls["text"] = plan("voxlab", Level.TEXT, Path(folder))
        hold(calls["voxlab"][0])  # loads the engines
        for name, each in calls.items():
            figures |= hold_all(name, each)
        figures |= judge(calls["voxlab"])
        figures |= report([*calls["voxlab"], *calls["text"]])
    for name, value in figures.items():
        print(f"{name:44}{'-' if value is None else f'{value:.3g}':>10}")
    if arguments.json:
        print(json.dumps(figures))


def plan(agent: str, level: Level, folder: Path) -> list[SuiteCall]:
    """Return the calls of the scripts with an agent."""
    calls = []
    for name in SCRIPTS:
        file = data.path(f"suite/{name}.yaml")
        script = load_script(file)
        played = PlayedScript(name, script.title, script.conditions, level, 0)
        calls.append(SuiteCall(agent, played, script, file, folder / agent / level / name))
    return calls


def hold_all(name: str, calls: Sequence[SuiteCall]) -> dict[str, float | None]:
    """Hold calls; return what one takes, of a core and by the clock."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for call in tqdm(calls, desc=name, unit=" calls", disable=None, leave=False):
        hold(call)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    held = {f"{name}_call_s": took_s / len(calls)}
    return held if name in FRAMEWORKS else held | {f"{name}_call_cpu_s": cpu_s / len(calls)}


def judge(planned: Sequence[SuiteCall]) -> dict[str, float | None]:
    """Judge the recordings of calls, again and again."""
    calls = [Call.load(each.folder) for each in planned]
    helds = [
        HeldScript(each.played.name, each.script.expect, call, each.script.expect.shop)
        for each, call in zip(planned, calls, strict=True)
    ]
    hours = sum(call.user.duration_s for call in calls) / 3600
    pairs = [*zip(planned, helds, strict=True)]

    def speed(work: Callable[[], object]) -> float:
        return hours / (min(cpu_of(work) for _ in range(ROUNDS)) / 60)

    found = {
        "judge_hours_per_core_minute": speed(lambda: [judge_recording(call) for call in calls]),
        "judge_call_hours_per_core_minute": speed(
            lambda: [judge_call(each.played, held) for each, held in pairs]
        ),
    }
    peer = voicebench_judge(calls)
    found["voicebench_hours_per_core_minute"] = speed(peer) if peer else None
    return found


def cpu_of(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def voicebench_judge(calls: Sequence[Call]) -> Callable[[], object] | None:
    """Return what judges the calls by voicebench; None if it is not installed."""
    try:
        from voicebench.metrics import analyze
    except ImportError as error:
        print(f"no voicebench beside it: {error}", file=sys.stderr)
        return None
    records = [voicebench_record(call) for call in calls]
    return lambda: [analyze(record) for record in records]


def voicebench_record(call: Call) -> "SessionRecord":
    """Return a call as voicebench has one: both voices, and when the script's lines sounded."""
    from voicebench.runner import SessionRecord, TurnWindow
    from voicebench.scenario import parse_scenario

    edges_s = [e.at_s for e in call.timeline.select("caller") if e.kind.startswith("speech_")]
    spans = [*zip(edges_s[::2], edges_s[1::2], strict=False)]  # the last may be cut off
    turn = {"audio": {"synth": "speech"}, "expect": "respond"}
    turns = [{"id": f"turn {n}", **turn} for n in range(len(spans))]
    rate_hz = call.user.rate_hz
    scenario = parse_scenario({"name": "call", "sample_rate": rate_hz, "turns": turns})
    windows = [
        TurnWindow(each, *span, "anchor") for each, span in zip(scenario.turns, spans, strict=True)
    ]
    return SessionRecord(scenario, {}, "virtual", call.user.samples, call.agent.samples, windows)


def report(calls: Sequence[SuiteCall]) -> dict[str, float | None]:
    """Return what a report costs, a call of it."""
    results = tuple(call.finished() for call in calls)
    pages = {call.played.id: call.page() for call in calls}
    made = SuiteReport("voxlab", "data/suite", 0, 1, results)
    sizes = []

    def write() -> None:
        sizes.append(len(made.to_json()) + len(made.to_junit()) + len(suite_page(made, pages)))

    write()  # loads matplotlib
    return {
        "report_ms_per_call": 1000 * cpu_of(write) / len(calls),
        "report_kb_per_call": sizes[-1] / 1000 / len(calls),
    }


if __name__ == "__main__":
    main()
