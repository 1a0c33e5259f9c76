"""Rejected by test_every_sample_gets_the_byte_of_g_711: the bits are not turned over."""


def mulaw_code(value):
    # BEGIN SOLUTION ex11.1: sign, segment and step as they are
    size = min(abs(value), 8158) + 33
    segment = size.bit_length() - 6
    return (128 if value < 0 else 0) | segment << 4 | (size >> (segment + 1)) & 15
    # END SOLUTION ex11.1
