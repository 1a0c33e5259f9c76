"""Calls that can be watched: a session's metrics, and its trace for OpenTelemetry."""

from voxlab.observability.call_spans import CallSpan, build_trace
from voxlab.observability.conventions import conventions_table
from voxlab.observability.session_metrics import VoiceSessionMetrics, measure_session, pool_sessions
from voxlab.observability.telemetry import (
    VOICE_BUCKETS_S,
    ObservedCall,
    Telemetry,
    make_telemetry,
)
from voxlab.observability.trace_tree import metrics_text, stages_text, trace_text

__all__ = [
    "VOICE_BUCKETS_S",
    "CallSpan",
    "ObservedCall",
    "Telemetry",
    "VoiceSessionMetrics",
    "build_trace",
    "conventions_table",
    "make_telemetry",
    "measure_session",
    "metrics_text",
    "pool_sessions",
    "stages_text",
    "trace_text",
]
