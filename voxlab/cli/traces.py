"""`voxlab trace`, and what `voxlab call --trace` sends: a call's metrics and spans."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.cli import reports
from voxlab.errors import VoxlabError

if TYPE_CHECKING:
    from voxlab.observability.session_metrics import VoiceSessionMetrics
    from voxlab.observability.telemetry import ObservedCall
    from voxlab.timeline import Timeline

WAYS = ("file", "prometheus", "otlp")
Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the command to the parser. add_command: see voxlab.cli."""
    about = "show a call's metrics and its trace: a tree here, and a page; or many calls together"
    trace = add_command(commands, "trace", _trace, about, "out/barge_in --to file")
    trace.add_argument(
        "call",
        type=Path,
        metavar="CALL",
        help="a folder that voxlab call wrote, or a folder of such",
    )
    add_exporters(trace, "--to")
    trace.add_argument(
        "--began",
        metavar="TIME",
        help="when the call began, such as 2026-11-27T09:30:00+01:00 (default: the start of 2026)",
    )
    trace.add_argument(
        "--json", action="store_true", help="print the metrics as JSON, on the last line"
    )


def add_exporters(command: argparse.ArgumentParser, flag: str) -> None:
    """Add the options that say where spans and metrics go. flag: the name of the first."""
    command.add_argument(
        flag,
        dest="trace_to",
        metavar="WHERE",
        action="append",
        choices=WAYS,
        default=[],
        help="export spans and metrics, for OpenTelemetry; may be given again. file: traces.jsonl "
        "and metrics.jsonl beside the call; prometheus: metrics.txt there, with exemplars; otlp: "
        "to a collector over HTTP. None holds a word of what was said",
    )
    command.add_argument(
        "--otlp-url",
        metavar="URL",
        help="the collector's; default: OTEL_EXPORTER_OTLP_ENDPOINT, or http://127.0.0.1:4318",
    )
    command.add_argument(
        "--with-text",
        action="store_true",
        help="put what was said into the spans, and what tools were given and returned",
    )


def _trace(arguments: argparse.Namespace) -> int:
    from voxlab.observability.session_metrics import measure_session, pool_sessions
    from voxlab.observability.telemetry import BEGAN_NS, SECOND, ObservedCall
    from voxlab.observability.trace_tree import metrics_text, stages_text
    from voxlab.timeline import Call

    began_ns = _read_time(arguments.began) * SECOND if arguments.began else BEGAN_NS
    folders = _find_calls(arguments.call)
    names = [""] if folders == [arguments.call] else [folder.name for folder in folders]
    timelines = [Call.load(folder).timeline for folder in folders]
    sessions = [measure_session(*each) for each in zip(timelines, names, strict=True)]
    if len(sessions) == 1:
        metrics = sessions[0]
        print(f"{metrics_text(metrics)}\n\n{stages_text(metrics)}\n")
        _show_trace(timelines[0], metrics, folders[0], arguments.with_text)
    else:
        metrics = pool_sessions(sessions)
        _list_calls(sessions, arguments.call)
        print(f"\n{metrics_text(metrics)}\n\n{stages_text(metrics)}")
    calls = [ObservedCall(*each, began_ns) for each in zip(timelines, names, strict=True)]
    status = export_calls(calls, arguments, arguments.call)
    if arguments.json:
        reports.print_json({"session": metrics.to_otel_attributes(), "ttfb_s": metrics.ttfb_s})
    return status


def _find_calls(folder: Path) -> list[Path]:
    """Return the folder of a call, or those of the calls in a folder, as `voxlab serve` writes."""
    inside = sorted(file.parent for file in folder.glob("*/timeline.json"))
    return inside if inside and not (folder / "timeline.json").is_file() else [folder]


def _show_trace(
    timeline: "Timeline", metrics: "VoiceSessionMetrics", folder: Path, with_text: bool
) -> None:
    """Print a call's trace, and write its page."""
    from voxlab.observability.call_spans import build_trace
    from voxlab.observability.trace_tree import trace_text
    from voxlab.plots.trace import trace_page

    root = build_trace(timeline, metrics.session_id, with_text)
    print(f"{trace_text(root)}\n")
    page = folder / "trace.html"
    text = trace_page(root, metrics, f"The trace of {folder.name}")
    try:
        page.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise VoxlabError(f"cannot write {page}: {error}; copy the call elsewhere") from error
    print(f"see {page}")


def _list_calls(sessions: "Sequence[VoiceSessionMetrics]", folder: Path) -> None:
    """Print a line a call, the one with the slowest answer first; one without answers last."""
    slowest_s = {session.session_id: max(session.ttfb_s, default=0.0) for session in sessions}
    width = max(map(len, slowest_s))
    print(f"{'call':{width}}  turns  slowest  cut in  unanswered  interruptions  errors")
    for each in sorted(sessions, key=lambda session: -slowest_s[session.session_id]):
        slowest = f"{1000 * max(each.ttfb_s):4.0f} ms" if each.ttfb_s else "      -"
        print(
            f"{each.session_id:{width}}  {each.turns:5}  {slowest}  {len(each.cut_in_s):6}  "
            f"{each.unanswered:10}  {each.interruptions:13}  {each.errors:6}"
        )
    print(f"the trace of one: voxlab trace {folder / max(slowest_s, key=lambda x: slowest_s[x])}")


def _read_time(text: str) -> int:
    """Return a time in seconds since 1970; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise VoxlabError(f"--began {text}: needs a time such as 2026-11-27T09:30:00Z") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def export_calls(
    calls: "Sequence[ObservedCall]", arguments: argparse.Namespace, folder: Path
) -> int:
    """Export spans and metrics of calls to where the arguments say, and tell where they are.

    Returns an exit status: 1 if something did not arrive, which is told.
    """
    if not arguments.trace_to:
        return 0
    from voxlab.observability import exporters
    from voxlab.observability.telemetry import make_telemetry

    telemetry = make_telemetry(calls, with_text=arguments.with_text)
    status = 0
    for way in dict.fromkeys(arguments.trace_to):
        try:
            if way == "file":
                print("see " + " and ".join(map(str, exporters.write_jsonl(telemetry, folder))))
            elif way == "prometheus":
                file = folder / "metrics.txt"
                file.write_text(exporters.prometheus_text(telemetry), encoding="utf-8")
                print(f"see {file}")
            else:
                told = arguments.otlp_url or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
                url = told or exporters.OTLP_URL
                exporters.send_otlp(telemetry, url)
                print(f"sent {len(telemetry.spans)} spans to {url}")
        except (OSError, exporters.ExportError) as error:  # the call is kept all the same
            print(f"voxlab: {error}", file=sys.stderr)
            status = 1
    return status
