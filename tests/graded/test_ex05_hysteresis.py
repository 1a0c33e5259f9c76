"""Exercise 5: from probabilities of speech to segments."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import compare, expect
from voxlab.vad.silero import FRAME_S

HIGH, BETWEEN, LOW = (0.5, 0.9), (0.35, 0.45), (0.05, 0.3)  # of the thresholds 0.5 and 0.35


def in_frames(segments):
    """Return segments in frames, rounded so that they can be compared."""
    return [[round(time_s / FRAME_S, 3) for time_s in segment] for segment in segments]


def track(rng, *stretches):
    """Return probabilities. stretches: (range, frames) one after the other."""
    return [round(rng.uniform(*span), 2) for span, frames in stretches for _ in range(frames)]


def segments(exercise, probabilities, min_speech, min_silence, *thresholds):
    """Return the segments that come, and the library's, in frames."""
    from voxlab.vad.endpointing import VADOptions, speech_segments

    if min(min_speech, min_silence) < 1:
        raise ValueError("speech and silence last a frame or more")
    lengths_s = (min_speech * FRAME_S, min_silence * FRAME_S)
    options = VADOptions(*(thresholds or (0.5, 0.35)), *lengths_s, padding_s=0.0)
    expected = [(each.start_s, each.end_s) for each in speech_segments(probabilities, options)]
    got = exercise.find_segments(probabilities, min_speech, min_silence, *thresholds)
    return in_frames(got), in_frames(expected)


# --- ex05.1 --------------------------------------------------------------------------------


@graded(
    "ex05.1",
    points=1,
    hint="Whether a frame between the thresholds is speech depends on the frame before it; "
    "at the threshold speech begins, and only below the exit threshold it ends.",
)
def test_between_the_thresholds_nothing_changes(exercise):
    rng = np.random.default_rng(1)
    by_hand = [0.2, 0.5, 0.4, 0.35, 0.3, 0.4]
    expected = [False, True, True, True, False, False]
    expect(exercise.speaking_frames(by_hand), expected, f"speaking_frames({by_hand})")

    def step(values, threshold, exit_threshold):
        got = exercise.speaking_frames(values, threshold, exit_threshold)
        pairs = zip([False, *got], values, strict=False)
        return got, [
            value >= threshold or (before and value >= exit_threshold) for before, value in pairs
        ]

    values = rng.choice([0.1, 0.3, 0.35, 0.4, 0.45, 0.5, 0.9], 400).tolist()
    cases = [(values, 0.5, 0.35), (values, 0.45, 0.3), (values, 0.4, 0.4)]
    compare("speaking_frames", cases, step)


# --- ex05.2 --------------------------------------------------------------------------------


@graded(
    "ex05.2",
    points=1,
    hint="Count frames in a row only: one that agrees with what you believe sets the count to 0.",
)
def test_a_click_starts_nothing_and_a_dip_splits_nothing(exercise):
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(40):
        min_speech, min_silence = int(rng.integers(2, 4)), int(rng.integers(2, 5))
        click, dip = (HIGH, min_speech - 1), (LOW, min_silence - 1)
        word, pause = (HIGH, min_speech), (LOW, min_silence)
        stretches = [
            *(click, (BETWEEN, 1), click, (LOW, 1)),
            *(word, dip, (BETWEEN, 1), dip, (HIGH, 1), pause, click, (LOW, 1)),
            *(word, pause),
        ]
        cases.append((track(rng, *stretches), min_speech, min_silence))
    compare("find_segments", cases, lambda *case: segments(exercise, *case))


@graded(
    "ex05.2",
    points=1,
    hint="A segment ends where the silence began, not where you noticed it; and the recording may "
    "end before you notice anything.",
)
def test_speech_ends_with_the_voice_or_with_the_recording(exercise):
    rng = np.random.default_rng(3)
    for _ in range(10):
        start, length = (int(n) for n in rng.integers(3, 20, 2))
        for silence, what in ((9, "silence"), (2, "a pause that is too short"), (0, "speech")):
            probabilities = track(rng, (LOW, start), (HIGH, length), (LOW, silence))
            got = in_frames(exercise.find_segments(probabilities, 3, 4))
            told = f"speech from frame {start} to {start + length}, and {what} at the end"
            expect(got, [[start, start + length]], told)
    expect(exercise.find_segments([0.1] * 9), [], "nobody speaks")


