"""Twilio Media Streams: the JSON messages that carry a call between Twilio and a WebSocket server.

Sound is mu-law at 8 kHz in base64, 20 ms a message. All counters are strings. Twilio plays what it
gets in order; a mark comes back when the sound before it has been played, and a `clear` empties
what waits and returns its marks at once: then a mark means cleared, not heard.
Source: Twilio's documentation, "Media Streams: WebSocket messages" (read November 2026).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxlab.errors import TelephonyError

ENCODING = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
LONGEST_MESSAGE = 64 * 1024  # characters; a message of Twilio's has about 500


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; `start` follows."""


@dataclass(frozen=True, slots=True)
class Start:
    """The stream begins. parameters: what the TwiML's <Parameter> elements say."""

    stream_sid: str
    call_sid: str
    tracks: tuple[str, ...] = ("inbound",)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A piece of sound. payload: mu-law; timestamp_ms: since the stream began; chunk: its number.

    track: "inbound" is the caller; "outbound" is what the caller hears, where both are streamed.
    """

    payload: bytes
    track: str = "inbound"
    chunk: int = 1
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Sent: tell when what was sent before has been played. Received: it has, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Sent: play nothing of what was sent before."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The stream is over."""


Received = Connected | Start | Media | Dtmf | Mark | Stop
Sent = Media | Mark | Clear


def parse(text: str | bytes) -> Received | None:
    """Read a message of Twilio's; None for an event that this version does not know.

    Raises TelephonyError if it is too long, no JSON object, or a field is missing, of another type
    or not what the protocol says. The error names the field and does not quote what came: errors
    are logged, and strangers may write anything.
    """
    message = _json(text)
    match _text(message, "event"):
        case "connected":
            return Connected()
        case "start":
            return _start(message)
        case "media":
            return _media(_object(message, "media"))
        case "dtmf":
            return Dtmf(_text(_object(message, "dtmf"), "digit"))
        case "mark":
            return Mark(_text(_object(message, "mark"), "name"))
        case "stop":
            return Stop()
    return None


def parse_command(text: str | bytes, stream_sid: str) -> Sent:
    """Read what an agent sends, as Twilio does. Raises TelephonyError for what Twilio refuses."""
    message = _json(text)
    if _text(message, "streamSid") != stream_sid:
        raise TelephonyError(
            f"a message has the streamSid {message['streamSid'][:40]!r}, its stream {stream_sid!r}"
        )
    match _text(message, "event"):
        case "media":
            return _media(_object(message, "media"))
        case "mark":
            return Mark(_text(_object(message, "mark"), "name"))
        case "clear":
            return Clear()
    raise TelephonyError(f"Twilio knows media, mark and clear, not {message['event'][:40]!r}")


def _json(text: str | bytes) -> Any:
    if len(text) > LONGEST_MESSAGE:
        raise TelephonyError(
            f"a message of {len(text)} characters, needs {LONGEST_MESSAGE} at most"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TelephonyError(f"a message of {len(text)} characters that is no JSON") from error


def _start(message: Mapping[str, Any]) -> Start:
    start = _object(message, "start")
    shape = _object(start, "mediaFormat")
    if {name: shape.get(name) for name in ENCODING} != ENCODING:
        wrong = ", ".join(name for name in ENCODING if shape.get(name) != ENCODING[name])
        raise TelephonyError(f"a stream with another {wrong}: needs {json.dumps(ENCODING)}")
    tracks = start.get("tracks", ["inbound"])
    parameters = start.get("customParameters", {})
    if not isinstance(tracks, list) or not isinstance(parameters, dict):
        raise TelephonyError("start: tracks must be a list and customParameters an object")
    return Start(
        _sid(start, "streamSid"),
        _sid(start, "callSid"),
        tuple(map(str, tracks)),
        {str(name): str(value) for name, value in parameters.items()},
    )


def _media(media: Mapping[str, Any]) -> Media:
    try:
        payload = base64.b64decode(_text(media, "payload"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TelephonyError("media.payload is no base64") from error
    return Media(
        payload,
        str(media.get("track", "inbound")),
        _count(media, "chunk"),
        _count(media, "timestamp"),
    )


def _object(message: Any, name: str) -> Mapping[str, Any]:
    found = message.get(name) if isinstance(message, dict) else None
    if not isinstance(found, dict):
        raise TelephonyError(f"a message without the object {name!r}: {_kind(message, name)}")
    return found


def _text(message: Any, name: str) -> str:
    found = message.get(name) if isinstance(message, dict) else None
    if not isinstance(found, str):
        raise TelephonyError(f"a message without the text {name!r}: {_kind(message, name)}")
    return found


def _kind(message: Any, name: str) -> str:
    """Return what stands in a field's place, without its content."""
    if not isinstance(message, dict):
        return f"it is a {type(message).__name__}"
    return f"there is a {type(message[name]).__name__}" if name in message else "there is none"


def _sid(message: Mapping[str, Any], name: str) -> str:
    """Return an identifier; whoever names a file after it needs letters and digits only."""
    found = _text(message, name)
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", found):
        raise TelephonyError(f"{name} of {len(found)} characters, needs 1 to 64 letters and digits")
    return found


def _count(message: Mapping[str, Any], name: str) -> int:
    """Return a counter: Twilio writes them as strings."""
    found = str(message.get(name, "0"))
    if not re.fullmatch(r"[0-9]{1,18}", found):
        raise TelephonyError(f"{name} of {len(found)} characters, needs digits")
    return int(found)


def to_twilio(message: Sent, stream_sid: str) -> str:
    """Write a message for Twilio.

    >>> to_twilio(Mark("400 ms"), "MZ1")
    '{"event": "mark", "streamSid": "MZ1", "mark": {"name": "400 ms"}}'
    """
    written: dict[str, Any] = {"event": type(message).__name__.lower(), "streamSid": stream_sid}
    match message:
        case Media(payload):
            written["media"] = {"payload": base64.b64encode(payload).decode()}
        case Mark(name):
            written["mark"] = {"name": name}
    return json.dumps(written)


def from_twilio(message: Received, sequence: int, stream_sid: str) -> str:
    """Write a message as Twilio does. sequence: of the stream's messages, from 1 on."""
    written: dict[str, Any] = {"event": type(message).__name__.lower()}
    if isinstance(message, Connected):
        return json.dumps({**written, "protocol": "Call", "version": "1.0.0"})
    written |= {"sequenceNumber": str(sequence), "streamSid": stream_sid}
    match message:
        case Start(sid, call_sid, tracks, parameters):
            written["start"] = {
                "accountSid": "AC" + "0" * 32,
                "streamSid": sid,
                "callSid": call_sid,
                "tracks": list(tracks),
                "mediaFormat": ENCODING,
                "customParameters": dict(parameters),
            }
        case Media(payload, track, chunk, timestamp_ms):
            written["media"] = {
                "track": track,
                "chunk": str(chunk),
                "timestamp": str(timestamp_ms),
                "payload": base64.b64encode(payload).decode(),
            }
        case Dtmf(digit):
            written["dtmf"] = {"track": "inbound_track", "digit": digit}
        case Mark(name):
            written["mark"] = {"name": name}
        case Stop():
            written["stop"] = {"accountSid": "AC" + "0" * 32, "callSid": "CA" + "0" * 32}
    return json.dumps(written)
