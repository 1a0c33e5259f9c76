"""What lessons 06 and 12 show: frameworks at work where they are installed, else the last run.

data/frameworks has that run: a call of each, the harness's events, the tables of the benchmarks,
and what `voxlab compare` told of data/calls/habits.yaml.
"""

import ast
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voxlab import audio, data
from voxlab.errors import FrameworkError
from voxlab.evaluation.line_reactions import Reaction
from voxlab.frameworks import FRAMEWORKS
from voxlab.frameworks.processes import HeldCall, find_python, hold_in_process
from voxlab.timeline import Call, Timeline

SCRIPT = "calls/first_call.yaml"
RECORDED = "recorded on two busy cores in November 2026; `make frameworks` runs it here"
CI = "CI"  # is set where lessons are only checked; tests/test_framework_calls.py runs for real


def can_run() -> bool:
    """Tell whether the frameworks' environment is there, and a lesson may take its minutes."""
    try:
        find_python(FRAMEWORKS[0])
    except FrameworkError:
        return False
    return CI not in os.environ


def hold_or_recall(agent: str) -> HeldCall:
    """Return the first call with a framework's agent: held now, in real time, or as recorded."""
    if can_run():
        print(f"{agent}: a call in real time ...")
        with TemporaryDirectory() as record:
            return hold_in_process(data.path(SCRIPT), agent, record)
    print(f"{agent}: {RECORDED}")
    folder = data.path(f"frameworks/{agent}")
    timeline = Timeline.from_json((folder / "timeline.json").read_bytes())
    used = json.loads((folder / "used.json").read_text("utf-8"))
    return HeldCall(Call(timeline, *audio.read_channels(folder / "call.flac")), **used)


def run_or_recall_texts(texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return the events of texts put to LiveKit's test harness: now, or of the recorded texts."""
    if not can_run():
        print(RECORDED)
        runs: list[list[dict[str, Any]]] = _recorded("text_run")
        return runs
    command = [str(find_python("livekit")), "-m", "voxlab.frameworks.text_run", *texts]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise FrameworkError(f"the test harness failed: {said[0]}; try make frameworks")
    runs = json.loads(done.stdout.splitlines()[-1])
    return runs


def recorded_figures() -> dict[str, dict[str, float | None]]:
    """Return the table of benchmarks/frameworks.py, as it was measured last."""
    figures: dict[str, dict[str, float | None]] = _recorded("benchmark")
    return figures


def recorded_reactions() -> dict[str, list[Reaction]]:
    """Return what each stack did at each line of data/calls/habits.yaml, when it was held last."""
    stacks = _recorded("habits")["reactions"]
    return {name: [Reaction(**each) for each in done] for name, done in stacks.items()}


def recorded_requests() -> dict[str, tuple[int, int]]:
    """Return the requests to the language model in that call, and how many of them were dropped."""
    stacks = _recorded("habits")["stacks"].items()
    return {name: (it["requests"], it["dropped"]) for name, it in stacks if it["requests"]}


def recorded_echo() -> list[dict[str, Any]]:
    """Return the rows of benchmarks/echo.py, as they were measured last."""
    rows: list[dict[str, Any]] = _recorded("echo")
    return rows


def recorded_drain() -> dict[str, Any]:
    """Return what LiveKit's worker did on SIGTERM, as `livekit_drain` measured it last.

    runs: by name, times in seconds after SIGTERM; default_drain_timeout_s: its own deadline.
    """
    found: dict[str, Any] = _recorded("drain")
    return found


def _recorded(name: str) -> Any:
    return json.loads(data.path(f"frameworks/{name}.json").read_text("utf-8"))


def adapter_source(framework: str, name: str) -> str:
    """Return the source of a class or function of an adapter, which cannot be loaded here.

    Raises FrameworkError if the adapter has no such name.
    """
    source = Path(__file__).with_name(f"{framework}.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_definition and getattr(node, "name", "") == name:
            return ast.get_source_segment(source, node) or ""
    raise FrameworkError(f"voxlab/frameworks/{framework}.py has no {name!r}")
