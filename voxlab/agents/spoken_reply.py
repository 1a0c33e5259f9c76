"""From a language model to a voice, overlapped: the engine behind the replies of both agents.

The model writes, its text is cut into sentences, and the voice speaks one while the model writes
the next. The pipeline agent plays the pieces of speech itself; the Realtime server sends them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from voxlab.errors import ProviderError
from voxlab.providers.protocols import (
    FREE_CHOICE,
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from voxlab.providers.read_aloud import without_markup
from voxlab.providers.stream_guard import guarded
from voxlab.sentences import SentenceChunker

SENTENCES_AHEAD = 8  # the model waits when so many sentences are not yet synthesised
Put = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Written:
    """What the model has written so far: its text and its tool calls."""

    text: str = ""
    tokens: int = 0  # pieces of text as they came, and tool calls
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, part: TextDelta | ToolCall) -> str:
        """Take the next part; return what it adds to the text."""
        self.tokens += 1
        if isinstance(part, ToolCall):
            self.calls.append(part)
            return ""
        self.text += part.text
        return part.text

    @property
    def wants_filler(self) -> bool:
        """Whether the model calls tools without a word: nobody would hear anything."""
        return bool(self.calls) and not self.text.strip()

    def refuse_nothing(self) -> None:
        """Raise ProviderError if the model has neither written anything nor called a tool."""
        if not self.calls and not self.text.strip():
            raise ProviderError("the language model returned nothing: no text, no tool")


@dataclass(frozen=True, slots=True)
class SpokenReply:
    """The language model and the voice of one reply.

    llm_timeout_s, tts_timeout_s: longest wait for the next token, the next piece of speech.
    note: told what happens when, as `Line.record` is: note(source, kind, **data).
    tool_choice: how the model is to use its tools.
    All methods raise ProviderError if a provider fails.
    """

    providers: Providers
    llm_timeout_s: float
    tts_timeout_s: float
    note: Callable[..., object] = lambda *_, **__: None
    tool_choice: ToolChoice = FREE_CHOICE

    async def write(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], written: Written
    ) -> AsyncGenerator[str, None]:
        """Yield the model's text as it comes; `written` collects it, and the tool calls."""
        self.note("llm", "request")
        asked = () if self.tool_choice == FREE_CHOICE else (self.tool_choice,)
        stream = guarded(
            lambda: self.providers.llm.stream(messages, tools, *asked),
            self.llm_timeout_s,
            "the language model",
            TextDelta | ToolCall,
        )
        first = True
        async with aclosing(stream):
            async for part in stream:
                if first:
                    self.note("llm", "first_token")
                    first = False
                if text := written.add(part):
                    yield text

    async def write_sentences(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        written: Written,
        put: Put,
    ) -> None:
        """Put out the model's text sentence by sentence, each as soon as it is complete."""
        chunker = SentenceChunker()
        async with aclosing(self.write(messages, tools, written)) as texts:
            async for text in texts:
                for sentence in chunker.feed(text):
                    await put(sentence)
        for sentence in chunker.flush():
            await put(sentence)
        self.note("llm", "done", text=written.text)

    async def speak(self, sentence: str) -> AsyncGenerator[Speech, None]:
        """Yield the pieces of a spoken sentence; none if there is no word in it."""
        self.note("tts", "request", text=sentence)
        stream = guarded(
            lambda: self.providers.tts.synthesize(sentence),
            self.tts_timeout_s,
            "the speech synthesiser",
            Speech,
        )
        pieces = 0
        async with aclosing(stream):
            async for speech in stream:
                if not pieces:
                    self.note("tts", "first_audio")
                pieces += 1
                yield speech
        self.note("tts", "done")
        if not pieces and any(map(str.isalnum, without_markup(sentence))):
            raise ProviderError(f"the speech synthesiser returned nothing for {sentence!r}")


async def overlap(
    write: Callable[[Put], Awaitable[None]], speak: Callable[[str], Awaitable[None]]
) -> None:
    """Let `speak` follow `write`, sentence by sentence, at most SENTENCES_AHEAD behind.

    If one of the two fails, the other is cancelled, and its error is raised.
    """
    sentences: asyncio.Queue[str | None] = asyncio.Queue(SENTENCES_AHEAD)

    async def write_all() -> None:
        await write(sentences.put)
        await sentences.put(None)

    async def speak_all() -> None:
        while (sentence := await sentences.get()) is not None:
            await speak(sentence)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(write_all())
            group.create_task(speak_all())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
