"""Bad input to a realtime session: each case gets its documented error, the session lives on."""

import asyncio
import base64
import contextlib
import gc
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import (
    ConversationItemCreateEvent,
    ResponseCreateEvent,
    SessionUpdateEvent,
)
from realtime_client import Client, engines, quiet, session, tone

from voxlab.clock import run_virtual
from voxlab.serving.realtime.protocol import client_events
from voxlab.serving.realtime.protocol.errors import Refused

SECRET = "sesame"
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


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


def session_with(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def audio(**fields: Any) -> dict[str, Any]:
    return session_with(audio=fields)


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": {**ITEM, **fields}}


def response(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": fields}


def append(value: Any) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": value}


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


FULL_AUDIO = {
    "input": {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "noise_reduction": {"type": "near_field"},
        "transcription": {"model": "whisper-1", "language": "en", "prompt": "Acme"},
        "turn_detection": {
            **{"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300},
            **{"silence_duration_ms": 500, "idle_timeout_ms": 9000},
            **{"create_response": True, "interrupt_response": True},
        },
    },
    "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_1"}, "speed": 1.0},
}
FULL_TOOL = {"type": "function", "name": "f", "description": "", "parameters": {"type": "object"}}
FULL_SHARED = {
    **{"instructions": "Hi.", "tools": [FULL_TOOL], "output_modalities": ["text"]},
    **{"max_output_tokens": 5, "parallel_tool_calls": True},
    "tool_choice": {"type": "function", "name": "f"},
}
FULL_ITEMS = [
    {**ITEM, "id": "a", "object": "realtime.item", "status": "completed"},
    {
        **ITEM,
        "content": [{"type": "input_audio", "audio": b64(bytes(9600)), "transcript": "Hm."}],
    },
    {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1", "id": "b"},
    {"type": "function_call_output", "call_id": "call_1", "output": "1", "id": "c"},
    {"type": "item_reference", "id": "a"},
]
FULL_EVENTS = [  # every event with every field
    {
        "type": "session.update",
        "session": {
            **{"type": "realtime", "model": "gpt-realtime", "audio": FULL_AUDIO, **FULL_SHARED},
            **{"include": [], "tracing": "auto", "truncation": "auto"},
        },
    },
    append(b64(bytes(4800))),
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    *(
        {"type": "conversation.item.create", "item": each, "previous_item_id": "root"}
        for each in FULL_ITEMS[:4]
    ),
    {"type": "conversation.item.retrieve", "item_id": "a"},
    {"type": "conversation.item.delete", "item_id": "a"},
    {
        "type": "conversation.item.truncate",
        **{"item_id": "a", "content_index": 0, "audio_end_ms": 0},
    },
    {
        "type": "response.create",
        "response": {
            **{"conversation": "none", "metadata": {"a": "b"}, "input": FULL_ITEMS},
            **{"audio": {"output": {"format": {"type": "audio/pcm"}, "voice": "ash"}}},
            **FULL_SHARED,
        },
    },
    {"type": "response.cancel", "response_id": "resp_1"},
]


def with_nulls(value: Any) -> Iterator[Any]:
    """Yield the value with each field and element in it, one at a time, null."""
    places: Any = []
    if isinstance(value, dict):
        places = [(key, lambda new, key=key: {**value, key: new}) for key in value]
    elif isinstance(value, list):
        places = [
            (at, lambda new, at=at: [*value[:at], new, *value[at + 1 :]])
            for at in range(len(value))
        ]
    for place, put in places:
        yield put(None)
        yield from map(put, with_nulls(value[place]))


@pytest.mark.parametrize("event", FULL_EVENTS, ids=lambda event: event["type"])
def test_a_null_in_any_field_is_an_error_or_left_out_and_the_session_lives(event: dict[str, Any]):
    """The referee refuses every server_error, and nulls that no model of the SDK allows."""

    async def turn() -> None:
        async with session(engines(["Fine."] * 99)) as client:
            for count, nulled in enumerate(with_nulls({**event, "event_id": "mine"})):
                for item in FULL_ITEMS[:4]:
                    await client.send("conversation.item.create", item=item)
                await client.raw(json.dumps(nulled))
                await client.rest(quiet_s=5.0)
                told = [e["error"] for e in client.of("error") if e["error"]["event_id"] == "mine"]
                assert len(told) <= count + 1
            await client.update(instructions="Still there?", output_modalities=["text"])
            await client.update(audio={"input": {"turn_detection": None}})
            await client.send("response.create")
            await client.rest()
            client.automaton.finish()

    run_virtual(turn())


def test_the_events_with_every_field_are_accepted():
    for event in FULL_EVENTS:
        client_events.check(event)


def test_sound_that_is_too_long_for_a_frame_is_left_out_of_its_item():
    async def turn() -> None:
        async with session() as client:  # the referee refuses frames of a MiB
            for size, is_told in ((96_000, True), (2**20, False)):
                part = {"type": "input_audio", "audio": b64(bytes(size))}
                item = {**ITEM, "content": [part], "id": f"long_{size}"}
                await client.send("conversation.item.create", item=item)
                await client.send("conversation.item.retrieve", item_id=item["id"])
                (part,) = (await client.until("conversation.item.retrieved"))["item"]["content"]
                assert ("audio" in part) == is_told

    run_virtual(turn())


@pytest.mark.parametrize(
    "settings",
    [
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
        {"truncation": "disabled", "tracing": "auto"},
        {"tracing": {"workflow_name": "calls", "metadata": {"a": 1}}},
        {"prompt": {"id": "pmpt_1", "variables": {"city": "Paris"}}},
        {"reasoning": {"effort": "low"}},
    ],
)
def test_what_is_told_and_not_used_comes_back_in_a_shape_that_the_sdk_takes(settings: Any):
    async def turn() -> None:
        async with session() as client:  # the referee reads each event with the SDK's strict model
            told = (await client.update(**settings))["session"]
            assert settings.items() <= told.items()

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


def test_an_item_may_not_take_anothers_name():
    async def turn() -> None:
        async with session() as client:
            await client.ask("One.", item_id="same")
            await client.ask("Two.", item_id="same")
            assert (await client.until("error"))["error"]["param"] == "item.id"

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


@pytest.mark.slow
def test_a_client_that_vanishes_in_mid_response_leaves_nothing_behind():
    async def visit() -> None:
        async with session(
            engines(["A rather long answer that nobody will hear to its end."])
        ) as c:
            await c.append(tone(0.5))
            await c.send("response.create")
            await c.until("response.created")

    async def visits(count: int) -> None:
        for _ in range(count):
            await visit()

    async def measured() -> int:
        await visits(20)  # caches are filled
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await visits(60)
        gc.collect()  # a session is a circle of objects
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(asyncio.all_tasks()) == 1
        return after - before

    assert run_virtual(measured()) < 60 * 1024  # under a KiB a visit


# --- the checks themselves ------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from([*sorted({event["type"] for event in FULL_EVENTS}), "unknown"])
FIELDS = ["session", "item", "audio", "response", "item_id"]


@given(KINDS, st.dictionaries(st.sampled_from(FIELDS), JSON))
@settings(max_examples=150, deadline=None)
def test_any_json_is_accepted_or_refused(kind: str, fields: dict[str, Any]):
    event = json.loads(json.dumps({"type": kind, **fields}))
    with contextlib.suppress(Refused):  # and nothing else
        client_events.check(event)


ORACLES = {
    "session.update": (SessionUpdateEvent, "session"),
    "response.create": (ResponseCreateEvent, "response"),
    "conversation.item.create": (ConversationItemCreateEvent, "item"),
}


def test_what_the_sdk_knows_of_a_session_we_know_too():
    """Each field of the SDK's own session and response is checked here, and no other."""
    from openai.types.realtime.realtime_response_create_params import RealtimeResponseCreateParams
    from openai.types.realtime.realtime_session_create_request import RealtimeSessionCreateRequest

    for name, kind, model in (
        ("session", "session.update", RealtimeSessionCreateRequest),
        ("response", "response.create", RealtimeResponseCreateParams),
    ):
        accepted = {"type": "realtime"} if name == "session" else {}
        known = {field: None for field in model.model_fields if field != "type"}
        client_events.check({"type": kind, name: {**accepted, **known}})
        with pytest.raises(Refused, match="Unknown parameter"):
            client_events.check({"type": kind, name: {**accepted, "anything": None}})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("session.update", audio(input={"turn_detection": DETECTION})),
        ("session.update", audio(output={"voice": {"id": "voice_1"}, "speed": 1.5})),
        ("response.create", response(input=[ITEM], conversation="none", metadata={"a": "b"})),
        ("response.create", response(tool_choice={"type": "function", "name": "f"})),
        ("conversation.item.create", item(role="assistant", content=[])),
    ],
)
def test_what_we_accept_the_sdk_accepts(kind: str, fields: dict[str, Any]):
    model, _ = ORACLES[kind]
    client_events.check(fields)
    model.model_validate_json(json.dumps(fields), strict=True)
