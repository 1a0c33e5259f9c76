"""Rejected by test_a_step_moves_codewords_to_the_mean_of_their_points: the mean of nothing.

A codeword without points moves to zero, where it may take points from others.
"""

import numpy as np


def k_means_step(points, codebook):
    # BEGIN SOLUTION ex03.5: the sum of the points over their number, one at least
    chosen = nearest(points, codebook)  # noqa: F821
    members = chosen == np.arange(len(codebook))[:, None]
    return members @ points / np.maximum(members.sum(1), 1)[:, None]
    # END SOLUTION ex03.5
