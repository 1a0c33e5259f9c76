"""Which words of a speech have been heard, while its text and its sound may both still be coming.

A voice that tells word times is believed. Otherwise the times are estimated over the sound that
has come: in proportion to the words' lengths once the speech is complete. Until then nobody knows
how much sound is still to come, and the words are taken to end as late as in slow speech: what
nobody heard must not be remembered as heard.
"""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from voxlab.providers.protocols import Word
from voxlab.sentences import SentenceChunker, split_words

FASTEST_CHARS_PER_S = 30.0  # the offline voice comes close to it in "What would you like?"
USUAL_CHARS_PER_S = 15.0
SLOWEST_CHARS_PER_S = 8.0  # eSpeak at its slowest, 80 words a minute
SHORTEST_WORD_S = 0.25  # the last word before a pause ends sooner than the next one begins
SLOW_WORD_S = 0.5
SAID_OF_A_DIGIT = 4  # letters of "seven" that "7" has not
AHEAD_S = 0.5  # text that comes so much too soon tells nothing of when it sounds
SLICE_S = 0.1  # our own server sends each word with the tenth of a second in which it begins


def spread(
    texts: Sequence[str], start_s: float, duration_s: float, weight: Callable[[str], float]
) -> list[Word]:
    """Return the words of a stretch of speech, each as long as its share of the weights.

    >>> [(word.text, word.end_s) for word in spread(["abc", "d"], 1.0, 1.5, characters)]
    [('abc', 2.0), ('d', 2.5)]
    """
    per_weight_s = duration_s / (sum(map(weight, texts)) or 1)
    ends_s = itertools.accumulate((weight(t) * per_weight_s for t in texts), initial=start_s)
    return [Word(t, *span) for t, span in zip(texts, itertools.pairwise(ends_s), strict=True)]


def characters(word: str) -> int:
    """Return the length of a written word with the space after it."""
    return len(word) + 1


def slow_s(word: str) -> float:
    """Return how long a word may last in slow speech; a digit is written short and said long."""
    said = characters(word) + SAID_OF_A_DIGIT * sum(map(str.isdigit, word))
    return max(SLOW_WORD_S, said / SLOWEST_CHARS_PER_S)


