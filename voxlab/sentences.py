"""When may speech synthesis start? As soon as a sentence is complete, while the rest is written.

Source: chapter 39.1.4, sentence-sized chunks; its printed test for a boundary (the text ends in
one of . ! ? , :) also cuts "$4." from "50" and "Dr." from "Smith".
"""

import re

ABBREVIATIONS = frozenset(
    {"dr", "mr", "mrs", "ms", "st", "no", "vs", "approx", "dept", "e.g", "i.e"}
)
_END = re.compile(r"(?P<stop>[.!?…]+)[\"')\]’”»]* ")
_CLAUSE = re.compile(r"[,;:] ")
_OPENING = "\"'([‘“«"


class SentenceChunker:
    """Cuts a stream of text deltas into pieces that can be spoken one by one.

    A piece ends at . ! ? followed by white space; the full stop of an abbreviation, an initial or
    a decimal does not end one. The first piece may end at a comma once it has first_clause_chars
    characters: the sooner it is spoken, the shorter the wait. A text that does not stop is cut
    before the word that would make it longer than max_chars, and so is a word longer than that.
    How the text is cut into deltas makes no difference. Joined by single spaces the pieces give
    the text again, its white space folded.

    >>> chunker = SentenceChunker()
    >>> chunker.feed("It costs $4.50. Anything el")
    ['It costs $4.50.']
    >>> chunker.feed("se?"), chunker.flush()
    ([], ['Anything else?'])
    """

    def __init__(self, first_clause_chars: int = 40, max_chars: int = 300) -> None:
        if max_chars < 1:
            raise ValueError(f"max_chars is {max_chars}, needs 1 or more: 300 is a long sentence")
        self.first_clause_chars = first_clause_chars
        self.max_chars = max_chars
        self._text = ""  # what no piece has taken yet; runs of white space are one space
        self._pieces = 0

    def feed(self, delta: str) -> list[str]:
        """Take the next characters; return the pieces that they complete."""
        self._text = re.sub(r"\s+", " ", self._text + delta).lstrip()
        pieces = []
        while (cut := self._boundary()) is not None:
            pieces.append(self._take(cut))
        return pieces

    def flush(self) -> list[str]:
        """Return what is left when the text is complete: one piece, or none."""
        return [self._take(len(self._text))] if self._text else []

    def _take(self, cut: int) -> str:
        piece, self._text = self._text[:cut].rstrip(), self._text[cut:].lstrip()
        self._pieces += 1
        return piece

    def _boundary(self) -> int | None:
        """Return where the next piece ends, as if the text had come character by character."""
        text = self._text[: self.max_chars + 1]
        cuts = [m.end() for m in _END.finditer(text) if not _is_abbreviation(text, m)]
        if not self._pieces:
            ends = (match.end() for match in _CLAUSE.finditer(text))
            cuts += [end for end in ends if end > self.first_clause_chars]  # the space not counted
        if cuts:
            return min(cuts)
        if len(text) > self.max_chars:  # a text without any stop must be spoken too
            return text.rfind(" ") + 1 or self.max_chars
        return None


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    """Tell whether a full stop belongs to the word before it: "Dr. Smith", "J. Smith", "9 a.m."."""
    if end["stop"] != ".":
        return False
    words = text[: end.start()].split()
    word = words[-1].lstrip(_OPENING).lower() if words else ""
    if word == "no":  # "No. 5", but "No. We are closed."
        return len(words) > 1
    is_initial = len(word) == 1 and word.isalpha() and word != "i"
    return word in ABBREVIATIONS or is_initial or bool(re.fullmatch(r"([a-z]\.)+[a-z]", word))
