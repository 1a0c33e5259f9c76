"""Plain values: the only thing that leaves a submission's process.

None, bool, int, float, str, lists and dicts arrive as they are; tuples and iterators as lists;
enum members as their values; numpy arrays as arrays; dataclass instances as namespaces. Anything
else stays where it is and is named by a handle. So nothing that a submission makes can answer an
== or an `in` of a test with code of its own.
"""

import base64
import dataclasses
import enum
import math
from collections.abc import Callable, Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any

from voxlab.errors import ExerciseError

ITEMS_AT_MOST = 1_000_000
_ARRAY_KINDS = "biufc"


def encode(value: Any, keep: Callable[[Any], int]) -> Any:
    """Return a value as JSON can carry it. keep: stores what is not plain, returns its number."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return encode(value.value, keep)
    if isinstance(value, int | float):
        return value if math.isfinite(value) else {"is": "float", "text": repr(float(value))}
    if isinstance(value, list | tuple):
        return [encode(item, keep) for item in value]
    if isinstance(value, dict):
        pairs = [[encode(key, keep), encode(item, keep)] for key, item in value.items()]
        return {"is": "dict", "pairs": pairs}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        pairs = [[name, encode(getattr(value, name), keep)] for name in names]
        return {"is": "record", "pairs": pairs}
    if isinstance(value, Iterator):
        return [encode(item, keep) for item in islice(value, ITEMS_AT_MOST)]
    return _encode_array(value) or {
        "is": "object",
        "number": keep(value),
        "type": type(value).__name__,
    }


def _encode_array(value: Any) -> Any:
    """Return a numpy array or scalar for JSON; None for anything else."""
    import numpy as np

    if isinstance(value, np.generic):
        return encode(value.item(), lambda _: 0)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in _ARRAY_KINDS:
        return None
    data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
    return {"is": "array", "type": value.dtype.str, "shape": value.shape, "data": data}


def decode(message: Any, handle: Callable[[int, str], Any]) -> Any:
    """Return the value that JSON carried. handle: makes one of a number and a type's name.

    Raises ExerciseError if the message is none that `encode` makes.
    """
    try:
        return _decode(message, handle)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ExerciseError(f"cannot read what the submission sent: {error!r}") from error


def _decode(message: Any, handle: Callable[[int, str], Any]) -> Any:
    if isinstance(message, list):
        return [_decode(item, handle) for item in message]
    if not isinstance(message, dict):
        return message
    kind = message["is"]
    if kind == "float":
        return float(message["text"])
    if kind == "array":
        return _decode_array(message)
    if kind == "object":
        return handle(int(message["number"]), str(message["type"]))
    if kind not in ("dict", "record"):
        raise ValueError(f"a value of kind {kind!r}")
    pairs = {_decode(key, handle): _decode(item, handle) for key, item in message["pairs"]}
    return pairs if kind == "dict" else SimpleNamespace(**pairs)


def _decode_array(message: dict[str, Any]) -> Any:
    import numpy as np

    dtype = np.dtype(str(message["type"]))
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"an array of {dtype}")
    values = np.frombuffer(base64.b64decode(message["data"]), dtype)
    return values.reshape([int(size) for size in message["shape"]])
