"""Rejected by test_a_click_starts_nothing_and_a_dip_splits_nothing: the count is never set back.

The frames against are counted, but not in a row.
"""

from voxlab.vad.silero import FRAME_S


def find_segments(probabilities, min_speech=2, min_silence=7, threshold=0.5, exit_threshold=0.35):
    # BEGIN SOLUTION ex05.2: the frames against are counted, but not in a row
    segments, speaking, against, start = [], False, 0, 0
    for heard, probability in enumerate(probabilities, 1):
        disagrees = probability < exit_threshold if speaking else probability >= threshold
        against += disagrees
        if disagrees and against >= (min_silence if speaking else min_speech):
            if speaking:
                segments.append((start * FRAME_S, (heard - against) * FRAME_S))
            start, speaking, against = heard - against, not speaking, 0
    if speaking:
        segments.append((start * FRAME_S, (len(probabilities) - against) * FRAME_S))
    return segments
    # END SOLUTION ex05.2
