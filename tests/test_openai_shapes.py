"""Whatever an OpenAI-compatible server sends becomes text, a call, sound, or a ProviderError.

The provider and the openai package run whole; only the network is replaced, by a transport that
answers with given bytes, cut anywhere.
"""

import asyncio
import contextlib
import io
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx2
import numpy as np
import openai_shapes as shapes
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai import AsyncOpenAI

from voxlab.audio import Audio, concatenate, silence
from voxlab.errors import ProviderError
from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS
from voxlab.providers.openai.thoughts import ThoughtFilter
from voxlab.providers.protocols import Message, Speech, TextDelta, ToolCall, Transcript

HELLO = [Message("user", "Hello")]
EVENTS = "text/event-stream"
FILES = [b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0WAVEdata\0\0\0\0", b"FORM\0\0\0\0AIFF", b".snd"]
SHAPES = {**shapes.CONTENT, **shapes.THOUGHTS, **shapes.CALLS}


class Body(httpx2.AsyncByteStream):
    """A body in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def client_of(*pieces: bytes, kind: str = EVENTS) -> AsyncOpenAI:
    """A client to whom every request is answered with 200 and these pieces."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, stream=Body(pieces))

    transport = httpx2.MockTransport(answer)
    return AsyncOpenAI(
        api_key="k",
        base_url="http://server/v1",
        http_client=httpx2.AsyncClient(transport=transport),
        max_retries=0,
    )


def cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(at, len(body)) for at in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


async def collected(pieces: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in pieces]


def asked(*pieces: bytes, thinks: bool | None = None, **answer: str) -> list[TextDelta | ToolCall]:
    llm = OpenAILLM("m", client=client_of(*pieces, **answer), thinks=thinks)
    return asyncio.run(collected(llm.stream(HELLO, [])))


def plain(pieces: list[TextDelta | ToolCall]) -> list[Any]:
    """Return the text, joined, and then the calls as (name, arguments)."""
    text = "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    called = [(p.name, dict(p.arguments)) for p in pieces if isinstance(p, ToolCall)]
    return [text, *called] if text else called


def stream(chunks: Iterable[Any]) -> bytes:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks]).encode()


def chunks_of(deltas: Iterable[Any], finish: str = "stop") -> list[Any]:
    chunks = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]


# --- the language model, shape by shape ------------------------------------------------------


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_a_reply_is_understood(name: str, finish: str) -> None:
    deltas, expected = SHAPES[name]
    assert plain(asked(stream(chunks_of(deltas, finish)))) == expected


@pytest.mark.parametrize("name", shapes.CHUNKS)
def test_every_shape_of_a_chunk_is_understood(name: str) -> None:
    chunks, expected = shapes.CHUNKS[name]
    assert plain(asked(stream(chunks), b"data: [DONE]\n\n")) == expected


@pytest.mark.parametrize("name", shapes.BODIES)
@pytest.mark.parametrize("kind", [EVENTS, "application/json", "text/html", ""])
def test_every_body_is_understood_or_named(name: str, kind: str) -> None:
    body, expected = shapes.BODIES[name]
    if isinstance(expected, list):
        assert plain(asked(body, kind=kind)) == expected
        return
    with pytest.raises(ProviderError, match=rf"^m at http://server/v1/: .*{expected}"):
        asked(body, kind=kind)


