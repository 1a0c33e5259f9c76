"""Rejected by test_a_piece_is_ready_when_the_token_comes_that_completes_it: tokens count from 1."""


def ready_times(fed, first_token_s, token_s):
    # BEGIN SOLUTION ex01.4: add a token's time before each token
    at_s, found = first_token_s, []
    for pieces in fed:
        at_s += token_s
        found += [(piece, at_s) for piece in pieces]
    return found
    # END SOLUTION ex01.4
