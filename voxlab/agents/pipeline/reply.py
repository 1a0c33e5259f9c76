"""One reply in the making: model and tools think, and the voice follows sentence by sentence."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.spoken_reply import Put, SpokenReply, Written, overlap
from voxlab.agents.tools import UNFINISHED, Toolbox
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, Providers, Speech, ToolCall
from voxlab.text import same_words


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How a reply is made.

    filler: said when a tool takes longer than filler_after_s; empty for silence. One that is known
    to take longer gets it at once, if the agent's head start has an early filler.
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
    speech has been made. The playback is the session's to clear.

    Until `release` a reply is a speculation: what it says and notes is kept back, its voice makes
    one sentence at most, and a tool that does more than read waits. `failed`: a provider failed
    over it, so that it is of no use.
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
    filler: Sequence[Speech] = ()  # the filler's sound, if it is there
    early_filler: bool = False
    notes: list[Message] = field(default_factory=list)
    ends_call: bool = False
    complete: bool = False
    audible: bool = False
    voice_failed: bool = False
    cancelled: bool = False
    failed: bool = False
    begun_s: float = 0.0
    task: asyncio.Task[None] | None = None
    is_working: bool = False  # tools are running
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _written: list[Written] = field(default_factory=list)
    _kept_notes: list[tuple[float, str, str, dict[str, Any]]] = field(default_factory=list)
    _kept_speech: list[Speech | None] = field(default_factory=list)  # None: a sentence ends
    _spoken: int = 0  # sentences
    _sentence: str = ""  # the utterance of the playback that the voice is speaking

    async def run(self, on_complete: Callable[[], None]) -> None:
        """Make the reply; on_complete is called when all of it has been made."""
        self.begun_s = self.line.now_s
        await overlap(self._write, self._speak)
        self.complete = True
        on_complete()

    def release(self) -> None:
        """Let out what was kept back: the turn is committed."""
        self._released.set()
        for at_s, source, kind, about in self._kept_notes:
            self.line.record_at(at_s, source, kind, **about)
        for speech in self._kept_speech:
            if speech is None:
                self._end_sentence()
            else:
                self._play(speech)

    def cancel(self) -> None:
        """Stop making the reply."""
        self.cancelled = True  # the task may run once more before the cancellation reaches it
        if self.task is not None:
            self.task.cancel()

    def can_stand_for(self, fresh: "PlayedReply") -> bool:
        """Tell whether this speculation was made for the conversation of a reply that is due."""
        if self.failed or len(self.messages) != len(fresh.messages):
            return False
        pairs = zip(self.messages, fresh.messages, strict=True)
        same = (replace(a, text=b.text) == b and same_words(a.text, b.text) for a, b in pairs)
        return all(same)

    def remembered(self, heard: str) -> list[Message]:
        """Return what the history keeps: what was asked, what the tools said, what was heard."""
        asked = [self.asked] if self.asked else []
        notes = [replace(note, text="") if note.tool_calls else note for note in self.notes]
        return [*asked, *notes, *([Message("assistant", heard)] if heard else [])]

    def made(self) -> dict[str, Any]:
        """Return what has been made so far: tokens of the model, seconds of voice, tools' names."""
        return {
            "tokens": sum(written.tokens for written in self._written),
            "voice_s": sum(speech.duration_s for speech in self._kept_speech if speech),
            "tools": [call.name for note in self.notes for call in note.tool_calls],
        }

    def record(self, source: str, kind: str, **data: Any) -> None:
        """Note on the line that something happens now; later, if the reply is kept back."""
        if self._released.is_set():
            self.line.record(source, kind, **data)
        else:
            self._kept_notes.append((self.line.now_s, source, kind, data))

    @property
    def _engine(self) -> SpokenReply:
        options = self.options
        return SpokenReply(
            self.providers, options.llm_timeout_s, options.tts_timeout_s, self.record
        )

    async def _write(self, put: Put) -> None:
        """Put out the sentences of the reply; an apology if that fails."""
        try:
            if self.text:
                await put(self.text)
            else:
                await self._think(put)
        except ProviderError as error:
            self.record("llm", "failed", error=str(error))
            if not self._released.is_set():
                self.failed = True
            elif self.options.apology:
                await put(self.options.apology)

    async def _think(self, put: Put) -> None:
        """The agent's loop: ask the model, run the tools it wants, ask again."""
        for _ in range(self.options.max_rounds):
            written, messages = Written(), [*self.messages, *self.notes]
            self._written.append(written)
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
        first, begun_s, self.is_working = len(self.notes), self.line.now_s, True
        self.notes += [Message("tool", UNFINISHED, tool_call_id=call.id) for call in calls]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._run_tool(call, note))
                for note, call in enumerate(calls, first)
            ]
            if may_fill and self.options.filler:
                await self._until_heard(tasks)
                await asyncio.wait(tasks, timeout=self._patience_s(calls, begun_s))
                await asyncio.sleep(0)  # a tool that is done at this very moment was not too slow
                if not all(task.done() for task in tasks):
                    await put(self.options.filler)

        self.is_working = False

    def reassure(self) -> None:
        """Say the filler again, to a caller who hears nothing while a tool runs."""
        if self.is_working and self.playback.idle and self.filler:
            self._play_filler()

    async def _until_heard(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait till the reply is released or all tools are done: nobody hears a filler before."""
        released = asyncio.ensure_future(self._released.wait())
        waiting: set[asyncio.Future[Any]] = set(tasks)
        try:
            while waiting and not self._released.is_set():
                _, waiting = await asyncio.wait(
                    {released, *waiting}, return_when=asyncio.FIRST_COMPLETED
                )
                waiting.discard(released)
        finally:
            released.cancel()

    def _patience_s(self, calls: Sequence[ToolCall], begun_s: float) -> float:
        """Return how long the tools may take until a filler is due."""
        due_s = begun_s + max(self.tools.expected_s(call) for call in calls)
        is_slow = self.early_filler and due_s - self.line.now_s > self.options.filler_after_s
        return 0.0 if is_slow else self.options.filler_after_s

    async def _run_tool(self, call: ToolCall, note: int) -> None:
        timeout_s = self.options.tool_timeout_s
        if not self.tools.only_reads(call) and not self._released.is_set():
            await self._released.wait()
        result, ends_call = await self.tools.run_noted(call, self, timeout_s)
        self.ends_call |= ends_call
        self.notes[note] = replace(self.notes[note], text=result)

    async def _speak(self, sentence: str) -> None:
        """Hand a sentence to the playback, piece by piece; an apology once the voice fails."""
        if self._spoken and not self._released.is_set():
            await self._released.wait()
        if self.voice_failed or self.failed:
            return
        self._spoken += 1
        try:
            if self.filler and sentence == self.options.filler:
                self._play_filler()
                return
            async with aclosing(self._engine.speak(sentence)) as pieces:
                async for speech in pieces:
                    self._play(speech)
            self._end_sentence()
        except ProviderError as error:
            self.record("tts", "failed", error=str(error), text=sentence)
            if not self._released.is_set():
                self.failed = True
                return
            self.voice_failed = True
            self._end_sentence(is_broken=True)
            for speech in self.fallback:
                self._play(speech)
            self._end_sentence()

    def _play_filler(self) -> None:
        """Play the filler that was made when the call began."""
        self.record("tts", "request", text=self.options.filler, cached=True)
        self.record("tts", "first_audio")
        for speech in self.filler:
            self._play(speech)
        self._end_sentence()
        self.record("tts", "done")

    def _play(self, speech: Speech) -> None:
        """Hand a piece to the playback; a text in it begins a sentence, which ends the one before.

        A reply may be cancelled at the very moment of a piece, and not know it yet: that piece is
        not played.
        """
        if self.cancelled:
            return
        if not self._released.is_set():
            self._kept_speech.append(speech)
            return
        if speech.text:
            self._end_sentence()
        self._sentence = self._sentence or self.playback.open()
        self.playback.play(self._sentence, speech)

    def _end_sentence(self, *, is_broken: bool = False) -> None:
        if not self._released.is_set():
            self._kept_speech.append(None)
            return
        self.playback.complete(self._sentence, is_broken=is_broken)
        self._sentence = ""
