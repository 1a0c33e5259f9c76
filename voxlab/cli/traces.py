"""`voxlab trace`, and what `voxlab call --trace` sends: a call's metrics and spans."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.cli import reports
from voxlab.errors import VoxlabError

if TYPE_CHECKING:
    from voxlab.timeline import Call

WAYS = ("file", "prometheus", "otlp")
Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the command to the parser. add_command: see voxlab.cli."""
    about = "show a call's metrics and its trace: a tree here, and a page"
    trace = add_command(commands, "trace", _trace, about, "out/barge_in --to file")
    trace.add_argument("call", type=Path, metavar="CALL", help="a folder that voxlab call wrote")
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
        "--otlp-url", metavar="URL", help="the collector's; default: http://127.0.0.1:4318"
    )
    command.add_argument(
        "--with-text",
        action="store_true",
        help="put what was said into the spans, and what tools were given and returned",
    )


def _trace(arguments: argparse.Namespace) -> int:
    from voxlab.observability.call_spans import build_trace
    from voxlab.observability.session_metrics import measure_session
    from voxlab.observability.telemetry import BEGAN_NS, SECOND
    from voxlab.observability.trace_tree import metrics_text, trace_text
    from voxlab.plots.trace import trace_page
    from voxlab.timeline import Call

    began_ns = _read_time(arguments.began) * SECOND if arguments.began else BEGAN_NS
    call = Call.load(arguments.call)
    metrics = measure_session(call.timeline)
    root = build_trace(call.timeline, with_text=arguments.with_text)
    print(f"{metrics_text(metrics)}\n\n{trace_text(root)}\n")
    page = arguments.call / "trace.html"
    title = f"The trace of {arguments.call.name}"
    try:
        page.write_text(trace_page(root, metrics, title), encoding="utf-8", errors="replace")
    except OSError as error:
        raise VoxlabError(f"cannot write {page}: {error}; copy the call elsewhere") from error
    print(f"see {page}")
    status = export_call(call, arguments, arguments.call, began_ns)
    if arguments.json:
        reports.print_json({"session": metrics.to_otel_attributes(), "ttfb_s": metrics.ttfb_s})
    return status


def _read_time(text: str) -> int:
    """Return a time in seconds since 1970; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise VoxlabError(f"--began {text}: needs a time such as 2026-11-27T09:30:00Z") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def export_call(
    call: "Call", arguments: argparse.Namespace, folder: Path, began_ns: int | None = None
) -> int:
    """Export a call's spans and metrics to where the arguments say, and tell where they are.

    began_ns: since 1970; None for a call in virtual time. Returns an exit status: 1 if something
    did not arrive, which is told.
    """
    if not arguments.trace_to:
        return 0
    from voxlab.observability import exporters
    from voxlab.observability.telemetry import BEGAN_NS, ObservedCall, make_telemetry

    observed = ObservedCall(call.timeline, began_ns=BEGAN_NS if began_ns is None else began_ns)
    telemetry = make_telemetry([observed], with_text=arguments.with_text)
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
                url = arguments.otlp_url or exporters.OTLP_URL
                exporters.send_otlp(telemetry, url)
                print(f"sent {len(telemetry.spans)} spans to {url}")
        except (OSError, exporters.ExportError) as error:  # the call is kept all the same
            print(f"voxlab: {error}", file=sys.stderr)
            status = 1
    return status