@pytest.mark.slow
@settings(max_examples=60)
@given(name=st.sampled_from([*SHAPES]), cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_where_the_network_cuts_a_reply_does_not_matter(name: str, cuts: list[int]) -> None:
    deltas, expected = SHAPES[name]
    body = b"\xef\xbb\xbf" + stream(chunks_of(deltas)).replace(b"\n", b"\r\n")
    assert plain(asked(*cut(body, cuts))) == expected


@pytest.mark.slow
def test_each_call_has_an_id_of_its_own() -> None:
    for deltas, _ in shapes.CALLS.values():
        ids = [p.id for p in asked(stream(chunks_of(deltas))) if isinstance(p, ToolCall)]
        assert len({*ids, ""}) == len(ids) + 1


# --- thoughts ---------------------------------------------------------------------------------


def texts(llm: OpenAILLM) -> list[str]:
    return [piece.text for piece in asyncio.run(collected(llm.stream(HELLO, [])))]


WORDS = chunks_of([shapes.text(word) for word in ("Good ", "day", ".")])


def test_the_first_reply_of_an_unknown_model_is_held_back_and_later_ones_are_streamed() -> None:
    llm = OpenAILLM("m", client=client_of(stream(WORDS)))
    assert [texts(llm), texts(llm)] == [["Good day."], ["Good ", "day", "."]]


@pytest.mark.parametrize("mark", ["fp_ollama", "fp_44709d6fcb", "b6123-abcdef0", None])
def test_who_says_which_server_it_is_streams_from_the_first_reply(mark: str | None) -> None:
    marked = [{**chunk, "system_fingerprint": mark} for chunk in WORDS]
    assert (len(texts(OpenAILLM("m", client=client_of(stream(marked))))) == 3) == bool(mark)
    assert len(texts(OpenAILLM("m", client=client_of(stream(marked)), thinks=False))) == 3
    assert len(texts(OpenAILLM("gpt-5.4-mini", client=client_of(stream(marked))))) == 3


def test_a_model_that_began_within_a_thought_is_expected_to_do_so_again() -> None:
    deltas = [shapes.text(t) for t in ("They greet. ", "I greet.", "</think>", "Hi", ".")]
    llm = OpenAILLM("m", client=client_of(stream(chunks_of(deltas))))
    assert [texts(llm), texts(llm)] == [["Hi", "."]] * 2


def test_a_thought_that_the_limit_cuts_is_not_spoken() -> None:
    cut_off = stream(chunks_of([shapes.text("They greet. I ")], "length"))
    with pytest.raises(ProviderError, match=r"ended within a thought.*token limit"):
        asked(cut_off, thinks=True)
    assert plain(asked(stream(chunks_of([shapes.text("No thought.")])), thinks=True)) == [
        "No thought."
    ]


TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
]
letters = st.text(st.sampled_from("a <[◁/|"), max_size=8)


@pytest.mark.slow
@given(
    parts=st.lists(st.tuples(st.sampled_from(TAGS), letters, letters), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 80), max_size=9),
)
def test_of_any_cutting_of_thoughts_and_text_only_the_text_is_spoken(
    parts: list[Any], cuts: list[int]
) -> None:
    reply = "".join(
        f"{opening}{thought}{closing}.{said}" for (opening, closing), thought, said in parts
    )
    thoughts = ThoughtFilter(begins_within=None)
    edges = [0, *sorted(min(at, len(reply)) for at in cuts), len(reply)]
    spoken = [thoughts.feed(reply[a:b]) for a, b in itertools.pairwise(edges)]
    assert "".join([*spoken, thoughts.finish()]) == "".join(f".{said}" for *_, said in parts)


@contextlib.contextmanager
def only_provider_errors() -> Iterator[None]:
    """A failure is a ProviderError that names the server; anything else fails the test."""
    try:
        yield
    except ProviderError as error:
        assert re.match("m at http://server/v1/: |m spoke nothing", str(error))  # noqa: PT017


# --- garbled streams --------------------------------------------------------------------------

