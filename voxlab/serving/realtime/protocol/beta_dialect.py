"""The beta dialect, as a shim over the session: its events translated on their way out and in.

The chapter's fragment 39.1.1a speaks it (header `OpenAI-Beta: realtime=v1`). The hosted API has
retired it; here it is allowed by a flag. The session behind it knows only today's dialect.
Source: openai/types/beta/realtime/ of the openai package, 3.54.
"""

from typing import Any

from voxlab.agents.realtime.protocol import JsonObject

HEADER, SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"
FORMAT_NAMES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
FORMATS = {beta: {"type": name} for name, beta in FORMAT_NAMES.items()}
MODALITIES = {"audio": ["text", "audio"], "text": ["text"]}
PARTS = {"text": "output_text", "audio": "output_audio"}
TEMPERATURE = 0.8  # the beta's default: told, for clients that read it; our engines have none
SAME = ("id", "object", "model", "expires_at", "instructions", "tools", "tool_choice", "tracing")
PLACES = {  # of the beta's flat settings in today's nested ones
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}


# --- out ------------------------------------------------------------------------------------


def outgoing(event: JsonObject) -> tuple[JsonObject, ...]:
    """Return an event of today's dialect in the beta's words; some have none there."""
    kind = event["type"]
    if kind in ("conversation.item.done", "input_audio_buffer.timeout_triggered"):
        return ()
    told = dict(event)
    if kind == "conversation.item.added":
        told["type"] = "conversation.item.created"
    elif kind.startswith("response.output_") and not kind.startswith("response.output_item"):
        told["type"] = kind.replace("output_", "")
    if "session" in event:
        same = {name: event["session"][name] for name in SAME}
        told["session"] = {**same, **_flat(event["session"]), "temperature": TEMPERATURE}
    if "response" in event:
        told["response"] = _flat_response(event["response"])
    if "item" in event:
        told["item"] = _old_item(event["item"])
    return (told,)


def _flat(settings: JsonObject) -> JsonObject:
    flat = {}
    for name, place in PLACES.items():
        value: Any = settings
        for key in place:
            value = value.get(key, {})
        if value != {}:
            flat[name] = _old_value(name, value)
    return flat


def _old_value(name: str, value: Any) -> Any:
    if name == "modalities":
        return MODALITIES[value[0]]
    if name.endswith("_format"):
        return FORMAT_NAMES[value["type"]]
    if name == "turn_detection" and value is not None:
        return {key: each for key, each in value.items() if key != "idle_timeout_ms"}
    return value


def _flat_response(response: JsonObject) -> JsonObject:
    flat = _flat(response)
    flat["max_output_tokens"] = flat.pop("max_response_output_tokens")
    rest = {k: v for k, v in response.items() if k not in ("audio", "output_modalities")}
    usage = response["usage"]
    if usage is not None:  # images came later: the beta counts none
        read, names = usage["input_token_details"], ("text_tokens", "audio_tokens", "cached_tokens")
        usage = {**usage, "input_token_details": {name: read[name] for name in names}}
    output = [_old_item(item) for item in response["output"]]
    return {**rest, **flat, "temperature": TEMPERATURE, "output": output, "usage": usage}


def _old_item(item: JsonObject) -> JsonObject:
    if "content" not in item:
        return item
    content = [{**part, "type": part["type"].removeprefix("output_")} for part in item["content"]]
    return {**item, "content": content}


# --- in -------------------------------------------------------------------------------------


def incoming(event: JsonObject) -> JsonObject:
    """Return a client's beta event in today's words; what is neither stays, to be refused."""
    told = dict(event)
    if isinstance(session := event.get("session"), dict):
        told["session"] = {"type": "realtime", **_nested(session)}
    if isinstance(response := event.get("response"), dict):
        told["response"] = nested = _nested(response)
        if isinstance(given := nested.get("input"), list):
            nested["input"] = [
                _new_item(item) if isinstance(item, dict) else item for item in given
            ]
    if isinstance(item := event.get("item"), dict):
        told["item"] = _new_item(item)
    return told


def _nested(flat: JsonObject) -> JsonObject:
    nested: JsonObject = {}
    for name, (*path, last) in PLACES.items():
        if name not in flat:
            continue
        inner = nested
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = _new_value(name, flat[name])
    rest = [name for name in flat if name not in PLACES and name != "temperature"]
    return nested | {name: flat[name] for name in rest}


def _new_value(name: str, value: Any) -> Any:
    """Return a setting as it is today; an unknown one stays, to be refused by name."""
    if name.endswith("_format") and isinstance(value, str):
        return FORMATS.get(value, {"type": value})
    if name == "modalities" and isinstance(value, list):  # ["text", "audio"]: with a transcript
        is_speech = "audio" in value and set(map(str, value)) <= set(MODALITIES)
        return ["audio"] if is_speech else value
    return value


def _new_item(item: JsonObject) -> JsonObject:
    content = item.get("content")
    if item.get("role") != "assistant" or not isinstance(content, list):
        return item
    parts = [
        {**part, "type": PARTS.get(str(part.get("type")), part.get("type"))}
        if isinstance(part, dict)
        else part
        for part in content
    ]
    return {**item, "content": parts}
