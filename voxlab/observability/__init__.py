"""Calls that can be watched: a session's metrics, and its trace for OpenTelemetry."""

from voxlab.observability.call_spans import CallSpan, build_trace
from voxlab.observability.conventions import conventions_table
from voxlab.observability.session_metrics import VoiceSessionMetrics, measure_session
from voxlab.observability.telemetry import ObservedCall, Telemetry, make_telemetry

__all__ = [
    "CallSpan",
    "ObservedCall",
    "Telemetry",
    "VoiceSessionMetrics",
    "build_trace",
    "conventions_table",
    "make_telemetry",
    "measure_session",
]
