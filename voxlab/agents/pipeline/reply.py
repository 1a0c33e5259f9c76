"""One reply in the making: model and tools think, sentence by sentence the voice follows."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from voxlab.agents.line import Line
from voxlab.agents.pipeline.playout import Playout
from voxlab.agents.tools import Toolbox
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, Providers, Speech, TextDelta, ToolCall
from voxlab.providers.stream_guard import guarded
from voxlab.sentences import SentenceChunker

SENTENCES_AHEAD = 8  # the model waits when so many sentences are not yet synthesised
UNFINISHED = '{"error": "the user interrupted before there was a result"}'


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How a reply is made.

    filler: said when a tool takes longer than filler_after_s; empty for silence.
    apology: said when a provider fails. sentence_pause_s: silence between two sentences.
    llm_timeout_s, tts_timeout_s: longest wait for the next token, the next piece of speech.
    tool_timeout_s: longest wait for a tool. max_rounds: how often the model may ask for tools.
    """

    filler: str = "One moment, let me look that up."
    filler_after_s: float = 0.2
    apology: str = "I'm sorry, something went wrong on my side. Could you say that again?"
    sentence_pause_s: float = 0.2
    llm_timeout_s: float = 6.0
    tts_timeout_s: float = 4.0
    tool_timeout_s: float = 8.0
    max_rounds: int = 5


@dataclass(eq=False)
class Reply:
    """Speaks the answer to `messages`, or a fixed `text`, through a playout.

    `notes` collects the tool calls and results that the history must keep, at any moment a result
    for each call; `ends_call` is set by a tool after which the agent hangs up; `complete` once all
    speech has been handed to the playout. Cancel the task of `run` to stop it; the playout is the
    session's to clear.
    """

    line: Line
    providers: Providers
    tools: Toolbox
    playout: Playout
    options: ReplyOptions
    messages: Sequence[Message] = ()
    asked: Message | None = None
    text: str = ""
    fallback: Sequence[Speech] = ()  # played when the voice itself fails
    notes: list[Message] = field(default_factory=list)
    ends_call: bool = False
    complete: bool = False
    audible: bool = False
    voice_failed: bool = False
    cancelled: bool = False

    async def run(self, on_complete: Callable[[], None]) -> None:
        """Make the reply; on_complete is called when nothing more will be handed to the playout."""
        sentences: asyncio.Queue[str | None] = asyncio.Queue(SENTENCES_AHEAD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(sentences))
            group.create_task(self._speak(sentences))
        self.complete = True
        on_complete()

    async def _write(self, sentences: asyncio.Queue[str | None]) -> None:
        """Put the sentences of the reply into the queue, then None; an apology if that fails."""
        try:
            if self.text:
                await sentences.put(self.text)
            else:
                await self._think(sentences)
        except ProviderError as error:
            self.line.record("llm", "failed", error=str(error))
            if self.options.apology:
                await sentences.put(self.options.apology)
        await sentences.put(None)

    async def _think(self, sentences: asyncio.Queue[str | None]) -> None:
        """The agent's loop: ask the model, run the tools it wants, ask again."""
        for _ in range(self.options.max_rounds):
            text, calls = await self._ask(sentences)
            if not calls:
                if not text and not self.ends_call:
                    raise ProviderError("the language model returned nothing: no text, no tool")
                return
            self.notes.append(Message("assistant", text, tool_calls=tuple(calls)))
            await self._run_tools(calls, sentences, may_fill=not text)
        raise ProviderError(f"no answer after {self.options.max_rounds} rounds of tools")

    async def _ask(self, sentences: asyncio.Queue[str | None]) -> tuple[str, list[ToolCall]]:
        """Stream one answer of the model: its text goes out in sentences, its calls come back."""
        self.line.record("llm", "request")
        chunker, calls, text = SentenceChunker(), list[ToolCall](), ""
        messages, specs = [*self.messages, *self.notes], self.tools.specs
        stream = guarded(
            lambda: self.providers.llm.stream(messages, specs),
            self.options.llm_timeout_s,
            "the language model",
        )
        first = True
        async with aclosing(stream):
            async for part in stream:
                if first:
                    self.line.record("llm", "first_token")
                    first = False
                if isinstance(part, TextDelta):
                    text += part.text
                    for sentence in chunker.feed(part.text):
                        await sentences.put(sentence)
                else:
                    calls.append(part)
        for sentence in chunker.flush():
            await sentences.put(sentence)
        self.line.record("llm", "done", text=text)
        return text.strip(), calls

    async def _run_tools(
        self, calls: Sequence[ToolCall], sentences: asyncio.Queue[str | None], may_fill: bool
    ) -> None:
        """Run the tools side by side, a filler over them if they take long; note the results."""
        first = len(self.notes)
        self.notes += [Message("tool", UNFINISHED, tool_call_id=call.id) for call in calls]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._run_tool(call, note))
                for note, call in enumerate(calls, first)
            ]
            if may_fill and self.options.filler:
                await asyncio.wait(tasks, timeout=self.options.filler_after_s)
                await asyncio.sleep(0)  # a tool that is done at this very moment was not too slow
                if not all(task.done() for task in tasks):
                    await sentences.put(self.options.filler)

    async def _run_tool(self, call: ToolCall, note: int) -> None:
        timeout_s = self.options.tool_timeout_s
        result, ends_call = await self.tools.run_noted(call, self.line, timeout_s)
        self.ends_call |= ends_call
        self.notes[note] = replace(self.notes[note], text=result)

    async def _speak(self, sentences: asyncio.Queue[str | None]) -> None:
        """Synthesise the sentences in order and hand them to the playout."""
        while (sentence := await sentences.get()) is not None:
            if not self.voice_failed:
                try:
                    await self._synthesize(sentence)
                except ProviderError as error:
                    self.line.record("tts", "failed", error=str(error), text=sentence)
                    self.voice_failed = True
                    for speech in self.fallback:
                        self._play(speech)

    async def _synthesize(self, sentence: str) -> None:
        self.line.record("tts", "request", text=sentence)
        stream = guarded(
            lambda: self.providers.tts.synthesize(sentence),
            self.options.tts_timeout_s,
            "the speech synthesiser",
        )
        pieces = 0
        async with aclosing(stream):
            async for speech in stream:
                if not pieces:
                    self.line.record("tts", "first_audio")
                pieces += 1
                self._play(speech)
        self.line.record("tts", "done")
        if not pieces and any(character.isalnum() for character in sentence):
            raise ProviderError(f"the speech synthesiser returned nothing for {sentence!r}")

    def _play(self, speech: Speech) -> None:
        """Hand a piece to the playout, unless the reply is cancelled and does not know it yet."""
        if not self.cancelled:
            self.playout.play(speech)
