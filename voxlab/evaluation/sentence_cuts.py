"""Sentence cuts compared with texts whose cuts are known: which are wrong, and how soon they come.

A wrong cut changes the sense ("No." "6 is sold out."), a missed one only costs time: the two are
counted apart. Marks and white space do not count in a cut's place, the letters before it do.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxlab import data
from voxlab.data.yaml_files import read_yaml

CUT = "|"


@dataclass(frozen=True, slots=True)
class KnownCuts:
    """A text of some kind ("numbers", "German"), and the sentences that it should give."""

    kind: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The text without the marks of its cuts."""
        return "".join(self.sentences)


@dataclass(frozen=True, slots=True)
class CutScore:
    """Over some texts: how many came out right, and how many of their cuts are wrong or missed."""

    texts: int
    right: int
    cuts: int
    wrong: int
    missed: int


def load_known_cuts(file: Path | None = None) -> list[KnownCuts]:
    """Return the texts of data/sentences.yaml, or of a file like it."""
    kinds = read_yaml(file or data.path("sentences.yaml"))
    return [
        KnownCuts(kind, tuple(text.split(CUT))) for kind, texts in kinds.items() for text in texts
    ]


def count_cuts(known: KnownCuts, pieces: Sequence[str]) -> CutScore:
    """Compare the pieces that a splitter made of a text with its known sentences.

    >>> count_cuts(KnownCuts("", ("No. 6 is out. ", "Sorry.")), ["No.", "6 is out.", "Sorry."])
    CutScore(texts=1, right=0, cuts=1, wrong=1, missed=0)
    """
    wanted, got = _places(known.sentences), _places(pieces)
    wrong, missed = len(got - wanted), len(wanted - got)
    return CutScore(1, int(not wrong and not missed), len(wanted), wrong, missed)


def score_cuts(
    texts: Iterable[KnownCuts], cut: Callable[[str], Sequence[str]]
) -> dict[str, CutScore]:
    """Return the score of a splitter for each kind of text, and for "all" of them."""
    scores: dict[str, CutScore] = {}
    for known in texts:
        score = count_cuts(known, cut(known.text))
        for kind in (known.kind, "all"):
            before = scores.get(kind, CutScore(0, 0, 0, 0, 0))
            scores[kind] = CutScore(
                before.texts + score.texts,
                before.right + score.right,
                before.cuts + score.cuts,
                before.wrong + score.wrong,
                before.missed + score.missed,
            )
    return scores


def split_into_tokens(text: str) -> list[str]:
    """Cut a text into what a language model streams: words and marks, with the space before them.

    >>> split_into_tokens("It costs $4.50.")
    ['It', ' costs', ' $', '4', '.', '50', '.']
    """
    return re.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text)


def _places(pieces: Sequence[str]) -> set[int]:
    """Return after how many letters and digits each piece but the last ends."""
    lengths = [sum(map(str.isalnum, piece)) for piece in pieces]
    ends = {sum(lengths[: count + 1]) for count in range(len(lengths))}
    return ends - {0, sum(lengths)}
