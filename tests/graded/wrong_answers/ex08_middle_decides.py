"""Rejected by test_an_interval_on_one_side_of_zero_names_the_quicker_one: the middle decides."""


def conclusion(pairs, low_s, high_s):
    # BEGIN SOLUTION ex08.7: where the middle of the interval lies
    if pairs < 6:
        return "the data do not tell"
    return "realtime" if low_s + high_s < 0 else "pipeline"
    # END SOLUTION ex08.7
