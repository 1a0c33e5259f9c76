"""OpenTelemetry of calls: counts, times, names and ids; and not a word of what was said."""

import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from observed_calls import KEY, OUTCOMES, WORDS, call_of
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from voxlab.cli import main
from voxlab.observability import conventions, exporters
from voxlab.observability.call_spans import build_trace
from voxlab.observability.session_metrics import measure_session
from voxlab.observability.telemetry import (
    BEGAN_NS,
    SECOND,
    ObservedCall,
    make_telemetry,
)
from voxlab.observability.trace_tree import metrics_text, trace_text
from voxlab.plots.trace import trace_page
from voxlab.timeline import Call

WAITS_S = (0.32, 0.41, 0.48, 0.55, 0.61, 0.68, 0.77, 0.85, 0.94, 1.1, 1.4, 1.9, 2.6, 4.2)


def filled_buckets(telemetry):
    (histogram,) = telemetry.points("voice.turn.ttfb")
    return sum(count > 0 for count in histogram.bucket_counts)


@pytest.fixture(scope="module")
def observed():
    """Two calls, watched."""
    return make_telemetry([ObservedCall(OUTCOMES, "CA1"), ObservedCall(call_of(WAITS_S), "CA2")])


def test_histograms_and_counters_count_each_turn_once(observed):
    calls = [measure_session(OUTCOMES), measure_session(call_of(WAITS_S))]
    (ttfb,), (cut_in,) = observed.points("voice.turn.ttfb"), observed.points("voice.turn.cut_in")
    waits_s = [wait_s for call in calls for wait_s in call.ttfb_s]
    assert (ttfb.count, ttfb.sum) == (len(waits_s), pytest.approx(sum(waits_s)))
    assert cut_in.count == 1
    turns = {p.attributes["voice.turn.outcome"]: p.value for p in observed.points("voice.turns")}
    assert turns == {"answered": len(waits_s), "cut_in": 1, "resumed": 1, "unanswered": 1}
    assert sum(turns.values()) == sum(call.turns for call in calls)
    parts = observed.points("voice.turn.wait")
    assert sum(part.sum for part in parts) == pytest.approx(ttfb.sum)


def test_spans_have_the_times_of_the_call_and_lie_inside_their_parents(observed):
    by_id = {span.context.span_id: span for span in observed.spans}
    assert len(by_id) == len(observed.spans)  # no id twice
    roots = [span for span in observed.spans if span.parent is None]
    assert [span.attributes["voice.session_id"] for span in roots] == ["CA1", "CA2"]
    assert [(span.start_time, span.end_time) for span in roots] == [
        (BEGAN_NS, BEGAN_NS + round(call.duration_s * SECOND))
        for call in (OUTCOMES, call_of(WAITS_S))
    ]
    for span in observed.spans:
        if span.parent is not None:
            parent = by_id[span.parent.span_id]
            assert parent.context.trace_id == span.context.trace_id
            assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time


def test_an_exemplar_leads_from_an_answer_to_its_turn(observed):
    by_id = {span.context.span_id: span for span in observed.spans}
    (ttfb,) = observed.points("voice.turn.ttfb")
    assert len(ttfb.exemplars) == filled_buckets(observed)
    for exemplar in ttfb.exemplars:
        span = by_id[exemplar.span_id]
        assert span.attributes["voice.turn.ttfb_s"] == exemplar.value
        assert exemplar.trace_id == span.context.trace_id


def test_a_rerun_is_identical_with_its_resource(tmp_path):
    files = []
    for name in ("one", "two"):
        telemetry = make_telemetry([ObservedCall(call_of(WAITS_S))])
        written = exporters.write_jsonl(telemetry, tmp_path / name)
        files.append([file.read_bytes() for file in written])
        files[-1].append(exporters.prometheus_text(telemetry).encode())
    assert files[0] == files[1]
    assert b"service.instance.id" in files[0][0]


def test_the_sdks_default_buckets_put_every_answer_into_one_and_ours_tell_them_apart():
    calls = [ObservedCall(call_of(WAITS_S))]
    assert filled_buckets(make_telemetry(calls, buckets_s=None)) == 1
    assert filled_buckets(make_telemetry(calls)) >= 10


