"""A call's trace as a page: a tree of spans on one time axis, by mouse and by keyboard.

The page is a file of its own, without network.
"""

from typing import Any

from voxlab.observability.call_spans import CallSpan
from voxlab.observability.session_metrics import VoiceSessionMetrics
from voxlab.observability.trace_tree import describe_turn, metrics_text, span_name
from voxlab.plots.pages import render_page

KINDS = {"session": "waiting", "turn": "waiting", "VAD": "user", "STT": "user", "playout": "agent"}


def trace_page(root: CallSpan, metrics: VoiceSessionMetrics, title: str = "A call's trace") -> str:
    """Return a trace as an HTML page: what it shows is there without its script."""
    shown = {
        "title": title,
        "figures": metrics_text(metrics).splitlines(),
        "rows": _rows(root),
        "start_s": root.start_s,
        "duration_s": root.duration_s or 1.0,
    }
    return render_page("trace.html", **shown)


def _rows(root: CallSpan) -> list[dict[str, Any]]:
    return [
        {
            "level": depth + 1,
            "name": span_name(span),
            "kind": "failed" if span.error else KINDS.get(span.stage, "stage"),
            "start_s": span.start_s,
            "end_s": span.end_s,
            "first_s": span.first_s,
            "has_children": bool(span.children),
            "about": describe_turn(span) if span.stage == "turn" else "",
            "error": span.error,
            "attributes": sorted(span.attributes.items()),
        }
        for depth, span in root.walk()
    ]
