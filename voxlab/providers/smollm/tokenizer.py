"""SmolLM2's tokenizer: text as the numbers of its pieces, by byte-pair encoding.

Text is cut into words, signs and single digits, and each of these is spelled in bytes. Then, again
and again, the two neighbours that were merged earliest in training become one piece.
Source: Sennrich et al. 2016 (byte-pair encoding); Radford et al. 2019 (GPT-2: bytes as letters, and
the pattern that cuts); the model's own settings cut digits apart. 63,000 lines of text gave the
tokens of the package tokenizers, which is not used: it brings a model hub's client with it.
"""

import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from voxlab import models

MODEL = "smollm2"

# GPT-2's pattern without its digits, which are cut off before
PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W_]+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte: GPT-2 gives the unprintable ones others.

    >>> byte_letters()[ord("A")], byte_letters()[ord(" ")]
    ('A', 'Ġ')
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    letters = {byte: chr(256 + number) for number, byte in enumerate(others)}
    return letters | {byte: chr(byte) for byte in printable}


class Tokenizer:
    """Byte-pair encoding with a given vocabulary.

    tokens: all pieces, in order of their numbers. special: those that are marks, never spelled.
    merges: pairs of pieces, "Ġ t", the earliest first.
    """

    def __init__(
        self, tokens: Sequence[str], special: Iterable[str], merges: Iterable[str]
    ) -> None:
        self.special: Mapping[str, int] = {mark: tokens.index(mark) for mark in special}
        self._numbers = {token: number for number, token in enumerate(tokens)}
        self._ranks = {tuple(pair.split(" ")): rank for rank, pair in enumerate(merges)}
        self._marks = re.compile("(" + "|".join(map(re.escape, self.special)) + ")")
        self._letters = byte_letters()
        bytes_of = {letter: byte for byte, letter in self._letters.items()}
        self.spelled = tuple(
            token.encode() if token in self.special else bytes(bytes_of[c] for c in token)
            for token in tokens
        )
        marks = set(self.special.values())
        self.words = tuple(b"" if n in marks else text for n, text in enumerate(self.spelled))
        self._merged = lru_cache(10_000)(self._merge)

    def encode(self, text: str) -> list[int]:
        """Return the numbers of a text's tokens. A mark in it, such as <|im_end|>, is one token.

        Bytes that no token has are left out: some control characters, and whatever is no text.
        """
        numbers: list[int] = []
        for part in self._marks.split(text):
            if part in self.special:
                numbers.append(self.special[part])
                continue
            for piece in _cut(part):
                numbers += self._merged(piece)
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of tokens; a character of which a byte is missing becomes a �."""
        return b"".join(self.spelled[number] for number in numbers).decode(errors="replace")

    def _merge(self, piece: str) -> tuple[int, ...]:
        parts = [self._letters[byte] for byte in piece.encode(errors="replace")]
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in itertools.pairwise(parts)]
            first = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[first] == len(self._ranks):
                break
            parts[first : first + 2] = ["".join(parts[first : first + 2])]
        return tuple(self._numbers[part] for part in parts if part in self._numbers)


def _cut(text: str) -> Iterable[str]:
    """Cut text into digits, one by one, and the pieces between them."""
    for is_number, run in itertools.groupby(text, _is_number):
        characters = "".join(run)
        yield from characters if is_number else PIECES.findall(characters)


def _is_number(character: str) -> bool:
    return character.isnumeric() and unicodedata.category(character).startswith("N")


@cache
def load_tokenizer() -> Tokenizer:
    """Return SmolLM2's tokenizer. Raises ModelError if the model was not fetched."""
    file = models.path(MODEL, "vocabulary.json")
    vocabulary = json.loads(file.read_text(encoding="utf-8"))
    return Tokenizer(vocabulary["tokens"], vocabulary["special"], vocabulary["merges"])
