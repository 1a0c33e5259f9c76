"""The work behind one response: the language model writes, the voice follows sentence by sentence.

A maker only reports; the session decides what becomes of it. Sound is reported in slices that
last 100 ms at most, with the words that begin in them, and not much faster than PACE.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from voxlab.audio import silence
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Speech, TextDelta, ToolCall
from voxlab.providers.stream_guard import guarded
from voxlab.sentences import SentenceChunker
from voxlab.serving.realtime.conversation import Item, messages
from voxlab.serving.realtime.protocol.audio_formats import Encoder, WireFormat
from voxlab.serving.realtime.protocol.session_config import tool_specs

SLICE_S = 0.1
SENTENCE_PAUSE_S = 0.2
SENTENCES_AHEAD = 8
CHARACTERS_PER_TOKEN = 4  # a rule of thumb for English; the offline model has no tokens
SILENT_HZ = 24_000  # the rate of speech that has a length but no sound


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast sound is sent: head_start_s at once, then speed seconds of it in a second."""

    speed: float = 4.0
    head_start_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """The longest waits for an engine: a transcript, the next token, the next piece of speech."""

    stt_s: float = 20.0
    llm_s: float = 20.0
    tts_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Said:
    """The next words of a response, the next sound of it, or both."""

    response_id: str
    text: str = ""
    sound: bytes = b""


