"""Timelines and calls: in order of time, and the same after a round trip through their files."""

import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from voxlab.audio import Audio, silence
from voxlab.errors import AudioError, DataError
from voxlab.timeline import SOURCES, Call, Event, Timeline

json_values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
rich_events = st.builds(
    Event,
    at_s=st.floats(0, 1e4),
    source=st.sampled_from(SOURCES),
    kind=st.text(max_size=8),
    data=st.dictionaries(st.text(max_size=8), json_values, max_size=2),
)
KINDS = ("partial", "final", "state")
plain_events = st.integers(0, 1079).map(  # a few times, so that many are equal
    lambda n: Event(n % 9 / 4, SOURCES[n // 9 % 10], KINDS[n // 90 % 3], {"n": n})
)
plain_lists = st.lists(plain_events, max_size=12)


def tone(frequency_hz):
    time_s = np.arange(800) / 8000
    return Audio(0.5 * np.sin(2 * np.pi * frequency_hz * time_s), 8000)


SPOKEN = Timeline([Event(0.1, "agent", "sentence", {"text": "¿Qué tal? 您好 👋"})])


# --- timelines -----------------------------------------------------------------------------


@pytest.mark.slow
@given(plain_lists)
def test_events_are_sorted_by_time_and_stay_in_order_within_it(added):
    timeline = Timeline()
    for event in added:
        assert timeline.add(event) is event
    found, expected = list(timeline), sorted(added, key=lambda event: event.at_s)
    assert [id(event) for event in found] == [id(event) for event in expected]
    assert list(map(id, Timeline(iter(added)))) == list(map(id, expected))
    assert len(timeline) == len(added)
    assert timeline.duration_s == max((event.at_s for event in added), default=0)


@pytest.mark.slow
@given(plain_lists, st.sampled_from(SOURCES), st.sampled_from(KINDS))
def test_a_selection_keeps_the_order_and_all_that_match(added, source, kind):
    timeline = Timeline(added)
    assert timeline.select() == list(timeline)
    assert timeline.select(source) == [e for e in timeline if e.source == source]
    assert timeline.select(kind=kind) == [e for e in timeline if e.kind == kind]
    both = [e for e in timeline if e.source == source and e.kind == kind]
    assert timeline.select(source, kind) == both


@pytest.mark.slow
@given(st.lists(rich_events, max_size=5))
def test_a_timeline_is_the_same_after_a_round_trip_through_json(added):
    timeline = Timeline(added)
    text = timeline.to_json()
    assert list(Timeline.from_json(text)) == list(timeline)
    assert list(Timeline.from_json(text.encode())) == list(timeline)
    assert Timeline.from_json(text).to_json() == text


@pytest.mark.slow
@given(plain_lists)
def test_the_json_is_the_documented_format_one_event_a_line(added):
    text = Timeline(added).to_json()
    document = json.loads(text)
    assert document["version"] == 1
    assert all(set(event) == {"at_s", "source", "kind", "data"} for event in document["events"])
    assert text.count("\n") == max(1, len(added)) + 2


def test_words_stay_readable_in_the_file():
    assert "¿Qué tal? 您好 👋" in SPOKEN.to_json()


def test_a_timeline_of_another_version_is_refused_by_its_number():
    text = SPOKEN.to_json().replace('"version": 1', '"version": 7')
    with pytest.raises(DataError, match="version 7, this voxlab reads 1: record the call again"):
        Timeline.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RIFF",
        "[]",
        "null",
        "{}",
        '{"version": 1}',
        '{"version": 1, "events": 3}',
        '{"version": 1, "events": [3]}',
        '{"version": 1, "events": [{"source": "user", "kind": "x", "data": {}}]}',
        '{"version": 1, "events": [{"at_s": "0", "source": "user", "kind": "x", "data": {}}]}',
        '{"version": 1, "events": [{"at_s": NaN, "source": "user", "kind": "x", "data": {}}]}',
        '{"version": 1, "events": [{"at_s": 0, "source": "cat", "kind": "x", "data": {}}]}',
        '{"version": 1, "events": [{"at_s": 0, "source": "user", "kind": "x", "data": null}]}',
        '{"version": 1, "events": [{"at_s": 0, "source": "user", "kind": "x", "mood": "sad"}]}',
        b"\xff\xfe\xfd",
    ],
)
def test_what_is_no_timeline_is_refused(text):
    with pytest.raises(DataError, match=r"not a timeline \(.*: expected what Timeline\.to"):
        Timeline.from_json(text)


def test_an_event_of_an_unknown_source_or_at_no_time_is_refused():
    with pytest.raises(ValueError, match="no source 'cat': use one of user, vad"):
        Event(0.0, "cat", "meow")
    for at_s in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"an event at (nan|inf) s"):
            Event(at_s, "user", "late")


# --- calls ---------------------------------------------------------------------------------


def test_a_call_is_saved_with_the_user_on_the_left_and_the_agent_on_the_right(tmp_path):
    Call(SPOKEN, user=tone(300), agent=tone(700)).save(tmp_path / "out" / "call")
    samples, rate_hz = soundfile.read(tmp_path / "out" / "call" / "call.wav")
    assert rate_hz == 8000
    np.testing.assert_allclose(samples[:, 0], tone(300).samples, atol=1e-4)
    np.testing.assert_allclose(samples[:, 1], tone(700).samples, atol=1e-4)
    again = Call.load(tmp_path / "out" / "call")
    assert list(again.timeline) == list(SPOKEN)
    np.testing.assert_allclose(again.user.samples, tone(300).samples, atol=1e-4)
    np.testing.assert_allclose(again.agent.samples, tone(700).samples, atol=1e-4)


def test_a_call_without_sound_has_no_recording_even_where_there_was_one(tmp_path):
    Call(SPOKEN, tone(300), tone(700)).save(tmp_path)
    Call(SPOKEN).save(tmp_path)
    again = Call.load(tmp_path)
    assert (again.user, again.agent) == (None, None)
    assert list(again.timeline) == list(SPOKEN)


def test_half_an_emoji_does_not_spoil_the_file(tmp_path):
    Call(Timeline([Event(0.0, "llm", "done", {"text": "\ud83d"})])).save(tmp_path)
    assert json.loads((tmp_path / "timeline.json").read_text("utf-8"))["version"] == 1
    assert Call.load(tmp_path).timeline.select("llm")[0].data == {"text": "\ud83d"}


def test_an_hour_of_call_can_be_loaded(tmp_path):
    hour = silence(3600, 10)
    Call(SPOKEN, hour, hour).save(tmp_path)
    assert Call.load(tmp_path).user.duration_s == 3600


def test_a_folder_without_a_call_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"no timeline\.json in .*voxlab call SCRIPT --out"):
        Call.load(tmp_path)


def test_a_damaged_call_is_refused(tmp_path):
    Call(SPOKEN, tone(300), tone(700)).save(tmp_path)
    soundfile.write(tmp_path / "call.wav", tone(300).samples, 8000)
    with pytest.raises(DataError, match="has 1 channels, needs two: the caller on the left"):
        Call.load(tmp_path)
    (tmp_path / "call.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match="not a recording"):
        Call.load(tmp_path)
    (tmp_path / "timeline.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match="not a timeline"):
        Call.load(tmp_path)
