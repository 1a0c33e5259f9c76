"""Rejected by test_codes_stand_for_the_sum_of_their_codewords: all codes are of one table.

Every stage's code is looked up in the first codebook.
"""


def decode(codes, codebooks):
    # BEGIN SOLUTION ex03.3: the sum of codewords
    return sum(codebooks[0][row] for row in codes)
    # END SOLUTION ex03.3
