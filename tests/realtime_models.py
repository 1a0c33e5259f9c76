"""What a realtime server may say: one event against the openai package's own model of it.

Strictly: every field of its type, and no field that the model does not know.
"""

import json
from functools import cache, lru_cache
from typing import Any, get_args

from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, ValidationError

Event = dict[str, Any]

SERVER_SIDE = {"id", "object", "expires_at"}  # of a session: the server adds them
NEVER = {"conversation.item.created", "conversation.created"}  # of the beta


class ProtocolFault(AssertionError):
    """The server has said what it must not say."""


@cache
def server_models() -> dict[str, type[BaseModel]]:
    """Return the openai package's class of each server event, by its type."""
    union = get_args(RealtimeServerEvent)[0]
    return {get_args(m.model_fields["type"].annotation)[0]: m for m in get_args(union)}


def validated(raw: str) -> Event:
    """Return an event that the SDK's own model accepts to the letter."""
    _refuse_unknown(raw)
    event: Event = json.loads(raw)
    return event


@lru_cache(maxsize=256)  # the same stream is judged again and again, with one fault each time
def _refuse_unknown(raw: str) -> None:
    event, models = json.loads(raw), server_models()
    if event["type"] not in models or event["type"] in NEVER:
        raise ProtocolFault(f"no server sends {event['type']}")
    try:
        model = models[event["type"]].model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise ProtocolFault(f"{event['type']}: {error}") from error
    unknown = sorted(_unknown(model, ""))
    if unknown:
        raise ProtocolFault(f"{event['type']} has fields that the SDK does not know: {unknown}")


def _unknown(value: object, path: str) -> set[str]:
    if isinstance(value, BaseModel):
        known = SERVER_SIDE if path == "session" else set()
        found = {f"{path}.{name}" for name in (value.model_extra or {}) if name not in known}
        for name in value.model_fields_set:
            found |= _unknown(getattr(value, name), f"{path}.{name}".lstrip("."))
        return found
    if isinstance(value, list):
        return {fault for item in value for fault in _unknown(item, path + "[]")}
    return set()
