"""The work behind one response: the language model writes, the voice follows sentence by sentence.

The generator only reports; the session decides what becomes of it. Sound is reported in slices that
last 100 ms at most, with the words that begin in them, and not much faster than PACE.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from voxlab.agents.spoken_reply import Put, SpokenReply, Written, overlap
from voxlab.audio import silence
from voxlab.errors import ProviderError
from voxlab.providers.protocols import ManyVoices, Providers, Speech, ToolCall
from voxlab.serving.realtime.conversation import Item, messages
from voxlab.serving.realtime.protocol.audio_formats import WireEncoder, WireFormat
from voxlab.serving.realtime.protocol.session_config import tool_choice, tool_specs, voice_name
from voxlab.serving.realtime.transport.send_queue import SendQueue

SLICE_S = 0.1
SENTENCE_PAUSE_S = 0.2
CHARACTERS_PER_TOKEN = 4  # a rule of thumb for English; the offline model has no tokens
SILENT_HZ = 24_000  # the rate of speech that has a length but no sound


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast sound is sent: head_start_s at once, then speed seconds of it in a second."""

    speed: float = 4.0
    head_start_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """The longest waits for an engine: a transcript, the next token, the next piece of speech.

    A transcript may take the length of its sound besides.
    """

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
    """The response is made: status "completed" or "failed", and why.

    Its calls come with its end, so that a client that answers a call at once, as the chapter's
    fragment does, finds the response finished.
    """

    response_id: str
    status: str
    calls: tuple[ToolCall, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Job:
    """What to make: the settings of `session_config.response_config`, the context, the format.

    says: the words, if no model is to find them.
    """

    response_id: str
    config: dict[str, Any]
    context: Sequence[Item]
    wire: WireFormat
    says: str = ""


@dataclass(frozen=True)
class ResponseGenerator:
    """Makes responses. report: takes what was made; queue: where it goes from there.

    filler: spoken before a tool is called in silence; "" for nothing.
    """

    providers: Providers
    report: Callable[[Said | Made], Awaitable[None]]
    queue: SendQueue
    pace: Pace
    patience: Patience
    filler: str = ""

    async def generate(self, job: Job) -> None:
        """Make one response and report it; however it goes, the last report is Made."""
        try:
            outcome = await self._generate(job)
        except ProviderError as error:
            outcome = Made(job.response_id, "failed", why=str(error))
        except Exception as error:  # an engine's fault is the response's, not the session's
            problem = f"{type(error).__name__}: {error}"
            outcome = Made(job.response_id, "failed", why=problem)
        await self.queue.flushed()  # until all of it has been sent, a barge-in takes the rest back
        await self.report(outcome)

    async def _generate(self, job: Job) -> Made:
        await self._await_transcripts(job.context)
        written = Written()
        read, tools = messages(job.context, job.config["instructions"]), tool_specs(job.config)
        choice = tool_choice(job.config)
        reply = SpokenReply(
            in_voice(self.providers, job.config),
            self.patience.llm_s,
            self.patience.tts_s,
            tool_choice=choice,
        )

        async def say(text: str) -> None:
            await self._report(Said(job.response_id, text))

        async def write(put: Put) -> None:
            if job.says:
                await put(job.says)
                return
            await reply.write_sentences(read, tools, written, put)
            await self._fill(written, put)

        if job.config["output_modalities"] == ["text"] and job.says:
            await say(job.says)
        elif job.config["output_modalities"] == ["text"]:
            async with aclosing(reply.write(read, tools, written)) as texts:
                async for text in texts:
                    await say(text)
            await self._fill(written, say)
        else:
            await overlap(write, _Voice(reply, job, self.pace, self._report).speak)
        if choice.required and tools and not written.calls and not job.says:
            raise ProviderError("the language model called no tool, though tool_choice requires it")
        calls = tuple(written.calls if choice.parallel else written.calls[:1])
        return Made(job.response_id, "completed", calls)

    async def _fill(self, written: Written, put: Put) -> None:
        if self.filler and written.wants_filler:
            await put(self.filler)

    async def _await_transcripts(self, context: Sequence[Item]) -> None:
        """Wait for the transcripts of the user's audio; raise if there is none of what to answer.

        An older item whose transcription failed is one without words.
        """
        for item in context:
            if item.heard is None:
                continue
            heard = await asyncio.shield(item.heard)  # a cancelled response leaves it to others
            if isinstance(heard, ProviderError) and item is context[-1]:
                raise heard

    async def _report(self, piece: Said) -> None:
        await self.queue.room()
        await self.report(piece)


def in_voice(providers: Providers, config: dict[str, Any]) -> Providers:
    """Return engines that speak with the voice and the speed of a response's settings."""
    if not isinstance(providers.tts, ManyVoices):
        return providers
    return replace(providers, tts=providers.tts.in_voice(voice_name(config), config["speed"]))


class _Voice:
    """Speaks the sentences of one response: in slices, and at the pace of the session."""

    def __init__(
        self, reply: SpokenReply, job: Job, pace: Pace, report: Callable[[Said], Awaitable[None]]
    ) -> None:
        self._reply = reply
        self._job = job
        self._pace = pace
        self._report = report
        self._encoder = WireEncoder(job.wire)
        self._separator = ""  # before the next sentence: nothing before the first
        self._words: list[tuple[int, str]] = []  # of this sentence, with the byte they begin at
        self._came_s = 0.0  # of this sentence
        self._sent = 0  # bytes of it
        self._begun_s: float | None = None
        self._sent_s = 0.0

    async def speak(self, sentence: str) -> None:
        """Report a sentence, sound and words; without any sound, its text."""
        self._came_s, self._sent, is_silent = 0.0, 0, True
        async with aclosing(self._reply.speak(sentence)) as pieces:
            async for speech in pieces:
                if self._separator and is_silent:
                    pause = silence(SENTENCE_PAUSE_S, self._job.wire.rate_hz)
                    await self._send(self._job.wire.encode(pause.samples))
                    self._sent = 0
                is_silent = False
                self._add_words(speech)
                audio = speech.audio or silence(speech.duration_s, SILENT_HZ)
                await self._send(self._encoder.feed(audio))
        await self._send(self._encoder.finish())
        rest = "".join(text for _, text in self._words)
        if is_silent:  # a dash alone: there is nothing to hear, but it was written
            rest, self._separator = self._separator + sentence, " "
        if rest:
            await self._report(Said(self._job.response_id, rest))
        self._words.clear()

    def _add_words(self, speech: Speech) -> None:
        """Note where the words of a piece begin, which may be in a later one."""
        for at_s, text in timed_pieces(speech, self._separator):
            self._words.append((self._job.wire.size(self._came_s + at_s), text))
        self._came_s += speech.duration_s
        self._separator = " " if speech.text else self._separator

    async def _send(self, sound: bytes) -> None:
        """Report sound in slices of SLICE_S, each with the words that begin in it."""
        size = self._job.wire.size(SLICE_S)
        for start in range(0, len(sound), size):
            piece, text = sound[start : start + size], ""
            self._sent += len(piece)
            while self._words and self._words[0][0] < self._sent:
                text += self._words.pop(0)[1]
            await self._wait(len(piece))
            await self._report(Said(self._job.response_id, text, piece))

    async def _wait(self, size: int) -> None:
        """Wait until the next bytes may be sent."""
        now_s = asyncio.get_running_loop().time()
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        due_s = self._begun_s + (self._sent_s - self._pace.head_start_s) / self._pace.speed
        self._sent_s += size / self._job.wire.bytes_per_s
        if due_s > now_s:
            await asyncio.sleep(due_s - now_s)


def timed_pieces(speech: Speech, separator: str) -> list[tuple[float, str]]:
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
