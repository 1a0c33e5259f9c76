"""Stage boundaries, on timelines written by hand and on recorded turns of both agents."""

import json

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from voxlab import data
from voxlab.errors import VoxlabError
from voxlab.evaluation.stage_times import BOUNDARIES, stage_table, stage_times
from voxlab.evaluation.turn_times import turn_times
from voxlab.plots import plot_paired, plot_stages
from voxlab.statistics.paired import compare_pairs
from voxlab.timeline import Event, Timeline

matplotlib.use("Agg")

USER = [(1.0, "caller speech_started", {"text": "Hello."}), (3.0, "caller speech_stopped", {})]
VOICE = [(3.9, "agent speech_started", {}), (6.0, "agent speech_stopped", {})]
PIPELINE = [
    *USER,
    (3.4, "stt final", {"text": "Hello."}),
    (3.5, "turn commit", {"text": "Hello."}),
    (3.5, "llm request", {}),
    (3.7, "llm first_token", {}),
    (3.8, "tts request", {}),
    (3.9, "tts first_audio", {}),
    (4.0, "tts done", {}),
    (4.1, "llm done", {}),
    *VOICE,
]
REALTIME = [
    *USER,
    (3.6, "turn commit", {"text": "Hello."}),
    (3.6, "llm request", {}),
    (3.7, "stt final", {"text": "Hello."}),
    (3.9, "tts request", {}),
    (3.9, "llm first_token", {}),
    (3.9, "tts first_audio", {}),
    (4.3, "llm done", {}),
    *VOICE,
]


def timeline(events):
    return Timeline([Event(at_s, *name.split(), details) for at_s, name, details in events])


def times(events):
    (only,) = stage_times(timeline(events))
    return only


def recorded():
    turns = json.loads(data.path("turns.json").read_text("utf-8"))
    for name, both in turns.items():
        for agent in ("pipeline", "realtime"):
            yield name, agent, Timeline([Event(**event) for event in both[agent]])


def boundaries(events):
    return {name: at_s and round(at_s, 9) for name, at_s in times(events).since_user_s().items()}


def test_a_pipeline_tells_all_boundaries():
    wanted = dict(zip(BOUNDARIES, (0.5, 0.4, 0.7, 0.9, 0.9, 3.0), strict=True))
    assert boundaries(PIPELINE) == wanted


def test_a_realtime_api_does_not_tell_its_models_first_token():
    wanted = dict(zip(BOUNDARIES, (0.6, 0.7, None, 0.9, 0.9, 3.0), strict=True))
    assert boundaries(REALTIME) == wanted


def test_the_work_of_a_realtime_response_is_one_bar():
    lanes = [(span.name, round(span.first_s, 9)) for span in times(REALTIME).work]
    assert lanes == [("silence", 0.6), ("response", 0.9), ("voice", 0.9)]
    lanes = [span.name for span in times(PIPELINE).work]
    assert lanes == ["silence", "LLM", "TTS", "voice"]


def test_who_is_answered_in_his_pause_waits_for_the_next_answer():
    pause = [
        (1.5, "stt final", {"text": "A table."}),
        (1.5, "turn commit", {"text": "A table."}),
        (1.6, "llm first_token", {}),
        (1.6, "tts request", {}),
        (1.7, "agent speech_started", {}),
        (1.9, "agent speech_stopped", {}),
    ]
    told = times([*PIPELINE, *pause])
    assert told.cut_in
    assert told.since_user_s() == times(PIPELINE).since_user_s()
    assert not times(PIPELINE).cut_in


def test_without_an_answer_there_are_no_waits():
    told = times([*USER, (3.4, "stt final", {"text": ""}), (9.0, "transport call_ended", {})])
    assert (told.ttfb_s, told.total_s, told.decided_s) == (None, None, None)


def test_a_call_in_which_nobody_spoke_has_no_turns():
    assert stage_times(timeline(VOICE)) == []


def test_a_backchannel_has_no_answer():
    before = [(0.0, "agent speech_started", {}), (1.2, "agent speech_stopped", {})]
    resumed = [(3.3, "agent resumed", {}), (3.3, "agent speech_started", {})]
    assert times([*before, *USER, *resumed, (5.0, "agent speech_stopped", {})]).ttfb_s is None


def test_an_answer_that_is_interrupted_has_no_end():
    again = [(5.0, "caller speech_started", {"text": "No."}), (6.5, "caller speech_stopped", {})]
    first, second = stage_times(timeline([*PIPELINE, *again]))
    assert first.ttfb_s == pytest.approx(0.9)
    assert first.total_s is None
    assert second.ttfb_s is None


def test_recorded_turns_have_their_boundaries_in_order():
    for name, agent, turn in recorded():
        (told,) = stage_times(turn)
        after = told.since_user_s()
        assert (after["first_token"] is None) == (agent == "realtime"), name
        order = [after[key] for key in ("decided", "first_audio", "audible", "end")]
        assert order == sorted(order), name
        assert all(at_s > 0 for at_s in order), name


def test_the_wait_is_that_of_the_metrics_unless_the_agent_cuts_in():
    for name, agent, turn in recorded():
        (told,), (other,) = stage_times(turn), turn_times(turn)
        assert told.cut_in == other.cut_off == ((name, agent) == ("order_hesitating", "realtime"))
        assert told.cut_in or told.ttfb_s == other.ttfb_s


def test_the_table_has_a_row_an_agent_and_a_dash_for_what_is_not_told():
    head, *rows = stage_table({"pipeline": times(PIPELINE), "api": times(REALTIME)}).splitlines()
    assert "first token" in head
    assert [row.split() for row in rows] == [
        ["pipeline", "500", "400", "700", "900", "900", "3000"],
        ["api", "600", "700", "-", "900", "900", "3000"],
    ]


# --- pictures ------------------------------------------------------------------------------


def test_a_picture_of_stages_names_each_agent_and_its_wait():
    ax = plot_stages(
        {"pipeline": times(PIPELINE), "api": times(REALTIME)},
        target_s=0.5,
        ax=Figure(figsize=(10, 4)).subplots(),
    )
    texts = " ".join(text.get_text() for text in ax.texts)
    assert "pipeline: first audio after 900 ms" in texts
    assert "api: first audio after 900 ms" in texts
    assert "response" in [label.get_text() for label in ax.get_yticklabels()]


def test_an_agent_without_an_answer_is_not_drawn_but_named():
    with pytest.raises(VoxlabError, match="mute did not answer"):
        plot_stages({"mute": times(USER)})


def test_a_picture_of_differences_has_a_bar_a_pair_in_order():
    first, second = [1.0, 1.0, None, 1.0], [1.5, 0.75, 1.0, 1.25]
    result = compare_pairs(first, second, np.random.default_rng(0))
    ax = plot_paired(result, ["a", "b", "c", "d"], ("one", "two"), ax=Figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "d", "b"]
    widths_ms = [bar.get_width() for bars in ax.containers for bar in bars]
    assert sorted(widths_ms) == [-250, 250, 500]
    assert "median +250 ms" in [text.get_text() for text in ax.texts]
