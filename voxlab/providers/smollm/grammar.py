"""A grammar over tokens: which of them may come next, so that a tool call is always legal.

A call is {"tool": {"argument": "words"}}: a name that is offered, arguments that it has, each once
at most, and words without quotes or backslashes. The mask tells for each token of the vocabulary
whether the text so far, with it, can still become a call. A token may end in the middle of a name,
or take several marks at once.
Source: Willard and Louf 2023, "Efficient Guided Generation for Large Language Models".
"""

import bisect
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

QUOTE, BACKSLASH, SPACE = b'"\\ '
WORDS_AT_MOST = 100  # bytes of an argument: then only its closing quote is legal

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Option:
    """Something that may be written next.

    rest: its bytes that are not there yet. name: of the tool or the argument that it chooses.
    """

    rest: bytes
    kind: Literal["tool", "argument", "more", "end"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a call: what may be written next.

    options: the marks and names to choose from; none is the rest of another. words: bytes of the
    argument that is being written, -1 outside of one; in one, options close it. unused: arguments
    that have not been given yet.
    """

    options: tuple[Option, ...]
    unused: tuple[str, ...] = ()
    words: int = -1

    @property
    def is_end(self) -> bool:
        """Whether the call is whole."""
        return not self.options

    @property
    def forced(self) -> str:
        """What must come next, whatever the model would like; "" if there is a choice."""
        if self.words >= 0 or self.is_end:
            return ""
        rests = [option.rest for option in self.options]
        same = itertools.takewhile(lambda bytes_: len({*bytes_}) == 1, zip(*rests, strict=False))
        return bytes(first for first, *_ in same).decode()


class ToolCallGrammar:
    """The calls that some tools allow. arguments: their names, by the name of the tool."""

    def __init__(self, arguments: Mapping[str, Sequence[str]], vocabulary: "Vocabulary") -> None:
        self._arguments = arguments
        self._tokens = vocabulary
        self._mask_of_marks = lru_cache(1000)(self._marks)
        self._closing = lru_cache(1000)(self._closing_tokens)
        options: list[Option] = []
        for name, known in arguments.items():
            options.append(Option(_json("{", name, ": {}}"), "end", name))
            if known:
                options.append(Option(_json("{", name, ': {"'), "tool", name))
        self.start = Place(tuple(options))

    def advance(self, place: Place, text: bytes) -> Place | None:
        """Return the place after more text; None if no call goes on like that."""
        for byte in text:
            if place.words >= 0 and byte != QUOTE:
                is_first_space = byte == SPACE and not place.words
                is_full = place.words == WORDS_AT_MOST
                if byte < SPACE or byte == BACKSLASH or is_first_space or is_full:
                    return None
                place = replace(place, words=place.words + 1)
                continue
            fitting = [option for option in place.options if option.rest[0] == byte]
            if not fitting or not place.words:  # an argument has a word at least
                return None
            options = tuple(replace(option, rest=option.rest[1:]) for option in fitting)
            written = next((option for option in options if not option.rest), None)
            place = replace(place, options=options, words=-1)
            if written is not None:
                place = self._after(place, written)
        return place

    def _after(self, place: Place, written: Option) -> Place:
        """Return the place after a name or mark was written to its end."""
        if written.kind == "tool":
            return self._names(tuple(self._arguments[written.name]))
        if written.kind == "argument":
            unused = tuple(name for name in place.unused if name != written.name)
            more = (Option(b'", "', "more"),) if unused else ()
            return Place((*more, Option(b'"}}', "end")), unused, words=0)
        return self._names(place.unused) if written.kind == "more" else Place(())

    @staticmethod
    def _names(unused: tuple[str, ...]) -> Place:
        options = (Option(_json("", name, ': "')[1:], "argument", name) for name in unused)
        return Place(tuple(options), unused)

    def allowed(self, place: Place) -> Mask:
        """Return which tokens may come next, (vocabulary,); read-only."""
        if place.words < 0:
            return self._mask_of_marks(place)
        tokens = self._tokens
        mask = tokens.is_plain | self._closing(replace(place, words=-1))
        mask &= tokens.words <= WORDS_AT_MOST - place.words
        if not place.words:
            mask &= (tokens.words > 0) & ~tokens.starts_with_space
        return mask

    def _marks(self, place: Place) -> Mask:
        """Return the tokens that go on with a name or mark, or begin with the rest of it."""
        mask = np.zeros(len(self._tokens.spelled), bool)
        for option in place.options:
            for number in self._tokens.along(option.rest):
                mask[number] = self.advance(place, self._tokens.spelled[number]) is not None
        return mask

    def _closing_tokens(self, place: Place) -> Mask:
        """Return the tokens that end an argument: words, its quote, maybe what comes after it."""
        mask = np.zeros(len(self._tokens.spelled), bool)
        for number in np.flatnonzero(self._tokens.has_quote).tolist():
            _, quote, after = self._tokens.spelled[number].partition(b'"')
            mask[number] = self.advance(place, quote + after) is not None
        return mask


class Vocabulary:
    """The tokens, as a grammar asks for them.

    spelled: the bytes of each, b"" for marks, which stand in no call. is_plain: words of an
    argument and nothing else; has_quote: such words, maybe none, up to a quote; words: how many
    bytes these are.
    """

    def __init__(self, spelled: Sequence[bytes]) -> None:
        self.spelled = spelled
        before = [text.partition(b'"')[0] for text in spelled]
        legal = np.array([_is_text(text) for text in before])
        quote = np.array([b'"' in text for text in spelled])
        self.words = np.array([len(text) for text in before])
        self.is_plain: Mask = legal & ~quote & (self.words > 0)
        self.has_quote: Mask = legal & quote
        self.starts_with_space = np.array([text.startswith(b" ") for text in spelled])
        self._sorted = sorted((text, number) for number, text in enumerate(spelled) if text)

    def along(self, rest: bytes) -> set[int]:
        """Return the tokens that are a beginning of `rest`, or begin with it."""
        found = set[int]()
        for length in range(1, len(rest) + 1):
            at = bisect.bisect_left(self._sorted, (rest[:length], -1))
            while at < len(self._sorted) and self._sorted[at][0] == rest[:length]:
                found.add(self._sorted[at][1])
                at += 1
        while at < len(self._sorted) and self._sorted[at][0].startswith(rest):
            found.add(self._sorted[at][1])
            at += 1
        return found


def _is_text(text: bytes) -> bool:
    """Tell whether bytes may stand in an argument: whole characters, none that JSON escapes."""
    try:
        return all(ord(c) >= SPACE and c != "\\" for c in text.decode())
    except UnicodeDecodeError:
        return False


def _json(before: str, name: str, after: str) -> bytes:
    return f"{before}{json.dumps(name)}{after}".encode()