words = st.sampled_from(
    ["a", "", "text", "stop", "<think>", "</think>", "<tool_call>", "{", "{}", '{"a":1}', "null"]
)
keys = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "text", "type", "index", "finish_reason"),
        *("tool_calls", "function_call", "function", "name", "arguments", "id", "refusal"),
        *("reasoning_content", "usage", "error", "detail", "system_fingerprint", "value"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
functions = st.fixed_dictionaries({}, optional={"name": values, "arguments": values})
fragments = st.fixed_dictionaries(
    {}, optional={"index": values, "id": values, "function": functions}
)
deltas = st.fixed_dictionaries(
    {}, optional={"content": values, "tool_calls": st.lists(fragments, max_size=3) | values}
)
choices = st.fixed_dictionaries(
    {}, optional={"delta": deltas | values, "message": deltas | values, "finish_reason": values}
)
chunks = st.fixed_dictionaries({"choices": st.lists(choices, max_size=2)}) | values
lines = st.one_of(
    chunks.map(lambda chunk: f"data: {json.dumps(chunk)}\n\n".encode()),
    st.sampled_from(
        [b"data: [DONE]\n\n", b": ping\n\n", b"event: error\n", b"\r\n", b"data:", b"{"]
    ),
    st.binary(max_size=9),
)


def only_what_an_agent_knows(pieces: list[Any]) -> None:
    for piece in pieces:
        if isinstance(piece, ToolCall):
            assert piece.id
            assert piece.name
            json.dumps(dict(piece.arguments))
        else:
            assert piece.text


@pytest.mark.slow
@settings(max_examples=200)
@given(body=st.lists(lines, max_size=6).map(b"".join), thinks=st.sampled_from([None, True, False]))
def test_a_garbled_stream_is_text_calls_or_a_provider_error(
    body: bytes, thinks: bool | None
) -> None:
    with only_provider_errors():
        only_what_an_agent_knows(asked(body, thinks=thinks))


# --- the recogniser ---------------------------------------------------------------------------


def heard(*pieces: bytes, kind: str = EVENTS, **options: Any) -> list[Transcript]:
    stt = OpenAISTT("m", client=client_of(*pieces, kind=kind), **options)
    return asyncio.run(collected(stt.transcribe(segment())))


async def segment() -> AsyncIterator[Audio]:
    yield silence(0.2, 16_000)


@pytest.mark.parametrize("name", shapes.TRANSCRIPTS)
def test_every_shape_of_a_transcript_is_understood_or_named(name: str) -> None:
    body, expected = shapes.TRANSCRIPTS[name]
    if expected.startswith("error: "):
        with pytest.raises(ProviderError, match=expected.removeprefix("error: ")):
            heard(body)
        return
    *partial, final = heard(body)
    assert final == Transcript(expected, is_final=True)
    assert not any(transcript.is_final for transcript in partial)


def test_a_transcript_that_was_asked_for_as_a_text_is_one() -> None:
    options: dict[str, Any] = {"settings": {"response_format": "text"}}
    assert heard(b" Hello.\n", kind="text/plain", **options) == [
        Transcript("Hello.", is_final=True)
    ]


@pytest.mark.slow
@settings(max_examples=100)
@given(body=st.lists(lines, max_size=5).map(b"".join))
def test_a_garbled_transcript_is_one_final_text_or_a_provider_error(body: bytes) -> None:
    with only_provider_errors():
        *partial, final = heard(body)
        assert final.is_final
        assert not any(transcript.is_final for transcript in partial)


# --- the voice --------------------------------------------------------------------------------


def tone(rate_hz: int) -> NDArray[np.int16]:
    return (9000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)).astype("<i2")


def file(kind: str, rate_hz: int, subtype: str | None = None) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, tone(rate_hz), rate_hz, format=kind, subtype=subtype)
    return content.getvalue()


def spoken(*pieces: bytes, kind: str = "audio/pcm") -> Audio:
    tts = OpenAITTS("m", client=client_of(*pieces, kind=kind))
    said: list[Speech] = asyncio.run(collected(tts.synthesize("Hello.")))
    assert "".join(speech.text for speech in said) == "Hello."
    return concatenate([speech.audio for speech in said if speech.audio])


