"""OpenAI-compatible providers: a language model, a recogniser and a voice over one HTTP interface.

Needs OPENAI_API_KEY, or the base_url of a server of your own; the offline providers need neither.
Each class only translates between `providers.protocols` and the wire format of openai 3.54.

    async with OpenAILLM("qwen3:4b", base_url="http://localhost:11434/v1") as llm:
        async for piece in llm.stream([Message("user", "Hello")], []):
            ...
"""

import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any

import soundfile
from openai import AsyncOpenAI

from voxlab.audio import Audio, concatenate
from voxlab.errors import ProviderError
from voxlab.providers.openai.chat import chat_message, chat_tool
from voxlab.providers.openai.connection import Endpoint, connect, server_values
from voxlab.providers.openai.events import SHOWN, EventReader, failure
from voxlab.providers.openai.reply import ChatReply
from voxlab.providers.openai.sound import SoundReader
from voxlab.providers.protocols import (
    FREE_CHOICE,
    OPENAI_VOICES,
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
    Transcript,
)
from voxlab.providers.read_aloud import without_markup
from voxlab.vad.silero import SileroVAD

__all__ = ["OpenAILLM", "OpenAISTT", "OpenAITTS", "connect", "openai"]

DELTA, DONE = "transcript.text.delta", "transcript.text.done"
OPENAI_MODEL = re.compile(r"gpt-(?!oss)|o\d|chatgpt")  # OpenAI keeps their thoughts to itself
SHORTEST_SEGMENT_S = 0.1  # less is refused with the code audio_too_short


def openai(base_url: str | None = None) -> Providers:
    """Return OpenAI's recogniser, model and voice over one connection, with Silero beside them.

    base_url: another server that speaks the same interface, or None for OPENAI_BASE_URL.
    Raises ProviderError if there is no key.
    """
    client = connect(base_url)
    return Providers(
        stt=OpenAISTT(client=client),
        llm=OpenAILLM(client=client),
        tts=OpenAITTS(client=client),
        vad=SileroVAD(),
    )


class OpenAILLM(Endpoint):
    """A language model behind POST /chat/completions, streamed.

    For a voice take a model that does not think first, or say settings={"reasoning_effort":
    "none"}. The names of older text, gpt-4o-mini and gpt-4.1-mini, are shut down on 2027-01-14
    (openai/types/shared/chat_model.py).
    thinks: whether replies begin within a thought, which only its closing tag ends, for a server
    that has no parser for thoughts; None: the first reply of a server that does not tell is held
    back until that is known. Thoughts are never spoken.
    """

    default_model = "gpt-5.4-mini"

    def __init__(
        self,
        model: str | None = None,
        *,
        client: AsyncOpenAI | None = None,
        base_url: str | None = None,
        settings: Mapping[str, object] | None = None,
        thinks: bool | None = None,
    ) -> None:
        super().__init__(model, client=client, base_url=base_url, settings=settings)
        self._thinks = False if thinks is None and OPENAI_MODEL.match(self.model) else thinks

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """Answer the conversation: text as it comes, then the tool calls, whole and all of them.

        Closing the generator, or cancelling the task that waits for it, closes the HTTP stream.
        Raises ProviderError if the reply breaks off, is filtered, or calls a tool unreadably.
        """
        reply = ChatReply(self._thinks, f"call_{len(messages)}")
        reader = EventReader()
        async with self.answer(self._request(messages, tools, tool_choice)) as response:
            values = server_values(response.iter_bytes(), reader, lambda: reply.finish_reason != "")
            async with aclosing(values):
                async for value in values:
                    if text := reply.feed(value):
                        yield TextDelta(text)
            if text := reply.finish():
                yield TextDelta(text)
            self._thinks = reply.begins_within
            calls = reply.calls(is_done=reader.is_done, start=reader.start)
        for call in calls:  # the connection is free again while the tools run
            yield call

    def _request(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], tool_choice: ToolChoice
    ) -> Any:
        offered: dict[str, Any] = {"tools": [chat_tool(tool) for tool in tools]} if tools else {}
        if tools and tool_choice.required:
            offered["tool_choice"] = "required"
        if tools and not tool_choice.parallel:
            offered["parallel_tool_calls"] = False
        return self.client.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=[chat_message(message) for message in messages],
            stream=True,
            extra_body=self.settings,
            **offered,
        )


