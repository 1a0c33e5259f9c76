"""Exercise 11: the byte of a sample in mu-law."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import compare

LOWEST, HIGHEST = -8192, 8191


def values(rng):
    """Return samples: those worked by hand, both sides of every segment's end, and any."""
    by_hand = [250, -250, 0, HIGHEST, LOWEST, -1]
    ends = [sign * (2**power - 33 + step) for power in range(6, 14) for step in (-1, 0, 1)
            for sign in (1, -1)]  # fmt: skip
    drawn = rng.integers(LOWEST, HIGHEST + 1, 150).tolist()
    soft = rng.integers(-300, 301, 100).tolist()
    return [each for each in (*by_hand, *ends, *drawn, *soft) if LOWEST <= each <= HIGHEST]


@graded(
    "ex11.1",
    points=1,
    hint="Take the size with the bias first, then its segment, then the four bits after the "
    "leading 1; the sign is bit 7, and in the end all eight bits are turned over.",
)
def test_every_sample_gets_the_byte_of_g_711(exercise):
    from voxlab.telephony.g711 import MULAW

    def code(value):
        if not LOWEST <= value <= HIGHEST:
            raise ValueError("a sample of 14 bits")
        return exercise.mulaw_code(value), MULAW.encode(np.array([4 * value / 32768]))[0]

    compare("mulaw_code", [(value,) for value in values(np.random.default_rng(7))], code)
