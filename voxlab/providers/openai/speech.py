"""OpenAI-compatible providers: a language model, a recogniser and a voice over one HTTP interface.

Needs OPENAI_API_KEY, or the base_url of a server of your own; the offline providers need neither.
Each class only translates between the protocols of `base` and the wire format of openai 3.54.

    async with OpenAILLM("qwen3:4b", base_url="http://localhost:11434/v1") as llm:
        async for piece in llm.stream([Message("user", "Hello")], []):
            ...
"""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, cast

import soundfile
from openai import AsyncOpenAI, AsyncStream
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from voxlab.audio import Audio, Samples, concatenate, from_pcm16
from voxlab.errors import ProviderError
from voxlab.providers.openai.chat import ToolCallAssembler, chat_message, chat_tool, choices
from voxlab.providers.openai.connection import Endpoint, connect
from voxlab.providers.protocols import (
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolSpec,
    Transcript,
)
from voxlab.vad.silero import SileroVAD

__all__ = ["OpenAILLM", "OpenAISTT", "OpenAITTS", "connect", "openai"]

SPEECH_RATE_HZ = 24_000  # response_format "pcm": 16-bit little-endian, one channel, no header
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
    """

    default_model = "gpt-5.4-mini"

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """Answer the conversation: text as it comes, then the tool calls, whole and all of them.

        Closing the generator, or cancelling the task that waits for it, closes the HTTP stream.
        Raises ProviderError if the reply breaks off, is filtered, or calls a tool unreadably.
        """
        calls = ToolCallAssembler(id_prefix=f"call_{len(messages)}")
        finish: str | None = None
        async with self.answer(self._request(messages, tools)) as response:
            async for chunk in cast(AsyncStream[object], await response.parse()):
                for choice in choices(chunk):
                    finish = choice.finish_reason or finish
                    delta = choice.delta or ChoiceDelta()  # some servers close without one
                    for fragment in delta.tool_calls or ():
                        calls.add(fragment)
                    if text := delta.content or delta.refusal:
                        yield TextDelta(text)
        self._refuse_unfinished(finish)
        for call in calls.finish():  # the connection is free again while the tools run
            yield call

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Any:
        offered: dict[str, Any] = {"tools": [chat_tool(tool) for tool in tools]} if tools else {}
        return self.client.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=[chat_message(message) for message in messages],
            stream=True,
            extra_body=self.settings,
            **offered,
        )

    def _refuse_unfinished(self, finish: str | None) -> None:
        if finish is None:
            raise ProviderError(
                f"the reply of {self.model} broke off: its stream ended without a finish_reason. "
                "Ask again, or check that base_url streams chat completions"
            )
        if finish == "content_filter":
            raise ProviderError(
                f"the server's content filter cut the reply of {self.model}: "
                "word the request differently, or use another model"
            )


class OpenAISTT(Endpoint):
    """A recogniser behind POST /audio/transcriptions: the whole segment goes up at its end.

    So partial transcripts come after the audio, quickly one after another, and only from models
    that stream; whisper-1 and many servers answer at once. gpt-4o-mini-transcribe is shut down
    on 2027-02-26 (openai/types/audio_model.py).
    """

    default_model = "gpt-transcribe"

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncGenerator[Transcript, None]:
        """Hear one segment of speech; see base.STT.

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
            if "event-stream" in response.headers.get("content-type", ""):
                events = cast(AsyncStream[Any], await response.parse())
                async for transcript in self._follow(events):
                    yield transcript
            else:  # the server has no streaming and ignores the wish for it
                yield Transcript(self._text_of(await response.json()), is_final=True)

    async def _follow(self, events: AsyncStream[Any]) -> AsyncIterator[Transcript]:
        heard, is_final = "", False
        async for event in events:  # to the end, so that the connection can be used again
            if isinstance(event, TranscriptionTextDeltaEvent) and not is_final:
                heard += event.delta
                yield Transcript(heard.strip(), is_final=False)
            elif isinstance(event, TranscriptionTextDoneEvent) and not is_final:
                is_final = True
                yield Transcript(event.text.strip(), is_final=True)
        if not is_final:
            raise ProviderError(
                f"the transcript of {self.model} broke off after {heard!r}: try again, "
                'or without streaming, settings={"stream": False}'
            )

    def _text_of(self, body: object) -> str:
        if isinstance(body, dict) and isinstance(text := body.get("text"), str):
            return text.strip()
        raise ProviderError(
            f'{self.model} answered {body!r:.200}, needs {{"text": ...}}: '
            "check that base_url is a server for transcription"
        )


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

    async def synthesize(self, text: str) -> AsyncGenerator[Speech, None]:
        """Speak one sentence, in pieces as the network brings them, at 24 kHz.

        The server tells no word times and no length: the first piece carries the whole text,
        later ones "". Blank text gives no piece and no request.
        Closing the generator, or cancelling its task, closes the HTTP stream.
        Raises ProviderError if the speech breaks off, is not raw samples, or there is none.
        """
        if not text.strip():
            return
        request = self.client.audio.speech.with_streaming_response.create(
            model=self.model,
            voice=self.voice,
            input=text,
            response_format="pcm",
            extra_body=self.settings,
        )
        unsaid, rest = text, b""
        async with self.answer(request) as response:
            self._refuse_other_formats(response.headers.get("content-type", ""))
            async for chunk in response.iter_bytes():
                samples, rest = whole_samples(rest + chunk)
                if samples.size:
                    audio = Audio(samples, SPEECH_RATE_HZ)
                    yield Speech(unsaid, audio.duration_s, audio)
                    unsaid = ""
        if unsaid:
            raise ProviderError(
                f"{self.model} spoke nothing for {text!r}: try again, or another voice"
            )

    def _refuse_other_formats(self, content_type: str) -> None:
        """A compressed file played as samples is loud noise in somebody's ear."""
        kind = content_type.partition(";")[0].strip().lower()
        raw = kind.startswith(("audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"))
        if kind.startswith(("audio/", "text/", "application/json")) and not raw:
            raise ProviderError(
                f"{self.model} answered with {kind}, needs raw 16-bit samples (audio/pcm): "
                "use a server that knows response_format pcm"
            )


def whole_samples(pcm: bytes) -> tuple[Samples, bytes]:
    """Split 16-bit little-endian bytes into float32 samples (n,) and the odd byte left over.

    >>> samples, rest = whole_samples(bytes([0, 64, 7]))
    >>> samples.tolist(), len(rest)
    ([0.5], 1)
    """
    end = len(pcm) - len(pcm) % 2
    return from_pcm16(pcm[:end]), pcm[end:]
