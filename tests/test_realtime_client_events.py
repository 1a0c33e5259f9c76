"""Bad input to a realtime session: each case gets its documented error, the session lives on."""

import json
from typing import Any

import pytest
from realtime_client import Client, quiet, session
from realtime_events import append, audio, b64, item, response, session_with

from voxlab.clock import run_virtual
from voxlab.serving.realtime.protocol import client_events

SECRET = "sesame"


async def refused(client: Client, frame: str | bytes) -> dict[str, Any]:
    """Send a frame; return the error, once it is sure that the session lives on."""
    await client.raw(frame)
    error: dict[str, Any] = (await client.until("error"))["error"]
    before = len(client.events)
    await client.update(instructions="Go on.")
    assert len(client.events) == before + 1
    return error


BAD_FRAMES = {
    "broken JSON": ('{"type": "session.update"', "invalid_json", None),
    "no JSON": ("hello", "invalid_json", None),
    "an empty frame": ("", "invalid_json", None),
    "a deep nest": ("[" * 100_000, "invalid_json", None),
    "a huge number": ('{"type": ' + "9" * 5000 + "}", "invalid_json", None),
    "a list": ("[1, 2]", "invalid_event", None),
    "a binary frame": (b'{"type": "response.create"}', "invalid_event", None),
    "no type": ("{}", "missing_required_parameter", "type"),
    "a number for a type": ('{"type": 3}', "invalid_type", "type"),
    "an unknown type": ('{"type": "response.make"}', "invalid_value", "type"),
    "WebRTC's own": ('{"type": "output_audio_buffer.clear"}', "invalid_value", "type"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_gets_its_error_and_the_session_lives(name: str):
    frame, code, param = BAD_FRAMES[name]

    async def turn() -> None:
        async with session() as client:
            error = await refused(client, frame)
            assert (error["code"], error["param"]) == (code, param)
            assert error["type"] == "invalid_request_error"

    run_virtual(turn())


DETECTION = {"type": "server_vad"}
BAD_EVENTS = {
    # the audio buffer
    "base64 that is not": (append("*" * 8), "invalid_value", "audio"),
    "base64 cut short": (append("QUJ"), "invalid_value", "audio"),
    "audio that is no text": (append([1, 2]), "invalid_type", "audio"),
    "an odd byte count": (append(b64(b"abc")), "invalid_value", "audio"),
    "no audio": ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    "an empty commit": (
        {"type": "input_audio_buffer.commit"},
        "input_audio_buffer_commit_empty",
        None,
    ),
    # the session
    "no session": ({"type": "session.update"}, "missing_required_parameter", "session"),
    "a session without type": (
        {"type": "session.update", "session": {}},
        "missing_required_parameter",
        "session.type",
    ),
    "a transcription session": (
        {"type": "session.update", "session": {"type": "transcription"}},
        "invalid_value",
        "session.type",
    ),
    "a beta session": (
        {"type": "session.update", "session": {"type": "realtime", "modalities": ["text"]}},
        "unknown_parameter",
        "session.modalities",
    ),
    "text and audio at once": (
        {
            "type": "session.update",
            "session": {"type": "realtime", "output_modalities": ["text", "audio"]},
        },
        "invalid_value",
        "session.output_modalities",
    ),
    "an unknown format": (
        audio(input={"format": {"type": "audio/mp3"}}),
        "invalid_value",
        "session.audio.input.format.type",
    ),
    "another rate": (
        audio(input={"format": {"type": "audio/pcm", "rate": 16000}}),
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    "a threshold of 2": (
        audio(input={"turn_detection": {**DETECTION, "threshold": 2}}),
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    "a silence in decimals": (
        audio(input={"turn_detection": {**DETECTION, "silence_duration_ms": 0.5}}),
        "invalid_type",
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    "eagerness for server_vad": (
        audio(input={"turn_detection": {**DETECTION, "eagerness": "low"}}),
        "unknown_parameter",
        "session.audio.input.turn_detection.eagerness",
    ),
    "a detector without type": (
        audio(input={"turn_detection": {"threshold": 0.5}}),
        "missing_required_parameter",
        "session.audio.input.turn_detection.type",
    ),
    "a speed of 9": (
        audio(output={"speed": 9}),
        "decimal_above_max_value",
        "session.audio.output.speed",
    ),
    "true for a number": (
        audio(output={"speed": True}),
        "invalid_type",
        "session.audio.output.speed",
    ),
    "half a surrogate pair": (
        {"type": "session.update", "session": {"type": "realtime", "instructions": "\ud800"}},
        "invalid_value",
        "session.instructions",
    ),
    "logprobs, which nobody tells": (
        session_with(include=["item.input_audio_transcription.logprobs"]),
        "invalid_value",
        "session.include",
    ),
    "a truncation of no kind": (
        session_with(truncation="sometimes"),
        "invalid_value",
        "session.truncation",
    ),
    "a truncation to more than all": (
        session_with(truncation={"type": "retention_ratio", "retention_ratio": 1.5}),
        "decimal_above_max_value",
        "session.truncation.retention_ratio",
    ),
    "a tracing that is a number": (session_with(tracing=1), "invalid_type", "session.tracing"),
    "a tracing with unknown fields": (
        session_with(tracing={"colour": "red"}),
        "unknown_parameter",
        "session.tracing.colour",
    ),
    "a prompt without id": (
        session_with(prompt={"version": "1"}),
        "missing_required_parameter",
        "session.prompt.id",
    ),
    "an effort that nobody makes": (
        session_with(reasoning={"effort": "slow"}),
        "invalid_value",
        "session.reasoning.effort",
    ),
    # items
    "an item of no kind": (item(type="note"), "invalid_value", "item.type"),
    "a role of nobody": (item(role="god"), "invalid_value", "item.role"),
    "no content": (
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}},
        "missing_required_parameter",
        "item.content",
    ),
    "an assistant's audio": (
        item(role="assistant", content=[{"type": "output_audio", "audio": ""}]),
        "invalid_value",
        "item.content[0].type",
    ),
    "a user's audio cut in a sample": (
        item(content=[{"type": "input_audio", "audio": b64(b"abc")}]),
        "invalid_value",
        "item.content[0].audio",
    ),
    "an unknown predecessor": (
        {**item(), "previous_item_id": "nobody"},
        "item_create_invalid_previous_item_id",
        "previous_item_id",
    ),
    "an output of no call": (
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_9", "output": ""},
        },
        "invalid_tool_call_id",
        "item.call_id",
    ),
    "a text of a megabyte": (
        item(content=[{"type": "input_text", "text": "x" * 2**20}]),
        "string_above_max_length",
        "item",
    ),
    "deleting nobody": (
        {"type": "conversation.item.delete", "item_id": "nobody"},
        "item_delete_invalid_item_id",
        "item_id",
    ),
    "retrieving nobody": (
        {"type": "conversation.item.retrieve", "item_id": "nobody"},
        "item_retrieve_invalid_item_id",
        "item_id",
    ),
    "truncating below zero": (
        {
            "type": "conversation.item.truncate",
            "item_id": "x",
            "content_index": 0,
            "audio_end_ms": -1,
        },
        "integer_below_min_value",
        "audio_end_ms",
    ),
    # responses
    "an unknown field": (response(temperature=1), "unknown_parameter", "response.temperature"),
    "no tokens": (
        response(max_output_tokens=0),
        "integer_below_min_value",
        "response.max_output_tokens",
    ),
    "17 pairs": (
        response(metadata={str(n): "" for n in range(17)}),
        "invalid_value",
        "response.metadata",
    ),
    "a reference to nobody": (
        response(input=[{"type": "item_reference", "id": "nobody"}]),
        "item_reference_invalid_item_id",
        "item_id",
    ),
    "a conversation of its own": (
        response(conversation="mine"),
        "invalid_value",
        "response.conversation",
    ),
    "cancelling nothing": ({"type": "response.cancel"}, "response_cancel_not_active", None),
    "cancelling nobody": (
        {"type": "response.cancel", "response_id": "resp_9"},
        "response_cancel_not_active",
        None,
    ),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_gets_its_error_with_its_own_id(name: str):
    event, code, param = BAD_EVENTS[name]

    async def turn() -> None:
        async with session() as client:
            error = await refused(client, json.dumps({**event, "event_id": SECRET}))
            assert error["event_id"] == SECRET
            assert error["code"] == code
            assert error["param"] == param

    run_virtual(turn())


def test_an_update_is_taken_whole_or_not_at_all():
    async def turn() -> None:
        async with session() as client:
            patch = {"instructions": "New.", "audio": {"output": {"speed": 9}}}
            bad = {"type": "session.update", "session": {"type": "realtime", **patch}}
            await client.raw(json.dumps(bad))
            await client.until("error")
            event = await client.update()
            assert event["session"] == client.events[0]["session"]

    run_virtual(turn())


def test_no_audio_at_all_is_not_an_error():
    async def turn() -> None:
        async with session() as client:
            await client.append(b"")
            await client.update()
            assert not client.of("error")

    run_virtual(turn())


@pytest.mark.parametrize(("size", "is_fine"), [(99, False), (100, True)])
def test_a_commit_needs_100_ms_of_audio(size: int, is_fine: bool):
    async def turn() -> None:
        async with session() as client:
            await client.push_to_talk()
            await client.append(quiet(size / 1000))
            await client.send("input_audio_buffer.commit")
            await client.rest()
            assert [e["error"]["code"] for e in client.of("error")] == (
                [] if is_fine else ["input_audio_buffer_commit_empty"]
            )
            assert len(client.of("input_audio_buffer.committed")) == is_fine

    run_virtual(turn())


@pytest.mark.slow
def test_15_mib_of_audio_are_heard_and_a_byte_more_is_refused():
    largest = b64(bytes(client_events.LARGEST_APPEND))

    async def turn() -> None:
        async with session() as client:
            await client.push_to_talk()
            await client.send("input_audio_buffer.append", audio=largest)
            await client.send("input_audio_buffer.commit")
            await client.until("input_audio_buffer.committed")
            await client.send("input_audio_buffer.append", audio=largest + b64(b"xx"))
            assert (await client.until("error"))["error"]["param"] == "audio"

    run_virtual(turn())
