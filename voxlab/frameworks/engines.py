"""What a framework's plugins call: the engines of one call, noted on its timeline, and a mouth."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from voxlab.agents.line import Line
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.playback import Playback
from voxlab.agents.spoken_reply import SpokenReply, Written
from voxlab.agents.tools import Tool, Toolbox
from voxlab.agents.utterance import Played
from voxlab.audio import Audio, Samples
from voxlab.errors import ProviderError
from voxlab.providers.protocols import (
    Message,
    Providers,
    Speech,
    ToolCall,
    ToolSpec,
    Transcript,
    Word,
)
from voxlab.providers.stream_guard import guarded
from voxlab.text import without_sound_marks
from voxlab.turn_taking.manager import State

Role = Literal["system", "user", "assistant", "tool"]
STT_TIMEOUT_S = 10.0  # for a whole segment: a framework sends it when it is over


FRAME_S = 0.02  # of the user's sound: as rooms and transports send it
VOICE_HZ = 24_000


@dataclass(frozen=True, slots=True)
class FrameworkAgent:
    """What an agent on a framework is made of; settings are the framework's own."""

    providers: Providers
    tools: Sequence[Tool]
    settings: Mapping[str, Any] = field(default_factory=dict)


class CallEngines:
    """The engines and the tools of one call; whatever they do is noted on its line.

    Every method that asks an engine raises ProviderError, after the failure is noted.
    """

    def __init__(self, providers: Providers, tools: Sequence[Tool], line: Line) -> None:
        self.line = line
        self.tools = tools
        self.toolbox = Toolbox(tools)
        self.says_goodbye = False  # what is said now is the last: a tool has ended the call
        self._ends_call = False
        self._state = State.LISTENING
        self._turns = 0
        self._options = ReplyOptions()
        self._providers = providers
        self._reply = SpokenReply(
            providers, self._options.llm_timeout_s, self._options.tts_timeout_s, line.record
        )

    def frames(self) -> AsyncIterator[Samples]:
        """Yield what the user says, in the frames of a room or a transport."""
        return self.line.frames(round(FRAME_S * self.line.rate_hz))

    async def hear(self, sound: Audio) -> str:
        """Return what is said in a segment of speech; "" if nothing is."""

        async def whole() -> AsyncIterator[Audio]:
            yield sound

        text, stt = "", self._providers.stt
        self.line.record("stt", "started")
        try:
            heard = guarded(
                lambda: stt.transcribe(whole()), STT_TIMEOUT_S, "the recogniser", Transcript
            )
            async with aclosing(heard):
                async for transcript in heard:
                    text = without_sound_marks(transcript.text)
        except ProviderError as error:
            self.line.record("stt", "failed", error=str(error))
            raise
        self.line.record("stt", "final", text=text)
        return text

    async def answer(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Yield the model's text as it comes, then the tools that it calls."""
        written = Written()
        try:
            texts = self._reply.write(messages, tools, written)
            async with aclosing(texts):
                async for text in texts:
                    yield text
            written.refuse_nothing()
        except ProviderError as error:
            self.line.record("llm", "failed", error=str(error))
            raise
        self.line.record("llm", "done", text=written.text)
        for call in written.calls:
            yield call

    async def speak(self, sentence: str) -> AsyncGenerator[Speech, None]:
        """Yield the pieces of a spoken sentence, each with its words and their times."""
        self.says_goodbye |= self._ends_call
        try:
            pieces = self._reply.speak(sentence)
            async with aclosing(pieces):
                async for speech in pieces:
                    yield speech
        except ProviderError as error:
            self.line.record("tts", "failed", error=str(error))
            raise

    async def use(self, call: ToolCall) -> str:
        """Run a tool; return its result as JSON text, or an error as the model can tell it."""
        limit_s = self._options.tool_timeout_s
        result, ends_call = await self.toolbox.run_noted(call, self.line, limit_s)
        self._ends_call |= ends_call
        return result

    def note_user(self, is_speaking: bool) -> None:
        """Note that the framework hears the user begin, or end, to speak."""
        self.line.record("vad", "speech_started" if is_speaking else "speech_stopped")

    def note_history(self, role: str, text: str) -> None:
        """Note a new entry of the framework's history: the user's turn, or what it kept of ours."""
        if role == "user":
            self._turns += 1
            self.line.record("turn", "commit", turn=self._turns, text=text)
        elif role == "assistant":
            self.line.record("agent", "kept", text=text.strip())

    def note_state(self, now: State, why: str) -> None:
        """Note that the agent goes on to another state. why: what the framework calls it."""
        was, self._state = self._state, now
        if was is not now:
            self.line.record("turn", "state", was=was, now=now, why=why)


class Mouth:
    """Plays what a framework lets out on the line, and notes what was heard of it.

    on_started: called when the agent becomes audible; on_over: told of each utterance that was
    played to its end. preroll_s: an utterance begins to sound when so much of it is there, as in a
    receiver's jitter buffer.
    """

    def __init__(
        self,
        engines: CallEngines,
        on_started: Callable[[], None] = lambda: None,
        on_over: Callable[[Played], None] = lambda _: None,
        preroll_s: float = 0.0,
    ) -> None:
        self._engines = engines
        self._line = engines.line
        self._on_over = on_over
        self._utterance = ""  # the one that grows
        self._preroll_s = preroll_s
        self._waiting: list[Speech] | None = []  # of an utterance that does not sound yet
        self._is_paused = False
        self._playback = Playback(
            engines.line, on_started, self._hang_up_if_asked, self._end, in_samples=True
        )

    def play(self, samples: Samples, rate_hz: int, words: Sequence[Word]) -> None:
        """Lay the next sound of the utterance after what is there. words: they begin with it."""
        self._utterance = self._utterance or self._playback.open()
        sound = Audio(samples, rate_hz)
        text = " ".join(word.text for word in words)
        speech = Speech(text, sound.duration_s, sound, tuple(words))
        if self._waiting is None:
            self._playback.play(self._utterance, speech)
            return
        self._waiting.append(speech)
        if sum(each.duration_s for each in self._waiting) >= self._preroll_s:
            self._begin()

    def _begin(self) -> None:
        for speech in self._waiting or ():
            self._playback.play(self._utterance, speech)
        self._waiting = None

    def complete(self) -> None:
        """Nothing more comes of this utterance."""
        if self._utterance:
            self._begin()
            self._playback.complete(self._utterance)
        self._utterance, self._waiting = "", []

    def interrupt(self) -> list[Played]:
        """Fall silent for good; return what was heard of each utterance that was not over."""
        self._utterance, self._waiting, self._is_paused = "", [], False
        stopped = self._playback.stop()
        for played in stopped:
            self._line.record("agent", "interrupted", heard=played.heard, unheard=played.unheard)
            self._note_said(played)
        return stopped

    def pause(self) -> None:
        """Fall silent until it is known whether the user interrupts."""
        self._is_paused = not self._playback.idle
        self._playback.pause()

    def resume(self) -> None:
        """Go on after a false interruption."""
        if self._is_paused:
            self._line.record("agent", "resumed")
        self._is_paused = False
        self._playback.resume()

    def _end(self, played: Played) -> None:
        self._note_said(played)
        self._on_over(played)

    def _note_said(self, played: Played) -> None:
        if played.heard:
            self._line.record("agent", "said", text=played.heard)

    def _hang_up_if_asked(self) -> None:
        if self._engines.says_goodbye and self._playback.idle:
            self._line.hang_up("the agent handed the caller over")


def to_message(role: str, text: str, **tools: Any) -> Message:
    """Return an entry of a framework's history. tools: the calls, or the id of the call."""
    known: Mapping[str, Role] = {"developer": "system", **{each: each for each in get_args(Role)}}
    return Message(known[role], text, **tools)
