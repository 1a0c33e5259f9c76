"""The input audio buffer: what the client has sent and nobody has committed, and the turns in it.

Offsets count all audio appended in the session, also what was cleared or committed since, and
never go back. They are kept in ticks of 1/24000 s: every format's sample is a whole number of them.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

from voxlab.providers.protocols import VAD
from voxlab.serving.realtime.conversation import Sound, refuse_split_samples
from voxlab.serving.realtime.protocol.audio_formats import FORMATS
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.turn_detection import Edge, TurnDetector

TICKS_PER_S = 24_000
SHORTEST_COMMIT_S = 0.1
KEPT_SILENCE_S = 30.0  # so much audio without speech is kept while a detector listens
LONGEST_S = 3600.0  # no session is longer


class InputAudio:
    """The uncommitted audio of one session, in the format of the wire.

    settings: the session's audio.input; vad: None if nobody listens for turns.
    """

    def __init__(self, settings: dict[str, Any], vad: VAD | None) -> None:
        self.wire = FORMATS[settings["format"]["type"]]
        self._vad = vad
        self._data = bytearray()
        self._end = 0  # ticks
        self._detector: TurnDetector | None = None
        self.follow(settings)

    def follow(self, settings: dict[str, Any]) -> None:
        """Take new settings; in a new format what is there is written anew, its end stays."""
        wire, detection = FORMATS[settings["format"]["type"]], settings["turn_detection"]
        if wire is not self.wire:
            audio = Sound(self.wire, self._take()).audio
            self._data += wire.encode(audio.resample(wire.rate_hz).samples)
            self.wire = wire
            if self._detector is not None:
                self._detector.change_format(wire)
        if detection is None:
            self._detector = None
        elif self._detector is not None:
            self._detector.change(detection)
        elif self._vad is not None:
            self._detector = TurnDetector(self._vad, detection, wire, self.end_s)

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

    @property
    def in_turn(self) -> bool:
        """Whether somebody speaks, or pauses within a turn."""
        return self._detector is not None and self._detector.in_turn

    def check(self, data: bytes) -> None:
        """Raise Refused if the data is not whole samples, or nobody listens and it is too much."""
        refuse_split_samples(data, self.wire, "audio")
        if self._detector is None and self.duration_s > LONGEST_S:
            said = "The input audio buffer is full: commit or clear it."
            raise Refused("input_audio_buffer_full", said)

    async def append(self, data: bytes, on_edge: Callable[[Edge], Awaitable[None]]) -> None:
        """Add whole samples at the end; on_edge does what their turns ask for, if somebody listens.

        It is done with an edge before the next frame is heard. Raises ProviderError if the VAD
        fails.
        """
        self._data += data
        self._end += len(data) // self.wire.sample_bytes * (TICKS_PER_S // self.wire.rate_hz)
        if self._detector is None:
            return
        frames = self._detector.frames(data)
        for frames_left, frame in zip(range(len(frames) - 1, -1, -1), frames, strict=True):
            edge = await self._detector.hear(frame, is_ahead=frames_left > 0)
            if edge is not None:
                await on_edge(edge)
        if not self.in_turn:
            del self._data[: max(0, len(self._data) - self.wire.size(KEPT_SILENCE_S))]

    def drop_before(self, at_s: float) -> float:
        """Forget what came before an offset; return the offset where the rest begins."""
        begins_s = max(at_s, self.start_s, 0.0)
        self._take(begins_s)
        return begins_s

    def wait(self, silence_s: float) -> None:
        """Let the turn that pauses end after so much silence."""
        if self._detector is not None:
            self._detector.wait(silence_s)

    def copy(self, until_s: float) -> Sound:
        """Return the audio up to an offset."""
        return Sound(self.wire, self._data[: self._size(until_s)])

    def take(self, until_s: float) -> Sound:
        """Remove and return the audio up to an offset."""
        return Sound(self.wire, self._take(until_s))

    def commit(self) -> Sound:
        """Remove and return all audio, an open turn included. Raises Refused under 100 ms of it."""
        if self.duration_s < SHORTEST_COMMIT_S:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms "
                f"of audio, but buffer only has {self.duration_s * 1000:.2f}ms of audio.",
            )
        return self.clear()

    def clear(self) -> Sound:
        """Remove and return all audio; a turn that is open is over."""
        if self._detector is not None:
            self._detector.reset()
        return Sound(self.wire, self._take())

    def _size(self, until_s: float) -> int:
        return max(0, self.wire.size(until_s - self.start_s))

    def _take(self, until_s: float = math.inf) -> bytearray:
        size = len(self._data) if until_s == math.inf else self._size(until_s)
        taken = self._data[:size]
        del self._data[:size]
        return taken
