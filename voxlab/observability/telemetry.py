"""OpenTelemetry of finished calls: spans and histograms by its SDK, the same on every run.

Spans get the begin and end of the timeline, ids made of it, and a resource without a random
instance. The SDK stamps metrics with the machine's clock: they get the calls' times instead.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from voxlab import __version__
from voxlab.errors import VoxlabError
from voxlab.observability import conventions as names
from voxlab.observability.call_spans import CallSpan, build_trace
from voxlab.observability.session_metrics import timeline_digest
from voxlab.timeline import Timeline

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

SECOND = 1_000_000_000  # ns
BEGAN_NS = 1_767_225_600 * SECOND  # 2026-01-01T00:00Z: a call in virtual time has no date
# A call's answers lie between 0.2 and 3 s, and the target is 0.8 s: that is where boundaries stand.
VOICE_BUCKETS_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
# Those that the GenAI conventions advise for their durations.
GENAI_BUCKETS_S = tuple(0.01 * 2**k for k in range(14))


@dataclass(frozen=True, eq=False, slots=True)
class ObservedCall:
    """A finished call, and when it began in nanoseconds since 1970 (UTC)."""

    timeline: Timeline
    session_id: str = ""
    began_ns: int = BEGAN_NS

    def at_ns(self, at_s: float) -> int:
        """Return a moment of the call in nanoseconds since 1970."""
        return self.began_ns + round(SECOND * at_s)


@dataclass(frozen=True, eq=False, slots=True)
class Telemetry:
    """What is exported of calls: one trace a call, and metrics of all of them together."""

    spans: "tuple[ReadableSpan, ...]"
    metrics: "MetricsData"

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric, one for each combination of its attributes.

        A histogram's point has count, sum, explicit_bounds, bucket_counts and exemplars; a
        counter's has a value.
        """
        return [
            point
            for resource in self.metrics.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def make_telemetry(
    calls: Sequence[ObservedCall],
    with_text: bool = False,
    buckets_s: Sequence[float] | None = VOICE_BUCKETS_S,
) -> Telemetry:
    """Return the traces and the metrics of calls.

    with_text: see `build_trace`. buckets_s: the boundaries of the voice histograms; None takes the
    SDK's, which are made for milliseconds.
    """
    if not calls:
        raise VoxlabError("no calls: telemetry is of one call or more")
    from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    roots = [build_trace(call.timeline, call.session_id, with_text) for call in calls]
    instance = hashlib.sha256(" ".join(root.label for root in roots).encode()).hexdigest()[:32]
    resource = _make_resource(instance)
    finished, reader = InMemorySpanExporter(), InMemoryMetricReader()
    ids = _make_ids()
    tracing = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids)
    tracing.add_span_processor(SimpleSpanProcessor(finished))
    metering = MeterProvider([reader], resource, TraceBasedExemplarFilter(), shutdown_on_exit=False)
    meter = metering.get_meter("voxlab", __version__)
    recorder = _Recorder(tracing.get_tracer("voxlab", __version__), _Instruments(meter, buckets_s))
    for call, root in zip(calls, roots, strict=True):
        ids.begin(timeline_digest(call.timeline, call.session_id))
        recorder.record(call, root)
    spans = tuple(sorted(finished.get_finished_spans(), key=lambda span: span.start_time or 0))
    collected = reader.get_metrics_data()
    tracing.shutdown()
    metering.shutdown()
    return Telemetry(spans, _at_call_times(collected, calls, spans))


class RunningMetrics:
    """The metrics of all calls that a server has finished; they grow with each.

    `add` takes a finished call, of which nothing else is kept; `collect` tells all so far, for
    `prometheus_text`. instance: names the process.
    """

    def __init__(self, instance: str) -> None:
        from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        resource, self._reader, self._ids = (
            _make_resource(instance),
            InMemoryMetricReader(),
            _make_ids(),
        )
        tracing = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids
        )
        metering = MeterProvider(
            [self._reader], resource, TraceBasedExemplarFilter(), shutdown_on_exit=False
        )
        instruments = _Instruments(metering.get_meter("voxlab", __version__), VOICE_BUCKETS_S)
        self._recorder = _Recorder(tracing.get_tracer("voxlab", __version__), instruments)

    def add(self, call: ObservedCall) -> None:
        """Measure a finished call."""
        self._ids.begin(timeline_digest(call.timeline, call.session_id))
        self._recorder.record(call, build_trace(call.timeline, call.session_id))

    def collect(self) -> Telemetry:
        """Return the metrics of all calls so far, and no spans."""
        from opentelemetry.sdk.metrics.export import MetricsData

        return Telemetry((), self._reader.get_metrics_data() or MetricsData([]))


def _make_resource(instance: str) -> Any:
    """Return who tells: this service, and which instance of it."""
    from opentelemetry.sdk.resources import Resource

    return Resource(
        {
            "service.name": "voxlab",
            "service.version": __version__,
            "service.instance.id": instance,
        }
    )