@dataclass(frozen=True, slots=True)
class Made:
    """The response is made: status "completed", "incomplete" or "failed".

    Its calls come with its end, so that a client that answers a call at once, as the chapter's
    fragment does, finds the response finished.
    """

    response_id: str
    status: str
    calls: tuple[ToolCall, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Job:
    """What to make: the settings (`config.response_config`), the context, the sound's format."""

    response_id: str
    config: dict[str, Any]
    context: Sequence[Item]
    wire: WireFormat

    @property
    def most_characters(self) -> float:
        """How long the response may become."""
        tokens = self.config["max_output_tokens"]
        return math.inf if tokens == "inf" else tokens * CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class Maker:
    """Makes responses. report: takes what was made; room, flushed: see `outbox`.

    filler: spoken before a tool is called in silence; "" for nothing.
    """

    providers: Providers
    report: Callable[[Said | Made], Awaitable[None]]
    room: Callable[[], Awaitable[None]]
    flushed: Callable[[], Awaitable[None]]
    pace: Pace
    patience: Patience
    filler: str = ""

    async def make(self, job: Job) -> None:
        """Make one response and report it; however it goes, the last report is Made."""
        try:
            outcome = await self._make(job)
        except ProviderError as error:
            outcome = Made(job.response_id, "failed", problem=str(error))
        except Exception as error:  # an engine's fault is the response's, not the session's
            problem = f"{type(error).__name__}: {error}"
            outcome = Made(job.response_id, "failed", problem=problem)
        await self.flushed()  # until all of it has been sent, a barge-in takes the rest back
        await self.report(outcome)

    async def _make(self, job: Job) -> Made:
        await self._hear(job.context)
        written = _Written(job.most_characters)
        if job.config["output_modalities"] == ["text"]:
            async for text in self._write(job, written):
                await self._report(Said(job.response_id, text))
        else:
            await self._speak(job, written)
        if not written.length and not written.calls:
            raise ProviderError("the language model returned nothing: no text, no tool")
        status = "incomplete" if written.is_cut else "completed"
        return Made(job.response_id, status, tuple(written.calls))

    async def _hear(self, context: Sequence[Item]) -> None:
        """Wait for the transcripts of the user's audio."""
        for item in context:
            if item.heard is None:
                continue
            heard = await asyncio.shield(item.heard)  # a cancelled response leaves it to others
            if isinstance(heard, ProviderError):
                raise heard

    async def _report(self, piece: Said) -> None:
        await self.room()
        await self.report(piece)

    async def _write(self, job: Job, written: "_Written") -> AsyncIterator[str]:
        """Yield the model's text as it comes; its calls are noted."""
        llm, read = self.providers.llm, messages(job.context, job.config["instructions"])
        stream = guarded(
            lambda: llm.stream(read, tool_specs(job.config)),
            self.patience.llm_s,
            "the language model",
        )
        async with aclosing(stream):
            async for part in stream:
                if text := written.add(part):
                    yield text
                if written.is_cut:
                    return
        if self.filler and written.calls and not written.length:
            yield self.filler

    async def _speak(self, job: Job, written: "_Written") -> None:
        sentences: asyncio.Queue[str | None] = asyncio.Queue(SENTENCES_AHEAD)
        tasks = [
            asyncio.create_task(self._write_sentences(job, written, sentences)),
            asyncio.create_task(self._voice(job, sentences)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_sentences(
        self, job: Job, written: "_Written", sentences: asyncio.Queue[str | None]
    ) -> None:
        chunker = SentenceChunker()
        async for text in self._write(job, written):
            for sentence in chunker.feed(text):
                await sentences.put(sentence)
        for sentence in chunker.flush():
            await sentences.put(sentence)
        await sentences.put(None)

    async def _voice(self, job: Job, sentences: asyncio.Queue[str | None]) -> None:
        """Speak the sentences, at the pace of the session."""
        encoder, voice = Encoder(job.wire), _Voice(self.pace, job.wire)
        separator = ""
        while (sentence := await sentences.get()) is not None:
            stream = guarded(
                lambda text=sentence: self.providers.tts.synthesize(text),  # type: ignore[misc]
                self.patience.tts_s,
                "the speech synthesiser",
            )
            spoken = False
            async with aclosing(stream):
                async for speech in stream:
                    if separator and not spoken:
                        pause = silence(SENTENCE_PAUSE_S, job.wire.rate_hz)
                        await self._sound(job, voice, job.wire.encode(pause.samples), ())
                    spoken = True
                    audio = speech.audio or silence(speech.duration_s, SILENT_HZ)
                    words = timed_words(speech, separator)
                    separator = " " if speech.text else separator
                    await self._sound(job, voice, encoder.feed(audio), words)
            await self._sound(job, voice, encoder.finish(), ())
            if not spoken:  # a dash alone: there is nothing to hear, but it was written
                await self._report(Said(job.response_id, separator + sentence))
                separator = " "

    async def _sound(
        self, job: Job, voice: "_Voice", sound: bytes, words: Sequence[tuple[float, str]]
    ) -> None:
        for text, piece in slices(sound, words, job.wire):
            await voice.wait(len(piece))
            await self._report(Said(job.response_id, text, piece))


class _Written:
    """What the model has written: how much, and which tools it calls."""

    def __init__(self, most_characters: float) -> None:
        self._most = most_characters
        self.length = 0
        self.calls: list[ToolCall] = []
        self.is_cut = False

    def add(self, part: TextDelta | ToolCall) -> str:
        """Take the next part; return its text, cut at the limit."""
        if isinstance(part, ToolCall):
            self.calls.append(part)
            return ""
        left = self._most - self.length
        text = part.text if len(part.text) <= left else part.text[: int(left)]
        self.is_cut = len(text) < len(part.text)
        self.length += len(text)
        return text


class _Voice:
    """The clock of one response's sound."""

    def __init__(self, pace: Pace, wire: WireFormat) -> None:
        self._pace = pace
        self._wire = wire
        self._begun_s: float | None = None
        self._sent_s = 0.0

    async def wait(self, size: int) -> None:
        """Wait until the next bytes may be sent."""
        now_s = asyncio.get_running_loop().time()
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        due_s = self._begun_s + (self._sent_s - self._pace.head_start_s) / self._pace.speed
        self._sent_s += size / self._wire.bytes_per_s
        if due_s > now_s:
            await asyncio.sleep(due_s - now_s)


def timed_words(speech: Speech, separator: str) -> list[tuple[float, str]]:
    """Return the pieces of a transcript and when each begins to sound, in seconds.

    Joined they are separator + speech.text. Without the times of all words there is one piece.
    """
    texts = speech.text.split()
    if not texts:
        return []
    if [word.text for word in speech.words] != texts:
        return [(0.0, separator + speech.text)]
    first, *rest = speech.words
    return [(0.0, separator + first.text), *((word.start_s, " " + word.text) for word in rest)]


def slices(
    sound: bytes, words: Sequence[tuple[float, str]], wire: WireFormat
) -> Iterator[tuple[str, bytes]]:
    """Cut sound into slices of SLICE_S, each with the text of the words that begin in it."""
    size = wire.size(SLICE_S)
    waiting = list(words)
    for start in range(0, max(len(sound), 1 if words else 0), size):
        end = start + size
        is_last = end >= len(sound)
        text = ""
        while waiting and (is_last or wire.size(waiting[0][0]) < end):
            text += waiting.pop(0)[1]
        yield text, sound[start:end]
