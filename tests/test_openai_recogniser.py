"""The OpenAI-compatible recogniser: what is uploaded, and what is made of its transcript."""

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from openai.types.audio import Transcription, TranscriptionTextDoneEvent
from openai_server import Reply, Server, Wire, collect, frames_of, heard, run, serving, tone
from pydantic import BaseModel

from voxlab.audio import Audio, concatenate, silence
from voxlab.errors import AudioError, ProviderError
from voxlab.providers.openai.speech import OpenAISTT
from voxlab.providers.protocols import Transcript

pytestmark = pytest.mark.usefixtures("no_openai_settings")


# --- what the server says -------------------------------------------------------------------


def plain(kind: str, body: bytes) -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.answer("200 OK", kind, body)

    return reply


# --- the recogniser -------------------------------------------------------------------------


def transcript(*events: BaseModel | str) -> Reply:
    async def reply(wire: Wire) -> None:
        await wire.start()
        for event in events:
            await wire.event(event)
        await wire.end()

    return reply


def done(text: str) -> TranscriptionTextDoneEvent:
    return TranscriptionTextDoneEvent(type="transcript.text.done", text=text)


async def hear(
    *pieces: Audio, replies: tuple[Reply, ...] = (), **options: Any
) -> tuple[list[Transcript], Server]:
    async with serving(*replies) as server, OpenAISTT(base_url=server.url, **options) as stt:
        return await collect(stt.transcribe(frames_of(*pieces))), server


def test_deltas_grow_into_partials_and_done_is_the_only_final() -> None:
    events = heard("Book"), heard(" a"), heard(" table"), done("Book a table."), "[DONE]"
    transcripts, _ = run(hear(tone(), replies=(transcript(*events),)))
    assert transcripts == [
        Transcript("Book", is_final=False),
        Transcript("Book a", is_final=False),
        Transcript("Book a table", is_final=False),
        Transcript("Book a table.", is_final=True),
    ]


def test_a_model_that_does_not_stream_gives_its_final_at_once() -> None:
    body = Transcription(text=" Book a table. ").model_dump_json().encode()
    transcripts, _ = run(hear(tone(), replies=(plain("application/json", body),)))
    assert transcripts == [Transcript("Book a table.", is_final=True)]


def test_the_upload_is_the_segment_as_a_16_bit_wav() -> None:
    pieces = [tone(0.1), silence(0.05, 16_000), Audio(np.full(800, 1.5), 16_000)]
    options = {"model": "whisper-1", "settings": {"language": "en"}}
    _, server = run(hear(*pieces, replies=(transcript(done("")),), **options))
    (request,) = server.requests
    fields = request.form
    assert request.path == "/v1/audio/transcriptions"
    assert fields["model"].get_content().strip() == "whisper-1"
    assert fields["language"].get_content().strip() == "en"
    assert fields["stream"].get_content().strip() == "true"
    assert fields["file"].get_content_type() == "audio/wav"
    file = soundfile.SoundFile(io.BytesIO(fields["file"].get_content()))
    assert (file.format, file.subtype, file.samplerate, file.channels) == (
        "WAV",
        "PCM_16",
        16_000,
        1,
    )
    sent = np.clip(concatenate(pieces).samples, -1, 1)
    assert np.abs(file.read() - sent).max() <= 1 / 32768


def test_settings_can_forbid_streaming() -> None:
    body = plain("application/json", b'{"text": "Yes."}')
    _, server = run(hear(tone(), replies=(body,), settings={"stream": False}))
    assert server.requests[0].form["stream"].get_content().strip() == "false"


@pytest.mark.parametrize(
    "pieces",
    [[], [silence(0.0, 16_000)], [tone(0.03), tone(0.03)]],
    ids=["none", "empty", "blip"],
)
def test_a_segment_too_short_for_a_word_is_empty_and_not_sent(pieces: list[Audio]) -> None:
    transcripts, server = run(hear(*pieces))
    assert transcripts == [Transcript("", is_final=True)]
    assert not server.requests


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (transcript(heard("Book"), heard(" a")), "broke off after 'Book a'"),
        (plain("application/json", b'{"result": 3}'), r"answered \{'result': 3\}"),
        (plain("text/html", b"<html>"), "answered with a page, '<html>'"),
    ],
    ids=["unfinished", "other-json", "html"],
)
def test_a_transcript_that_is_not_whole_is_an_error(reply: Reply, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        run(hear(tone(), replies=(reply,)))


def test_frames_of_two_rates_are_not_the_servers_fault() -> None:
    with pytest.raises(AudioError, match="rates"):
        run(hear(tone(), tone(rate_hz=8000)))