def _make_ids() -> Any:
    """Return an id generator whose ids are made of a call's digest, in order."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class CallIds(IdGenerator):
        """Ids of one trace after the other."""

        def begin(self, digest: str) -> None:
            self._digest, self._spans = digest, 0

        def generate_trace_id(self) -> int:
            return int(self._digest, 16)

        def generate_span_id(self) -> int:
            self._spans += 1
            text = f"{self._digest} {self._spans}"
            return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)

    return CallIds()


class _Instruments:
    """The histograms and counters. Names and units: see conventions."""

    def __init__(self, meter: "Meter", buckets_s: Sequence[float] | None) -> None:
        def histogram(name: names.Name, buckets: Sequence[float] | None) -> Any:
            about = name.about.removeprefix("histogram: ")
            return meter.create_histogram(
                name, "s", about, explicit_bucket_boundaries_advisory=buckets
            )

        def counter(name: names.Name) -> Any:
            return meter.create_counter(name, "1", name.about)

        self.ttfb = histogram(names.TTFB, buckets_s)
        self.wait = histogram(names.WAIT, buckets_s)
        self.cut_in = histogram(names.TOO_EARLY, buckets_s)
        self.duration = histogram(names.DURATION, GENAI_BUCKETS_S)
        self.first_chunk = histogram(names.FIRST_CHUNK, GENAI_BUCKETS_S)
        self.turns = counter(names.TURNS)
        counted = (names.INTERRUPTIONS, names.TOOL_CALLS, names.ERRORS, names.DROPPED_REPLIES)
        self.counted = {name: counter(name) for name in counted}


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Records a call's spans, and measures them with the span as exemplar."""

    tracer: "Tracer"
    instruments: _Instruments

    def record(self, call: ObservedCall, span: CallSpan, parent: Any = None) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace import Status, StatusCode

        name = names.OPERATIONS[span.stage][0]
        if span.stage == "tools":
            name += f" {span.label}"
        attributes = dict(span.attributes)
        if span.error:
            attributes[names.ERROR] = span.error
        around = Context() if parent is None else parent
        started = self.tracer.start_span(
            name, around, attributes=attributes, start_time=call.at_ns(span.start_s)
        )
        if span.error:
            started.set_status(Status(StatusCode.ERROR))
        if span.first_s is not None:
            started.add_event("first_output", timestamp=call.at_ns(span.first_s))
        inside = trace.set_span_in_context(started, around)
        self._measure(span, inside)
        for child in span.children:
            self.record(call, child, inside)
        started.end(call.at_ns(span.end_s))

    def _measure(self, span: CallSpan, context: Any) -> None:
        """Record what the histograms and counters take from a span."""
        from opentelemetry.context import Context

        into, values = self.instruments, span.attributes
        if span.stage == "session":
            for name, counter in into.counted.items():
                counter.add(values[name], context=Context())  # a sum points at no single trace
        elif span.stage == "turn":
            outcome = {names.TURN_OUTCOME: values[names.TURN_OUTCOME]}
            into.turns.add(1, outcome, context=Context())
            for attribute, histogram in ((names.TTFB_S, into.ttfb), (names.CUT_IN_S, into.cut_in)):
                if (value_s := values.get(attribute)) is not None:
                    histogram.record(value_s, context=context)
            for part, value_s in _wait_parts(values).items():
                into.wait.record(value_s, {names.WAIT_PART: part}, context=context)
        elif operation := values.get(names.OPERATION):
            kind = {names.OPERATION: operation}
            error = {names.ERROR: span.error} if span.error else {}
            into.duration.record(span.duration_s, kind | error, context=context)
            if (first_s := values.get(names.FIRST_CHUNK_S)) is not None:
                into.first_chunk.record(first_s, kind, context=context)


def _wait_parts(attributes: Mapping[str, Any]) -> dict[str, float]:
    prefix = f"{names.WAIT_S}."
    parts = {name: value for name, value in attributes.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): value for name, value in parts.items()}


def _at_call_times(
    data: "MetricsData | None", calls: Sequence[ObservedCall], spans: "Sequence[ReadableSpan]"
) -> "MetricsData":
    """Return metrics with the calls' times in place of the machine's clock."""
    from opentelemetry.sdk.metrics.export import MetricsData

    if data is None:
        return MetricsData([])
    begin_ns = min(call.began_ns for call in calls)
    end_ns = max(call.at_ns(call.timeline.duration_s) for call in calls)
    ends_ns = {span.context.span_id: span.end_time for span in spans if span.context}

    def moved(point: Any) -> Any:
        exemplars = [replace(e, time_unix_nano=ends_ns[e.span_id]) for e in point.exemplars]
        times = {"start_time_unix_nano": begin_ns, "time_unix_nano": end_ns}
        return replace(point, exemplars=exemplars, **times)

    def with_points(metric: Any) -> Any:
        points = [moved(point) for point in metric.data.data_points]
        return replace(metric, data=replace(metric.data, data_points=points))

    return MetricsData(
        [
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=[with_points(metric) for metric in scope.metrics])
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )
