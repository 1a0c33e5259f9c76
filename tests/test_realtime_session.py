"""A realtime session in virtual time: the order of its events, from the first to the last.

Every stream is refereed by `realtime_automaton` while the client reads it.
"""

import asyncio
import base64
from typing import Any

import pytest
from realtime_client import TURN, Client, engines, session

from voxlab.clock import run_virtual
from voxlab.serving.realtime.session import SessionOptions

Event = dict[str, Any]
LONG = "This is the first sentence of a long answer. " + "And here it goes on and on. " * 12


def ends(client: Client) -> list[Event]:
    return [event["response"] for event in client.of("response.done")]


def test_a_voice_turn_has_the_documented_order():
    async def turn() -> None:
        async with session(engines(["Hello! How are you?"])) as client:
            await client.stream(TURN)
            await client.rest()
            assert client.types() == [
                "session.created",
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
                "rate_limits.updated",
            ]
            client.automaton.finish()

    run_virtual(turn())


def test_offsets_include_the_padding_and_the_silence_window():
    async def turn() -> None:
        async with session() as client:
            await client.stream(TURN)
            started = await client.until("input_audio_buffer.speech_started")
            stopped = await client.until("input_audio_buffer.speech_stopped")
            # the tone lasts from 500 to 1500 ms; a frame of the detector is 32 ms
            assert started["audio_start_ms"] == pytest.approx(500 - 300, abs=32)
            assert stopped["audio_end_ms"] == pytest.approx(1500 + 500, abs=48)
            assert started["item_id"] == stopped["item_id"]

    run_virtual(turn())


def test_the_committed_audio_is_what_the_offsets_say():
    async def turn() -> None:
        async with session() as client:
            await client.append(TURN)
            item_id = (await client.until("input_audio_buffer.committed"))["item_id"]
            await client.send("conversation.item.retrieve", item_id=item_id)
            item = (await client.until("conversation.item.retrieved"))["item"]
            audio = base64.b64decode(item["content"][0]["audio"])
            start_ms = client.of("input_audio_buffer.speech_started")[0]["audio_start_ms"]
            end_ms = client.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
            assert audio == TURN[48 * start_ms : 48 * end_ms]

    run_virtual(turn())


def test_two_turns_in_one_append_are_two_turns():
    async def turns() -> None:
        async with session(engines(["One.", "Two."])) as client:
            await client.append(TURN + TURN)
            await client.rest()
            assert len(client.of("input_audio_buffer.committed")) == 2
            # the second turn came before the first was answered: it was spoken over
            assert [end["status"] for end in ends(client)] == ["cancelled", "completed"]

    run_virtual(turns())


def test_transcription_events_come_only_if_asked_for_and_tell_what_was_heard():
    async def turn() -> None:
        async with session(engines(texts=["Hi there.", "Bye."])) as client:
            await client.stream(TURN)
            await client.rest()
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.stream(TURN)
            await client.rest()
            kind = "conversation.item.input_audio_transcription.completed"
            (heard,) = client.of(kind)
            assert heard["transcript"] == "Bye."
            assert heard["usage"]["type"] == "duration"
            assert heard["usage"]["seconds"] == pytest.approx(1.8, abs=0.05)

    run_virtual(turn())


def test_the_session_is_complete_from_the_start():
    async def turn() -> None:
        async with session(None, SessionOptions(started_at=1000, model="gpt-realtime")) as client:
            told = client.events[0]["session"]
            assert told["type"] == "realtime"
            assert told["object"] == "realtime.session"
            assert told["expires_at"] == 1000 + 3600
            assert told["output_modalities"] == ["audio"]
            detection = told["audio"]["input"]["turn_detection"]
            expected = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
            assert expected.items() <= detection.items()

    run_virtual(turn())


def test_a_session_ends_after_an_hour():
    async def hour() -> None:
        async with session() as client:
            events = await client.rest(quiet_s=3601)
            assert events[-1]["error"]["code"] == "session_expired"
            assert asyncio.get_running_loop().time() >= 3600

    run_virtual(hour())
