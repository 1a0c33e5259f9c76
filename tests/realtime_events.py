"""Client events of a realtime session, written shortly."""

import base64
from typing import Any

ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


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
