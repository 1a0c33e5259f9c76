"""How many words are wrong? Two texts compared word by word, however they are written."""

import re
from typing import NamedTuple

from voxlab.providers.rule_based.slots import NUMBER_WORDS

TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
VALUES = {word: number for number, word in enumerate(NUMBER_WORDS)}
VALUES |= {word: 10 * number for number, word in enumerate(TENS, 2)}


class WordErrors(NamedTuple):
    """Words that are wrong, missing or added; and how many there should have been."""

    errors: int
    words: int


def plain_form(text: str) -> list[str]:
    """Return the words of a text in small letters, each digit of a number a word of its own.

    Hours, prices and email addresses become the same words, spoken or written.

    >>> " ".join(plain_form("Order 4 82-13: $86.50, for twenty-one people, to-morrow at 8:30."))
    'order 4 8 2 1 3 8 6 dollars and 5 0 cents for 2 1 people tomorrow at 8 3 0'
    >>> " ".join(plain_form("My e-mail is grace.kim@example.com"))
    'my email is grace dot kim at example dot com'
    """
    text = text.lower().replace("’", "'").replace("e-mail", "email").replace("@", " at ")
    text = re.sub(r"\bto-(day|night|morrow)\b", r"to\1", text)
    text = re.sub(r"(?<=[a-z])\.(?=[a-z])", " dot ", text)
    text = re.sub(r"\$(\d+)\.(\d\d)\b", r" \1 dollars and \2 cents ", text)
    text = re.sub(r"\$(\d+)", r" \1 dollars ", text)
    text = re.sub(rf"\b({'|'.join(TENS)})[ -]({'|'.join(NUMBER_WORDS[1:10])})\b", _two_digits, text)
    text = re.sub(rf"\b({'|'.join(VALUES)})\b", lambda word: str(VALUES[word[0]]), text)
    return re.findall(r"[a-z']+|\d", text)


def _two_digits(number: re.Match[str]) -> str:
    return str(VALUES[number[1]] + VALUES[number[2]])


def word_errors(said: str, heard: str) -> WordErrors:
    """Return how many words of `said` are wrong or missing in `heard`, or added there.

    The least number of changes that turn one into the other; over the words said it is the word
    error rate (WER). Source: Levenshtein 1966.

    >>> word_errors("Will it rain on Friday?", "We'll eat rain on Friday")
    WordErrors(errors=2, words=5)
    """
    reference, written = plain_form(said), plain_form(heard)
    row = [*range(len(written) + 1)]  # changes from the words so far to the first 0, 1, 2, ...
    for count, word in enumerate(reference, 1):
        before, row = row, [count]
        for place, other in enumerate(written, 1):
            swapped = before[place - 1] + (word != other)
            row.append(min(swapped, before[place] + 1, row[-1] + 1))
    return WordErrors(row[-1], len(reference))
