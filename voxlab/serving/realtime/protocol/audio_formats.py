"""The three formats of sound on the wire, in and out, as streams.

audio/pcm is 16-bit little-endian at 24 kHz, audio/pcmu and audio/pcma are G.711 at 8 kHz.
"""

from dataclasses import dataclass

import numpy as np

from voxlab.audio import Audio, Resampler, Samples, from_pcm16, to_pcm16
from voxlab.telephony.g711 import ALAW, MULAW, Companding

# The quality of soxr for a detector's ear: what has a longer filter answers later. "LQ" is 6 ms
# late from 24 kHz but 60 ms from 8 kHz, where "QQ" is late by less than a millisecond.
DETECTOR_QUALITY = {24_000: "LQ", 8_000: "QQ"}


@dataclass(frozen=True)
class WireFormat:
    """How sound is written on the wire."""

    name: str
    rate_hz: int
    law: Companding | None = None

    @property
    def sample_bytes(self) -> int:
        """Bytes a sample."""
        return 1 if self.law else 2

    @property
    def bytes_per_s(self) -> int:
        """Bytes a second."""
        return self.rate_hz * self.sample_bytes

    def decode(self, data: bytes) -> Samples:
        """Return float32 (samples,). data: whole samples."""
        if self.law:
            return self.law.decode(data)
        return from_pcm16(data)

    def encode(self, samples: Samples) -> bytes:
        """Return the bytes of samples; what lies beyond full scale is clipped."""
        if self.law:
            return self.law.encode(samples)
        return to_pcm16(samples)

    def audio(self, data: bytes) -> Audio:
        """Return the bytes as a recording."""
        return Audio(self.decode(data), self.rate_hz)

    def size(self, duration_s: float) -> int:
        """Return how many bytes last so long, to the nearest sample."""
        return round(duration_s * self.rate_hz) * self.sample_bytes


FORMATS = {  # by the "type" of a session's format
    "audio/pcm": WireFormat("audio/pcm", 24_000),
    "audio/pcmu": WireFormat("audio/pcmu", 8_000, MULAW),
    "audio/pcma": WireFormat("audio/pcma", 8_000, ALAW),
}


class WireEncoder:
    """Writes the pieces of one spoken reply, of any rate, in a format."""

    def __init__(self, target: WireFormat) -> None:
        self._format = target
        self._resampler: Resampler | None = None
        self._rate_hz = 0

    def feed(self, audio: Audio) -> bytes:
        """Return the next bytes."""
        before = b""
        if self._resampler is None or audio.rate_hz != self._rate_hz:
            before = self.finish()
            self._resampler = Resampler(audio.rate_hz, self._format.rate_hz)
            self._rate_hz = audio.rate_hz
        return before + self._format.encode(self._resampler.feed(audio.samples))

    def finish(self) -> bytes:
        """Return the bytes of what the filter still holds."""
        if self._resampler is None or self._rate_hz == self._format.rate_hz:
            return b""
        rest = self._resampler.feed(np.zeros(0, np.float32), last=True)
        self._resampler = None
        return self._format.encode(rest)