@dataclass(slots=True)
class _Passage:
    """Words that came together. All times are seconds of the speech's sound.

    came_s: how much sound was there when they came; they begin no sooner. begun_s: by then the
    first of them has begun; infinite until more sound comes. start_s: where it most likely begins.
    """

    texts: list[str]
    came_s: float
    begun_s: float
    start_s: float
    given: list[Word] = field(default_factory=list)  # the voice's own times, if it tells them

    @property
    def is_placed(self) -> bool:
        """Whether the first word begins with the very next sound."""
        return self.begun_s == self.came_s


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that is known to its end. start_s: None for the start of its first word."""

    text: str
    count: int  # words
    start_s: float | None = None


class SpokenWords:
    """The words of one speech. `add` or `stream` its text, `grow` its sound, then `finish`."""

    def __init__(self) -> None:
        self.came_s = 0.0  # sound that has come
        self.is_finished = False
        self.told = 0  # words in sentences that `next_sentence` has returned
        self._passages: list[_Passage] = []
        self._sentences: list[Sentence] = []
        self._chunker = SentenceChunker()
        self._in_word = False  # the next delta may go on with the last word

    @property
    def texts(self) -> list[str]:
        """The words."""
        return [text for passage in self._passages for text in passage.texts]

    def add(self, text: str, times: Sequence[Word] = ()) -> None:
        """Take a text that begins with the next sound. times: of its words, from there on."""
        at_s = self.came_s
        given = [replace(w, start_s=w.start_s + at_s, end_s=w.end_s + at_s) for w in times]
        texts = [word.text for word in given] or text.split()
        if texts:
            self._passages.append(_Passage(texts, at_s, at_s, at_s, given))
            self._sentences.append(Sentence(text, len(texts), at_s))

    def stream(self, delta: str) -> None:
        """Take the next characters of a text that comes beside its sound, or ahead of it."""
        for piece in re.findall(r"\s+|\S+", delta):
            if piece.isspace():
                self._in_word = False
                continue
            if self._in_word:
                last = self._passages[-1].texts
                last[-1], *pieces = split_words(last[-1] + piece)
            else:
                pieces = split_words(piece)
            for text in pieces:
                start_s = self._likely_start_s()
                self._passages.append(_Passage([text], self.came_s, math.inf, start_s))
            self._in_word = True
        self._cut(self._chunker.feed(delta))

    def grow(self, duration_s: float) -> None:
        """More sound has come."""
        self.came_s += duration_s
        for passage in reversed(self._passages):
            if passage.begun_s < math.inf:
                break
            passage.begun_s = self.came_s

    def finish(self, *, is_broken: bool = False) -> None:
        """Nothing more will come. is_broken: though more should have come."""
        self.is_finished = not is_broken
        self.end_word()
        self.grow(0.0)
        self._cut(self._chunker.flush())

    def end_word(self) -> None:
        """The last word is complete, though no space has come after it."""
        self._in_word = False

    def _cut(self, sentences: Sequence[str]) -> None:
        self._sentences += [Sentence(text, len(split_words(text))) for text in sentences]

    def next_sentence(self) -> Sentence | None:
        """Return the next sentence that is complete, once."""
        if not self._sentences:
            return None
        self.told += self._sentences[0].count
        return self._sentences.pop(0)

    # --- where the words most likely sound ---------------------------------------------------

    def _likely_start_s(self) -> float:
        """Return where a word begins whose text comes now."""
        if not self._passages:
            return self.came_s
        last = self._passages[-1]
        usual_s = last.start_s + sum(map(characters, last.texts)) / USUAL_CHARS_PER_S
        if self.came_s < usual_s - AHEAD_S:
            return usual_s
        return max(
            self.came_s, last.start_s + sum(map(characters, last.texts)) / FASTEST_CHARS_PER_S
        )

    def likely(self, sound_s: float) -> list[Word]:
        """Return the words with the times at which they most likely sound.

        sound_s: how much of the sound is on its way to be heard.
        """
        known = self._passages[:-1] if self._in_word else self._passages
        words: list[Word] = []
        for passage, following in itertools.zip_longest(known, known[1:]):
            start_s = passage.start_s
            if passage.given:
                words += passage.given
            elif passage.is_placed:
                words += spread(passage.texts, start_s, self._likely_s(passage), characters)
            else:
                (text,) = passage.texts
                end_s = max(sound_s, start_s) if following is None else following.start_s
                if following is not None or not self.is_finished:  # a pause may come first
                    longest_s = max(SHORTEST_WORD_S, len(text) / SLOWEST_CHARS_PER_S)
                    end_s = min(end_s, start_s + longest_s)
                words.append(Word(text, start_s, end_s))
        return words

    def _likely_s(self, passage: _Passage) -> float:
        """Return how long a text is that came whole: a short first piece is not all of it."""
        came_s, length = self.came_s - passage.start_s, sum(map(characters, passage.texts))
        is_all = self.is_finished or came_s > length / FASTEST_CHARS_PER_S
        return came_s if is_all else length / USUAL_CHARS_PER_S

    # --- which words have been heard ---------------------------------------------------------

    def heard(self, played_s: float, sound_s: float) -> int:
        """Return how many words are over for certain, when played_s of sound_s has sounded."""
        over = itertools.takewhile(lambda word: word.end_s <= played_s, self.latest(sound_s))
        return len(list(over))

    def latest(self, sound_s: float) -> list[Word]:
        """Return the words with the latest times at which they may sound."""
        words: list[Word] = []
        passages = self._joined()
        for passage, following in itertools.zip_longest(passages, passages[1:]):
            begun_s = passage.begun_s
            if passage.given:
                words += passage.given
            elif begun_s == math.inf:  # nothing has sounded since it came
                words += [Word(text, math.inf, math.inf) for text in passage.texts]
            elif following is not None and following.begun_s < math.inf:
                words += spread(passage.texts, begun_s, following.begun_s - begun_s, characters)
            elif self.is_finished:
                words += spread(passage.texts, begun_s, sound_s - begun_s, characters)
            else:  # nobody knows how much is still to come
                duration_s = max(sum(map(slow_s, passage.texts)), self.came_s - begun_s)
                words += spread(passage.texts, begun_s, duration_s, slow_s)
        return words

    def _joined(self) -> list[_Passage]:
        """Return the passages; those that came faster than anybody speaks are joined to one.

        Their text has come ahead of its sound, so that their marks tell nothing of its words.
        """
        joined: list[_Passage] = []
        for passage in self._passages:
            joined.append(passage)
            for at, first in enumerate(joined[:-1]):
                texts = [text for each in joined[at:-1] for text in each.texts]
                fastest_s = sum(map(characters, texts)) / FASTEST_CHARS_PER_S
                is_burst = passage.came_s == first.came_s
                if is_burst or passage.came_s - first.came_s + SLICE_S < fastest_s:
                    joined[at:] = [replace(first, texts=[*texts, *passage.texts])]
                    break
        return joined

    def drop(self, count: int, played_s: float) -> float:
        """Forget the first words, which have been heard; return where in the sound the rest begins.

        Times count from there on, and what is left is to be told again. A speech without words is
        left from where it has played.
        """
        left = self.latest(self.came_s)[count:]
        start_s = (left[0].start_s if count else 0.0) if left else played_s
        moved = [replace(w, start_s=w.start_s - start_s, end_s=w.end_s - start_s) for w in left]
        is_timed = any(passage.given for passage in self._passages)
        rest_s, self.came_s, self.told = self.came_s - start_s, 0.0, 0
        self._passages, self._sentences = [], []
        self.add(" ".join(word.text for word in left), moved if is_timed else ())
        self.came_s = rest_s
        return start_s
