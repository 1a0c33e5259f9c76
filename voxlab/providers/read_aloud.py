"""What a voice says for what is written: amounts, signs, digits, telephone numbers, markup, emoji.

A small voice reads "-$86.50" as "eighty-six fifty" and "007" as "seven". So the text is rewritten
into words before it is read, in English, and each reading remembers the words that were written.
Numbers that stand alone ("5", "1999") stay digits: voices read them rightly. Markup is for eyes:
no voice should read it, not even a hosted one. data/readings.yaml lists what is read how.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from voxlab.providers.spoken_english import ENGLISH, ReadingRule

Match = re.Match[str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One written word, or several that are read together ("12,50 €"), and what is said for it."""

    written: tuple[str, ...]
    spoken: str


def read_aloud(text: str, english: bool = True) -> tuple[Reading, ...]:
    """Return what is said for each written word of text.split(); "" for one that is not said.

    english: whether numbers and signs become English words; else only markup and emoji go.

    >>> [reading.spoken for reading in read_aloud("**Total:** -$5 🙂")]
    ['Total:', 'minus five dollars', '']
    """
    readings: list[Reading] = []
    for reading in _readings(text, _find(text, [*ENGLISH, *MARKUP] if english else MARKUP)):
        if readings and re.fullmatch("[,.!?;:]+", reading.spoken):  # "red | blue" is "red, blue"
            last = readings.pop()
            reading = Reading(last.written + reading.written, last.spoken + reading.spoken)
        readings.append(reading)
    return tuple(readings)


def spoken_text(readings: Sequence[Reading]) -> str:
    """Return all that is said, in one text."""
    return " ".join(reading.spoken for reading in readings if reading.spoken)


def without_markup(text: str) -> str:
    """Return a text for a voice that reads numbers well itself: without markup and emoji.

    >>> without_markup("It is **$5**, see [help](https://example.com) 🙂")
    'It is $5, see help'
    """
    return spoken_text(read_aloud(text, english=False))


def _find(text: str, rules: Sequence[ReadingRule]) -> list[tuple[int, int, str]]:
    """Return what is said for parts of the text: (start, end, spoken), in order and apart.

    Where rules claim the same characters, the one that begins first counts, then the first rule.
    """
    found: list[tuple[int, int, int, str]] = []
    for rank, (pattern, say) in enumerate(rules):
        for match in pattern.finditer(text):
            if match.end() > match.start() and (spoken := say(match)) is not None:
                found.append((match.start(), rank, match.end(), spoken))
    changes: list[tuple[int, int, str]] = []
    for start, _, end, spoken in sorted(found):
        if not changes or start >= changes[-1][1]:
            changes.append((start, end, spoken))
    return changes


def _readings(text: str, changes: Sequence[tuple[int, int, str]]) -> Iterator[Reading]:
    """Put written words that share a change together, and say them with their changes."""
    waiting = list(changes)
    group: list[Match] = []
    for word in re.finditer(r"\S+", text):
        group.append(word)
        while waiting and waiting[0][1] <= group[0].start():
            waiting.pop(0)
        reach = max((end for start, end, _ in waiting if start < word.end()), default=0)
        following = re.compile(r"\s*\S").match(text, word.end())
        if following and reach >= following.end():
            continue
        inside = [change for change in waiting if change[0] < word.end()]
        yield Reading(tuple(each[0] for each in group), _spoken(text, group, inside))
        group = []


def _spoken(text: str, group: Sequence[Match], changes: Sequence[tuple[int, int, str]]) -> str:
    at, said = group[0].start(), []
    for start, end, spoken in changes:
        said += [text[at:start], spoken]
        at = max(at, end)
    words = "".join([*said, text[at : group[-1].end()]]).split()
    return re.sub(r"(?<=\w) (?=[,.!?;:])", "", " ".join(words))


# --- markup: for eyes, in every language -----------------------------------------------------

_EMOJI = "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u200b-\u200f\u20e3\ufe0f\ufeff©®™]+"


def _silent(match: Match) -> str:
    return ""


def _markup(pattern: str, say: Callable[[Match], str | None] = _silent) -> ReadingRule:
    return re.compile(pattern), say


def _link(match: Match) -> str | None:
    """Say the text of a link, not its address; a link or picture without a text stays."""
    return without_markup(match[1]) or None


MARKUP: list[ReadingRule] = [
    _markup(r"!?\[([^\[\]]*)\]\([^\s()]*(?:\s[^()]*)?\)", _link),
    _markup(r"</?[A-Za-z][^<>]*>"),
    _markup(r"&nbsp;", lambda match: " "),
    _markup(r"&amp;", lambda match: "&"),
    _markup(r"\A\s*(?:[-*_=]{3,}|\|[-:|\s]+\|)\s*\Z"),  # a ruler, or below a table's head
    _markup(r"\A(?:\s*(?:>|#{1,6}(?=\s)|[-*+•‣◦▪–](?=\s)))+\s*"),  # a heading, an item, a quote
    _markup(r"\A\s*\|\s*|\s*\|\s*\Z"),
    _markup(r"\s*\|\s*", lambda match: ", "),
    _markup(r"(?<!\d)\*{1,3}(?=\S)|(?<=[^\s\d])\*{1,3}|(?<=\d)(?:\*{2,3}|\*(?!\s?\d))"),
    _markup(r"(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)"),
    _markup(r"`+|~~"),
    _markup(_EMOJI),
]
