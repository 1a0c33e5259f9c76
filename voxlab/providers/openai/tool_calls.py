"""Tool calls from the fragments of a streamed reply, in the shapes that servers give them.

OpenAI gives each call an index, an id and a name once, and its arguments in pieces. Other servers
leave out or repeat any of these, send objects for strings, or whole calls; see the shapes in
tests/openai_shapes.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxlab.errors import ProviderError
from voxlab.providers.openai.events import BROKEN, loaded
from voxlab.providers.protocols import ToolCall

ENCODED_AT_MOST = 3  # times that arguments may be JSON in a string of JSON


@dataclass(slots=True)
class _PartialCall:
    index: object
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def arguments(self) -> object:
        """Return the arguments, BROKEN if they are no JSON.

        Some servers begin with an empty object, or repeat in each piece what came before.
        """
        readings = (self.text, self.text.removeprefix("{}"), *self.pieces[-1:])
        values = [_decoded(reading) for reading in readings]
        return next((value for value in values if isinstance(value, dict)), values[0])

    def is_whole(self) -> bool:
        """Tell whether its arguments are an object; as long as there are none, they may come."""
        return bool(self.text.strip()) and isinstance(self.arguments(), dict)


class ToolCallAssembler:
    """Puts tool calls together from the fragments of a streamed reply.

    A name begins a call, unless it repeats that of a call whose arguments are not whole yet; what
    has no name goes on with the call of its index or id, or with the latest. Where a server gives
    no id, or one twice, calls are named id_prefix_0, id_prefix_1 ...
    """

    def __init__(self, id_prefix: str = "call") -> None:
        self._id_prefix = id_prefix
        self._calls: list[_PartialCall] = []

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, fragment: object) -> None:
        """Take the next fragment, as JSON: an object with a function in it, or a function."""
        if not isinstance(fragment, Mapping):
            return
        function = fragment.get("function")
        if not isinstance(function, Mapping):
            function = fragment
        index, id_, name = fragment.get("index"), _text(fragment.get("id")), function.get("name")
        given = function.get("arguments", function.get("parameters"))
        name, piece = _text(name).strip(), _piece(given)
        if not (id_ or name or piece):
            return
        call = self._match(index, id_)
        if call is None or _begins_another(call, index, id_, name, piece):
            call = _PartialCall(index)
            self._calls.append(call)
        call.id, call.name = call.id or id_, call.name or name
        call.pieces.append(piece)

    def _match(self, index: object, id_: str) -> _PartialCall | None:
        """Return the latest call of an id and an index, of one of them, or of all."""
        of_index = [call for call in self._calls if index is not None and call.index == index]
        of_id = [call for call in self._calls if id_ and call.id == id_]
        both = [call for call in of_index if call in of_id]
        candidates = both or of_id or of_index or self._calls
        return candidates[-1] if candidates else None

    def finish(self) -> list[ToolCall]:
        """Return the calls in the order they began; one that is there twice comes once.

        Raises ProviderError if the arguments of one are not a JSON object, or it has no name.
        """
        calls: dict[tuple[str, ...], ToolCall] = {}
        ids: set[str] = set()
        for n, partial in enumerate(self._calls):
            if not (partial.name or partial.text.strip()):
                continue  # nothing is called
            arguments = _checked(partial)
            key = (partial.id or str(n), partial.name, partial.text)
            id_ = partial.id if partial.id and partial.id not in ids else f"{self._id_prefix}_{n}"
            ids.add(id_)
            calls.setdefault(key, ToolCall(id_, partial.name, arguments))
        return list(calls.values())


def _begins_another(call: _PartialCall, index: object, id_: str, name: str, piece: str) -> bool:
    """Tell whether a fragment begins a call, or goes on with the one that it matches best."""
    is_elsewhere = None not in (index, call.index) and index != call.index
    has_other_id = bool(id_ and call.id and id_ != call.id)
    if not name:
        return (is_elsewhere or has_other_id) and call.is_whole()
    if not call.name:
        return False
    if is_elsewhere or name != call.name:
        return True
    if has_other_id:  # or the server makes up an id for each fragment
        return call.is_whole() or not call.text.strip()
    is_repeated = piece == call.pieces[-1] or not piece.strip() or call.text.strip() == "{}"
    return call.is_whole() and not is_repeated


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _piece(arguments: object) -> str:
    """Return arguments as text; some servers send the object itself."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _decoded(text: str) -> object:
    """Return the value of arguments; nothing, null and PHP's empty object [] are no arguments."""
    value: object = text
    for _ in range(ENCODED_AT_MOST):
        if not isinstance(value, str):
            break
        value = loaded(value) if value.strip() else {}
    return {} if value is None or value == [] else value


def _checked(call: _PartialCall) -> dict[str, Any]:
    arguments = call.arguments()
    if call.name and isinstance(arguments, dict):
        return arguments
    reason = " (no JSON)" if arguments is BROKEN else ""
    raise ProviderError(
        f"the model called the tool {call.name!r} with the arguments {call.text!r}{reason}, "
        "needs a name and a JSON object: ask again, raise its token limit if they are cut off, "
        "or use a model that is better at tools"
    )
