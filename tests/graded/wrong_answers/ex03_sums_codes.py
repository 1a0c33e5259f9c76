"""Rejected by test_codes_stand_for_the_sum_of_their_codewords: it adds the codes up.

The sum of the numbers is looked up, in the first codebook, as if it were a code.
"""


def decode(codes, codebooks):
    # BEGIN SOLUTION ex03.3: the codeword of the sum
    return codebooks[0][sum(codes) % len(codebooks[0])]
    # END SOLUTION ex03.3
