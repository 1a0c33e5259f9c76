"""Exercise 8 (19.7.2): stage boundaries, waits, paired intervals, quality and the conclusion."""

import json
from pathlib import Path

import numpy as np

from voxlab import data
from voxlab.grading import graded
from voxlab.grading.expect import close, compare, expect


def event(at_s, what, **details):
    source, kind = what.split()
    return {"at_s": at_s, "source": source, "kind": kind, "data": details}


def turn(*events):
    """Return plain events of (at_s, "source kind", details) in order."""
    return [event(at_s, what, **(more[0] if more else {})) for at_s, what, *more in events]


PIPELINE = turn(  # the example that is worked by hand
    (1.0, "caller speech_started", {"text": "Hello."}),
    (3.0, "caller speech_stopped"),
    (3.4, "stt final", {"text": "Hello."}),
    (3.5, "turn commit", {"text": "Hello."}),
    (3.5, "llm request"),
    (3.7, "llm first_token"),
    (3.8, "tts request", {"text": "Hi."}),
    (3.9, "tts first_audio"),
    (3.9, "agent speech_started"),
    (6.0, "agent speech_stopped"),
)
REALTIME = turn(
    (1.0, "caller speech_started", {"text": "Hello."}),
    (3.0, "caller speech_stopped"),
    (3.6, "turn commit", {"text": "Hello."}),
    (3.6, "llm request"),
    (3.7, "stt final", {"text": "Hello."}),
    (3.9, "tts request"),
    (3.9, "llm first_token"),
    (3.9, "tts first_audio"),
    (3.9, "agent speech_started"),
    (6.0, "agent speech_stopped"),
)
IN_THE_PAUSE = turn(  # the caller is answered while thinking, and again at the end
    (1.0, "caller speech_started", {"text": "A table, um, for two."}),
    (2.6, "stt final", {"text": "A table."}),
    (2.6, "turn commit", {"text": "A table."}),
    (2.8, "llm first_token"),
    (2.8, "tts request", {"text": "For how many?"}),
    (2.9, "tts first_audio"),
    (2.9, "agent speech_started"),
    (3.2, "agent speech_stopped"),
    (4.0, "caller speech_stopped"),
    (4.5, "stt final", {"text": "For two."}),
    (4.6, "turn commit", {"text": "For two."}),
    (4.8, "llm first_token"),
    (4.8, "tts request", {"text": "One moment."}),
    (5.0, "tts first_audio"),
    (5.0, "agent speech_started"),
    (6.0, "agent speech_stopped"),
    (6.5, "agent speech_started"),
    (8.0, "agent speech_stopped"),
    (8.0, "agent said", {"text": "One moment. It is booked for Friday."}),
)
UNANSWERED = PIPELINE[:2] + turn((3.4, "stt final", {"text": ""}))


def recordings(file):
    """Return (name, plain events) of recorded turns, of both agents."""
    turns = json.loads(file.read_text("utf-8"))
    return [
        (f"{name}, {agent}", both[agent])
        for name, both in turns.items()
        for agent in ("pipeline", "realtime")
    ]


def others():
    return recordings(Path(__file__).parent / "turns.json")


# --- ex08.1 --------------------------------------------------------------------------------


@graded(
    "ex08.1",
    points=1,
    hint="All three must fit: the source, the kind, and a time at or after from_s. Nothing found "
    "is None.",
)
def test_the_first_event_from_a_moment_on_is_found_or_none(exercise):
    events = turn((1.0, "agent speech_started"), (2.0, "agent speech_stopped"))
    events += turn((3.0, "caller speech_started"), (4.0, "agent speech_started"))
    for from_s, want in ((0.0, 1.0), (1.0, 1.0), (1.5, 4.0), (4.0, 4.0), (5.0, None)):
        got = exercise.first(events, "agent", "speech_started", from_s)
        expect(got, want, f"the agent's first speech_started from {from_s} s on")
    got = exercise.first(events, "tts", "speech_started", 0.0)
    expect(got, None, "the first speech_started of the tts, which has none")


# --- ex08.2 --------------------------------------------------------------------------------


