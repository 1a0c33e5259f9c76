"""When may speech synthesis start? As soon as a sentence is complete, while the rest is written.

Source: chapter 39.1.4, sentence-sized chunks; its printed test for a boundary (the text ends in
one of . ! ? , :) also cuts "$4." from "50" and "Dr." from "Smith".
"""

import re

ABBREVIATIONS = frozenset(
    {"dr", "mr", "mrs", "ms", "st", "no", "vs", "approx", "dept", "e.g", "i.e"}
)
_END = re.compile(r"[.!?…]+[\"')\]]*\s+")
_CLAUSE = re.compile(r"[,;:]\s+")


class SentenceChunker:
    """Cuts a stream of text deltas into pieces that can be spoken one by one.

    A piece ends at . ! ? followed by white space; abbreviations, initials and numbers do not end
    one. The first piece may end at a comma once it has first_clause_chars characters: the sooner
    it is spoken, the shorter the wait. Joined by single spaces the pieces give the text again.

    >>> chunker = SentenceChunker()
    >>> chunker.feed("It costs $4.50. Anything el")
    ['It costs $4.50.']
    >>> chunker.feed("se?"), chunker.flush()
    ([], ['Anything else?'])
    """

    def __init__(self, first_clause_chars: int = 40, max_chars: int = 300) -> None:
        self.first_clause_chars = first_clause_chars
        self.max_chars = max_chars
        self._text = ""
        self._pieces = 0

    def feed(self, delta: str) -> list[str]:
        """Take the next characters; return the pieces that they complete."""
        self._text += delta
        pieces = []
        while (cut := self._boundary()) is not None:
            pieces += self._take(cut)
        return pieces

    def flush(self) -> list[str]:
        """Return what is left when the text is complete: one piece, or none."""
        return self._take(len(self._text))

    def _take(self, cut: int) -> list[str]:
        piece, self._text = " ".join(self._text[:cut].split()), self._text[cut:]
        self._pieces += bool(piece)
        return [piece] if piece else []

    def _boundary(self) -> int | None:
        for match in _END.finditer(self._text):
            if not self._is_abbreviation(self._text[: match.start()]):
                return match.end()
        if not self._pieces:
            for match in _CLAUSE.finditer(self._text):
                if match.end() >= self.first_clause_chars:
                    return match.end()
        if len(self._text) > self.max_chars:  # a text without any stop must be spoken too
            return self._text.rfind(" ", 0, self.max_chars) + 1 or self.max_chars
        return None

    @staticmethod
    def _is_abbreviation(before: str) -> bool:
        words = before.split()
        word = words[-1].lstrip("\"'([").lower() if words else ""
        is_initial = len(word) == 1 and word.isalpha() and word != "i"
        return word in ABBREVIATIONS or is_initial or bool(re.fullmatch(r"([a-z]\.)+[a-z]", word))
