"""What a field may hold, as small functions that return the value or refuse it.

A check takes a value and its path ("session.audio.output.speed") and returns what it accepts.
The words of the errors are those of the hosted API, so that a client's tests carry over.

>>> check = record({"type": one_of("tone")}, {"gain": number(0, 1)})
>>> check({"type": "tone", "gain": None}, "sound")
{'type': 'tone', 'gain': None}
>>> check({"gain": 0.5}, "sound")
Traceback (most recent call last):
voxlab.serving.realtime.protocol.schema.Refused: Missing required parameter: 'sound.type'.
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

from voxlab.errors import VoxlabError

Check = Callable[[Any, str], Any]

KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class Refused(VoxlabError):
    """What a client asked for cannot be done; the session goes on.

    code, param, kind: the fields of the protocol's error, kind for its `type`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.kind = kind


def _wrong_type(path: str, needed: str, value: object) -> Refused:
    got = KINDS.get(type(value), type(value).__name__)
    return Refused(
        "invalid_type",
        f"Invalid type for '{path}': expected {needed}, but got {got} instead.",
        path,
    )


def text(value: Any, path: str) -> str:
    """Accept a string that UTF-8 can carry: JSON's escapes can write half a surrogate pair."""
    if not isinstance(value, str):
        raise _wrong_type(path, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused("invalid_value", f"Invalid value: '{path}' is not Unicode.", path) from error
    return value


def flag(value: Any, path: str) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise _wrong_type(path, "a boolean", value)
    return value


def number(low: float, high: float) -> Check:
    """Accept a number from low to high."""

    def check(value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(path, "a decimal", value)
        return _within(value, path, low, high, "decimal")

    return check


def whole(low: int, high: float = 2**53) -> Check:
    """Accept a whole number from low to high; a longer one than JSON's readers hold is refused."""

    def check(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(path, "an integer", value)
        return int(_within(value, path, low, high, "integer"))

    return check


def _within(value: float, path: str, low: float, high: float, kind: str) -> float:
    if value < low or math.isnan(value):
        code, side, sign, bound = f"{kind}_below_min_value", "below minimum", ">=", low
    elif value > high:
        code, side, sign, bound = f"{kind}_above_max_value", "above maximum", "<=", high
    else:
        return value
    said = f"Expected a value {sign} {bound}, but got {str(value)[:40]} instead."
    raise Refused(code, f"Invalid '{path}': {kind} {side} value. {said}", path)


def one_of(*allowed: str) -> Check:
    """Accept one of the given strings."""

    def check(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        if value not in allowed:
            known = ", ".join(f"'{a}'" for a in allowed)
            given = text(value, path)[:100]
            message = f"Invalid value: '{given}'. Supported values are: {known}."
            raise Refused("invalid_value", message, path)
        return value

    return check


def either(first: Check, second: Check) -> Check:
    """Accept what one of two checks accepts; the second one says what is wrong."""

    def check(value: Any, path: str) -> Any:
        try:
            return first(value, path)
        except Refused:
            return second(value, path)

    return check


def array(each: Check, at_most: int = 10_000) -> Check:
    """Accept a list of what `each` accepts."""

    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type(path, "an array", value)
        if len(value) > at_most:
            said = f"Expected {at_most} elements at most, but got {len(value)} instead."
            raise Refused("array_above_max_length", f"Invalid '{path}': too long. {said}", path)
        return [each(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(path or "the event", "an object", value)
    return value


def record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """Accept an object with these fields and no others; an optional one may be null."""

    def check(value: Any, path: str) -> dict[str, Any]:
        given = _object(value, path)
        prefix = f"{path}." if path else ""
        for name in required:
            if name not in given:
                place = prefix + name
                raise Refused(
                    "missing_required_parameter", f"Missing required parameter: '{place}'.", place
                )
        for name in given:
            if name not in required and name not in optional:
                place = prefix + name.encode(errors="replace").decode()[:100]
                raise Refused("unknown_parameter", f"Unknown parameter: '{place}'.", place)
        return {
            name: None
            if name in optional and field is None
            else (required.get(name) or optional[name])(field, prefix + name)
            for name, field in given.items()
        }

    return check


def by(name: str, kinds: Mapping[str, Check]) -> Check:
    """Accept an object whose field `name` says which of the checks holds."""
    choose = one_of(*kinds)

    def check(value: Any, path: str) -> Any:
        given, place = _object(value, path), f"{path}.{name}" if path else name
        if name not in given:
            raise Refused(
                "missing_required_parameter", f"Missing required parameter: '{place}'.", place
            )
        return kinds[choose(given[name], place)](value, path)

    return check


DEEPEST = 32


def anything(value: Any, path: str, depth: int = 0) -> Any:
    """Accept any JSON that can be sent back: finite, Unicode, not too deep."""
    if depth > DEEPEST:
        raise Refused("invalid_value", f"Invalid value: '{path}' is nested too deep.", path)
    if isinstance(value, str):
        return text(value, path)
    if isinstance(value, list):
        return [anything(item, path, depth + 1) for item in value]
    if isinstance(value, dict):
        return {text(k, path): anything(v, path, depth + 1) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("invalid_value", f"Invalid value: '{path}' is not a finite number.", path)
    return value


def audio_bytes(value: Any, path: str) -> bytes:
    """Accept base64 and return its bytes."""
    try:
        return base64.b64decode(text(value, path), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(
            "invalid_value", f"Invalid '{path}': expected base64-encoded audio bytes.", path
        ) from error
