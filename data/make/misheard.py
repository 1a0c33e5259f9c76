"""Write data/language_model/misheard.yaml: words that Moonshine mishears, and what it writes.

    python data/make/misheard.py

Sentences for training are spoken by Hibari, in each of its voices, and recognised. Runs of words
that differ are kept, except where only a number is written in another way. None of the sentences
is of the blind test sets. Running it again on the same machine gives the same file.
"""

import difflib
from collections.abc import Iterator

import numpy as np
from blind_heard import FOLDER, hear

from voxlab.providers.smollm import trades
from voxlab.providers.smollm.dialogues import Caller
from voxlab.text import plain_words, spoken_words

SENTENCES, SEED, LONGEST = 360, 20, 4
HEAD = "# [said, heard]: words that Moonshine misheard. Made by data/make/misheard.py.\n"


def draw_sentences() -> list[str]:
    """Draw wishes of callers: half of them for Acme's tools."""
    rng = np.random.default_rng(SEED)
    sentences = dict[str, None]()
    while len(sentences) < SENTENCES:
        names = trades.draw_names(rng, 1)
        trade = trades.shop() if rng.random() < 0.5 else trades.other_trade(rng, names)
        caller = Caller(rng)
        caller.is_punctuated, caller.mishears = True, False
        tool = caller.one_of([*trade.says])
        wish = caller.fill(caller.one_of(trade.says[tool]), trade.kinds[tool])
        sentences[caller.finish(wish)[0]] = None
    return [*sentences]


def find_errors(said: str, heard: str) -> Iterator[tuple[str, str]]:
    """Yield runs of words that the recogniser wrote otherwise."""
    before, after = plain_words(said), plain_words(heard)
    for kind, start, end, first, last in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        old, new = " ".join(before[start:end]), " ".join(after[first:last])
        is_short = max(end - start, last - first) <= LONGEST
        is_address = "_" in old  # of which nothing is to be learned
        if kind == "replace" and is_short and not is_address and not same_sounds(old, new):
            yield old, new


def same_sounds(text: str, other: str) -> bool:
    """Tell whether two texts are spoken alike: a number in digits or in words."""
    return spoken_words(text) == spoken_words(other)


def main() -> None:
    """Speak, hear, compare, write."""
    errors = dict.fromkeys(
        pair for said, heard in hear(draw_sentences()).items() for pair in find_errors(said, heard)
    )
    lines = "".join(f"  - [{old!r}, {new!r}]\n" for old, new in sorted(errors))
    (FOLDER / "misheard.yaml").write_text(f"{HEAD}errors:\n{lines}", encoding="utf-8")


if __name__ == "__main__":
    main()
