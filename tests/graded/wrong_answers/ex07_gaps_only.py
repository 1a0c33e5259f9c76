"""Rejected by test_silence_is_the_first_wait_and_every_gap: the wait for the first is missing."""


def silences(play_start_s, play_end_s):
    # BEGIN SOLUTION ex07.3: between the sentences
    pairs = zip(play_end_s[:-1], play_start_s[1:], strict=True)
    return [(end_s, start_s) for end_s, start_s in pairs if start_s > end_s]
    # END SOLUTION ex07.3
