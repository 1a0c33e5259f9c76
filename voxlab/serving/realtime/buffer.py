"""The input audio buffer: what the client has sent and nobody has committed, with its offsets.

Offsets count all audio appended in the session, also what was cleared or committed since, and
never go back. They are kept in ticks of 1/24000 s: every format's sample is a whole number of them.
"""

from collections.abc import Iterator

import numpy as np

from voxlab.audio import Audio, Resampler, Samples
from voxlab.providers.protocols import VAD
from voxlab.serving.realtime.protocol.audio_formats import HEARD_QUALITY, WireFormat

TICKS_PER_S = 24_000
KEPT_SILENCE_S = 30.0  # so much audio without speech is kept while a detector listens
LONGEST_S = 3600.0  # no session is longer


class InputBuffer:
    """The uncommitted audio of one session, in the format of the wire."""

    def __init__(self, wire: WireFormat) -> None:
        self.wire = wire
        self._data = bytearray()
        self._end = 0  # ticks

    @property
    def end_s(self) -> float:
        """How much audio was appended in the session."""
        return self._end / TICKS_PER_S

    @property
    def start_s(self) -> float:
        """Where in the session's audio the buffer begins."""
        return self.end_s - self.duration_s

    @property
    def duration_s(self) -> float:
        """How much audio is in the buffer."""
        return len(self._data) / self.wire.bytes_per_s

    def append(self, data: bytes) -> None:
        """Add whole samples at the end."""
        self._data += data
        self._end += len(data) // self.wire.sample_bytes * (TICKS_PER_S // self.wire.rate_hz)

    def copy(self, until_s: float) -> bytes:
        """Return the audio up to an offset of the session."""
        return bytes(self._data[: max(0, self.wire.size(until_s - self.start_s))])

    def take(self, until_s: float | None = None) -> bytes:
        """Remove and return the audio up to an offset of the session, or all of it."""
        size = len(self._data)
        if until_s is not None:
            size = min(size, max(0, self.wire.size(until_s - self.start_s)))
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def peek(self) -> Audio:
        """Return the audio without removing it."""
        return self.wire.audio(bytes(self._data))

    def keep(self, latest_s: float) -> None:
        """Forget what is older than the latest seconds."""
        if self.duration_s > latest_s:
            self.take(self.end_s - latest_s)

    def convert(self, wire: WireFormat) -> None:
        """Change the format: what is in the buffer is written anew, the offset of its end stays."""
        samples = self.peek().resample(wire.rate_hz).samples
        self._data = bytearray(wire.encode(samples))
        self.wire = wire


class Ear:
    """Turns a session's audio into speech probabilities, frame by frame of its detector.

    begins_s: the offset in the session's audio at which it begins to listen.
    """

    def __init__(self, vad: VAD, wire: WireFormat, begins_s: float) -> None:
        self.heard_s = begins_s
        self.frame_s = vad.frame_size / vad.rate_hz
        self._vad = vad
        self._stream = vad.stream()
        self._rest = np.zeros(0, np.float32)
        self.change_format(wire)

    def change_format(self, wire: WireFormat) -> None:
        """Go on in another format."""
        quality = HEARD_QUALITY[wire.rate_hz]
        self._resampler = Resampler(wire.rate_hz, self._vad.rate_hz, quality)

    def hear(self, samples: Samples) -> Iterator[float]:
        """Yield the probability of each frame that the samples complete; heard_s moves along."""
        size = self._vad.frame_size
        self._rest = np.concatenate([self._rest, self._resampler.feed(samples)])
        while self._rest.size >= size:
            frame, self._rest = self._rest[:size], self._rest[size:]
            self.heard_s += self.frame_s
            yield self._stream.probability(frame)
