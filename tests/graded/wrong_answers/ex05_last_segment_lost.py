"""Rejected by test_speech_ends_with_the_voice_or_with_the_recording: the last one is lost.

Speech that is still on when the recording ends is forgotten.
"""

from voxlab.vad.silero import FRAME_S


def find_segments(probabilities, min_speech=2, min_silence=7, threshold=0.5, exit_threshold=0.35):
    # BEGIN SOLUTION ex05.2: speech that is on when the recording ends is forgotten
    segments, speaking, against, start = [], False, 0, 0
    for heard, probability in enumerate(probabilities, 1):
        disagrees = probability < exit_threshold if speaking else probability >= threshold
        against = against + 1 if disagrees else 0
        if against < (min_silence if speaking else min_speech):
            continue
        if speaking:
            segments.append((start * FRAME_S, (heard - against) * FRAME_S))
        start = heard - against
        speaking, against = not speaking, 0
    return segments
    # END SOLUTION ex05.2
