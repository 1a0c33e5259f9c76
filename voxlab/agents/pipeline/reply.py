"""One reply in the making: model and tools think, and the voice follows sentence by sentence."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.spoken_reply import Put, SpokenReply, Written, overlap
from voxlab.agents.tools import UNFINISHED, Toolbox
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, Providers, Speech, ToolCall


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
class PlayedReply:
    """Speaks the answer to `messages`, or a fixed `text`, through a playback.

    `notes` collects the tool calls and results that the history must keep, at any moment a result
    for each call; `ends_call` is set by a tool after which the agent hangs up; `complete` once all
    speech has been handed to the playback. Cancel the task of `run` to stop it; the playback is the
    session's to clear.
    """

    line: Line
    providers: Providers
    tools: Toolbox
    playback: Playback
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
    _sentence: str = ""  # the utterance of the playback that the voice is speaking

    async def run(self, on_complete: Callable[[], None]) -> None:
        """Make the reply; on_complete is called when all of it has been handed to the playback."""
        await overlap(self._write, self._speak)
        self.complete = True
        on_complete()

    @property
    def _engine(self) -> SpokenReply:
        options = self.options
        return SpokenReply(
            self.providers, options.llm_timeout_s, options.tts_timeout_s, self.line.record
        )

    async def _write(self, put: Put) -> None:
        """Put out the sentences of the reply; an apology if that fails."""
        try:
            if self.text:
                await put(self.text)
            else:
                await self._think(put)
        except ProviderError as error:
            self.line.record("llm", "failed", error=str(error))
            if self.options.apology:
                await put(self.options.apology)

    async def _think(self, put: Put) -> None:
        """The agent's loop: ask the model, run the tools it wants, ask again."""
        for _ in range(self.options.max_rounds):
            written, messages = Written(), [*self.messages, *self.notes]
            await self._engine.write_sentences(messages, self.tools.specs, written, put)
            if not written.calls:
                if not self.ends_call:
                    written.refuse_nothing()
                return
            text, calls = written.text.strip(), tuple(written.calls)
            self.notes.append(Message("assistant", text, tool_calls=calls))
            await self._run_tools(calls, put, may_fill=written.wants_filler)
        raise ProviderError(
            f"no answer after {self.options.max_rounds} rounds of tools: allow more, max_rounds"
        )

    async def _run_tools(self, calls: Sequence[ToolCall], put: Put, may_fill: bool) -> None:
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
                    await put(self.options.filler)

    async def _run_tool(self, call: ToolCall, note: int) -> None:
        timeout_s = self.options.tool_timeout_s
        result, ends_call = await self.tools.run_noted(call, self.line, timeout_s)
        self.ends_call |= ends_call
        self.notes[note] = replace(self.notes[note], text=result)

    async def _speak(self, sentence: str) -> None:
        """Hand a sentence to the playback, piece by piece; an apology once the voice fails."""
        if self.voice_failed:
            return
        try:
            async with aclosing(self._engine.speak(sentence)) as pieces:
                async for speech in pieces:
                    self._play(speech)
            self._end_sentence()
        except ProviderError as error:
            self.line.record("tts", "failed", error=str(error), text=sentence)
            self.voice_failed = True
            self._end_sentence(is_broken=True)
            for speech in self.fallback:
                self._play(speech)
            self._end_sentence()

    def _play(self, speech: Speech) -> None:
        """Hand a piece to the playback; a text in it begins a sentence, which ends the one before.

        A reply may be cancelled at the very moment of a piece, and not know it yet: that piece is
        not played.
        """
        if self.cancelled:
            return
        if speech.text:
            self._end_sentence()
        self._sentence = self._sentence or self.playback.open()
        self.playback.play(self._sentence, speech)

    def _end_sentence(self, *, is_broken: bool = False) -> None:
        self.playback.complete(self._sentence, is_broken=is_broken)
        self._sentence = ""
