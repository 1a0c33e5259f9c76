"""What a client may say: the ten events of a WebSocket client, field by field.

Source: openai/types/realtime/realtime_client_event.py. Left out, and refused as unsupported:
images, MCP tools and transcription-only sessions, for which no engine stands behind this server.
"""

import json
from typing import Any

from voxlab.serving.realtime.protocol.schema import (
    Refused,
    anything,
    array,
    audio_bytes,
    by,
    either,
    flag,
    number,
    one_of,
    record,
    text,
    whole,
)

LARGEST_APPEND = 15 * 2**20  # bytes of audio in one event
Request = dict[str, Any]

_FORMAT = by(
    "type",
    {
        "audio/pcm": record({"type": text}, {"rate": whole(24_000, 24_000)}),
        "audio/pcmu": record({"type": text}, {}),
        "audio/pcma": record({"type": text}, {}),
    },
)
_TURN_DETECTION = by(
    "type",
    {
        "server_vad": record(
            {"type": text},
            {
                "threshold": number(0, 1),
                "prefix_padding_ms": whole(0, 60_000),
                "silence_duration_ms": whole(0, 60_000),
                "idle_timeout_ms": whole(1, 3_600_000),
                "create_response": flag,
                "interrupt_response": flag,
            },
        ),
        "semantic_vad": record(
            {"type": text},
            {
                "eagerness": one_of("low", "medium", "high", "auto"),
                "create_response": flag,
                "interrupt_response": flag,
            },
        ),
    },
)
_TRANSCRIPTION = record(
    {},
    {
        "model": text,
        "language": text,
        "languages": array(text),
        "prompt": text,
        "keywords": array(text),
        "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
    },
)
_NOISE_REDUCTION = record(
    {}, {"type": one_of("near_field", "far_field"), "strength": number(0, 10)}
)
_VOICE = either(text, record({"id": text}, {}))
_TOOL = by(
    "type",
    {
        "function": record(
            {"type": text, "name": text}, {"description": text, "parameters": anything}
        )
    },
)
_TOOL_CHOICE = either(
    one_of("none", "auto", "required"),
    record({"type": one_of("function"), "name": text}, {}),
)
_MODALITIES = array(one_of("text", "audio"), at_most=2)
_MAX_TOKENS = either(one_of("inf"), whole(1, 4096))

_SHARED = {
    "instructions": text,
    "tools": array(_TOOL, at_most=128),
    "tool_choice": _TOOL_CHOICE,
    "max_output_tokens": _MAX_TOKENS,
    "parallel_tool_calls": flag,
    "prompt": anything,
    "reasoning": anything,
}


def modalities(value: Any, path: str) -> list[str]:
    """Accept ["audio"] or ["text"]: not both, not neither."""
    chosen: list[str] = _MODALITIES(value, path)
    if len(chosen) != 1:
        raise Refused(
            "invalid_value",
            f"Invalid modalities: {chosen}. Supported combinations are: ['text'] and ['audio'].",
            path,
        )
    return chosen


def metadata(value: Any, path: str) -> dict[str, str]:
    """Accept up to 16 pairs of strings, as everywhere in the API."""
    if not isinstance(value, dict) or len(value) > 16:
        raise Refused("invalid_value", f"Invalid '{path}': expected 16 pairs at most.", path)
    pairs = {text(key, path): text(item, f"{path}.{key}") for key, item in value.items()}
    if any(len(key) > 64 or len(item) > 512 for key, item in pairs.items()):
        said = "keys of 64 characters and values of 512 at most"
        raise Refused("invalid_value", f"Invalid '{path}': expected {said}.", path)
    return pairs


def item_id(value: Any, path: str) -> str:
    """Accept a name for an item."""
    if not text(value, path) or len(value) > 256:
        raise Refused("invalid_value", f"Invalid '{path}': expected 1 to 256 characters.", path)
    return str(value)


