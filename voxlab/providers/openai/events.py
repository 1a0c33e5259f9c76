"""What a server streams, as JSON values: server-sent events, and what is sent in their place.

Without I/O: bytes in, values out. A server that cannot stream answers with one JSON document, a
wrong address with a page of HTML.
Source: HTML Standard, section 9.2 (server-sent events).
"""

import json
import re
from collections.abc import Iterator
from itertools import accumulate

from voxlab.errors import ProviderError

SHOWN = 200  # characters of what came, in an error
ADVICE = "Check that base_url is the root of an OpenAI-compatible API"
BROKEN = object()  # what is no JSON
MARK = "\ufeff"  # of the order of bytes, before a text
DEEPEST = 100  # no answer is nested so deeply
_LINE_END = re.compile(rb"\r\n|\r|\n")


class EventReader:
    """Takes the pieces of a response's body, and gives the JSON values in them.

    Comments, names, ids and blank lines are passed over; the last value may end with the body. A
    body that is no stream of events, but JSON, is read at its end: one value, or one a line.
    """

    def __init__(self) -> None:
        self.is_done = False  # the server said that this is all
        self._start = b""
        self._rest = bytearray()
        self._data: list[str] = []
        self._event = ""

    @property
    def start(self) -> str:
        """What the body begins with, for errors."""
        return self._start[:SHOWN].decode(errors="replace")

    def feed(self, piece: bytes) -> Iterator[object]:
        """Give the values that are whole now. Raises ProviderError for an error, or no JSON."""
        if len(self._start) < SHOWN:
            self._start = (self._start + piece).removeprefix(MARK.encode()).lstrip()
        self._rest += piece
        if self.is_document:
            return
        complete = self._rest[:-1] if self._rest.endswith(b"\r") else self._rest  # or half of \r\n
        *lines, _ = _LINE_END.split(complete)
        if lines:
            end = [match.end() for match in _LINE_END.finditer(complete)][-1]
            del self._rest[:end]
        for line in lines:
            yield from self._line(line)

    def finish(self) -> Iterator[object]:
        """Give the values that ended with the body. Raises ProviderError like `feed`."""
        if self.is_document:
            yield from self._document()
            return
        for line in (*_LINE_END.split(self._rest), b""):
            yield from self._line(line)

    @property
    def is_document(self) -> bool:
        """Whether the body is no stream of events, but JSON, or a page."""
        return self._start[:1] in (b"{", b"[", b"<")

    def _line(self, line: bytes) -> Iterator[object]:
        field, colon, value = line.decode(errors="replace").removeprefix(MARK).partition(":")
        value = value.removeprefix(" ")
        if field == "data" and colon:
            self._data.append(value)
        elif field == "event":
            self._event = value.strip()
        elif field == "error" and colon:  # llama.cpp's server
            raise failure(loaded(value), value)
        elif not line:
            data, event = self._data, self._event
            self._data, self._event = [], ""
            if event == "error":
                raise failure(loaded("\n".join(data)), "\n".join(data))
            yield from self._values(data)

    def _values(self, data: list[str]) -> Iterator[object]:
        """Give the value of an event's lines, or of each where a server leaves out blank lines."""
        text = "\n".join(data).strip()
        if len(data) > 1 and loaded(text) is BROKEN:
            for line in data:
                yield from self._values([line])
        elif text.startswith("[DONE]"):
            self.is_done = True
        elif text and not self.is_done:
            yield _parsed(text)

    def _document(self) -> Iterator[object]:
        text = self._rest.decode(errors="replace").removeprefix(MARK).strip()
        if text.startswith("<"):
            title = re.search(r"<title>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
            page = title[1].strip() if title else text
            raise ProviderError(f"the server answered with a page, {page!r:.{SHOWN}}. {ADVICE}")
        value = loaded(text)
        if value is BROKEN:
            for line in filter(None, map(str.strip, text.splitlines())):
                yield from self._values([line.removeprefix("data:")])
        elif isinstance(value, list):
            yield from value
        else:
            yield value
        self.is_done = True


def loaded(text: str) -> object:
    """Return the value of a JSON text, BROKEN if it is none; strings may hold line breaks."""
    try:
        return BROKEN if _depth(text) > DEEPEST else json.loads(text, strict=False)
    except ValueError:
        return BROKEN


def _depth(text: str) -> int:
    """Return how deeply a text is nested, or more: Python's parser fails at about a thousand."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[][{}]", text))
    return max(accumulate(steps))


def _parsed(text: str) -> object:
    value = loaded(text)
    if value is BROKEN:
        raise ProviderError(
            f"the server does not speak the OpenAI protocol: {text!r:.{SHOWN}} is no JSON. {ADVICE}"
        )
    return value


def failure(value: object, text: str = "") -> ProviderError:
    """Return the error that a server sent in place of an answer, in OpenAI's form or any other.

    value: JSON, or BROKEN; text: as it came.

    >>> print(failure({"error": {"message": "out of memory", "code": 500}}))
    the server failed: out of memory. Try again, or another model
    """
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(key):
            value = value[key]
    said = text if value is BROKEN else value if isinstance(value, str) else repr(value)
    return ProviderError(f"the server failed: {said:.{SHOWN}}. Try again, or another model")
