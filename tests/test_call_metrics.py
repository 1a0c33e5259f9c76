"""A session's metrics and its trace: every turn is counted once, no span leaves its parent."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observed_calls import OUTCOMES, any_timeline, call_of, timeline, turn

from voxlab.evaluation.stage_times import stage_times
from voxlab.evaluation.stage_work import STAGES, find_work
from voxlab.evaluation.turn_times import turn_times
from voxlab.evaluation.wait_parts import DECIDING, LINE, divide_wait
from voxlab.observability.call_spans import build_trace
from voxlab.observability.session_metrics import measure_session, pool_sessions
from voxlab.observability.trace_tree import metrics_text, stages_text, trace_text

waits = st.lists(st.floats(0.31, 5), min_size=1, max_size=6)


@given(any_timeline)
def test_each_turn_is_answered_cut_in_resumed_or_unanswered(call):
    metrics = measure_session(call)
    assert metrics.turns == len(turn_times(call))
    assert all(wait_s >= 0 for wait_s in metrics.ttfb_s)
    assert all(early_s > 0 for early_s in metrics.cut_in_s)


@given(any_timeline)
def test_no_span_leaves_its_parent_and_each_turn_has_one(call):
    root = build_trace(call)
    for _, span in root.walk():
        assert span.start_s <= (span.end_s if span.first_s is None else span.first_s) <= span.end_s
        for child in span.children:
            assert span.start_s <= child.start_s
            assert child.end_s <= span.end_s
    turns = [span for _, span in root.walk() if span.stage == "turn"]
    assert len(turns) == measure_session(call).turns
    work = sum(span.stage in STAGES for _, span in root.walk())
    assert work == sum(1 for stage in STAGES for _ in find_work(call, stage))
    assert len(trace_text(root).splitlines()) == sum(1 for _ in root.walk())


@given(any_timeline)
def test_the_parts_of_a_wait_add_up_to_it(call):
    work = [each for stage in STAGES for each in find_work(call, stage)]
    for times in stage_times(call):
        parts = divide_wait(times, work)
        assert all(part_s >= 0 for part_s in parts.values())
        assert math.isclose(sum(parts.values()), max(times.ttfb_s or 0, 0), abs_tol=1e-9)


@settings(max_examples=50)
@given(any_timeline)
def test_a_turns_wait_is_told_in_full_or_not_at_all(call):
    for _, span in build_trace(call).walk():
        values = span.attributes
        parts = [value for name, value in values.items() if name.startswith("voice.turn.wait_s.")]
        assert math.isclose(sum(parts), values.get("voice.turn.ttfb_s", 0), abs_tol=1e-6)


@pytest.mark.parametrize("slow", [DECIDING, "LLM", "TTS"])
def test_the_slow_stage_has_the_largest_part(slow):
    call = call_of([2.0], slow=slow)
    (times,) = stage_times(call)
    parts = divide_wait(times, [each for stage in STAGES for each in find_work(call, stage)])
    assert max(parts, key=parts.get) == slow
    assert parts == pytest.approx({DECIDING: 0.1, "LLM": 0.1, "TTS": 0.1, slow: 1.8})


def test_a_sound_that_is_ready_waits_for_the_line_whatever_else_is_at_work():
    late = [
        (at_s + 0.25 * (name == "agent speech_started"), name, data)
        for at_s, name, data in turn(1.0, 0.5)
    ]
    tool = [
        (2.45, "tool started", {"id": "1", "name": "track"}),
        (2.9, "tool finished", {"id": "1"}),
    ]
    call = timeline([*late, *tool])
    (times,) = stage_times(call)
    parts = divide_wait(times, [each for stage in STAGES for each in find_work(call, stage)])
    assert parts == pytest.approx({DECIDING: 0.1, "LLM": 0.3, "TTS": 0.1, LINE: 0.25})


@settings(max_examples=25)
@given(waits, st.floats(0.01, 0.8))
def test_a_cut_in_changes_no_average(waits_s, early_s):
    plain = measure_session(call_of(waits_s))
    late = 1.0 + 20 * len(waits_s)
    cut = timeline(
        [
            *((e.at_s, f"{e.source} {e.kind}", e.data) for e in call_of(waits_s)),
            *turn(late, -early_s),
        ]
    )
    metrics = measure_session(cut)
    assert metrics.average_ttfb_s == plain.average_ttfb_s
    assert metrics.ttfb_p50_s == plain.ttfb_p50_s
    assert metrics.cut_in_s == pytest.approx((early_s,))
    assert metrics.turns == plain.turns + 1


def test_a_call_with_a_turn_of_each_kind_worked_out_by_hand():
    metrics = measure_session(OUTCOMES, "CA1")
    assert metrics.ttfb_s == pytest.approx((0.5, 0.8))
    assert metrics.cut_in_s == pytest.approx((0.4,))
    assert (metrics.resumed, metrics.unanswered, metrics.interruptions) == (1, 1, 0)
    assert (metrics.tool_calls, metrics.tool_failures, metrics.errors) == (1, 0, 1)
    assert metrics.stage_s["tools"] == pytest.approx((0.2,))
    attributes = metrics.to_otel_attributes()
    assert attributes["voice.session_id"] == "CA1"
    assert attributes["voice.turns"] == 5
    assert attributes["voice.avg_turn_latency_ms"] == pytest.approx(650)
    assert attributes["voice.duration_s"] == 50.0


def test_a_call_without_answers_has_no_average_and_says_so():
    metrics = measure_session(timeline([(0.0, "transport call_started", {})]))
    assert metrics.average_ttfb_s is None
    assert "voice.avg_turn_latency_ms" not in metrics.to_otel_attributes()
    assert "TTFB of the answered: none" in metrics_text(metrics)


def test_a_95th_percentile_needs_twenty_answers():
    assert measure_session(call_of([0.5] * 19)).ttfb_p95_s is None
    assert measure_session(call_of([0.5] * 20)).ttfb_p95_s == pytest.approx(0.5)


@settings(max_examples=25)
@given(st.lists(waits, min_size=1, max_size=4))
def test_the_percentiles_of_many_calls_are_those_of_all_their_turns(calls):
    sessions = [measure_session(call_of(waits_s)) for waits_s in calls]
    pooled = pool_sessions(sessions)
    together = [wait_s for session in sessions for wait_s in session.ttfb_s]
    assert pooled.ttfb_p50_s == pytest.approx(statistics.median(together))
    assert pooled.turns == sum(session.turns for session in sessions)
    assert sorted(pooled.stage_s["LLM"]) == sorted(
        time_s for session in sessions for time_s in session.stage_s["LLM"]
    )


def test_the_session_id_stands_for_the_events_unless_one_is_given():
    first, again = measure_session(call_of([0.5])), measure_session(call_of([0.5]))
    assert first.session_id == again.session_id != measure_session(call_of([0.6])).session_id
    assert measure_session(call_of([0.5]), "CA2").session_id == "CA2"


def test_a_voice_that_was_ready_before_is_no_latency_of_the_synthesiser():
    filler = [(9.0, f"tts {kind}", {"cached": True}) for kind in ("request", "first_audio", "done")]
    call = timeline([*turn(1.0, 0.5), *filler])
    assert measure_session(call).stage_s["TTS"] == pytest.approx((0.1,))


def test_a_dropped_reply_does_not_take_the_next_ones_first_token():
    call = timeline(
        [
            (1.0, "turn speculated", {"text": "Where is"}),
            (1.0, "llm request", {}),
            (1.5, "turn dropped", {"tokens": 0, "voice_s": 0, "tools": []}),
            (3.0, "turn speculated", {"text": "Where is my parcel?"}),
            (3.0, "llm request", {}),
            (3.2, "llm first_token", {}),
            (3.4, "llm done", {"text": ""}),
        ]
    )
    first, second = find_work(call, "LLM")
    assert (first.outcome, first.end_s, first.first_output_s) == ("dropped", 1.5, None)
    assert (second.outcome, second.end_s) == ("done", 3.4)
    assert second.first_output_s == pytest.approx(0.2)


def test_a_turn_says_how_the_agents_speech_ended():
    reason = "gen_ai.agent.invocation.end_reason"
    cut = timeline(
        [
            *turn(1.0, 0.5),
            (3.0, "caller speech_started", {"text": "No!"}),
            (3.4, "caller speech_stopped", {}),
            (9.0, "agent speech_started", {}),
            (9.5, "transport call_ended", {}),
        ]
    )
    first, second = (span for _, span in build_trace(cut).walk() if span.stage == "turn")
    assert first.attributes[reason] == "interrupted"
    assert second.attributes[reason] == "session_closed"
    (whole,) = (span for _, span in build_trace(call_of([0.5])).walk() if span.stage == "turn")
    assert whole.attributes[reason] == "completed"


def test_the_table_tells_the_median_of_each_stage_and_leaves_out_those_without_work():
    waits_s = [0.5, 0.5, 2.0]
    rows = stages_text(measure_session(call_of(waits_s, slow="LLM"))).splitlines()[1:]
    assert [" ".join(row.split()) for row in rows] == [
        "turn 3 100 ms 100 ms",
        "STT 3 100 ms 100 ms",
        "LLM 3 300 ms 1800 ms",
        "TTS 3 100 ms 100 ms",
    ]
