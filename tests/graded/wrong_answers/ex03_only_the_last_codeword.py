"""Rejected by test_every_stage_quantizes_what_the_ones_before_left: it subtracts once only.

From the third stage on it subtracts the last codeword from the vector, not from what was left.
"""

import numpy as np


def encode(vectors, codebooks, stages):
    # BEGIN SOLUTION ex03.2: subtract the codeword from the vector
    codes, left = [], vectors
    for codebook in codebooks[:stages]:
        codes.append(nearest(left, codebook))  # noqa: F821
        left = vectors - codebook[codes[-1]]
    return np.stack(codes)
    # END SOLUTION ex03.2
