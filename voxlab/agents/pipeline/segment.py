"""A stretch of the user's speech on its way to the recogniser."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from voxlab.audio import Audio

SEGMENT_FRAMES = 10_000  # more than five minutes of speech without a pause


class Segment:
    """The user's speech from one pause to the next.

    since_s: when it began. final_within_s: the recogniser has so long, from its end on.
    """

    def __init__(self, since_s: float, final_within_s: float) -> None:
        self.since_s = since_s
        self._frames: asyncio.Queue[Audio | None] = asyncio.Queue(SEGMENT_FRAMES + 1)
        self._final_within_s = final_within_s
        self.closed = asyncio.Event()
        self.limit = asyncio.timeout(None)  # runs from the end of the segment on

    def push(self, frame: Audio) -> None:
        """Take the next frame."""
        if self._frames.qsize() < SEGMENT_FRAMES:  # else nobody listens: it is not missed
            self._frames.put_nowait(frame)

    def close(self) -> None:
        """Take no more: the user has paused."""
        self.closed.set()
        self._frames.put_nowait(None)
        self.expect_final()

    def expect_final(self) -> None:
        """Let the recogniser's time run, if the segment is closed and `limit` is entered."""
        if self.closed.is_set() and self.limit.when() is None:
            with contextlib.suppress(RuntimeError):  # not entered yet, or already over
                self.limit.reschedule(asyncio.get_running_loop().time() + self._final_within_s)

    async def audio(self) -> AsyncIterator[Audio]:
        """Yield the frames as they come, up to the pause."""
        while (frame := await self._frames.get()) is not None:
            yield frame
