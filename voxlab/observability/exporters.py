"""Exporters: what is measured of calls, to a file, as Prometheus text, or over OTLP.

The file is OTLP's own JSON, a line each for traces and metrics, as OpenTelemetry's file exporter
writes it. Prometheus text is OpenMetrics: only it can hold an exemplar, which leads from a slow
answer to its trace.
"""

import base64
import contextlib
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.errors import VoxlabError
from voxlab.observability.telemetry import SECOND, Telemetry

if TYPE_CHECKING:
    from google.protobuf.message import Message

OTLP_URL = "http://127.0.0.1:4318"  # where a collector listens on this machine
OTLP_TIMEOUT_S = 5
IDS = ("traceId", "spanId", "parentSpanId")


class ExportError(VoxlabError):
    """What was measured did not arrive."""


def write_jsonl(telemetry: Telemetry, folder: Path) -> tuple[Path, Path]:
    """Write traces.jsonl and metrics.jsonl into a folder; return both files.

    Source: OpenTelemetry Protocol File Exporter; OTLP's JSON has hexadecimal ids, where protobuf's
    own has base64.
    """
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    folder.mkdir(parents=True, exist_ok=True)
    traces, metrics = folder / "traces.jsonl", folder / "metrics.jsonl"
    traces.write_text(_to_json(encode_spans(telemetry.spans)), encoding="utf-8")
    metrics.write_text(_to_json(encode_metrics(telemetry.metrics)), encoding="utf-8")
    return traces, metrics


def _to_json(message: "Message") -> str:
    from google.protobuf.json_format import MessageToDict

    fields = MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(fields), ensure_ascii=False, separators=(",", ":")) + "\n"


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(each).hex() if key in IDS else _with_hex_ids(each)
        for key, each in value.items()
    }


def prometheus_text(telemetry: Telemetry) -> str:
    """Return the metrics in OpenMetrics 1.0, with an exemplar a bucket."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.openmetrics.exposition import generate_latest

    def families() -> Iterable[Metric]:
        for metric in _metrics(telemetry):
            name = metric.name.replace(".", "_")
            labels = sorted({key for point in metric.data.data_points for key in point.attributes})
            heads = [label.replace(".", "_") for label in labels]
            is_histogram = hasattr(metric.data.data_points[0], "bucket_counts")
            family: Any = (
                HistogramMetricFamily(f"{name}_seconds", metric.description, labels=heads)
                if is_histogram
                else CounterMetricFamily(name, metric.description, labels=heads)
            )
            for point in metric.data.data_points:
                of = [str(point.attributes.get(label, "")) for label in labels]
                if is_histogram:
                    family.add_metric(of, _buckets(point), point.sum)
                else:
                    family.add_metric(of, point.value)
            yield family

    class Collector:
        """What a registry asks for its families."""

        def collect(self) -> Iterable[Metric]:
            return families()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return str(generate_latest(registry).decode())  # type: ignore[no-untyped-call]


def _metrics(telemetry: Telemetry) -> list[Any]:
    return [
        metric
        for resource in telemetry.metrics.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.data.data_points
    ]


def _buckets(point: Any) -> list[tuple[Any, ...]]:
    """Return (boundary, how many at or below it, exemplar) of each bucket."""
    from prometheus_client.core import Exemplar

    bounds = [*point.explicit_bounds, float("inf")]
    found: list[tuple[Any, ...]] = []
    below, count = float("-inf"), 0
    for bound, each in zip(bounds, point.bucket_counts, strict=True):
        count += each
        inside = [e for e in point.exemplars if below < e.value <= bound]
        exemplar = None
        if inside:
            last = inside[-1]
            ids = {"trace_id": f"{last.trace_id:032x}", "span_id": f"{last.span_id:016x}"}
            exemplar = Exemplar(ids, last.value, last.time_unix_nano / SECOND)
        found.append(("+Inf" if bound == float("inf") else f"{bound:g}", count, exemplar))
        below = bound
    return found


def send_otlp(telemetry: Telemetry, url: str = OTLP_URL) -> None:
    """Send traces and metrics to a collector, by OTLP over HTTP.

    Raises ExportError if it does not take them within some seconds.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    for kind, exporter, what in (
        ("traces", OTLPSpanExporter, telemetry.spans),
        ("metrics", OTLPMetricExporter, telemetry.metrics),
    ):
        sender: Any = exporter(f"{url.rstrip('/')}/v1/{kind}", timeout=OTLP_TIMEOUT_S)
        with _silent("opentelemetry.exporter.otlp"):  # one sentence of ours tells of a failure
            sent = sender.export(what)
            sender.shutdown()
        if sent.name != "SUCCESS":
            raise ExportError(
                f"no OTLP collector took the {kind} at {url}: start one there, or name another "
                "with --otlp-url"
            )


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Let a logger and those below it log nothing."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
