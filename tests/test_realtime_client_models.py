"""What a client may say, against the openai package: every field, every null, any JSON."""

import contextlib
import json
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
from realtime_client import engines, session
from realtime_events import ITEM, append, audio, b64, item, response

from voxlab.clock import run_virtual
from voxlab.serving.realtime.protocol import client_events
from voxlab.serving.realtime.protocol.errors import Refused

DETECTION = {"type": "server_vad"}
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from([*sorted({event["type"] for event in FULL_EVENTS}), "unknown"])
FIELDS = ["session", "item", "audio", "response", "item_id"]


@given(KINDS, st.dictionaries(st.sampled_from(FIELDS), JSON))
@settings(max_examples=150)
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
