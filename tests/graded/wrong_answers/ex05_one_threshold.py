"""Rejected by test_between_the_thresholds_nothing_changes: only one of the thresholds is used."""


def speaking_frames(probabilities, threshold=0.5, exit_threshold=0.35):
    # BEGIN SOLUTION ex05.1: every frame is judged by itself
    return [probability >= threshold for probability in probabilities]
    # END SOLUTION ex05.1