def check_boundaries(exercise, name, events, **want):
    got = exercise.boundaries(events)
    for boundary, at_s in want.items():
        expect(got[boundary], at_s, f"{name}: {boundary}", close)


@graded(
    "ex08.2",
    points=1,
    hint="Go through the table row by row: which are the last events of their kind, which the "
    "first ones, and from when on? Without an answer, most are None.",
)
def test_each_boundary_of_a_pipeline_is_at_its_event(exercise):
    want = {"user_end": 3.0, "decided": 3.5, "transcript": 3.4, "first_token": 3.7}
    check_boundaries(exercise, "pipeline", PIPELINE, **want, first_audio=3.9, audible=3.9, end=6.0)
    want = {"user_end": 4.0, "decided": 4.6, "transcript": 4.5, "first_token": 4.8}
    want |= {"first_audio": 5.0, "audible": 5.0, "end": 8.0}
    check_boundaries(exercise, "answered in the pause, and again", IN_THE_PAUSE, **want)
    none = dict.fromkeys(("audible", "end", "decided", "first_token", "first_audio"))
    check_boundaries(exercise, "no answer", UNANSWERED, user_end=3.0, transcript=3.4, **none)


@graded(
    "ex08.2",
    points=1,
    hint="When a tts request stands before the first token, that token is the text of the sound: "
    "the model's first token is not told. Nobody waits for a transcript that comes late.",
)
def test_what_a_realtime_api_does_not_tell_stays_none(exercise):
    want = {"user_end": 3.0, "decided": 3.6, "transcript": 3.7, "first_token": None}
    check_boundaries(exercise, "realtime", REALTIME, **want, first_audio=3.9, audible=3.9, end=6.0)
    for name, events in recordings(data.path("turns.json")):
        got = exercise.boundaries(events)
        told = got["first_token"] is not None
        expect(told, name.endswith("pipeline"), f"{name}: there is a first_token")


@graded(
    "ex08.2",
    points=1,
    hint="Some recorded turns have tools, fillers, two commits or several finals: take the last "
    "commit before the answer is audible, and what follows from there.",
    hidden=True,
)
def test_other_recorded_turns_have_the_boundaries_that_voxlab_reads(exercise):
    from voxlab.evaluation.stage_times import stage_times
    from voxlab.timeline import Event, Timeline

    for name, events in others():
        (times,) = stage_times(Timeline(Event(**each) for each in events))
        want = {"user_end": times.user_end_s, "decided": times.decided_s, "end": times.end_s}
        want |= {"transcript": times.transcript_s, "first_token": times.first_token_s}
        want |= {"first_audio": times.first_audio_s, "audible": times.audible_s}
        check_boundaries(exercise, name, events, **want)


# --- ex08.3 --------------------------------------------------------------------------------


@graded(
    "ex08.3",
    points=1,
    hint="Both waits begin at the caller's last sound: TTFB ends at the first audible sound, the "
    "total at the end of the answer.",
)
def test_both_waits_count_from_the_user_s_last_sound(exercise):
    spoken = {"user_end": 3.0, "decided": 3.5, "transcript": 3.4, "first_token": 3.7}
    spoken |= {"first_audio": 3.8, "audible": 3.9, "end": 6.0}
    expect(exercise.waits(spoken), [0.9, 3.0], f"waits({spoken})", close)
    got = exercise.waits({**spoken, "audible": None, "end": None})
    expect(got, [None, None], "the waits without an answer")


@graded(
    "ex08.3",
    points=1,
    hint="An answer in the caller's pause is not the one that they wait for: no wait of a "
    "recorded turn is negative.",
    hidden=True,
)
def test_the_waits_of_other_recorded_turns_are_those_of_voxlab(exercise):
    from voxlab.evaluation.stage_times import stage_times
    from voxlab.timeline import Event, Timeline

    for name, events in others():
        (times,) = stage_times(Timeline(Event(**each) for each in events))
        named = {f"{key}": getattr(times, f"{key}_s") for key in ("user_end", "audible", "end")}
        got = exercise.waits(named)
        expect(got, [times.ttfb_s, times.total_s], f"{name}: the waits", close)


# --- ex08.4 --------------------------------------------------------------------------------