def test_the_genai_names_are_those_of_the_conventions():
    known = {
        value
        for module in (gen_ai_attributes, gen_ai_metrics, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    ours = {str(name) for name in conventions.NAMES if name.origin == "GenAI"}
    assert len(ours) > 10
    assert ours - known == set()
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    of_voice = {"speech_to_text", "text_to_speech"}  # drafts, without a constant so far
    assert {operation for _, operation in conventions.OPERATIONS.values()} - operations <= {
        "",
        *of_voice,
    }


def test_the_file_is_otlps_json_with_hexadecimal_ids(observed, tmp_path):
    traces, metrics = exporters.write_jsonl(observed, tmp_path)
    (line,) = traces.read_text("utf-8").splitlines()
    (resource,) = json.loads(line)["resourceSpans"]
    spans = [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    told = [(span["traceId"], span["spanId"], span["startTimeUnixNano"]) for span in spans]
    assert told == [
        (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", str(span.start_time))
        for span in observed.spans
    ]
    exemplar_ids = {span["spanId"] for span in spans}
    text = metrics.read_text("utf-8")
    found = [part.split('"')[2] for part in text.split('"spanId')[1:]]
    assert found
    assert set(found) <= exemplar_ids


def test_prometheus_reads_the_text_and_finds_the_traces(observed):
    families = {
        f.name: f for f in text_string_to_metric_families(exporters.prometheus_text(observed))
    }
    samples = families["voice_turn_ttfb_seconds"].samples
    counts = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    (ttfb,) = observed.points("voice.turn.ttfb")
    assert counts == sorted(counts)
    assert counts[-1] == ttfb.count
    traces = {f"{span.context.trace_id:032x}" for span in observed.spans}
    exemplars = [sample.exemplar for sample in samples if sample.exemplar]
    assert len(exemplars) == len(ttfb.exemplars)
    assert {exemplar.labels["trace_id"] for exemplar in exemplars} <= traces
    turns = {s.labels["voice_turn_outcome"]: s.value for s in families["voice_turns"].samples}
    assert turns["cut_in"] == 1


def all_texts(telemetry, root, folder):
    """Return all that leaves a call: files, Prometheus text, tree, page."""
    metrics = measure_session(OUTCOMES)
    yield from (file.read_text("utf-8") for file in exporters.write_jsonl(telemetry, folder))
    yield exporters.prometheus_text(telemetry)
    yield "".join(span.to_json() for span in telemetry.spans)
    yield trace_text(root) + metrics_text(metrics)
    yield trace_page(root, metrics)


def test_no_word_and_no_key_is_in_spans_metrics_pages_or_logs(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    telemetry = make_telemetry([ObservedCall(OUTCOMES)])
    for text in [*all_texts(telemetry, build_trace(OUTCOMES), tmp_path), caplog.text]:
        assert [word for word in WORDS if word in text] == []


def test_with_text_the_words_are_there_and_an_errors_message_still_is_not(tmp_path):
    telemetry = make_telemetry([ObservedCall(OUTCOMES)], with_text=True)
    told = "".join(all_texts(telemetry, build_trace(OUTCOMES, with_text=True), tmp_path))
    assert {word for word in WORDS if word not in told} == {"Uh huh", "anybody", KEY}


class Collector(BaseHTTPRequestHandler):
    """A collector of OTLP that keeps what comes."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came[self.path] = body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def collector():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.came = {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_gets_every_span_and_metric(observed, collector, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    exporters.send_otlp(observed, f"http://127.0.0.1:{collector.server_port}/")
    traces = ExportTraceServiceRequest.FromString(collector.came["/v1/traces"])
    spans = [s for r in traces.resource_spans for scope in r.scope_spans for s in scope.spans]
    assert {span.name for span in spans} >= {"voice.session", "invoke_agent", "execute_tool track"}
    assert len(spans) == len(observed.spans)
    metrics = ExportMetricsServiceRequest.FromString(collector.came["/v1/metrics"])
    (resource,) = metrics.resource_metrics
    assert "voice.turn.ttfb" in {m.name for s in resource.scope_metrics for m in s.metrics}


def test_without_a_collector_one_sentence_says_what_to_do(observed, monkeypatch, caplog):
    monkeypatch.setattr(exporters, "OTLP_TIMEOUT_S", 0.1)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(exporters.ExportError, match="no OTLP collector took the traces at http"):
        exporters.send_otlp(observed, "http://127.0.0.1:9")
    assert caplog.text == ""


def test_the_command_shows_the_tree_and_writes_the_page_and_the_files(tmp_path, capsys):
    Call(OUTCOMES).save(tmp_path)
    command = ["trace", str(tmp_path), "--to", "file", "--to", "prometheus", "--json"]
    assert main([*command, "--began", "2026-11-27T09:30:00Z"]) == 0
    *told, figures = capsys.readouterr().out.splitlines()
    assert [line for line in told if "turn 1" in line and "answered after 500 ms" in line]
    assert json.loads(figures)["session"]["voice.turns"] == 5
    page = (tmp_path / "trace.html").read_text("utf-8")
    assert "http" not in page  # nothing is fetched
    assert page.count('<tr role="row"') == sum(1 for _ in build_trace(OUTCOMES).walk())
    assert "2026-11-27" not in page
    began_ns = str(1_795_771_800 * SECOND)
    assert began_ns in (tmp_path / "traces.jsonl").read_text("utf-8")
    assert "voice_turn_ttfb_seconds_bucket" in (tmp_path / "metrics.txt").read_text("utf-8")


def test_a_folder_of_calls_is_pooled_and_exported_with_a_trace_each(tmp_path, capsys):
    calls = {"CA1": OUTCOMES, "CA2": call_of(WAITS_S), "CA3": call_of([0.5] * 8)}
    for name, timeline in calls.items():
        Call(timeline).save(tmp_path / name)
    assert main(["trace", str(tmp_path), "--to", "file", "--json"]) == 0
    *told, figures = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told[1:4]] == ["CA2", "CA1", "CA3"]  # the slowest first
    assert f"voxlab trace {tmp_path / 'CA2'}" in told[4]
    turns = sum(measure_session(timeline).turns for timeline in calls.values())
    assert json.loads(figures)["session"]["voice.turns"] == turns
    traces = json.loads((tmp_path / "traces.jsonl").read_text("utf-8"))
    (resource,) = traces["resourceSpans"]
    spans = [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert len({span["traceId"] for span in spans}) == len(calls)


def test_what_does_not_arrive_is_told_and_the_rest_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(exporters, "OTLP_TIMEOUT_S", 0.1)
    monkeypatch.setenv("no_proxy", "*")
    Call(OUTCOMES).save(tmp_path)
    command = ["trace", str(tmp_path), "--to", "otlp", "--to", "file"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert main([*command, "--json"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("voxlab: no OTLP collector took the traces at http://127.0.0.1:9")
    assert json.loads(told.out.splitlines()[-1])["session"]["voice.turns"] == 5
    assert (tmp_path / "traces.jsonl").is_file()


SCRIPT = """
title: On paper
lines:
  - {text: "Where is my order, one two three four five?", lasts_s: 2.5}
  - {text: "What is the weather in Paris tomorrow?", lasts_s: 2, at: 0.5 s after the agent stops}
"""


@pytest.mark.slow
def test_a_call_that_is_held_again_leaves_the_same_traces_and_no_word_in_them(tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text(SCRIPT, encoding="utf-8")
    left = []
    for name in ("one", "two"):
        command = ["call", str(script), "--out", str(tmp_path / name)]
        assert main([*command, "--trace", "file", "--trace", "prometheus"]) == 0
        files = ("traces.jsonl", "metrics.jsonl", "metrics.txt")
        left.append([(tmp_path / name / file).read_text("utf-8") for file in files])
    assert left[0] == left[1]
    assert "execute_tool lookup_order" in left[0][0]
    timeline = (tmp_path / "one" / "timeline.json").read_text("utf-8")
    for word in ("Where is", "weather in", "Paris", "12345", "Anna Lopez", "shipped"):
        assert word in timeline
        assert word not in "".join(left[0])


@pytest.mark.slow
def test_a_terminal_that_lacks_the_trees_letters_shows_the_rest(tmp_path):
    Call(OUTCOMES).save(tmp_path)
    command = [sys.executable, "-m", "voxlab", "trace", str(tmp_path)]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=ascii_only, check=True)
    assert b"turn 1" in done.stdout


@pytest.mark.parametrize(
    ("more", "wanted"),
    [(["--began", "yesterday"], "needs a time such as"), ([], "no timeline.json")],
)
def test_bad_input_is_one_line(tmp_path, capsys, more, wanted):
    assert main(["trace", str(tmp_path), *more]) == 2
    assert wanted in capsys.readouterr().err
