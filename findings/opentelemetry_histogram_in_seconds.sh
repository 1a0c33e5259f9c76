#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2: what is left of waits in a histogram whose unit is "s"?
#
# The semantic conventions ask for durations in seconds, and a voice agent's answers lie between 0.2
# and 3 s. One would guess that a histogram with the unit "s" has buckets for seconds. They are those
# for milliseconds (0, 5, 10, 25, ...), whatever the unit is, so that all answers are in one bucket,
# and a percentile computed from it means nothing. Give explicit_bucket_boundaries_advisory.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opentelemetry-sdk==1.45.2
cat > "$folder/waits.py" <<'PYTHON'
from importlib.metadata import version

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

WAITS_S = [0.25, 0.4, 0.8, 1.6, 2.9]
reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)
histogram = provider.get_meter("waits").create_histogram("ttfb", unit="s")
for wait_s in WAITS_S:
    histogram.record(wait_s)
data = reader.get_metrics_data()
(point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
filled = [
    (bound, count) for bound, count in zip(point.explicit_bounds, point.bucket_counts) if count
]
print("opentelemetry-sdk", version("opentelemetry-sdk"))
print("boundaries", point.explicit_bounds[:5], "...")
print("recorded", WAITS_S)
print("filled buckets (up to, count)", filled)
as_before = filled == [(5.0, len(WAITS_S))]
print("as described" if as_before else "CHANGED")
raise SystemExit(not as_before)
PYTHON
"$folder/venv/bin/python" "$folder/waits.py"