SESSION = record(
    {"type": one_of("realtime")},
    {
        **_SHARED,
        "model": text,
        "output_modalities": modalities,
        "include": array(one_of("item.input_audio_transcription.logprobs")),
        "tracing": anything,
        "truncation": anything,
        "audio": record(
            {},
            {
                "input": record(
                    {},
                    {
                        "format": _FORMAT,
                        "noise_reduction": _NOISE_REDUCTION,
                        "transcription": _TRANSCRIPTION,
                        "turn_detection": _TURN_DETECTION,
                    },
                ),
                "output": record(
                    {}, {"format": _FORMAT, "voice": _VOICE, "speed": number(0.25, 1.5)}
                ),
            },
        ),
    },
)

_ITEM = {"id": item_id, "object": one_of("realtime.item")}
_STATUS = {"status": one_of("completed", "incomplete", "in_progress")}
_TEXT_PART = {"input_text": record({"type": text, "text": text}, {})}
_AUDIO_PART = {"input_audio": record({"type": text, "audio": audio_bytes}, {"transcript": text})}
_SAID_PART = {"output_text": record({"type": text, "text": text}, {})}


def _message(parts: dict[str, Any]) -> Any:
    return record(
        {"type": text, "role": text, "content": array(by("type", parts))}, {**_ITEM, **_STATUS}
    )


ITEM_TYPES = {
    "message": by(
        "role",
        {
            "system": _message(_TEXT_PART),
            "user": _message({**_TEXT_PART, **_AUDIO_PART}),
            "assistant": _message(_SAID_PART),
        },
    ),
    "function_call": record(
        {"type": text, "name": text, "arguments": text},
        {"call_id": item_id, **_ITEM, **_STATUS},
    ),
    "function_call_output": record(
        {"type": text, "call_id": text, "output": text}, {**_ITEM, **_STATUS}
    ),
}
ITEM = by("type", ITEM_TYPES)
_REFERENCE = {"item_reference": record({"type": text, "id": text}, {})}

RESPONSE = record(
    {},
    {
        **_SHARED,
        "output_modalities": modalities,
        "conversation": one_of("auto", "none"),
        "input": array(by("type", {**ITEM_TYPES, **_REFERENCE})),
        "metadata": metadata,
        "audio": record({}, {"output": record({}, {"format": _FORMAT, "voice": _VOICE})}),
    },
)


def _event(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    return record({"type": text, **required}, {"event_id": text, **(optional or {})})


EVENTS = {
    "session.update": _event({"session": SESSION}),
    "input_audio_buffer.append": _event({"audio": audio_bytes}),
    "input_audio_buffer.commit": _event({}),
    "input_audio_buffer.clear": _event({}),
    "conversation.item.create": _event({"item": ITEM}, {"previous_item_id": text}),
    "conversation.item.delete": _event({"item_id": text}),
    "conversation.item.retrieve": _event({"item_id": text}),
    "conversation.item.truncate": _event(
        {"item_id": text, "content_index": whole(0), "audio_end_ms": whole(0)}
    ),
    "response.create": _event({}, {"response": RESPONSE}),
    "response.cancel": _event({}, {"response_id": text}),
}
_EVENT = by("type", EVENTS)


def parse(frame: str | bytes) -> Request:
    """Read a frame as JSON. Raises Refused if it is binary or no JSON object."""
    if isinstance(frame, bytes):
        raise Refused("invalid_event", "Binary frames are not supported: send JSON as text.")
    try:
        event = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid_json", "Could not parse the message as JSON.") from error
    if not isinstance(event, dict):
        raise Refused("invalid_event", "Invalid event: expected a JSON object.")
    return event


def check(event: Request) -> Request:
    """Return the event with its audio decoded. Raises Refused if a field is not as it must be."""
    checked: Request = _EVENT(event, "")
    if len(checked.get("audio", b"")) > LARGEST_APPEND:
        raise Refused(
            "invalid_value",
            f"Invalid 'audio': expected at most 15 MiB, but got {len(checked['audio'])} bytes.",
            "audio",
        )
    return checked


def event_id_of(event: Request) -> str | None:
    """Return the name that the client gave its event, for the error that answers it."""
    name = event.get("event_id")
    return name if isinstance(name, str) and name.isprintable() else None