CAFE = (
    # Silero on the exercise's caller, 3 dB over a cafe: five moments of the call, in hundredths
    *(3, 35, 73, 92, 97, 100, 99, 97, 95, 92, 89, 86, 73, 63, 70, 55, 53, 48, 63, 62, 63, 45, 35),
    *(80, 75, 69, 57, 75, 57, 42, 34, 21, 19, 22, 22, 18, 16, 12, 13, 15, 11, 11, 8, 15, 19, 77),
    *(96, 99, 99, 96, 97, 99, 94, 91, 97, 96, 95, 78, 66, 50, 47, 37, 61, 47, 54, 47, 42, 40, 38),
    *(25, 22, 22, 20, 19, 16, 42, 26, 24, 19, 14, 13, 14, 9, 12, 64, 73, 74, 99, 100, 99, 88, 80),
    *(61, 58, 54, 39, 28, 27, 21, 28, 50, 89, 99, 92, 72, 47, 41, 43, 39, 35, 29, 26, 20, 31, 19),
)


@graded(
    "ex05.2",
    points=1,
    hint="Some frame counts differently from the library's endpointing: check frames that equal a "
    "threshold, and frames between the thresholds while the count runs.",
    hidden=True,
)
def test_a_caller_in_a_cafe_and_random_walks_give_the_library_s_segments(exercise):
    rng = np.random.default_rng(4)
    walks = np.clip(0.4 + np.cumsum(rng.normal(0, 0.15, (60, 150)), axis=1), 0, 1)
    tracks = [[value / 100 for value in CAFE], *(np.round(20 * walks) / 20).tolist()]
    cases = []
    for probabilities in tracks:
        min_speech, min_silence = int(rng.integers(1, 5)), int(rng.integers(1, 9))
        for thresholds in ((0.5, 0.35), (0.8, 0.2)):
            cases.append((probabilities, min_speech, min_silence, *thresholds))
    compare("find_segments", cases, lambda *case: segments(exercise, *case))


# --- ex05.3 --------------------------------------------------------------------------------


@graded(
    "ex05.3",
    points=1,
    hint="Each side moves by the padding, but never beyond the middle of the gap to its neighbour "
    "(of the segments as they were given), and never out of the recording.",
)
def test_paddings_meet_in_the_middle_and_stay_in_the_recording(exercise):
    from voxlab.vad.endpointing import VADOptions, speech_segments

    got = np.round(exercise.pad([(0.2, 1.0), (1.4, 4.0)], 0.3, 5.0), 9).tolist()
    expect(got, [[0.0, 1.2], [1.2, 4.3]], "pad([(0.2, 1.0), (1.4, 4.0)], 0.3, 5.0)")

    def library(frames, padding_s):
        options = VADOptions(0.5, 0.5, 0.0, 0.1, padding_s)
        return [[each.start_s, each.end_s] for each in speech_segments(frames, options)]

    def pad(frames, padding_s):
        got = exercise.pad(library(frames, 0.0), padding_s, len(frames) * FRAME_S)
        return np.round(got, 9).tolist(), np.round(library(frames, padding_s), 9).tolist()

    def call(frames, padding_s):
        bare = np.round(library(frames, 0.0), 3).tolist()
        return f"pad({bare}, {padding_s}, {len(frames) * FRAME_S:.3f})"

    rng = np.random.default_rng(5)
    cases = [
        ((rng.random(60) < 0.4).astype(float).tolist(), padding_s)
        for _ in range(30)
        for padding_s in (0.0, 0.05, 0.2, 9.0)
    ]
    compare(call, cases, pad)
