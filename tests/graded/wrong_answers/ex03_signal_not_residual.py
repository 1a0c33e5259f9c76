"""Rejected by test_every_stage_quantizes_what_the_ones_before_left: it forgets to subtract.

Every stage quantizes the vector itself.
"""

import numpy as np


def encode(vectors, codebooks, stages):
    # BEGIN SOLUTION ex03.2: quantize with every codebook
    return np.stack([nearest(vectors, codebook) for codebook in codebooks[:stages]])  # noqa: F821
    # END SOLUTION ex03.2
