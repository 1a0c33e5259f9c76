"""Metrics: what a worker, or a front, has measured of the calls that are over, for Prometheus.

    metrics = CallMetrics("front")
    live = LiveCalls(metrics.add)  # as they end
    metrics.answer(connection, request, token)  # GET /metrics, for whoever has the token

They come from the same events that watchers get: times, states and counts, never a word. A front
measures the calls of all its workers, and goes on when they are replaced; so scrape either the
front or the workers, else every call counts twice. A front that is restarted begins at nothing, as
a counter may, and measures the calls whose end its workers have told to no front.
"""

import time
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from voxlab.serving.http import is_bearer
from voxlab.serving.workers.watching import LiveCall
from voxlab.timeline import Timeline

METRICS_PATH = "/metrics"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class CallMetrics:
    """Histograms and counters of finished calls. instance: names the process."""

    def __init__(self, instance: str) -> None:
        from voxlab.observability.telemetry import RunningMetrics

        self._metrics = RunningMetrics(instance)

    def add(self, call: LiveCall) -> None:
        """Measure a call that is over, by its last `watching.MOST_EVENTS` events."""
        from voxlab.observability.telemetry import SECOND, ObservedCall

        timeline = Timeline()
        for event in call.events:
            timeline.add(event)
        began_ns = time.time_ns() - round(SECOND * timeline.duration_s)
        self._metrics.add(ObservedCall(timeline, began_ns=began_ns))

    def answer(self, connection: ServerConnection, request: Request, token: str | None) -> Response:
        """Return the metrics as OpenMetrics text; without a token nobody gets them."""
        from voxlab.observability.exporters import prometheus_text

        if not token or not is_bearer(request.headers.get("Authorization", ""), token):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "This is no worker's token.\n")
        response = connection.respond(HTTPStatus.OK, prometheus_text(self._metrics.collect()))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = OPEN_METRICS
        return response
