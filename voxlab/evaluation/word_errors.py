"""Word errors: two texts compared word by word, however they are written."""

from collections.abc import Sequence
from typing import NamedTuple

from voxlab.text import spoken_words


class WordErrors(NamedTuple):
    """Words that are wrong, missing or added; and how many there should have been."""

    errors: int
    words: int


def word_errors(said: str, heard: str) -> WordErrors:
    """Return how many words of `said` are wrong or missing in `heard`, or added there.

    The least number of changes that turn one into the other; over the words said it is the word
    error rate (WER). Source: Levenshtein 1966.

    >>> word_errors("Will it rain on Friday?", "We'll eat rain on Friday")
    WordErrors(errors=2, words=5)
    """
    reference, written = spoken_words(said), spoken_words(heard)
    row = [*range(len(written) + 1)]  # changes from the words so far to the first 0, 1, 2, ...
    for count, word in enumerate(reference, 1):
        before, row = row, [count]
        for place, other in enumerate(written, 1):
            swapped = before[place - 1] + (word != other)
            row.append(min(swapped, before[place] + 1, row[-1] + 1))
    return WordErrors(row[-1], len(reference))


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the word error rate of many texts together: all errors over all words said.

    >>> word_error_rate(["Good morning.", "Bye."], ["Good", "Bye, bye."])
    0.6666666666666666
    """
    each = [word_errors(*texts) for texts in zip(said, heard, strict=True)]
    return sum(one.errors for one in each) / sum(one.words for one in each)
