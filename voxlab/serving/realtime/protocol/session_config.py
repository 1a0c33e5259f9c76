"""The session object: its defaults, how an update changes it, and what a response takes from it.

Plain dicts as they go over the wire, always complete, never changed in place.
Source: openai/types/realtime/realtime_session_create_request.py, realtime_audio_config_input.py.
"""

from collections.abc import Mapping
from typing import Any

from voxlab.agents.realtime.settings import PCM, SemanticVAD, ServerVAD
from voxlab.providers.protocols import OPENAI_VOICES, TTS, ManyVoices, ToolChoice, ToolSpec
from voxlab.serving.realtime.protocol.errors import Refused

Config = dict[str, Any]

INSTRUCTIONS = (
    "You are a helpful voice assistant. Answer in one or two short spoken sentences. "
    "If a tool can answer, call it."
)
SERVER_VAD: Config = ServerVAD().to_wire()
SEMANTIC_VAD: Config = SemanticVAD().to_wire()
DETECTORS = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}
SWITCHED_OFF_BY_NULL = {"turn_detection", "transcription", "noise_reduction", "prompt", "tracing"}


def new_session(session_id: str, model: str, expires_at: int) -> Config:
    """Return the session as it is before the first update."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "expires_at": expires_at,
        "output_modalities": ["audio"],
        "instructions": INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": PCM,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": SERVER_VAD,
            },
            "output": {"format": PCM, "voice": "alloy", "speed": 1.0},
        },
    }


def updated(session: Config, patch: Config) -> Config:
    """Return the session after an update: what the patch names changes, the rest stays.

    The model stays: it was chosen with the connection. Raises Refused.

    >>> session = new_session("sess_1", "gpt-realtime", 0)
    >>> patch = {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    >>> updated(session, patch)["audio"]["input"]["turn_detection"]["eagerness"]
    'auto'
    """
    changed = _merged(session, {k: v for k, v in patch.items() if k not in ("type", "model")})
    _refuse_unknown_choice(changed, "session")
    return changed


def refuse_voice(output: Config, tts: TTS, spoken: str | None, path: str) -> None:
    """Raise Refused for a voice or a speed that the engine does not have.

    output: has both; path: where it stands. spoken: the voice that a new one must not replace, as
    the client has heard it. An engine of one voice answers to every name of OpenAI's.
    """
    voice, has_many = voice_name(output), isinstance(tts, ManyVoices)
    voices = tts.voices if isinstance(tts, ManyVoices) else OPENAI_VOICES
    if spoken not in (None, voice):
        raise Refused(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            f"{path}.voice",
        )
    if voice not in voices:
        known = ", ".join(f"'{name}'" for name in voices)
        said = f"Invalid value: '{voice[:100]}'. Supported values are: {known}."
        raise Refused("invalid_value", said, f"{path}.voice")
    if output["speed"] != 1 and not has_many:
        said = f"Invalid '{path}.speed': this server's voice has one speed."
        raise Refused("invalid_value", said, f"{path}.speed")


def voice_name(output: Config) -> str:
    """Return the name of a voice, which may be written as {"id": name}."""
    voice = output["voice"]
    return str(voice["id"] if isinstance(voice, dict) else voice)


def _merged(old: Config, patch: Mapping[str, Any]) -> Config:
    new = dict(old)
    for name, value in patch.items():
        if name == "turn_detection" and value is not None:
            new[name] = _detector(old[name], value)
        elif name in ("audio", "input", "output") and value is not None:
            new[name] = _merged(old[name], value)
        elif name == "format" and value is not None:
            new[name] = PCM if value["type"] == "audio/pcm" else value
        elif value is not None or name in SWITCHED_OFF_BY_NULL:
            new[name] = value
    return new


def _detector(old: Config | None, patch: Config) -> Config:
    """Change the detector, or replace it: settings of another type never carry over."""
    same = old is not None and old["type"] == patch["type"]
    base = old if same and old is not None else DETECTORS[patch["type"]]
    given = {k: v for k, v in patch.items() if v is not None or k == "idle_timeout_ms"}
    return {**base, **given}


def response_config(session: Config, request: Mapping[str, Any]) -> Config:
    """Return how one response is made: the session's settings, unless the request has its own."""
    own = {name: value for name, value in request.items() if value is not None}
    output = {**session["audio"]["output"]}
    asked = (own.get("audio") or {}).get("output") or {}
    output.update({name: value for name, value in asked.items() if value is not None})
    names = ("output_modalities", "instructions", "tools", "tool_choice", "max_output_tokens")
    shared = {name: own.get(name, session[name]) for name in names}
    _refuse_unknown_choice(shared, "response")
    return {
        **shared,
        "parallel_tool_calls": {**session, **own}.get("parallel_tool_calls", True),
        "conversation": own.get("conversation", "auto"),
        "metadata": own.get("metadata"),
        "input": own.get("input"),
        "format": PCM if output["format"]["type"] == "audio/pcm" else output["format"],
        "voice": output["voice"],
        "speed": output["speed"],
    }


def _refuse_unknown_choice(config: Config, path: str) -> None:
    """Raise Refused if a function is chosen that is none of the tools."""
    choice = config["tool_choice"]
    if isinstance(choice, dict) and choice["name"] not in [t["name"] for t in config["tools"]]:
        said = f"Tool choice '{choice['name'][:100]}' not found in 'tools'."
        raise Refused("invalid_value", said, f"{path}.tool_choice")


def tool_choice(config: Config) -> ToolChoice:
    """Return how the model is to use the tools of `tool_specs`."""
    required = isinstance(config["tool_choice"], dict) or config["tool_choice"] == "required"
    return ToolChoice(required, config["parallel_tool_calls"] is not False)


def tool_specs(config: Config) -> list[ToolSpec]:
    """Return the tools that the model may call; a forced one is the only one on offer."""
    choice = config["tool_choice"]
    if choice == "none":
        return []
    forced = choice["name"] if isinstance(choice, dict) else None
    return [
        ToolSpec(tool["name"], tool.get("description") or "", tool.get("parameters") or {})
        for tool in config["tools"]
        if forced in (None, tool["name"])
    ]
