"""The beta dialect, as a shim over the session: its events translated on their way out and in.

The chapter's fragment 39.1.1a speaks it (header `OpenAI-Beta: realtime=v1`). The hosted API has
retired it; here it is allowed by a flag. The session behind it knows only today's dialect.
Source: openai/types/beta/realtime/ of the openai package, 3.54.
"""

from typing import Any

Event = dict[str, Any]

HEADER, SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"
FORMAT_NAMES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
FORMATS = {beta: {"type": name} for name, beta in FORMAT_NAMES.items()}
MODALITIES = {"audio": ["text", "audio"], "text": ["text"]}
PARTS = {"text": "output_text", "audio": "output_audio"}
TEMPERATURE = 0.8  # the beta's default: told, for clients that read it; our engines have none


# --- out ------------------------------------------------------------------------------------


def outgoing(event: Event) -> tuple[Event, ...]:
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
        told["session"] = _flat_session(event["session"])
    if "response" in event:
        told["response"] = _flat_response(event["response"])
    if "item" in event:
        told["item"] = _old_item(event["item"])
    return (told,)


def _flat_session(session: Event) -> Event:
    heard, spoken = session["audio"]["input"], session["audio"]["output"]
    names = ("id", "object", "model", "expires_at", "instructions", "tools", "tool_choice")
    return {
        **{name: session[name] for name in names},
        "modalities": MODALITIES[session["output_modalities"][0]],
        "voice": spoken["voice"],
        "speed": spoken["speed"],
        "input_audio_format": FORMAT_NAMES[heard["format"]["type"]],
        "output_audio_format": FORMAT_NAMES[spoken["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "turn_detection": _known_to_beta(heard["turn_detection"]),
        "temperature": TEMPERATURE,
        "max_response_output_tokens": session["max_output_tokens"],
        "tracing": session["tracing"],
    }


def _known_to_beta(detection: Event | None) -> Event | None:
    if detection is None:
        return None
    return {name: value for name, value in detection.items() if name != "idle_timeout_ms"}


def _flat_response(response: Event) -> Event:
    told = dict(response)
    output, modalities = told.pop("audio")["output"], told.pop("output_modalities")
    return {
        **told,
        "modalities": MODALITIES[modalities[0]],
        "voice": output["voice"],
        "output_audio_format": FORMAT_NAMES[output["format"]["type"]],
        "temperature": TEMPERATURE,
        "output": [_old_item(item) for item in response["output"]],
        "usage": _old_usage(response["usage"]),
    }


def _old_usage(usage: Event | None) -> Event | None:
    """Images came later: the beta counts none."""
    if usage is None:
        return None
    read = usage["input_token_details"]
    names = ("text_tokens", "audio_tokens", "cached_tokens")
    return {**usage, "input_token_details": {name: read[name] for name in names}}


def _old_item(item: Event) -> Event:
    if "content" not in item:
        return item
    content = [{**part, "type": part["type"].removeprefix("output_")} for part in item["content"]]
    return {**item, "content": content}


# --- in -------------------------------------------------------------------------------------

_SESSION = {
    "instructions": "instructions",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "max_response_output_tokens": "max_output_tokens",
    "model": "model",
    "tracing": "tracing",
}
_INPUT = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}


def incoming(event: Event) -> Event:
    """Return a client's beta event in today's words; what is neither stays, to be refused."""
    told = dict(event)
    if isinstance(session := event.get("session"), dict):
        told["session"] = _nested_session(session)
    if isinstance(response := event.get("response"), dict):
        told["response"] = _nested_response(response)
    if isinstance(item := event.get("item"), dict):
        told["item"] = _new_item(item)
    return told


def _nested_session(session: Event) -> Event:
    rest = dict(session)
    rest.pop("temperature", None)
    told: Event = {"type": "realtime"}
    told |= {new: rest.pop(old) for old, new in _SESSION.items() if old in rest}
    heard = {new: rest.pop(old) for old, new in _INPUT.items() if old in rest}
    if "input_audio_format" in rest:
        heard["format"] = _format(rest.pop("input_audio_format"))
    spoken = _voice(rest)
    if "speed" in rest:
        spoken["speed"] = rest.pop("speed")
    told |= _modalities(rest)
    audio = {"input": heard, "output": spoken}
    return {**told, "audio": {name: part for name, part in audio.items() if part}, **rest}


def _nested_response(response: Event) -> Event:
    rest = dict(response)
    rest.pop("temperature", None)
    told = _modalities(rest)
    for name in ("max_response_output_tokens", "max_output_tokens"):
        if name in rest:
            told["max_output_tokens"] = rest.pop(name)
    if spoken := _voice(rest):
        told["audio"] = {"output": spoken}
    if isinstance(given := rest.get("input"), list):
        rest["input"] = [_new_item(item) if isinstance(item, dict) else item for item in given]
    return {**rest, **told}


def _voice(rest: Event) -> Event:
    spoken: Event = {"voice": rest.pop("voice")} if "voice" in rest else {}
    if "output_audio_format" in rest:
        spoken["format"] = _format(rest.pop("output_audio_format"))
    return spoken


def _format(name: Any) -> Any:
    """Return the format of a beta name; an unknown one goes on, to be refused by name."""
    return FORMATS.get(name, {"type": name}) if isinstance(name, str) else name


def _modalities(rest: Event) -> Event:
    """In the beta ["text", "audio"] meant speech with a transcript."""
    given = rest.pop("modalities", None)
    if given is None:
        return {}
    both = isinstance(given, list) and "audio" in given and set(map(str, given)) <= set(MODALITIES)
    return {"output_modalities": ["audio"] if both else given}


def _new_item(item: Event) -> Event:
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
