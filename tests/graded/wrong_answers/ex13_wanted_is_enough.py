"""Rejected by test_a_task_is_done_by_exactly_the_wanted_changes: the rest is not seen."""


def task_done(before, wanted, after):
    # BEGIN SOLUTION ex13.5: look at the wanted entries only
    return all(after.get(key) == value for key, value in wanted.items())
    # END SOLUTION ex13.5