@graded(
    "ex08.4",
    points=1,
    hint="Take the differences first, utterance by utterance, and leave out a pair that has a "
    "None; then the median.",
)
def test_the_median_is_that_of_the_differences_of_whole_pairs(exercise):
    first, second = [0.6, 0.9, 1.3, None, 0.7], [0.65, 0.93, 1.32, 0.8, None]
    got = exercise.paired_interval(first, second)
    expect(got, [0.03, 0.02, 0.05], f"paired_interval({first}, {second})", close)
    first, second = [0.1, 0.5, 0.9], [0.6, 0.4, 1.1]  # +0.5, -0.1, +0.2
    (median, _, _) = exercise.paired_interval(first, second)
    expect(median, 0.2, f"the median of paired_interval({first}, {second})", close)


@graded(
    "ex08.4",
    points=1,
    hint="What both agents have in common must cancel out: resample the differences, not each "
    "agent's times.",
)
def test_what_both_have_in_common_cancels_out(exercise):
    rng = np.random.default_rng(1)
    common_s = rng.uniform(0.5, 3.0, 20)
    extra_s = rng.uniform(0.04, 0.06, 20)
    got = exercise.paired_interval(common_s.tolist(), (common_s + extra_s).tolist())
    told = "the second is slower by 0.04 to 0.06 s on every utterance: median, low and high"
    expect(got, "0.04 to 0.06", told, lambda *_: 0.04 <= got[1] <= got[0] <= got[2] <= 0.06)


@graded(
    "ex08.4",
    points=1,
    hint="Each of the 4000 resamples draws as many differences as there are, with replacement; the "
    "interval goes from the 2.5th to the 97.5th percentile of their medians.",
    hidden=True,
)
def test_the_interval_holds_95_percent_of_the_resampled_medians(exercise):
    from voxlab.statistics.intervals import bootstrap_interval

    rng = np.random.default_rng(2)
    for size in (25, 200):
        first = rng.lognormal(0.0, 0.5, size)
        second = first + rng.lognormal(-2.0, 1.0, size) - 0.1

        def interval(confidence, sample=second - first):
            median = lambda values: np.median(values, axis=-1)  # noqa: E731
            return bootstrap_interval(sample, median, np.random.default_rng(3), confidence)

        inner, outer = interval(0.92), interval(0.975)
        median, low, high = exercise.paired_interval(first.tolist(), second.tolist())
        expect(median, float(np.median(second - first)), f"{size} pairs: the median", close)
        for name, end, about, nearest, farthest in (
            ("lower", low, interval(0.95)[0], inner[0], outer[0]),
            ("upper", high, interval(0.95)[1], inner[1], outer[1]),
        ):
            edges = sorted((nearest, farthest))
            is_right = edges[0] - 1e-9 <= end <= edges[1] + 1e-9
            expect(end, end if is_right else about, f"{size} pairs: the {name} end of the interval")


# --- ex08.5 --------------------------------------------------------------------------------


@graded(
    "ex08.5",
    points=1,
    hint="Replacing a word is one change, and so is leaving one out or adding one. Take the "
    "cheapest way, not the first one.",
)
def test_words_are_replaced_left_out_or_added_at_the_least_cost(exercise):
    for said, heard, want in (
        ("will it rain on friday", "we'll eat rain on", 3),
        ("will it rain", "will it rain", 0),
        ("", "uh huh", 2),
        ("where is my order", "", 4),
        ("one two three four five", "two three four five", 1),
        ("my order is late", "my my order is so late", 2),
    ):
        got = exercise.word_errors(said.split(), heard.split())
        expect(got, want, f"{said!r} heard as {heard!r}")


@graded(
    "ex08.5",
    points=1,
    hint="On longer texts the cheapest way mixes all three changes: fill the table row by row.",
    hidden=True,
)
def test_random_texts_have_the_distance_that_voxlab_counts(exercise):
    from voxlab.evaluation import word_errors

    def distance(said, heard):
        if not all((*said, *heard)):
            raise ValueError("a word has letters")
        want = word_errors.word_errors(" ".join(said), " ".join(heard)).errors
        return exercise.word_errors(said, heard), want

    def text(rng):
        return [["yes", "no", "well", "so"][k] for k in rng.integers(4, size=rng.integers(0, 12))]

    rng = np.random.default_rng(4)
    compare("word_errors", [(text(rng), text(rng)) for _ in range(60)], distance)


