"""Rejected by test_a_click_starts_nothing_and_a_dip_splits_nothing: lengths are counted too late.

After the hysteresis a frame between the thresholds belongs to the run before it, and counts.
"""

from voxlab.vad.silero import FRAME_S


def find_segments(probabilities, min_speech=2, min_silence=7, threshold=0.5, exit_threshold=0.35):
    # BEGIN SOLUTION ex05.2: hysteresis first, then runs that are too short are passed over
    segments, speaking, run, start = [], False, 0, 0
    frames = speaking_frames(probabilities, threshold, exit_threshold)  # noqa: F821
    for heard, frame in enumerate(frames, 1):
        run = run + 1 if frame != speaking else 0
        if run < (min_silence if speaking else min_speech):
            continue
        if speaking:
            segments.append((start * FRAME_S, (heard - run) * FRAME_S))
        start = heard - run
        speaking, run = not speaking, 0
    if speaking:
        segments.append((start * FRAME_S, (len(frames) - run) * FRAME_S))
    return segments
    # END SOLUTION ex05.2
