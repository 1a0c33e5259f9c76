"""Client events: read, and checked against `client_models`.

The words of the errors are those of the hosted API, so that a client's tests carry over.
"""

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING, Any

from voxlab.serving.realtime.protocol.errors import Refused

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

Request = dict[str, Any]
Keys = tuple[int | str, ...]  # a place in an event: ("item", "content", 0, "text")

APPEND = "input_audio_buffer.append"
APPEND_FIELDS = {"type", "audio", "event_id"}
LARGEST_APPEND = 15 * 2**20  # bytes of audio in one event
DEEPEST = 32
NEEDED = {"string": "a string", "bool": "a boolean", "int": "an integer", "float": "a decimal"}
NEEDED |= {"list": "an array", "dict": "an object", "model": "an object"}
GOT: dict[type, str] = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal"}
GOT |= {list: "an array", dict: "an object", type(None): "null"}


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


def event_id_of(event: Request) -> str | None:
    """Return the name that the client gave its event, for the error that answers it."""
    name = event.get("event_id")
    return name if isinstance(name, str) and name.isprintable() else None


def check(event: Request) -> None:
    """Raise Refused if a field of the event is not as it must be."""
    is_append = event.get("type") == APPEND and event.keys() <= APPEND_FIELDS
    if is_append and isinstance(event.get("audio"), str):
        return  # fifty come in a second: what is in them is seen when they are decoded
    from voxlab.serving.realtime.protocol.client_models import CLIENT_EVENT

    _refuse_unsendable(event, ())
    _validate(CLIENT_EVENT, event)


def check_secret_request(body: Any) -> None:
    """Raise Refused unless the body of a request for a client secret is as it must be."""
    from voxlab.serving.realtime.protocol.client_models import SECRET_REQUEST

    _refuse_unsendable(body, ())
    _validate(SECRET_REQUEST, body)


def audio_bytes(value: str, param: str) -> bytes:
    """Return the audio of a base64 field. Raises Refused if it is none, or over 15 MiB."""
    try:
        audio = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        said = f"Invalid '{param}': expected base64-encoded audio bytes."
        raise Refused("invalid_value", said, param) from error
    if len(audio) > LARGEST_APPEND:
        said = f"Invalid '{param}': expected at most 15 MiB, but got {len(audio)} bytes."
        raise Refused("invalid_value", said, param)
    return audio


def _validate(adapter: "TypeAdapter[Any]", value: Any) -> None:
    from pydantic import ValidationError

    try:
        adapter.validate_python(value, strict=True, extra="forbid")
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
        # a union has an error for each of its members: the deepest is of the one that was meant
        error = max(errors, key=lambda each: len(_keys(each, value)))
        raise _refusal(error, _keys(error, value)) from None


def _keys(error: "ErrorDetails", value: Any) -> Keys:
    """Return the place of an error: its `loc` without the names of unions' members."""
    keys: list[int | str] = []
    missing = error["loc"][-1] if error["type"] == "missing" else None
    for name in error["loc"]:
        if isinstance(value, list):
            value = value[int(name)]
        elif isinstance(value, dict) and (name in value or name == missing):
            value = value.get(name)
        else:
            continue
        keys.append(name)
    return tuple(keys)


def _refusal(error: "ErrorDetails", keys: Keys) -> Refused:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind.startswith("union_tag"):  # no member of the union has such a `type` or `role`
        name = context["discriminator"].strip("'")
        keys, kind = (*keys, name), "literal_error" if name in given else "missing"
        given, context = given.get(name), {"expected": context.get("expected_tags")}
    place = _dotted(keys)
    if kind == "missing":
        code, said = "missing_required_parameter", f"Missing required parameter: '{place}'."
    elif kind == "extra_forbidden":
        code, said = "unknown_parameter", f"Unknown parameter: '{place}'."
    elif kind == "literal_error" and isinstance(given, str):
        said = f"Invalid value: '{given[:100]}'. Supported values are: {context['expected']}."
        code = "invalid_value"
    elif kind in ("greater_than_equal", "less_than_equal"):
        code, said = _out_of_range(error, place)
    elif kind == "literal_error" or kind.endswith("_type"):
        needed = NEEDED.get(kind.removesuffix("_type"), "a string")
        got = GOT.get(type(given), type(given).__name__)
        code = "invalid_type"
        said = f"Invalid type for '{place}': expected {needed}, but got {got} instead."
    else:
        code, said = "invalid_value", f"Invalid '{place}': {error['msg']}."
    return Refused(code, said, place or None)


def _out_of_range(error: "ErrorDetails", place: str) -> tuple[str, str]:
    if error["type"] == "greater_than_equal":
        code, side, sign, bound = "below_min", "below minimum", ">=", error["ctx"]["ge"]
    else:
        code, side, sign, bound = "above_max", "above maximum", "<=", error["ctx"]["le"]
    number = "decimal" if isinstance(bound, float) else "integer"
    said = f"Expected a value {sign} {bound}, but got {str(error['input'])[:40]} instead."
    return f"{number}_{code}_value", f"Invalid '{place}': {number} {side} value. {said}"


def _dotted(keys: Keys) -> str:
    """Return the name of a place.

    >>> _dotted(("item", "content", 0, "type"))
    'item.content[0].type'
    """
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return path.removeprefix(".").encode(errors="replace").decode()[:200]


def _refuse_unsendable(value: Any, keys: Keys) -> None:
    """Raise Refused for what cannot be sent back: not Unicode, not finite, or nested too deep."""
    fault = "nested too deep" if len(keys) > DEEPEST else ""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON's escapes can write half a surrogate pair
            fault = "not Unicode"
    elif isinstance(value, float) and not math.isfinite(value):
        fault = "not a finite number"
    if fault:
        place = _dotted(keys)
        raise Refused("invalid_value", f"Invalid value: '{place}' is {fault}.", place)
    if isinstance(value, dict):
        for name, item in value.items():
            _refuse_unsendable(name, keys)
            _refuse_unsendable(item, (*keys, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unsendable(item, (*keys, index))
