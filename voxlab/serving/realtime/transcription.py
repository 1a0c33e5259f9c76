"""What the user said: one turn's audio through the recogniser, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers.protocols import STT
from voxlab.providers.stream_guard import guarded
from voxlab.serving.realtime.conversation import Sound

SHORTEST_S = 0.1  # no word is shorter
LONGEST_EARLY_S = 10.0  # a longer turn is recognised once, when it is over, not at each pause

Heard = str | ProviderError  # the text, "" if there are no words, or how the engine failed
Spawn = Callable[[Coroutine[Any, Any, Heard]], asyncio.Task[Heard]]


class Hearing:
    """Recognises the turns of one session, and each pause that may be a turn's end.

    By the time the silence window is over, the words before it have been recognised.
    """

    def __init__(self, stt: STT, patience_s: float) -> None:
        self._stt = stt
        self._patience_s = patience_s
        self._early: asyncio.Task[Heard] | None = None

    def pause(self, sound: Sound, spawn: Spawn) -> None:
        """Begin to recognise a turn that may be over; nobody needs the turn up to an older pause.

        An engine that computes in a thread goes on there: its text is dropped.
        """
        self._drop()
        if sound.duration_s <= LONGEST_EARLY_S:
            self._early = spawn(self.recognised(sound))

    def turn(self, sound: Sound, spawn: Spawn, *, paused: bool) -> asyncio.Task[Heard]:
        """Recognise a turn that is over. paused: it said nothing after the latest pause."""
        if not paused:
            self._drop()
        early, self._early = self._early, None
        return early or spawn(self.recognised(sound))

    def _drop(self) -> None:
        if self._early is not None:
            self._early.cancel()
        self._early = None

    async def recognised(self, sound: Sound) -> Heard:
        """Return the words of a sound."""
        if sound.duration_s < SHORTEST_S:
            return ""

        async def segment() -> AsyncIterator[Audio]:
            yield sound.wire.audio(bytes(sound.data))

        text = ""
        stream = guarded(
            lambda: self._stt.transcribe(segment()), self._patience_s, "the recogniser"
        )
        try:
            async with aclosing(stream):
                async for transcript in stream:
                    text = transcript.text
        except ProviderError as error:
            return error
        return text
