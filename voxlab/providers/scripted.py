"""Providers that play given answers with given delays: for experiments about time, and for tests.

They are mocks by intent: nothing is heard, thought or synthesised. A delay is a number of seconds
or a list of them, one a call, used in order (the last one stays).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from copy import copy

from voxlab.audio import Audio
from voxlab.providers.protocols import (
    FREE_CHOICE,
    LLM,
    OPENAI_VOICES,
    MayEnd,
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
    Transcript,
)

Delay = float | Sequence[float]
Answer = str | ToolCall | Sequence[str | ToolCall]


def _delays(delay: Delay) -> Iterator[float]:
    """Yield the given delays, then the last one for ever."""
    values = [delay] if isinstance(delay, int | float) else list(delay)
    yield from values
    while True:
        yield values[-1]


class ScriptedSTT:
    """Hears the given texts, one a segment, final_s after the segment ends."""

    def __init__(self, texts: Iterable[str], final_s: Delay = 0.1) -> None:
        self._texts = iter(texts)
        self._final_s = _delays(final_s)

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        """Wait for the end of the audio, then yield the next text; "" when there is no next."""
        async for _ in audio:
            pass
        await asyncio.sleep(next(self._final_s))
        yield Transcript(next(self._texts, ""), is_final=True)


class GuessingScriptedSTT:
    """Hears the given texts, one a segment, and guesses the whole of it whenever it may be over.

    final_s: from the end of a segment to its text; guess_s: from a silence in it to the guess.
    guesses_of: the guess for a text, if it is another one.
    """

    guesses = True

    def __init__(
        self,
        texts: Iterable[str],
        final_s: Delay = 0.1,
        guess_s: Delay = 0.1,
        guesses_of: Mapping[str, str] | None = None,
    ) -> None:
        self._texts = iter(texts)
        self._final_s = _delays(final_s)
        self._guess_s = _delays(guess_s)
        self._guesses_of = guesses_of or {}

    async def transcribe(self, audio: AsyncIterator[Audio | MayEnd]) -> AsyncIterator[Transcript]:
        """Yield a guess after each MayEnd, and after the end of the audio the text."""
        text = next(self._texts, "")
        async for item in audio:
            if isinstance(item, MayEnd):
                await asyncio.sleep(next(self._guess_s))
                guess = self._guesses_of.get(text, text)
                yield Transcript(guess, is_final=False, is_guess=True)
        await asyncio.sleep(next(self._final_s))
        yield Transcript(text, is_final=True)


class ScriptedLLM:
    """Gives the given answers, one a request: a text, a tool call, or a list of both.

    first_token_s: from the request to the first token; token_s: from token to token. A token is
    a word with the space after it.
    """

    def __init__(
        self, answers: Iterable[Answer], first_token_s: Delay = 0.2, token_s: float = 0.02
    ) -> None:
        self._answers = iter(answers)
        self._first_token_s = _delays(first_token_s)
        self._token_s = token_s

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Yield the next answer, token by token; a default sentence when there is no next."""
        answer = next(self._answers, "Is there anything else?")
        parts = [answer] if isinstance(answer, str | ToolCall) else answer
        wait_s = next(self._first_token_s)
        async for item in paced(parts, wait_s, self._token_s):
            yield item


async def paced(
    parts: Sequence[str | ToolCall], first_token_s: float, token_s: float
) -> AsyncIterator[TextDelta | ToolCall]:
    """Yield texts word by word and tool calls whole, at the pace of a hosted language model."""
    wait_s = first_token_s
    for part in parts:
        items: list[TextDelta | ToolCall] = [part] if isinstance(part, ToolCall) else _tokens(part)
        for item in items:
            await asyncio.sleep(wait_s)
            wait_s = token_s
            yield item


def _tokens(text: str) -> list[TextDelta | ToolCall]:
    """Cut a text into words, each with the space after it."""
    return [TextDelta(word) for word in re.findall(r"\S+\s*|\s+", text)]


class ScriptedTTS:
    """Speaks without sound: words_per_s words a second, playable after first_audio_s.

    synthesis_rate: seconds of speech made in a second; the synthesiser is busy that long.
    Silence sounds the same in all its voices.
    """

    voices: Sequence[str] = OPENAI_VOICES

    def __init__(
        self, first_audio_s: Delay = 0.08, words_per_s: float = 2.8, synthesis_rate: float = 20.0
    ) -> None:
        self._first_audio_s = _delays(first_audio_s)
        self.words_per_s = words_per_s
        self.synthesis_rate = synthesis_rate

    def in_voice(self, voice: str, speed: float = 1.0) -> "ScriptedTTS":
        """Return one that speaks faster; the delays go on for both."""
        faster = copy(self)
        faster.words_per_s *= speed
        return faster

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Yield the sentence as one playable piece, then stay busy until it is made."""
        duration_s = len(text.split()) / self.words_per_s
        first_audio_s = next(self._first_audio_s)
        await asyncio.sleep(first_audio_s)
        yield Speech(text, duration_s)
        await asyncio.sleep(max(0.0, duration_s / self.synthesis_rate - first_audio_s))


def scripted(texts: Iterable[str], llm: LLM) -> Providers:
    """Return providers for a call without sound: texts heard one by one, answered by llm."""
    return Providers(stt=ScriptedSTT(texts), llm=llm, tts=ScriptedTTS())
