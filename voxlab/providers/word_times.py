"""Word times: when each written word sounds. A synthesiser times what is said, not what is written.

"7:30" is written as one word and said as two, "3/4/2024" as four, and an emoji is not said at all.
An agent that is interrupted must know how much of its written text was heard, so the times of the
spoken words are handed to the written ones.
"""

import difflib
import string
from collections.abc import Callable, Iterator, Sequence

from voxlab.providers.protocols import Word
from voxlab.providers.read_aloud import Reading

TimeSpan = tuple[float, float]
SILENT: TimeSpan = (0.0, 0.0)


def written_words(
    text: str, spoken: Sequence[Word], weight: Callable[[str], float] = len
) -> tuple[Word, ...]:
    """Give each word of text.split() the time at which it sounds.

    spoken: the words as they are said, in order; one with start_s == end_s makes no sound.
    weight: how long a written word is when read alone, in any unit; 0 if it is not said.
    Words that are equal in both keep their times. In between, several written words that were said
    differently share the time of what was said, by weight. A written word that is not said joins
    the one before it (at the start, the one after it), so the texts of the result, joined by
    spaces, are always those of text.split(). Times never decrease. No sound gives ().

    >>> said = [Word("at", 0.0, 0.2), Word("seven", 0.2, 0.6), Word("thirty", 0.6, 1.0)]
    >>> [(word.text, word.end_s) for word in written_words("At 7:30", said)]
    [('At', 0.2), ('7:30', 1.0)]
    """
    written = text.split()
    return timed_words(written, _spans(written, spoken, weight))


def as_written(readings: Sequence[Reading], spoken: Sequence[Word]) -> tuple[Word, ...]:
    """Hand the times of the words that were said to the words that were written.

    readings: what was said for the written words (`read_aloud`); spoken: its words with their
    times, as `written_words` or `timed_words` return them. Written words that are read together
    share the time by their letters and digits. No sound gives ().

    >>> said = [Word("five", 0.0, 0.4), Word("dollars.", 0.4, 1.0)]
    >>> [(word.text, word.end_s) for word in as_written([Reading(("$5.",), "five dollars.")], said)]
    [('$5.', 1.0)]
    """
    sounding = iter([span for word in spoken for span in _each_token(word)])
    written: list[str] = []
    spans: list[TimeSpan] = []
    for reading in readings if spoken else ():
        said = [span for _ in reading.spoken.split() if (span := next(sounding)) != SILENT]
        whole = (said[0][0], said[-1][1]) if said else SILENT
        written += reading.written
        spans += _shares(whole, [sum(map(str.isalnum, word)) for word in reading.written])
    return timed_words(written, spans)


def _each_token(word: Word) -> list[TimeSpan]:
    """Return the times of the words in a timed one: the others beside the first are silent."""
    return [(word.start_s, word.end_s), *[SILENT] * (len(word.text.split()) - 1)]


def timed_words(written: Sequence[str], spans: Sequence[TimeSpan]) -> tuple[Word, ...]:
    """Put written words and their times together; SILENT ones join the word before them.

    No word starts before the one before it ends, whatever the engine says.
    """
    words: list[Word] = []
    silent: list[str] = []  # words before the first that sounds
    reached_s = 0.0
    for word, (start_s, end_s) in zip(written, spans, strict=True):
        if end_s > start_s:
            start_s, end_s = max(start_s, reached_s), max(end_s, reached_s)
            reached_s = end_s
            words.append(Word(" ".join([*silent, word]), start_s, end_s))
            silent = []
        elif words:
            last = words[-1]
            words[-1] = Word(f"{last.text} {word}", last.start_s, last.end_s)
        else:
            silent.append(word)
    return tuple(words)


def _spans(
    written: Sequence[str], spoken: Sequence[Word], weight: Callable[[str], float]
) -> list[TimeSpan]:
    """Return when each written word sounds, SILENT for those that do not."""
    spans: list[TimeSpan] = []
    said = [_key(word.text) for word in spoken]
    matcher = difflib.SequenceMatcher(None, [_key(word) for word in written], said, autojunk=False)
    for kind, w1, w2, s1, s2 in matcher.get_opcodes():
        if kind == "equal":
            spans += [(word.start_s, word.end_s) for word in spoken[s1:s2]]
            continue
        sounding = [word for word in spoken[s1:s2] if word.end_s > word.start_s]
        if not sounding:
            spans += [SILENT] * (w2 - w1)
        elif w1 < w2:
            whole = sounding[0].start_s, sounding[-1].end_s
            spans += _shares(whole, [weight(word) for word in written[w1:w2]])
        elif spans:  # something is said that is not written: it belongs to the word before
            first_s = sounding[0].start_s if spans[-1] == SILENT else spans[-1][0]
            spans[-1] = first_s, sounding[-1].end_s
    return spans


def _key(word: str) -> str:
    """Return what of a word is compared: letters and digits in lower case, if it has any."""
    return word.strip(string.punctuation + "’“”…—").casefold() or word


def _shares(whole: TimeSpan, weights: Sequence[float]) -> Iterator[TimeSpan]:
    """Divide a span of time in proportion to the weights; equally if all are 0."""
    if not any(weights):
        weights = [1.0] * len(weights)
    at_s, per_unit_s = whole[0], (whole[1] - whole[0]) / sum(weights)
    for weight in weights:
        yield at_s, at_s + weight * per_unit_s
        at_s += weight * per_unit_s
