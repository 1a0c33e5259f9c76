"""`voxlab evaluate`: hold the calls of a suite, judge them, and write the report."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.cli import reports
from voxlab.cli.calls import AGENTS, check_folder
from voxlab.errors import ScriptError
from voxlab.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from voxlab.cli.suite_calls import SuiteCall
    from voxlab.evaluation.regression_gate import Gate
    from voxlab.evaluation.suite_report import SuiteReport

Add = Callable[..., argparse.ArgumentParser]
LEVELS = ("both", "spoken", "text")
EXIT_STATUS = """\
exit status: 0 all held, 1 something failed (with --baseline: is worse), 2 wrong use, 130 after
Ctrl-C. A call that is over has left its result in --out: the same command holds the others."""


def add(commands: Any, add_command: Add) -> None:
    """Add the command to the parser. add_command: see voxlab.cli."""
    about = "hold all calls of a suite with an agent, judge them, write a report"
    example = "--agent voxlab --suite data/suite --repeats 3 --out out/evaluation"
    evaluate = add_command(commands, "evaluate", _evaluate, about, example)
    evaluate.epilog = f"{evaluate.epilog}. {EXIT_STATUS}"
    evaluate.add_argument(
        "--agent",
        choices=AGENTS,
        default="voxlab",
        help="voxlab and realtime in virtual time; livekit and pipecat in real time (make "
        "frameworks), where more than one at once disturb each other (default: %(default)s)",
    )
    evaluate.add_argument(
        "--suite",
        type=Path,
        metavar="DIR",
        help="call scripts that say what to expect (default: data/suite)",
    )
    evaluate.add_argument(
        "--level",
        choices=LEVELS,
        default="both",
        help="spoken: the whole agent; text: without ears and voice, in seconds; a framework's "
        "agent is only tested spoken (default: %(default)s)",
    )
    evaluate.add_argument(
        "--repeats", type=_count, default=1, metavar="K", help="calls of a script (default: 1)"
    )
    evaluate.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of a script's first call, the next one has N + 1: how the caller differs from the "
        "script; 0 does not (default: 0)",
    )
    evaluate.add_argument(
        "--jobs", type=_count, metavar="N", help="calls at once (default: one a core)"
    )
    evaluate.add_argument(
        "--backend",
        choices=("local", "dask"),
        default="local",
        help="dask: a cluster of processes on this machine (voxlab[dask]); default: %(default)s",
    )
    evaluate.add_argument(
        "--out",
        type=Path,
        default=Path("out/evaluation"),
        metavar="DIR",
        help="default: %(default)s; gets report.html, report.json, junit.xml and each call",
    )
    evaluate.add_argument(
        "--baseline",
        type=Path,
        metavar="REPORT.json",
        help="an earlier report, or another agent's: the exit status is then 1 if a figure is "
        "worse beyond doubt, by the interval of its differences over the same scripts and seeds",
    )
    evaluate.add_argument(
        "--json", action="store_true", help="print the figures as JSON, on the last line"
    )


def _count(text: str) -> int:
    return 1 + _seed(str(int(text) - 1))


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(f"{number} is below the least")
    return number


def _evaluate(arguments: argparse.Namespace) -> int:
    from voxlab.evaluation.regression_gate import check_pairs, compare_reports
    from voxlab.evaluation.suite_report import SuiteReport, read_report

    check_folder(arguments.out)
    baseline = read_report(arguments.baseline) if arguments.baseline else None
    calls = _plan(arguments)
    if baseline:
        check_pairs([call.played.id for call in calls], baseline)
    _hold(calls, arguments)
    results = tuple(call.finished() or call.lost() for call in calls)
    report = SuiteReport(
        arguments.agent,
        str(arguments.suite or "data/suite"),
        arguments.seed,
        arguments.repeats,
        results,
    )
    gate = compare_reports(report, baseline) if baseline else None
    _write(report, gate, {call.played.id: call.page() for call in calls}, arguments.out)
    print(table(report))
    if gate:
        print(f"\nless {arguments.baseline}, {gate.pairs} pairs of calls")
        print("\n".join(f"  {figure}" for figure in gate.figures))
    print(f"\nsee {arguments.out}/report.html")
    if arguments.json:
        gated = {"baseline": gate.figures} if gate else {}
        reports.print_json({"figures": report.figures} | gated)
    return int(bool(gate.worse if gate else report.failed))


def _plan(arguments: argparse.Namespace) -> "list[SuiteCall]":
    """Return the calls that are asked for."""
    from voxlab import data
    from voxlab.agents.suite import load_suite
    from voxlab.cli.suite_calls import SuiteCall
    from voxlab.evaluation.call_result import Level, PlayedScript

    if arguments.agent in FRAMEWORKS:
        from voxlab.frameworks.processes import find_python

        find_python(arguments.agent)
        if arguments.level == "text":
            raise ScriptError(
                f"{arguments.agent} hears sound: it has no text level; try --agent voxlab"
            )
        arguments.level = "spoken"
    suite = arguments.suite or data.path("suite")
    scripts = load_suite(suite)
    levels = [*Level] if arguments.level == "both" else [Level(arguments.level)]
    seeds = range(arguments.seed, arguments.seed + arguments.repeats)
    calls = []
    for (level, (name, script)), seed in product(product(levels, scripts.items()), seeds):
        known = str(script.known.get(arguments.agent, ""))
        played = PlayedScript(name, script.title, script.conditions, level, seed, known)
        folder = arguments.out / "calls" / arguments.agent / level / f"{name}-{seed}"
        file = suite / f"{name}.yaml"
        calls.append(SuiteCall(arguments.agent, played, script, file, folder))
    return calls


def _hold(calls: "Sequence[SuiteCall]", arguments: argparse.Namespace) -> None:
    """Hold the calls that have no result yet, with a progress bar."""
    from tqdm import tqdm

    from voxlab.cli.suite_calls import hold_all

    left = [call for call in calls if call.finished() is None]
    before = len(calls) - len(left)
    print(f"{len(calls)} calls with {arguments.agent}, {before} of them held before", flush=True)
    jobs = arguments.jobs or (1 if arguments.agent in FRAMEWORKS else os.cpu_count() or 1)
    bar = tqdm(total=len(left), desc="calls", unit=" calls", delay=2, leave=False)
    try:
        for _ in hold_all(left, arguments.backend, jobs):
            bar.update()
    except KeyboardInterrupt:
        bar.close()
        over = sum(call.finished() is not None for call in calls)
        print(f"{over} of {len(calls)} calls are over: the same command goes on with the others")
        raise
    bar.close()


def _write(
    report: "SuiteReport", gate: "Gate | None", pages: Mapping[str, str], folder: Path
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from voxlab.plots.suite_page import suite_page

    texts = {
        "report.json": report.to_json(**({"gate": gate} if gate else {})),
        "junit.xml": report.to_junit(gate.told() if gate else {}),
        "report.html": suite_page(report, pages, gate),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ScriptError(f"cannot write to {folder}: {error}; choose another --out") from error


def table(report: "SuiteReport") -> str:
    """Return the figures of each level, and what failed, in lines of text."""
    lines = []
    for level, figures in report.figures.items():
        lines += [f"\n{level}", *(f"  {figure.name:32}{figure}" for figure in figures)]
    for call in report.calls:
        if not call.holds:
            script = call.script
            known = f" (known: {script.known})" if script.known else ""
            lines.append(f"\n{script.name}, {script.level}, seed {script.seed}{known}")
            lines += [f"  {each}" for each in call.unmet]
    return "\n".join(lines)
