"""A stretch of the user's speech on its way to the recogniser."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from voxlab.agents.pipeline.reply import PlayedReply
from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers.protocols import STT, GuessingSTT, MayEnd, Transcript
from voxlab.providers.stream_guard import guarded
from voxlab.turn_taking.interruptions import asks_for_presence

SEGMENT_FRAMES = 10_000  # more than five minutes of speech without a pause


class Segment:
    """The user's speech from one pause to the next.

    since_s: when it began. final_within_s: the recogniser has so long, from its end on. over: the
    agent's reply that is due.
    """

    def __init__(
        self, since_s: float, final_within_s: float, over: PlayedReply | None = None
    ) -> None:
        self.since_s = since_s
        self._over = over if over is not None and over.is_working else None
        self._frames: asyncio.Queue[Audio | int | None] = asyncio.Queue(SEGMENT_FRAMES + 1)
        self._taken: list[Audio] = []  # by the recogniser so far
        self._doubts = 0  # how often the user may have been done
        self._doubt = 0  # which of these times it still holds; 0 for none
        self._guessing = 0  # for which of them the recogniser was asked last
        self._final_within_s = final_within_s
        self.closed = asyncio.Event()
        self.limit = asyncio.timeout(None)  # runs from the end of the segment on

    def asks_for_presence(self, text: str) -> bool:
        """Tell whether these words only ask if the agent is there, and began over a running tool.

        What the caller waits for is the answer: as a new question they would cancel the tool.
        """
        return self._over is not None and asks_for_presence(text)

    def reassure(self, text: str) -> None:
        """Give a sign of life to who asks for one."""
        if self._over is not None and asks_for_presence(text):
            self._over.reassure()

    def push(self, frame: Audio) -> None:
        """Take the next frame."""
        if self._frames.qsize() < SEGMENT_FRAMES:  # else nobody listens: it is not missed
            self._frames.put_nowait(frame)

    def may_end(self) -> None:
        """Note that the user may be done: the recogniser is to say what it has."""
        if self._frames.qsize() < SEGMENT_FRAMES:
            self._doubts += 1
            self._doubt = self._doubts
            self._frames.put_nowait(self._doubt)

    def go_on(self) -> None:
        """Note that the user was not done: no guess is wanted any more."""
        self._doubt = 0

    @property
    def guess_holds(self) -> bool:
        """Whether the user has said nothing since the recogniser was asked for a guess."""
        return 0 < self._doubt == self._guessing

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

    async def transcripts(self, stt: STT | GuessingSTT) -> AsyncGenerator[Transcript, None]:
        """Yield what a recogniser hears, with guesses if it makes any. Raises ProviderError.

        One that fails over a guess is asked again without: what is only begun early costs nobody
        their words.
        """
        try:
            if isinstance(stt, GuessingSTT):
                async for transcript in _heard(stt, self.audio_and_doubts):
                    yield transcript
                return
        except ProviderError:
            if not self._guessing:
                raise
        async for transcript in _heard(stt, self.audio):
            yield transcript

    async def audio(self) -> AsyncIterator[Audio]:
        """Yield the frames up to the pause, as they come; those that were taken already first."""
        for frame in self._taken[:]:
            yield frame
        async for item in self.audio_and_doubts():
            if isinstance(item, Audio):
                yield item

    async def audio_and_doubts(self) -> AsyncIterator[Audio | MayEnd]:
        """Yield the frames, and where the user may be done, a MayEnd.

        Not if speech has gone on by the time that the recogniser comes to it, nor if the segment
        is closed: its final transcript is next.
        """
        while (item := await self._frames.get()) is not None:
            if isinstance(item, Audio):
                self._taken.append(item)
                yield item
            elif item == self._doubt and not self.closed.is_set():
                self._guessing = item
                yield MayEnd()


async def _heard(
    stt: STT | GuessingSTT, audio: Callable[[], AsyncIterator[Any]]
) -> AsyncIterator[Transcript]:
    stream = guarded(lambda: stt.transcribe(audio()), None, "the recogniser", Transcript)
    async with contextlib.aclosing(stream):
        async for transcript in stream:
            yield transcript
