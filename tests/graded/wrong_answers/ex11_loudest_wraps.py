"""Rejected by test_every_sample_gets_the_byte_of_g_711: the loudest samples run out of segments."""


def mulaw_code(value):
    # BEGIN SOLUTION ex11.1: no limit before the bias
    size = abs(value) + 33
    segment = size.bit_length() - 6
    step = (size >> (segment + 1)) & 15
    return (((128 if value < 0 else 0) | segment << 4 | step) ^ 255) & 255
    # END SOLUTION ex11.1
