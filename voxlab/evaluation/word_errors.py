"""Word errors: two texts compared word by word, however they are written; jiwer counts.

None of jiwer's ready transforms compares an order number, a time or an "mm-hmm" as it sounds, and
the normaliser of Whisper drops "mm-hmm" and the zeros before a number: `comparable_words` is ours.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from voxlab.text import spoken_words

SPELLINGS = (  # of what is said in passing, and has no one spelling
    (r"\b(uh+|ah+)[\s-]?huh+\b", "uhhuh"),
    (r"\bm+[\s-]?h+m+\b", "mhm"),
    (r"\b(u+h*m+|e+r+m*|u+h+)\b(?![\s-]?huh)", "um"),
    (r"\bo\.?\s?k\b\.?|\bokay\b", "okay"),
    (r"\bgood[\s-]?bye?\b", "goodbye"),
)
TIMES = {"double": 2, "triple": 3}  # "double five"
ZERO = ("oh", "o")  # in a number


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
    import jiwer

    reference, written = comparable_words(said), comparable_words(heard)
    found = jiwer.process_words(" ".join(reference), " ".join(written))
    return WordErrors(found.substitutions + found.deletions + found.insertions, len(reference))


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the word error rate of many texts together: all errors over all words said.

    >>> word_error_rate(["Good morning.", "Bye."], ["Good", "Bye, bye."])
    0.6666666666666666
    """
    each = [word_errors(*texts) for texts in zip(said, heard, strict=True)]
    return sum(one.errors for one in each) / sum(one.words for one in each)


def comparable_words(text: str) -> list[str]:
    """Return the words of a text as they sound, with one spelling for what has many.

    >>> comparable_words("Mm-hmm, O.K.: double five, oh, 7:30!")
    ['mhm', 'okay', '5', '5', '0', '7', '3', '0']
    """
    text = text.casefold()
    for spelling, word in SPELLINGS:
        text = re.sub(spelling, word, text)
    found: list[str] = []
    times = 1
    for word in spoken_words(text):
        if word.isdigit():
            found += [word] * times
        elif word in ZERO and found and found[-1].isdigit():
            found.append("0")
        elif word not in TIMES:
            found.append(word)
        times = TIMES.get(word, 1)
    return found
