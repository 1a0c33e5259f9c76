"""What a provider is: four small protocols that stream, and the values that pass through them.

An agent knows only these. `offline` runs real engines on this machine, `scripted` plays given
answers with given delays, and each vendor has a file that translates its wire format.
Every failure of a provider is a ProviderError. The values refuse what no agent can use.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from voxlab.audio import Audio, Samples


def _need_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r:.80}, and a str was needed")


def _need_seconds(value: float, what: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{what} is {value!r:.80}, and seconds from 0 on were needed")


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the recogniser heard so far; the last one of a segment is final.

    is_guess: it answers a MayEnd, and is all that was said if the speaker does not go on.
    """

    text: str
    is_final: bool
    is_guess: bool = False

    def __post_init__(self) -> None:
        _need_text(self.text, "the transcript's text")


@dataclass(frozen=True, slots=True)
class MayEnd:
    """The speaker has just fallen silent: what was said so far may be all."""


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word and when it sounds, in seconds from the start of its speech."""

    text: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _need_text(self.text, "a word's text")


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of synthesised speech.

    text begins to sound with it, and may go on in the pieces after it, which have none: a voice
    that streams gives a sentence's text with its first piece. audio is None where only the timing
    matters (scripted providers). words: of the text, and may be empty if the engine reports no
    word times.
    """

    text: str
    duration_s: float
    audio: Audio | None = None
    words: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        _need_text(self.text, "the speech's text")
        _need_seconds(self.duration_s, "the speech's duration_s")
        for word in self.words:
            _need_seconds(word.start_s, f"the start of {word.text!r}")
            _need_seconds(word.end_s, f"the end of {word.text!r}")
        if not isinstance(self.audio, Audio | None):
            raise TypeError(f"the speech's audio is {self.audio!r:.80}, and an Audio was needed")


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next few characters of a reply."""

    text: str

    def __post_init__(self) -> None:
        _need_text(self.text, "the reply's text")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is parsed JSON."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        _need_text(self.name, "the tool's name")
        if not isinstance(self.arguments, Mapping):
            raise TypeError(f"the tool's arguments are {self.arguments!r:.80}: a dict was needed")


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the conversation, in the roles of the chat protocol.

    An assistant message may carry tool calls; a tool message answers one by its id.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told about a tool; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """How a model is to use its tools. required: it calls one; parallel: it may call several."""

    required: bool = False
    parallel: bool = True


FREE_CHOICE = ToolChoice()
OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo"),
    *("sage", "shimmer", "verse", "marin", "cedar"),
)


class VAD(Protocol):
    """Tells speech from silence, one frame at a time."""

    rate_hz: int
    frame_size: int

    def stream(self) -> "VADStream":
        """Return a fresh stream with a memory of its own."""
        ...


class VADStream(Protocol):
    """One listener's voice activity detector."""

    def probability(self, frame: Samples) -> float:
        """Return how likely the frame is speech, in [0, 1]. frame: float32 (frame_size,)."""
        ...


@runtime_checkable
class BatchedVADStream(VADStream, Protocol):
    """A listener whose frames are heard together with those of others that come at the time."""

    async def hear(self, frame: Samples, *, is_ahead: bool) -> float:
        """Return what `probability` returns. is_ahead: more frames are here already, so hurry."""
        ...


class STT(Protocol):
    """Speech to text."""

    def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        """Hear one segment of speech, frame by frame, and tell what is said.

        Partial transcripts may come while the audio comes; after the audio ends exactly one
        final transcript comes, with empty text if there were no words.
        """
        ...


@runtime_checkable
class GuessingSTT(Protocol):
    """Speech to text that tells what was said whenever the speaker may be done."""

    guesses: bool

    def transcribe(self, audio: AsyncIterator[Audio | MayEnd]) -> AsyncIterator[Transcript]:
        """Do what an STT does, and answer each MayEnd with a guess: the text up to there."""
        ...


class LLM(Protocol):
    """Text to text, with tools."""

    def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Answer the conversation: text as it is made, and whole tool calls.

        tool_choice is passed only if it asks for something: a model may leave it out till then.
        """
        ...


class TTS(Protocol):
    """Text to speech."""

    def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Speak one sentence: pieces in order, each playable at once when it comes."""
        ...


@runtime_checkable
class ManyVoices(TTS, Protocol):
    """Text to speech that can speak in several voices, slower and faster."""

    @property
    def voices(self) -> Sequence[str]:
        """The names of its voices."""
        ...

    def in_voice(self, voice: str, speed: float = 1.0) -> TTS:
        """Return it with one of its voices. speed: 1 is the voice's own, 2 twice as fast."""
        ...


@runtime_checkable
class WarmedUp(Protocol):
    """A provider whose first request would take longer than the next."""

    async def warm_up(self) -> None:
        """Do once what makes the first request slow: run an engine, open a connection."""
        ...


@runtime_checkable
class ReadsAhead(Protocol):
    """A language model that can read a conversation before it has to answer it."""

    async def read_ahead(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Read a conversation whose last message may go on, so that its answer comes sooner."""
        ...


class EndOfTurn(Protocol):
    """Tells from its sound whether a turn is finished."""

    async def probability(self, turn: Audio) -> float:
        """Return how likely the speaker is done, in [0, 1]. turn: its sound up to the pause."""
        ...


@dataclass(frozen=True, slots=True)
class Providers:
    """All that a pipeline agent needs from outside.

    vad: None for a call without sound, whose script says itself when somebody speaks.
    end_of_turn: None for a fixed silence that ends each turn.
    """

    stt: STT
    llm: LLM
    tts: TTS
    vad: VAD | None = None
    end_of_turn: EndOfTurn | None = None