STREAMED = bytearray(file("WAV", 24_000))
STREAMED[4:8] = STREAMED[40:44] = b"\xff\xff\xff\xff"  # its server did not know the length
SPOKEN = {
    "raw, 24 kHz": (tone(24_000).tobytes(), "audio/pcm"),
    "raw, no name": (tone(24_000).tobytes(), ""),
    "raw, 16 kHz": (tone(16_000).tobytes(), "audio/pcm;rate=16000"),
    "raw, 22.05 kHz": (tone(22_050).tobytes(), 'audio/PCM; Rate="22050"; channels=1'),
    "raw, L16": (tone(8000).tobytes(), "audio/L16; rate=8000"),
    "raw, and an odd byte": (tone(24_000).tobytes() + b"x", "audio/pcm"),
    "WAV, named so": (file("WAV", 16_000), "audio/wav"),
    "WAV, without a length": (bytes(STREAMED), "audio/pcm"),
    "WAV, float": (file("WAV", 16_000, "FLOAT"), "audio/pcm"),
    "WAV, no name": (file("WAV", 16_000), "application/octet-stream"),
    "FLAC": (file("FLAC", 16_000), "audio/pcm"),
    "MP3": (file("MP3", 24_000), "audio/mpeg"),
    "MP3, no name": (file("MP3", 24_000), ""),
    "OGG": (file("OGG", 24_000), "audio/ogg"),
}


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("size", [7, 4096])
def test_whatever_form_the_sound_has_it_is_heard_at_its_pitch(name: str, size: int) -> None:
    body, kind = SPOKEN[name]
    sound = spoken(*(body[at : at + size] for at in range(0, len(body), size)), kind=kind)
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert np.argmax(spectrum) * sound.rate_hz / sound.samples.size == pytest.approx(440, abs=2)
    assert sound.duration_s == pytest.approx(1.0, abs=0.08)  # MP3 is in whole frames
    assert abs(sound.samples[0]) < 0.05


SILENT = {
    "nothing": (b"", "audio/pcm", "spoke nothing"),
    "half a sample": (b"\0", "audio/pcm", "spoke nothing"),
    "an error": (b'{"error": {"message": "no such voice"}}', "audio/pcm", "no such voice"),
    "an error, named so": (b'{"detail": "no such voice"}', "application/json", "no such voice"),
    "a page": (b"<!DOCTYPE html><title>502</title>", "text/html", "DOCTYPE html.*audio/pcm"),
    "a page under another name": (b"<!DOCTYPE html><title>502</title>", "audio/pcm", "DOCTYPE"),
    "a text": (b"Internal Server Error", "application/octet-stream", "Internal Server Error"),
    "no MP3": (b"ID3\x04" + bytes(2000), "application/octet-stream", "not a recording"),
    "a cut WAV": (file("WAV", 16_000)[:8000], "audio/wav", "truncated"),
    "samples under a file's name": (tone(24_000).tobytes(), "audio/mpeg", "audio/mpeg of 48000"),
    "two channels": (tone(24_000).tobytes(), "audio/pcm; channels=2", "one channel"),
    "24 bits": (tone(24_000).tobytes(), "audio/pcm; bits=24", "16-bit"),
    "no rate": (tone(24_000).tobytes(), "audio/pcm; rate=fast", "rate in Hz"),
    "mu-law": (tone(24_000).tobytes(), "audio/basic", "audio/basic"),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_is_no_sound_is_named_and_never_played(name: str) -> None:
    body, kind, message = SILENT[name]
    with pytest.raises(ProviderError, match=rf"(?s)^m .*{message}"):
        spoken(body, kind=kind)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    head=st.sampled_from([b"", b"RIFF", b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"{", *FILES]),
    rest=st.binary(max_size=200),
    kind=st.sampled_from(
        ["", "audio/pcm", "audio/wav", "audio/pcm; rate=8000", "text/html", ";;="]
    ),
    cuts=st.lists(st.integers(0, 300), max_size=4),
)
def test_garbled_sound_is_finite_samples_or_a_provider_error(
    head: bytes, rest: bytes, kind: str, cuts: list[int]
) -> None:
    with only_provider_errors():
        assert np.isfinite(spoken(*cut(head + rest, cuts), kind=kind).samples).all()
