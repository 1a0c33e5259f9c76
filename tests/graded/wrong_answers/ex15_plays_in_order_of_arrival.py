"""Rejected by test_each_frame_plays_the_packet_that_is_there_when_it_is_due: arrival is the order.

A queue: what came first plays first, so that an overtaken packet stays behind.
"""


def playout(packets, delay_ms):
    # BEGIN SOLUTION ex15.1: first in, first out
    return [sequence for _, sequence in packets]
    # END SOLUTION ex15.1
