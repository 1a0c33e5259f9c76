"""Rejected by test_five_pairs_do_not_tell_and_six_may: the number of pairs does not matter."""


def conclusion(pairs, low_s, high_s):
    # BEGIN SOLUTION ex08.7: only the interval counts
    if low_s <= 0 <= high_s:
        return "the data do not tell"
    return "realtime" if high_s < 0 else "pipeline"
    # END SOLUTION ex08.7
