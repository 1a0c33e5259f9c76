"""Starts and stops of speech: against a regular expression, by hand, and by properties."""

import math
import re
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.errors import VoxlabError
from voxlab.vad.endpointing import (
    FRAME_S,
    NoiseFloor,
    SpeechDetector,
    SpeechSegment,
    SpeechStarted,
    SpeechState,
    SpeechStopped,
    VADOptions,
    finish,
    speech_events,
    speech_segments,
    step,
)


@st.composite
def cases(draw):
    """Draw (probabilities, options, speech frames, silence frames, frame_s), rich in ties.

    A byte is a run of 1 to 6 frames of one probability: bytes are quick to draw and to shrink.
    """
    exit_threshold, threshold = draw(st.sampled_from([(0.35, 0.5), (0.5, 0.5), (1 / 3, 1.0)]))
    below = math.nextafter(exit_threshold, 0), math.nextafter(threshold, 0)
    values = [0.0, *below, exit_threshold, threshold, 1.0]
    runs = [(values[byte % 6], 1 + byte // 6 % 6) for byte in draw(st.binary(max_size=15))]
    probabilities = [value for value, length in runs for _ in range(length)]
    speech, silence = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    frame_s = draw(st.sampled_from([0.01, 0.02, 0.032, 0.1]))
    padding_s = draw(st.sampled_from([0.0, 0.05, 0.3, 9.0]))
    options = VADOptions(threshold, exit_threshold, speech * frame_s, silence * frame_s, padding_s)
    return probabilities, options, speech, silence, frame_s


def reference_spans(probabilities, options, speech, silence):
    """Return (first frame, end frame) of each speech, by a search in the text of its frames."""
    text = "".join(
        "S" if p >= options.threshold else "." if p < options.exit_threshold else "~"
        for p in probabilities
    )
    pattern = rf"S{{{speech}}}((?!\.{{{silence}}}).)*"
    return [(m.start(), m.start() + len(m[0].rstrip("."))) for m in re.finditer(pattern, text)]


def without_padding(options):
    return VADOptions(
        options.threshold, options.exit_threshold, options.min_speech_s, options.min_silence_s, 0.0
    )


@given(cases())
def test_speech_is_what_a_search_of_the_whole_text_finds(case):
    probabilities, options, speech, silence, frame_s = case
    expected = [
        SpeechSegment(first * frame_s, end * frame_s)
        for first, end in reference_spans(probabilities, options, speech, silence)
    ]
    assert speech_segments(probabilities, without_padding(options), frame_s) == expected


@given(cases())
def test_a_stream_and_a_file_agree(case):
    probabilities, options, _, _, frame_s = case
    detector = SpeechDetector(options, frame_s)
    events = [e for p in probabilities if (e := detector.step(p))]
    if last := detector.finish():
        events.append(last)
    segments = speech_segments(np.array(probabilities), without_padding(options), frame_s)
    assert [e.at_s for e in events] == [t for s in segments for t in (s.start_s, s.end_s)]


@given(cases(), st.integers(0, 90))
def test_what_comes_later_never_changes_an_earlier_event(case, cut):
    probabilities, options, _, _, frame_s = case
    detector = SpeechDetector(options, frame_s)
    early = [e for p in probabilities[:cut] if (e := detector.step(p))]
    assert speech_events(probabilities, options, frame_s)[: len(early)] == early


@given(cases())
def test_a_start_is_known_after_min_speech_and_a_stop_after_min_silence(case):
    probabilities, options, speech, silence, frame_s = case
    state = SpeechState()
    for heard, probability in enumerate(probabilities, 1):
        state, event = step(state, probability, options, frame_s)
        if event:
            waited = speech if isinstance(event, SpeechStarted) else silence
            assert event.known_at_s == heard * frame_s
            assert event.at_s == (heard - waited) * frame_s


@given(cases())
def test_starts_and_stops_alternate_in_order(case):
    probabilities, options, _, _, frame_s = case
    events = speech_events(probabilities, options, frame_s)
    kinds = [type(event) for event in events]
    assert kinds == [SpeechStarted, SpeechStopped] * (len(events) // 2)
    times_s = [event.at_s for event in events]
    assert times_s == sorted(set(times_s))


@given(cases())
def test_padded_segments_hold_the_speech_stay_inside_and_never_overlap(case):
    probabilities, options, _, _, frame_s = case
    bare = speech_segments(probabilities, without_padding(options), frame_s)
    padded = speech_segments(probabilities, options, frame_s)
    edges = [t for s in padded for t in (s.start_s, s.end_s)]
    assert edges == sorted(edges)
    for narrow, wide in zip(bare, padded, strict=True):
        assert 0 <= wide.start_s <= narrow.start_s < narrow.end_s <= wide.end_s
        assert wide.end_s <= len(probabilities) * frame_s
        assert wide.start_s >= narrow.start_s - options.padding_s
        assert wide.end_s <= narrow.end_s + options.padding_s


def test_a_call_worked_out_by_hand():
    options = VADOptions(min_speech_s=0.2, min_silence_s=0.3, padding_s=0.1)
    cough, word, dip = [0.9, 0.1], [0.9, 0.6, 0.4, 0.2, 0.2, 0.4], [0.3, 0.3, 0.3]
    probabilities = [0.0, *cough, *word, *dip, 0.0]
    assert speech_events(probabilities, options, frame_s=0.1) == [
        SpeechStarted(at_s=pytest.approx(0.3), known_at_s=0.5),
        SpeechStopped(at_s=0.9, known_at_s=pytest.approx(1.2)),
    ]
    assert speech_segments(probabilities, options, frame_s=0.1) == [
        SpeechSegment(pytest.approx(0.2), pytest.approx(1.0))
    ]


def test_paddings_that_would_overlap_meet_in_the_middle():
    options = VADOptions(min_speech_s=0, min_silence_s=0.2, padding_s=5.0)
    assert speech_segments([1, 0, 0, 0, 0, 1], options, frame_s=0.1) == [
        SpeechSegment(0.0, pytest.approx(0.3)),
        SpeechSegment(pytest.approx(0.3), pytest.approx(0.6)),
    ]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([], []),
        ([0.0] * 50, []),
        ([1.0] * 50, [SpeechSegment(0.0, 1.6)]),
        ([0.0] * 25 + [1.0] * 25, [SpeechSegment(0.8, 1.6)]),
        ([1.0] * 25 + [0.0] * 3, [SpeechSegment(0.0, 0.8)]),
        ([0.0] * 25 + [1.0], []),
    ],
    ids=[
        "empty",
        "silence",
        "speech",
        "ends in speech",
        "ends in a short pause",
        "ends in a click",
    ],
)
def test_the_edges_of_a_recording(probabilities, expected):
    assert speech_segments(probabilities, VADOptions(padding_s=0.0)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_threshold_itself_is_speech_and_the_exit_threshold_is_not_silence(dtype):
    options = VADOptions(threshold=0.75, exit_threshold=0.5, padding_s=0.0)
    on_the_line = np.array([0.75] * 2 + [0.5] * 50, dtype)
    assert speech_segments(on_the_line, options) == [SpeechSegment(0.0, 52 * FRAME_S)]


def test_float32_probabilities_are_not_rounded_on_their_way():
    below = np.float32(0.35)  # 0.3499999940...: below 0.35, though a float32 comparison says equal
    options = VADOptions(min_silence_s=0.0)
    state, event = step(SpeechState(speaking=True), below, options)
    assert isinstance(event, SpeechStopped)
    assert (state, event) == step(SpeechState(speaking=True), float(below), options)


def test_durations_of_whole_frames_are_not_rounded_up_once_more():
    for frames in range(1, 200):
        options = VADOptions(min_speech_s=frames * 0.032)
        assert speech_events([1.0] * (frames - 1), options) == []
        assert len(speech_events([1.0] * frames, options)) == 2


def test_finishing_ends_speech_where_the_voice_ended_and_starts_anew():
    detector = SpeechDetector()
    for probability in [1.0] * 10 + [0.0] * 2:
        detector.step(probability)
    assert detector.finish() == SpeechStopped(at_s=10 * FRAME_S, known_at_s=12 * FRAME_S)
    assert detector.state == SpeechState()
    assert detector.finish() is None
    assert finish(SpeechState(heard=5, against=1)) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.3, "exit_threshold": 0.4}, "0.4 and threshold 0.3 are out of order"),
        ({"threshold": 1.5}, "out of order, need 0 < exit_threshold <= threshold <= 1"),
        ({"exit_threshold": 0.0}, "out of order"),
        ({"threshold": math.nan}, "nan are out of order"),
        ({"min_speech_s": -0.1}, "min_speech_s is -0.1, needs seconds"),
        ({"min_silence_s": math.inf}, "min_silence_s is inf"),
        ({"padding_s": math.nan}, "padding_s is nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(VoxlabError, match=message):
        VADOptions(**settings)


@pytest.mark.parametrize("probability", [-0.01, 1.01, math.nan, math.inf])
def test_a_probability_that_is_not_one_is_refused_and_forgotten(probability):
    detector = SpeechDetector()
    with pytest.raises(VoxlabError, match="needs 0 to 1"):
        detector.step(probability)
    assert detector.state == SpeechState()


def test_a_table_of_probabilities_or_an_impossible_frame_is_refused():
    with pytest.raises(VoxlabError, match=r"shape \(2, 3\), need \(frames,\)"):
        speech_segments(np.zeros((2, 3)))
    for frame_s in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(VoxlabError, match="frame_s is"):
            SpeechDetector(frame_s=frame_s)


LEVELS_DB = st.lists(st.integers(-89, 0) | st.just(-math.inf), min_size=1, max_size=40)


@given(LEVELS_DB)
def test_the_floor_is_never_above_the_recent_median_nor_below_the_recent_minimum(levels_db):
    room = NoiseFloor(window_s=1.0, frame_s=0.05)
    for index, level_db in enumerate(levels_db):
        floor_db = room.step(level_db)
        recent_db = [max(db, -90) for db in levels_db[max(0, index - 19) : index + 1]]
        assert min(recent_db) <= floor_db <= statistics.median(recent_db)


@given(LEVELS_DB, st.integers(-89, 0))
def test_the_floor_follows_a_louder_room_within_its_window_and_a_quieter_one_within_a_tenth(
    levels_db, new_db
):
    room = NoiseFloor(window_s=1.0, frame_s=0.05)
    for level_db in levels_db:
        room.step(level_db)
    floors_db = [room.step(new_db) for _ in range(20)]
    assert floors_db[1] <= new_db
    assert floors_db[-1] == new_db


def test_a_louder_room_is_believed_after_nine_tenths_of_the_window_and_a_quieter_after_one():
    room = NoiseFloor(window_s=4.0, frame_s=0.02)
    trace_db = [room.step(level) for level in [-60.0] * 200 + [-40.0] * 200 + [-60.0] * 200]
    believed_louder_s = (trace_db.index(-40.0) - 199) * 0.02
    believed_quieter_s = (trace_db.index(-60.0, 400) - 399) * 0.02
    assert believed_louder_s == pytest.approx(3.6, abs=0.05)
    assert believed_quieter_s == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("speaking", [0.2, 0.5, 0.8])
def test_bursts_of_speech_do_not_lift_the_floor(seed, speaking):
    rng = np.random.default_rng(seed)
    room = NoiseFloor()
    for second in range(8):
        levels_db = -60 + rng.uniform(-1, 1, 31)
        levels_db[: round(31 * speaking)] = rng.uniform(-35, -10, round(31 * speaking))
        floors_db = [room.step(level) for level in levels_db]
        if second:
            assert -61 <= min(floors_db) <= max(floors_db) <= -59


def test_the_first_frame_already_gives_a_floor():
    assert NoiseFloor().step(-47.0) == -47.0
    assert NoiseFloor().step(-math.inf) == NoiseFloor.QUIETEST_DB


@pytest.mark.slow
def test_the_floor_under_unbroken_reading_is_the_noise():
    import hibari

    text = "I was thinking about the trip, and I would like to change the hotel, because my mother "
    text += "is coming along and she cannot walk far, so please see whether two rooms are left. "
    voice = audio.Audio(hibari.Hibari()(text * 2, seed=0), 24_000).resample(16_000)
    noise = audio.noise("white", voice.duration_s, 16_000, np.random.default_rng(0))
    room_db = audio.level_db(voice) - 20
    call = audio.mix(voice, noise, snr_db=20)
    floor = NoiseFloor()
    pieces = [audio.Audio(samples, 16_000) for samples in audio.frames(call, 512)]
    floors_db = [floor.step(audio.level_db(piece)) for piece in pieces]
    assert np.abs(np.array(floors_db[125:]) - room_db).max() < 3


@pytest.mark.parametrize("level_db", [math.nan, math.inf])
def test_a_level_that_is_not_one_is_refused(level_db):
    with pytest.raises(VoxlabError, match="needs a number or -inf"):
        NoiseFloor().step(level_db)


def test_a_window_shorter_than_a_frame_is_refused():
    with pytest.raises(VoxlabError, match=r"window_s is 0.01, needs a frame \(0.032 s\)"):
        NoiseFloor(window_s=0.01)


# --- a room that talks ---------------------------------------------------------------------

ROOM_DB, USER_DB = -40.0, -25.0
MINUTE = round(60 / FRAME_S)


def cafe_with_a_turn(room_says: float, seconds: float = 60.0):
    """A room at -40 dB that the network calls speech by room_says; the user from 40 s to 43 s."""
    rng = np.random.default_rng(0)
    count = round(seconds / FRAME_S)
    levels_db = ROOM_DB + rng.uniform(-1, 1, count)
    probabilities = np.full(count, room_says)
    user = slice(round(40 / FRAME_S), round(43 / FRAME_S))
    levels_db[user] = USER_DB + rng.uniform(-3, 3, user.stop - user.start)
    probabilities[user] = 0.95
    return probabilities, levels_db


def test_in_a_room_that_talks_only_who_is_louder_is_the_user():
    probabilities, levels_db = cafe_with_a_turn(room_says=0.8)
    (deaf,) = [event.at_s for event in speech_events(probabilities)][:1]
    assert deaf == 0.0, "without levels the room is one long turn"
    events = speech_events(probabilities, levels_db=levels_db)
    assert [event.at_s for event in events[2:]] == pytest.approx([40, 43], abs=0.05)
    assert events[1].known_at_s < 2, "the room is known after a second"


def test_where_the_room_is_no_speech_levels_decide_nothing():
    probabilities, levels_db = cafe_with_a_turn(room_says=0.1)
    user = probabilities > 0.5
    levels_db[user] = ROOM_DB  # a whisper in hiss: no louder than the room, and still heard
    assert speech_events(probabilities, levels_db=levels_db) == speech_events(probabilities)


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(-80, 0))
def test_zero_asks_for_nothing(probabilities, level_db):
    options = VADOptions(start_over_floor_db=0.0, stop_over_floor_db=0.0)
    levels_db = [level_db] * len(probabilities)
    assert speech_events(probabilities, options, levels_db=levels_db) == speech_events(
        probabilities, options
    )


def test_a_caller_who_speaks_from_the_first_moment_is_heard():
    levels_db = np.full(60, USER_DB)
    started, _ = speech_events(np.full(60, 0.9), levels_db=levels_db)
    assert started.at_s == 0.0


def test_the_floor_is_that_of_a_sorted_window():
    rng = np.random.default_rng(3)
    levels_db, floor = rng.uniform(-80, 0, 500).round(), NoiseFloor(window_s=1.0)
    for heard, level_db in enumerate(levels_db, 1):
        window = sorted(levels_db[max(0, heard - 32) : heard])
        assert floor.step(level_db) == window[int(0.1 * (len(window) - 1))]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"start_over_floor_db": 2.0}, "0 <= stop <= start"),
        ({"stop_over_floor_db": -1.0}, "0 <= stop <= start"),
        ({"start_over_floor_db": math.inf}, "0 <= stop <= start"),
    ],
)
def test_levels_out_of_order_are_refused(options, why):
    with pytest.raises(VoxlabError, match=why):
        VADOptions(**options)


def test_one_level_for_each_probability():
    with pytest.raises(VoxlabError, match="one each"):
        speech_events([0.1, 0.2], levels_db=[-40.0])