# --- ex08.6 --------------------------------------------------------------------------------


@graded(
    "ex08.6",
    points=1,
    hint="Every thing needs one of its wordings. Silence counts from the caller's last sound to "
    "the end of the answer. An agent that starts before that last sound has cut in.",
)
def test_quality_has_three_parts_that_do_not_mix(exercise):
    got = exercise.quality(IN_THE_PAUSE, [["friday"], ["reserved", "booked"]])
    expect(got["right"], True, "'It is booked for Friday.': right")
    expect(got["silence_s"], 1.0, "silences of 1.0 and 0.5 s: silence_s", close)
    expect(got["cut_in"], True, "answered in the caller's pause: cut_in")
    got = exercise.quality(IN_THE_PAUSE, [["booked"], ["tuesday", "monday"]])
    expect(got["right"], False, "neither Tuesday nor Monday is said, but one must be: right")
    said = turn((7.0, "agent speech_started"), (9.0, "agent speech_stopped"))
    said += turn((9.0, "agent said", {"text": "Hi. How are you?"}))
    got = exercise.quality(PIPELINE + said, [["hi"]])
    expect(got["cut_in"], False, "nobody cut in: cut_in")
    expect(got["silence_s"], 1.0, "silences of 0.9 and 1.0 s: silence_s", close)
    got = exercise.quality(UNANSWERED, [["hi"]])
    want = {"right": False, "silence_s": None, "cut_in": False}
    expect(got, want, "the quality without an answer")


@graded(
    "ex08.6",
    points=1,
    hint="In recorded turns the agent may speak several times, before and after the caller's last "
    "sound; each part looks at its own stretch of time.",
    hidden=True,
)
def test_the_quality_of_other_recorded_turns_is_that_of_voxlab(exercise):
    from voxlab.evaluation.answer_quality import longest_silence_s
    from voxlab.evaluation.stage_times import stage_times
    from voxlab.timeline import Event, Timeline

    for name, events in others():
        timeline = Timeline(Event(**each) for each in events)
        (times,) = stage_times(timeline)
        said = " ".join(each["data"]["text"] for each in events if each["kind"] == "said")
        got = exercise.quality(events, [["tuesday", said.split()[-2].upper()]])
        silence_s = longest_silence_s(timeline, times)
        expect(got["silence_s"], silence_s, f"{name}: silence_s", close)
        expect(got["right"], True, f"{name}: right")
        expect(got["cut_in"], times.cut_in, f"{name}: cut_in")
        got = exercise.quality(events, [["never said"]])
        expect(got["right"], False, f"{name}, but something else is wanted: right")


# --- ex08.7 --------------------------------------------------------------------------------


@graded(
    "ex08.7",
    points=1,
    hint="The differences are realtime less pipeline: all below 0 means that realtime waits less. "
    "An interval that holds 0, or ends there, tells nothing.",
)
def test_an_interval_on_one_side_of_zero_names_the_quicker_one(exercise):
    for low_s, high_s, want in (
        (-0.3, -0.1, "realtime"),
        (0.01, 0.2, "pipeline"),
        (-0.3, 0.1, "the data do not tell"),
        (-0.3, 0.0, "the data do not tell"),
        (0.0, 0.2, "the data do not tell"),
        (0.0, 0.0, "the data do not tell"),
    ):
        expect(exercise.conclusion(20, low_s, high_s), want, f"conclusion(20, {low_s}, {high_s})")


@graded(
    "ex08.7",
    points=1,
    hint="Below six pairs the data do not tell, wherever the interval lies.",
)
def test_five_pairs_do_not_tell_and_six_may(exercise):
    for pairs in range(2, 9):
        for sign, quicker in ((1, "pipeline"), (-1, "realtime")):
            low_s, high_s = sorted((0.1 * sign, 0.2 * sign))
            want = quicker if pairs >= 6 else "the data do not tell"
            got = exercise.conclusion(pairs, low_s, high_s)
            expect(got, want, f"conclusion({pairs}, {low_s}, {high_s})")
