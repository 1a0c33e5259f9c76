"""Rejected by test_no_codeword_is_nearer_than_the_one_that_was_found: no squared length.

The largest product wins, so that long codewords take everything.
"""


def nearest(vectors, codebook):
    # BEGIN SOLUTION ex03.1: the largest product
    return (vectors @ codebook.T).argmax(1)
    # END SOLUTION ex03.1
