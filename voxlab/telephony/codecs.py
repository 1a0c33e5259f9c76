"""The codecs of a telephone call by the names that SDP gives them, each ready to code one stream.

All of them make one byte an eighth of a millisecond: 64 kbit/s. G.722 spends it on twice the
bandwidth; it remembers what was before, so each direction needs a coder of its own.
Source: RFC 3551, section 4.5; ITU-T G.722.
"""

import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voxlab.errors import TelephonyError, missing_extra
from voxlab.samples import Samples, from_int16, to_int16
from voxlab.telephony import g711


class Coder(Protocol):
    """Codes one direction of a call."""

    def encode(self, samples: Samples) -> bytes:
        """Return the bytes of samples, float32 (n,)."""
        ...

    def decode(self, data: bytes) -> Samples:
        """Return the samples of bytes, float32 (n,)."""
        ...


class G722:
    """Wideband in 64 kbit/s: two bands, each coded by the difference from what was expected.

    Raises TelephonyError if the package g722 is missing.
    """

    def __init__(self) -> None:
        try:
            import G722 as g722_package  # noqa: N811
        except ImportError as error:
            raise TelephonyError(f"G.722 needs {missing_extra('sip')}") from error
        self._codec = g722_package.G722(
            16_000, 64_000
        )  # at 8000 it would code the lower band alone

    def encode(self, samples: Samples) -> bytes:
        """Return one byte for two samples; an odd one at the end is left out."""
        return bytes(self._codec.encode(to_int16(samples)))

    def decode(self, data: bytes) -> Samples:
        """Return two samples for each byte."""
        return from_int16(np.asarray(self._codec.decode(data), np.int16))


@dataclass(frozen=True, slots=True)
class TelephoneCodec:
    """A codec's name in SDP and the rate of its sound; `coder` makes one for a direction."""

    name: str
    rate_hz: int

    def coder(self) -> Coder:
        """Return a coder for one direction of one call."""
        laws: dict[str, Coder] = {"PCMU": g711.MULAW, "PCMA": g711.ALAW}
        return laws[self.name] if self.name in laws else G722()


CODECS = {
    each.name: each
    for each in (
        TelephoneCodec("G722", 16_000),
        TelephoneCodec("PCMU", g711.RATE_HZ),
        TelephoneCodec("PCMA", g711.RATE_HZ),
    )
}


def available_codecs() -> tuple[str, ...]:
    """Return the names of the codecs that work here, the best first."""
    has_g722 = importlib.util.find_spec("G722") is not None
    return tuple(name for name in CODECS if name != "G722" or has_g722)
