"""Rejected by test_a_code_takes_the_base_two_logarithm_of_its_table: it counts codewords.

A code of a table of 1024 does not take 1024 bits.
"""


def bitrate_bps(frame_rate_hz, stages, codebook_size):
    # BEGIN SOLUTION ex03.4: frames, stages, size
    return frame_rate_hz * stages * codebook_size
    # END SOLUTION ex03.4
