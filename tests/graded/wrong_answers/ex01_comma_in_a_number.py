"""Rejected by test_a_long_clause_ends_at_a_comma_before_white_space: the one in 1,234 ends it."""


def is_long_clause(before, after, least_chars):
    # BEGIN SOLUTION ex01.3: a mark and the length
    return before.endswith((",", ";", ":")) and len(before.strip()) >= least_chars
    # END SOLUTION ex01.3
