"""The sound of the telephone: G.711, eight bits a sample at 8 kHz, in its two laws.

A law spends its 256 codes unevenly: steps are fine where speech is quiet and coarse where it is
loud, so that eight bits do the work of thirteen or fourteen. 64 kbit/s, no delay.
Source: ITU-T G.711 (1988), tables 1a to 2b.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from voxlab.samples import Samples, from_int16, to_int16

RATE_HZ = 8_000
CompandedCodes = NDArray[np.uint8]
Linear = NDArray[np.int32]

MULAW_BIAS = 33  # added before the logarithm's segments, so that each is a power of two
MULAW_LARGEST = 8158  # with the bias it is the last value of the last segment, 2 ** 13 - 1
ALAW_TOGGLED = 0x55  # every second bit is inverted, so that silence is not a row of zeros


@dataclass(frozen=True)
class Companding:
    r"""One of G.711's laws, both ways, by table.

    compress: 16-bit values, int32 (n,), to codes; expand: codes to 16-bit values.

    >>> MULAW.encode(np.zeros(2, np.float32)), ALAW.encode(np.zeros(1, np.float32))
    (b'\xff\xff', b'\xd5')
    >>> MULAW.decode(b"\x80").round(2)
    array([0.98], dtype=float32)
    """

    name: str
    compress: Callable[[Linear], CompandedCodes]
    expand: Callable[[CompandedCodes], Linear]

    @cached_property
    def _codes(self) -> CompandedCodes:
        """The code of each 16-bit value, from -32768 upwards."""
        return self.compress(np.arange(-32768, 32768, dtype=np.int32))

    @cached_property
    def _values(self) -> Samples:
        """The sample of each code."""
        return from_int16(self.expand(np.arange(256, dtype=np.uint8)))

    def encode(self, samples: Samples) -> bytes:
        """Return one byte a sample. samples: float (n,) in [-1, 1]; what lies beyond is clipped.

        Raises AudioError unless they are finite floats (n,).
        """
        return self._codes[to_int16(samples).astype(np.int32) + 32768].tobytes()

    def decode(self, data: bytes) -> Samples:
        """Return the samples of some bytes, float32 (n,)."""
        return self._values[np.frombuffer(data, np.uint8)]


def _mulaw_compress(linear: Linear) -> CompandedCodes:
    reduced = linear >> 2
    sign = np.where(reduced < 0, 0x7F, 0xFF)
    size = np.minimum(np.abs(reduced), MULAW_LARGEST) + MULAW_BIAS
    segment = np.floor(np.log2(size)).astype(np.int32) - 5  # 2 ** 5 <= size < 2 ** 13
    return np.asarray(((segment << 4) | ((size >> (segment + 1)) & 0x0F)) ^ sign, np.uint8)


def _mulaw_expand(codes: CompandedCodes) -> Linear:
    code = ~codes & 0xFF
    segment, step = (code >> 4) & 7, (code & 0x0F).astype(np.int32)
    size = (((step << 1) + MULAW_BIAS) << segment) - MULAW_BIAS
    return np.asarray(np.where(code & 0x80, -size, size) << 2, np.int32)


def _alaw_compress(linear: Linear) -> CompandedCodes:
    reduced = linear >> 3
    sign = np.where(reduced < 0, 0, 0x80) ^ ALAW_TOGGLED
    size = np.where(reduced < 0, -reduced - 1, reduced)
    segment = np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4, 0)
    step = (size >> np.maximum(segment, 1)) & 0x0F
    return np.asarray(((segment << 4) | step) ^ sign, np.uint8)


def _alaw_expand(codes: CompandedCodes) -> Linear:
    code = codes ^ ALAW_TOGGLED
    segment, step = (code >> 4) & 7, (code & 0x0F).astype(np.int32)
    size = (step << 1) + 1 + np.where(segment, 32, 0)  # the middle of the step
    size = size << np.maximum(segment.astype(np.int32) - 1, 0)
    return np.asarray(np.where(code & 0x80, size, -size) << 3, np.int32)


MULAW = Companding("mu-law", _mulaw_compress, _mulaw_expand)
ALAW = Companding("A-law", _alaw_compress, _alaw_expand)
