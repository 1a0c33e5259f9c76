"""Compare what was said with what a recogniser wrote, word by word."""

import re
from collections.abc import Sequence

import jiwer

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spoken_form(text: str) -> str:
    """Return a text as words only: no case, no punctuation, every digit a word of its own.

    >>> spoken_form("My e-mail is grace.kim@example.com, order 4 82-13.")
    'my email is grace dot kim at example dot com order four eight two one three'
    """
    text = text.lower().replace("’", "'").replace("e-mail", "email").replace("@", " at ")
    text = re.sub(r"(?<=[a-z])\.(?=[a-z])", " dot ", text)
    text = re.sub(r"\d", lambda digit: f" {DIGITS[int(digit[0])]} ", text)
    return " ".join(re.findall(r"[a-z']+", text))


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the words wrong, missing and added, over the words said."""
    return float(jiwer.wer([*map(spoken_form, said)], [*map(spoken_form, heard)]))
