#!/usr/bin/env bash
# opentelemetry-exporter-prometheus 0.66b2: do exemplars reach Prometheus?
#
# A histogram of the SDK keeps an exemplar a bucket, the trace and span in which the value was
# recorded, and prometheus_client writes exemplars in its OpenMetrics format. One would guess that
# the exporter between the two hands them on. It drops them: the data that it gets has them, the
# text that it leads to has none, in OpenMetrics as well. It writes no exemplar and says nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opentelemetry-sdk==1.45.2 \
    opentelemetry-exporter-prometheus==0.66b2 prometheus-client==0.26.0
cat > "$folder/exemplars.py" <<'PYTHON'
from importlib.metadata import version

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

registry = CollectorRegistry()
memory, prometheus = InMemoryMetricReader(), PrometheusMetricReader(registry=registry)
meter = MeterProvider([memory, prometheus], shutdown_on_exit=False).get_meter("waits")
histogram = meter.create_histogram(
    "ttfb", unit="s", explicit_bucket_boundaries_advisory=[0.5, 1.0, 2.0]
)
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("waits")
with tracer.start_as_current_span("turn"):
    histogram.record(0.8)
data = memory.get_metrics_data()
(point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
text = generate_latest(registry).decode()
buckets = [line for line in text.splitlines() if "_bucket" in line]
written = [line for line in buckets if "trace_id" in line]
print("opentelemetry-exporter-prometheus", version("opentelemetry-exporter-prometheus"))
print("exemplars in the SDK's data:", len(point.exemplars))
print(*buckets, sep="\n")
print("exemplars in the text:", len(written))
as_before = len(point.exemplars) == 1 and len(buckets) == 4 and not written
print("as described" if as_before else "CHANGED")
raise SystemExit(not as_before)
PYTHON
"$folder/venv/bin/python" "$folder/exemplars.py"