class OpenAISTT(Endpoint):
    """A recogniser behind POST /audio/transcriptions: the whole segment goes up at its end.

    So partial transcripts come after the audio, quickly one after another, and only from models
    that stream; whisper-1 and many servers answer at once. gpt-4o-mini-transcribe is shut down
    on 2027-02-26 (openai/types/audio_model.py).
    """

    default_model = "gpt-transcribe"

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncGenerator[Transcript, None]:
        """Hear one segment of speech; see `protocols.STT`.

        A segment under 0.1 s holds no word and is refused by the server: it gives "" unsent.
        Closing the generator, or cancelling its task, closes the HTTP stream.
        Raises ProviderError if the transcript breaks off or there is none.
        """
        pieces = [piece async for piece in audio]
        if sum(piece.duration_s for piece in pieces) < SHORTEST_SEGMENT_S:
            yield Transcript("", is_final=True)
            return
        request = self.client.audio.transcriptions.with_streaming_response.create(
            model=self.model,
            file=("segment.wav", wav_bytes(concatenate(pieces)), "audio/wav"),
            stream=True,
            extra_body=self.settings,
        )
        async with self.answer(request) as response:
            is_text = response.headers.get("content-type", "").startswith("text/plain")
            if is_text and self.settings.get("response_format") == "text":
                yield Transcript((await response.text()).strip(), is_final=True)
                return
            async with aclosing(self._follow(response.iter_bytes())) as transcripts:
                async for transcript in transcripts:
                    yield transcript

    async def _follow(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Transcript, None]:
        """Give the transcripts in what the server sends: events, pieces of text, or all at once."""
        reader, heard, is_final, is_typed = EventReader(), "", False, True
        values = server_values(pieces, reader, lambda: is_final)
        came: object = None
        async with aclosing(values):
            async for came in values:
                kind, text = _transcript_part(came)
                if is_final or text is None:
                    continue
                is_final, is_typed = kind == DONE, kind is not None
                heard = text if is_final else heard + text
                if is_final or not reader.is_document:
                    yield Transcript(heard.strip(), is_final)
        if not is_typed and not is_final:  # the server has no event for the end
            yield Transcript(heard.strip(), is_final=True)
        elif not is_final:
            came = came if came is not None else reader.start
            told = f"broke off after {heard!r}" if heard else f"answered {came!r:.{SHOWN}}"
            raise ProviderError(
                f'{self.model} {told}, needs {{"text": ...}}, or events to the last: try again, or '
                'without streaming, settings={"stream": False}'
            )


def _transcript_part(value: object) -> tuple[object, str | None]:
    """Return an event's type, None if it has none, and its text, None if it tells none."""
    if not isinstance(value, Mapping) or value.get("error"):
        raise failure(value)
    kind = value.get("type")
    text = value.get("delta" if kind == DELTA else "text")
    return kind, text if isinstance(text, str) and kind in (None, DELTA, DONE) else None


def wav_bytes(audio: Audio) -> bytes:
    """Return the recording as a 16-bit WAV file in memory; soundfile clips at full scale."""
    file = io.BytesIO()
    soundfile.write(file, audio.samples, audio.rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


class OpenAITTS(Endpoint):
    """A voice behind POST /audio/speech, played as it is made.

    OpenAI shuts down gpt-4o-mini-tts and every other model behind its own address on 2027-01-06,
    in favour of the Realtime API (openai/types/audio/speech_model.py); compatible servers go on.
    """

    default_model = "gpt-4o-mini-tts"

    def __init__(
        self,
        model: str | None = None,
        voice: str = "alloy",
        *,
        client: AsyncOpenAI | None = None,
        base_url: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(model, client=client, base_url=base_url, settings=settings)
        self.voice = voice
        self.voices: Sequence[str] = (*OPENAI_VOICES, voice)

    def in_voice(self, voice: str, speed: float = 1.0) -> "OpenAITTS":
        """Return one with another voice on the same connection, which stays ours to close."""
        other = copy(self)
        other.voice, other._owns_client = voice, False
        if speed != 1.0:
            other.settings = {"speed": speed, **self.settings}
        return other

    async def synthesize(self, text: str) -> AsyncGenerator[Speech, None]:
        """Speak one sentence, in pieces as the network brings them, at 24 kHz or the rate it says.

        The server tells no word times and no length: the first piece carries the whole text,
        later ones "". What comes as a file, such as MP3, is one piece. Markup and emoji are not
        sent; a text of nothing else, or a blank one, gives no piece and no request.
        Closing the generator, or cancelling its task, closes the HTTP stream.
        Raises ProviderError if the speech breaks off, is no sound, or there is none.
        """
        spoken = without_markup(text)
        if not spoken:
            return
        request = self.client.audio.speech.with_streaming_response.create(
            model=self.model,
            voice=self.voice,
            input=spoken,
            response_format="pcm",
            extra_body=self.settings,
        )
        unsaid = text
        async with self.answer(request) as response:
            reader = SoundReader(response.headers.get("content-type", ""))
            async for chunk in response.iter_bytes():
                if sound := reader.feed(chunk):
                    yield Speech(unsaid, sound.duration_s, sound)
                    unsaid = ""
            if sound := reader.finish():
                yield Speech(unsaid, sound.duration_s, sound)
                unsaid = ""
        if unsaid:
            raise ProviderError(
                f"{self.model} spoke nothing for {text!r}: try again, or another voice"
            )
