"""Rejected by test_every_sample_gets_the_byte_of_g_711: the segment is taken before the bias."""


def mulaw_code(value):
    # BEGIN SOLUTION ex11.1: the segment of the bare size
    size = min(abs(value), 8158)
    segment = max(0, size.bit_length() - 6)
    step = ((size + 33) >> (segment + 1)) & 15
    return ((128 if value < 0 else 0) | segment << 4 | step) ^ 255
    # END SOLUTION ex11.1
