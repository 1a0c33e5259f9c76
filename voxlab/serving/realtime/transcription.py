"""Transcription: one turn's audio goes through the recogniser, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers import protocols
from voxlab.providers.stream_guard import guarded
from voxlab.serving.realtime.conversation import Item, Sound
from voxlab.serving.realtime.transport.send_queue import SendQueue
from voxlab.text import without_sound_marks

SHORTEST_S = 0.1  # no word is shorter
LONGEST_EARLY_S = 10.0  # a longer turn is recognised once, when it is over, not at each pause

TextOrError = str | ProviderError  # the text, "" if there are no words, or how the engine failed
Spawn = Callable[[Coroutine[Any, Any, TextOrError]], asyncio.Task[TextOrError]]


@dataclass(frozen=True, slots=True)
class ItemTranscribed:
    """The recogniser is done with what the user said in an item."""

    item: Item
    transcript: TextOrError

    def tell(self, queue: SendQueue) -> None:
        """Send the words, or why there are none; the item keeps them."""
        kind = "conversation.item.input_audio_transcription."
        place = {"item_id": self.item.id, "content_index": 0}
        if isinstance(self.transcript, ProviderError):
            error = {"type": "server_error", "code": "audio_unintelligible"}
            error["message"] = str(self.transcript)
            queue.emit(kind + "failed", **place, error=error)
            return
        self.item.data["content"][0]["transcript"] = self.transcript
        if self.transcript:
            queue.emit(kind + "delta", **place, delta=self.transcript)
        usage = {"type": "duration", "seconds": round(self.item.sounds[0].duration_s, 3)}
        queue.emit(kind + "completed", **place, transcript=self.transcript, usage=usage)


class Transcriber:
    """Recognises the turns of one session, and each pause that may be a turn's end.

    By the time the silence window is over, the words before it have been recognised.
    spawn: starts a task of the session.
    """

    def __init__(self, stt: protocols.STT, patience_s: float, spawn: Spawn) -> None:
        self._stt = stt
        self._patience_s = patience_s
        self._spawn = spawn
        self._early: asyncio.Task[TextOrError] | None = None

    def start(self, sound: Sound) -> asyncio.Task[TextOrError]:
        """Begin to recognise a sound; return the task whose result is its transcript."""
        return self._spawn(self._transcribe(sound))

    def start_early(self, sound: Sound) -> None:
        """Begin to recognise a turn that may be over; nobody needs the turn up to an older pause.

        An engine that computes in a thread goes on there: its text is dropped.
        """
        self._drop()
        if sound.duration_s <= LONGEST_EARLY_S:
            self._early = self.start(sound)

    def finish(self, sound: Sound, *, paused: bool) -> asyncio.Task[TextOrError]:
        """Recognise a turn that is over. paused: it said nothing after the latest pause."""
        if not paused:
            self._drop()
        early, self._early = self._early, None
        return early or self.start(sound)

    def _drop(self) -> None:
        if self._early is not None:
            self._early.cancel()
        self._early = None

    async def _transcribe(self, sound: Sound) -> TextOrError:
        if sound.duration_s < SHORTEST_S:
            return ""

        async def segment() -> AsyncIterator[Audio]:
            yield sound.audio

        patience_s = self._patience_s + sound.duration_s  # long audio takes its time
        stream = guarded(
            lambda: self._stt.transcribe(segment()),
            patience_s,
            "the recogniser",
            protocols.Transcript,
        )
        try:
            async with aclosing(stream):
                async for transcript in stream:
                    if transcript.is_final:
                        return without_sound_marks(transcript.text)
        except ProviderError as error:
            return error
        return ProviderError("the recogniser ended without a final transcript")
