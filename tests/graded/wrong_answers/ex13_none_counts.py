"""Rejected by test_a_percentile_of_too_few_times_is_none: turns without a time count as times."""
# ruff: noqa: F821


def percentile(times_s, percent):
    # BEGIN SOLUTION ex13.2: the length of the whole list
    if len(times_s) < (20 if percent > 90 else 10):
        return None
    return np.percentile([time_s for time_s in times_s if time_s is not None], percent)
    # END SOLUTION ex13.2
