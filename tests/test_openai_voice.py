"""The OpenAI-compatible voice: raw samples, however they are cut."""

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_server import Reply, Server, Wire, collect, run, serving

from voxlab.audio import concatenate
from voxlab.errors import ProviderError
from voxlab.providers.openai.sound import whole_samples
from voxlab.providers.openai.speech import OpenAITTS
from voxlab.providers.protocols import Speech

pytestmark = pytest.mark.usefixtures("no_openai_settings")


def speaks(*chunks: bytes, kind: str = "audio/pcm") -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.start(kind)
        for one in chunks:
            await wire.chunk(one)
        await wire.end()

    return reply


async def say(text: str, *replies: Reply, **options: Any) -> tuple[list[Speech], Server]:
    async with serving(*replies) as server, OpenAITTS(base_url=server.url, **options) as tts:
        return await collect(tts.synthesize(text)), server


PCM = (np.sin(np.arange(1000) / 5) * 32767).astype("<i2")


@settings(max_examples=50)
@given(
    cuts=st.lists(st.integers(0, PCM.nbytes), max_size=6).map(sorted),
    odd=st.sampled_from([b"", b"x"]),
)
def test_samples_survive_any_cutting_of_their_bytes(cuts: list[int], odd: bytes) -> None:
    pcm, rest, pieces = PCM.tobytes() + odd, b"", []
    for start, end in zip([0, *cuts], [*cuts, len(pcm)], strict=True):
        samples, rest = whole_samples(rest + pcm[start:end])
        pieces.append(samples)
    assert np.array_equal(np.concatenate(pieces) * 32768, PCM)
    assert rest == odd


def test_speech_comes_before_the_server_has_made_the_rest() -> None:
    async def scene() -> list[Speech]:
        played = asyncio.Event()

        async def reply(wire: Wire) -> None:
            await wire.start("audio/pcm")
            await wire.chunk(PCM[:300].tobytes() + b"\x07")  # and half a sample
            await played.wait()
            await wire.chunk(b"\x00" + PCM[301:].tobytes())
            await wire.end()

        pieces = []
        async with serving(reply) as server, OpenAITTS(base_url=server.url) as tts:
            async for piece in tts.synthesize("Good day."):
                pieces.append(piece)
                played.set()
        return pieces

    first, *later = run(scene())
    assert first.audio.samples.size == 300
    sizes = [piece.audio.samples.size for piece in (first, *later)]
    assert sum(sizes) == PCM.size
    assert later[0].audio.samples[0] * 32768 == 7  # the two halves met


def test_the_pieces_join_to_the_sentence_and_last_as_long_as_their_sound() -> None:
    pcm = PCM.tobytes()  # the first byte is no sample yet
    pieces, _ = run(say("It's 5 o'clock.", speaks(pcm[:1], pcm[1:801], pcm[801:])))
    assert "".join(piece.text for piece in pieces) == "It's 5 o'clock."
    assert all(piece.duration_s == piece.audio.duration_s > 0 for piece in pieces)
    assert all(piece.words == () and piece.audio.rate_hz == 24_000 for piece in pieces)
    whole = concatenate([piece.audio for piece in pieces])
    assert np.array_equal(whole.samples * 32768, PCM)


def test_the_speech_request_asks_for_raw_samples() -> None:
    warm = {"instructions": "Warmly."}
    _, server = run(say("Hi.", speaks(PCM.tobytes()), voice="coral", settings=warm))
    (request,) = server.requests
    assert request.path == "/v1/audio/speech"
    assert request.json == {
        "model": "gpt-4o-mini-tts",
        "voice": "coral",
        "input": "Hi.",
        "response_format": "pcm",
        "instructions": "Warmly.",
    }


@pytest.mark.parametrize("text", ["", " \n", "🙂", "---", "**"])
def test_a_text_without_anything_to_say_is_not_sent(text: str) -> None:
    pieces, server = run(say(text))
    assert pieces == []
    assert not server.requests


def test_markup_is_not_sent_but_the_piece_tells_the_whole_text() -> None:
    pieces, server = run(say("**Total:** $5 🙂", speaks(PCM.tobytes())))
    assert server.requests[0].json["input"] == "Total: $5"
    assert pieces[0].text == "**Total:** $5 🙂"


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/wav", "application/json", "text/html"])
def test_anything_but_raw_samples_is_refused_before_it_is_played(kind: str) -> None:
    with pytest.raises(ProviderError, match=kind):
        run(say("Hi.", speaks(b"ID3\x04", kind=kind)))


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/L16; rate=24000", "application/octet-stream"])
def test_raw_samples_go_by_several_names(kind: str) -> None:
    pieces, _ = run(say("Hi.", speaks(PCM.tobytes(), kind=kind)))
    assert sum(piece.audio.samples.size for piece in pieces) == PCM.size


def test_a_voice_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"spoke nothing for 'Hi\.'"):
        run(say("Hi.", speaks()))
