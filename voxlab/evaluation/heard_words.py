"""What an agent heard of the caller: word errors, values heard right, words out of silence.

A word error rate weighs "the" as much as a digit of an order number: so the values that a call
turns on are counted apart. And it has no place for words that a recogniser hears in silence, or in
somebody else's voice: they are told apart, and are no part of the rate.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from voxlab.data.expectations import Kind
from voxlab.evaluation.mishearing import RecognisedText, match_heard, recognised_texts
from voxlab.evaluation.turn_times import turn_times
from voxlab.evaluation.word_errors import WordErrors, comparable_words, word_errors
from voxlab.timeline import Timeline

NEAR_S = 0.5  # speech is found so long after it began, at the most
VALUES = {  # in words as they sound, each digit one; the first that fits a place counts
    "email": r"\w+(?: dot \w+)* at \w+ dot \w+",
    "price": r"\d(?: \d)* dollars(?: and \d(?: \d)* cents)?",
    "order number": r"(?<!at )\d(?: \d){3,}",
    "time": r"(?<=\bat )\d(?: \d){0,3}|\d(?: \d){0,3}(?= (?:o'clock|am|pm|a m|p m)\b)",
    "people": r"\d(?: \d)?(?= (?:people|persons|guests)\b)",
    "day": r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|tomorrow",
}
PATTERN = re.compile("|".join(f"(?P<v{i}>{each})" for i, each in enumerate(VALUES.values())))


@dataclass(frozen=True, slots=True)
class Value:
    """A value that the caller said, and whether the agent heard it. words: as they sound."""

    kind: str
    words: str
    is_heard: bool


@dataclass(frozen=True, slots=True)
class HeardWords:
    """What came of the caller's words. invented: words that the agent heard where nobody asked."""

    errors: WordErrors
    values: tuple[Value, ...]
    invented: int


def find_heard(timeline: Timeline, kinds: Mapping[str, Kind]) -> HeardWords:
    """Return what the agent heard of the caller's lines that take the floor.

    kinds: of the lines that do not, by their ids. Of backchannels no word is asked.
    """
    texts = recognised_texts(timeline)
    silent = [text for text in texts if not _has_speech(timeline, text)]
    invented = sum(len(comparable_words(each.text)) for each in silent)
    by_start_s = {
        event.at_s: kinds.get(str(event.data.get("line")), Kind.REQUEST)
        for event in timeline.select("caller", "speech_started")
    }
    errors, words, values = 0, 0, []
    for turns, heard in match_heard(timeline, [each for each in texts if each not in silent]):
        asked = [turn.text for turn in turns if by_start_s[turn.start_s] is not Kind.NOISE]
        if not asked:
            invented += len(comparable_words(heard))
        if any(by_start_s[turn.start_s] is Kind.REQUEST for turn in turns):
            said = " ".join(asked)
            found = word_errors(said, heard)
            errors, words = errors + found.errors, words + found.words
            values += [*find_values(said, heard)]
    return HeardWords(WordErrors(errors, words), tuple(values), invented)


def find_values(said: str, heard: str) -> Iterator[Value]:
    """Yield the values in what was said: numbers, prices, times, days; each has to be heard whole.

    >>> [*find_values("Order 48213, at seven", "Order 4 8 2 1 3 at eleven")]
    [Value(kind='order number', words='4 8 2 1 3', is_heard=True), \
Value(kind='time', words='7', is_heard=False)]
    """
    names, rest = [*VALUES], " ".join(comparable_words(heard))
    for match in PATTERN.finditer(" ".join(comparable_words(said))):
        words = match[0]
        place = re.search(rf"(?<!\d )(?<!\S){re.escape(words)}(?!\S)(?! \d)", rest)
        if place:
            rest = f"{rest[: place.start()]}|{rest[place.end() :]}"  # nobody hears it twice
        yield Value(names[int(str(match.lastgroup)[1:])], words, place is not None)


def _has_speech(timeline: Timeline, text: RecognisedText) -> bool:
    """Tell whether the caller spoke in the time that a recogniser wrote a text about."""
    since_s = min(text.since_s, text.began_s - NEAR_S)
    return any(turn.start_s < text.at_s and turn.end_s > since_s for turn in turn_times(timeline))
