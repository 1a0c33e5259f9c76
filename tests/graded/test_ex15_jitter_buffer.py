"""Exercise 15: which packets play, and when, with a fixed delay."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import compare, expect

BY_HAND = [(100, 7), (118, 8), (155, 10), (171, 9), (195, 12)]


def frames_played(packets, delay_ms):
    """Return what the exercise asks for, frame by frame instead of packet by packet."""
    if not packets or delay_ms < 0:
        raise ValueError("there is a packet at least, and no delay below zero")
    begins_ms, first = packets[0]
    forward = [(at_ms, number, (number - first) % 65536) for at_ms, number in packets]
    known = [frame for _, _, frame in forward if frame < 32768]
    return [
        next(
            (
                number
                for at_ms, number, place in forward
                if place == frame and at_ms <= begins_ms + delay_ms + 20 * frame
            ),
            None,
        )
        for frame in range(max(known) + 1)
    ]


def journey(rng, first, count, *, jitter_ms, loss=0.1, twice=0.0):
    """Return (arrives_ms, sequence) of packets that travelled, in order of arrival."""
    arrived = []
    for n in range(count):
        copies = 1 + (rng.random() < twice)
        if n and rng.random() < loss:
            copies = 0
        for _ in range(copies):
            late_ms = int(rng.exponential(jitter_ms)) if n else 0
            arrived.append((20 * n + late_ms, (first + n) % 65536))
    return sorted(arrived)


@graded(
    "ex15.1",
    points=1,
    hint="Frame n is due at the first arrival + the delay + 20 n, whatever has arrived; a packet "
    "that comes at that millisecond is in time, and one that comes later is not played.",
)
def test_each_frame_plays_the_packet_that_is_there_when_it_is_due(exercise):
    got = exercise.playout(BY_HAND, 30)
    expect(got, [7, 8, None, 10, None, 12], f"playout({BY_HAND}, 30)")

    def play(packets, delay_ms):
        return exercise.playout(packets, delay_ms), frames_played(packets, delay_ms)

    rng = np.random.default_rng(8)
    small = [(journey(rng, 100, 4, jitter_ms=25), 20 * int(rng.integers(0, 3))) for _ in range(30)]
    large = [(journey(rng, 1000, 60, jitter_ms=15), int(rng.integers(0, 60))) for _ in range(10)]
    compare("playout", [*small, *large], play)


@graded(
    "ex15.1",
    points=1,
    hint="Something is counted twice or in the wrong direction: look at a sequence number that "
    "wraps from 65535 to 0, at one from before the first packet, and at a second copy that is "
    "late.",
    hidden=True,
)
def test_counters_wrap_and_copies_and_stragglers_change_nothing(exercise):
    def play(packets, delay_ms):
        return exercise.playout(packets, delay_ms), frames_played(packets, delay_ms)

    rng = np.random.default_rng(9)
    cases = [
        ([(0, 65535), (20, 0), (40, 1)], 0),
        ([(0, 5), (3, 4), (20, 6)], 40),
        ([(0, 5), (10, 6), (90, 6)], 20),
    ]
    for first in (65533, 0, 40000):
        for jitter_ms in (5, 40):
            travelled = journey(rng, first, 30, jitter_ms=jitter_ms, twice=0.3)
            cases.append((travelled, int(rng.integers(0, 60))))
    compare("playout", cases, play)
