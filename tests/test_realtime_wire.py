"""The client's end of a realtime connection, over a session in memory, in virtual time."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from realtime_client import engines, tone

from voxlab.agents.line import Line
from voxlab.agents.realtime.protocol import (
    RATE_HZ,
    RecordedConnection,
    appends,
    converse,
    decode_audio,
    note_event,
)
from voxlab.audio import Audio, from_pcm16, silence, to_pcm16
from voxlab.clock import run_virtual
from voxlab.providers.scripted import Answer
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.timeline import Call

SPEECH = Audio(from_pcm16(tone(1.0)), RATE_HZ)
QUESTION = np.concatenate([silence(0.5, RATE_HZ).samples, SPEECH.samples])


def held(answers: Sequence[Answer], replies: int, samples: Any = QUESTION) -> Call:
    """Hold a conversation with a session that says the answers, and react to nothing."""

    async def talk() -> Call:
        async with in_memory(engines(answers))() as connection:
            line = Line(rate_hz=RATE_HZ)

            async def respond(event: dict[str, Any]) -> list[dict[str, Any]]:
                return []

            sound = appends(Audio(samples, RATE_HZ))
            before = asyncio.all_tasks()
            async with asyncio.timeout(60):
                await converse(RecordedConnection(connection, line), sound, respond, replies)
            assert {task for task in asyncio.all_tasks() - before if "speak" in str(task)} == set()
            return line.call()

    return run_virtual(talk())


def types(call: Call, kind: str) -> list[str]:
    return [note.data["event"]["type"] for note in call.timeline.select("transport", kind)]


def test_every_event_of_a_conversation_is_noted_with_its_sound_only_counted():
    call = held(["Hello to you."], 1)
    assert types(call, "sent") == ["input_audio_buffer.append"] * len(types(call, "sent"))
    received = types(call, "received")
    assert received[0] == "session.created"
    assert received[-1] == "response.done"
    for note in call.timeline.select("transport"):
        has_sound = note.data["event"]["type"].endswith(("append", "output_audio.delta"))
        assert ("sound_bytes" in note.data) == has_sound
        assert not {"audio", "delta"} & set(note.data["event"]) or not has_sound


def test_what_the_microphone_sends_is_the_users_voice_when_it_sounded():
    call = held(["Hello."], 1)
    assert call.user is not None
    assert np.allclose(call.user.samples[: QUESTION.size], QUESTION, atol=1e-4)
    first, second = call.timeline.select("transport", "sent")[:2]
    assert (first.at_s, second.at_s) == pytest.approx((0.1, 0.2))  # a piece goes when it is over


def test_the_microphone_stays_open_so_that_the_turn_can_end():
    call = held(["Hello."], 1)
    stopped = types(call, "received").index("input_audio_buffer.speech_stopped")
    assert stopped > 0
    assert len(types(call, "sent")) > QUESTION.size / RATE_HZ / 0.1


def test_a_cancelled_response_is_no_answer():
    gap = silence(2.5, RATE_HZ).samples
    call = held(["So long. " * 30, "Yes?"], 1, np.concatenate([QUESTION, gap, SPEECH.samples]))
    done = [
        note.data["event"]["response"]["status"]
        for note in call.timeline.select("transport", "received")
        if note.data["event"]["type"] == "response.done"
    ]
    assert done == ["cancelled", "completed"]


def test_pieces_join_to_the_recording():
    sound = Audio(np.sin(np.arange(12_345) / 7), 16_000)
    pieces = [decode_audio(event["audio"]) for event in appends(sound, 0.04)]
    assert {piece.samples.size for piece in pieces[:-1]} == {960}
    joined = np.concatenate([piece.samples for piece in pieces])
    want = from_pcm16(to_pcm16(sound.resample(RATE_HZ).samples))
    assert np.array_equal(joined, want)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4800])
def test_sound_is_counted_without_decoding_it(size: int):
    async def noted() -> int:
        line = Line()
        audio = base64.b64encode(bytes(size)).decode()
        note_event(line, "sent", {"type": "input_audio_buffer.append", "audio": audio})
        (event,) = line.timeline
        return int(event.data["sound_bytes"])

    assert run_virtual(noted()) == size
