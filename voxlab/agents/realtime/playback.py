"""The mouth of a realtime agent: plays items as they stream in, and knows what of each was heard.

Sound comes faster than it plays, and the server has often finished a response while we are still
at its first words. So the position is counted here, sample by sample as the line plays them.
The text of an item comes beside its sound, without times. A word is taken to begin where the sound
stands when its text comes: our own server sends each word with the tenth of a second in which it
begins. Where text runs far ahead of its sound, words begin at the pace of usual speech.
"""

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxlab.agents.line import Line
from voxlab.audio import Audio, Resampler, Samples
from voxlab.sentences import SentenceChunker

FASTEST_CHARS_PER_S = 30.0  # the offline voice comes close to it in "What would you like?"
USUAL_CHARS_PER_S = 15.0
AHEAD_S = 0.5  # text that comes so much too soon tells nothing of when it sounds
SLOWEST_CHARS_PER_S = 8.0  # the last word before a pause ends sooner than the next one begins
SHORTEST_WORD_S = 0.25
PAUSE_S = 0.2  # between two items that follow each other without a gap


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an item: how much of it was heard, and which words to their end.

    is_whole: nothing of it was cut or is still to come.
    """

    item_id: str
    content_index: int
    heard_s: float
    heard: str
    unheard: str
    is_whole: bool


@dataclass(slots=True)
class _Word:
    text: str
    start_s: float  # in the item's sound


@dataclass(slots=True)
class _Chunk:
    """A stretch of an item that sounds without a gap, in samples of the line."""

    starts: int
    size: int


@dataclass(eq=False, slots=True)
class _Item:
    id: str
    content_index: int
    resampler: Resampler
    received_s: float = 0.0
    chunks: list[_Chunk] = field(default_factory=list)
    words: list[_Word] = field(default_factory=list)
    chunker: SentenceChunker = field(default_factory=SentenceChunker)
    sentences: list[str] = field(default_factory=list)  # whole ones that are not noted yet
    told: int = 0  # words that are in a sentence already
    rest: str = ""  # the word that the next delta may go on with
    rest_s: float = 0.0
    is_complete: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(chunk.size for chunk in self.chunks)

    @property
    def end(self) -> int:
        return self.chunks[-1].starts + self.chunks[-1].size if self.chunks else 0

    def played(self, now: int) -> int:
        """Return how many samples have sounded by now."""
        return sum(min(max(0, now - chunk.starts), chunk.size) for chunk in self.chunks)

    def place(self, sample: int) -> int:
        """Return where on the line a sample of the item sounds; beyond the end, would sound."""
        before = 0
        for chunk in self.chunks[:-1]:
            if sample < before + chunk.size:
                return chunk.starts + sample - before
            before += chunk.size
        return self.chunks[-1].starts + sample - before


class RealtimePlayback:
    """Plays items on a line, one after another.

    rate_hz: of the sound that comes. on_started, on_silent: called when the agent becomes audible,
    and when nothing more is there to play. on_over: told of each item that was played to its end.
    """

    def __init__(
        self,
        line: Line,
        rate_hz: int,
        on_started: Callable[[], None],
        on_silent: Callable[[], None],
        on_over: Callable[[Heard], None],
    ) -> None:
        self._line = line
        self._rate_hz = rate_hz
        self._on_started = on_started
        self._on_silent = on_silent
        self._on_over = on_over
        self._items: list[_Item] = []  # open, or not yet played to the end
        self._audible = False
        self._end_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """True if nothing sounds and nothing is to come."""
        return not self._items

    @property
    def audible(self) -> bool:
        """True while sound is playing."""
        return self._audible

    def open(self, item_id: str, content_index: int = 0) -> None:
        """Expect the sound of an item."""
        resampler = Resampler(self._rate_hz, self._line.rate_hz)
        self._items.append(_Item(item_id, content_index, resampler))

    @property
    def incomplete(self) -> list[str]:
        """The items of which more is to come."""
        return [item.id for item in self._items if not item.is_complete]

    def play(self, item_id: str, samples: Samples) -> bool:
        """Play the next sound of an open item, float32 (samples,) at rate_hz; else drop it.

        Return whether it was the first.
        """
        item = self._open_item(item_id)
        if item is None:
            return False
        is_first = item.received_s == 0
        item.received_s += samples.size / self._rate_hz
        self._lay(item, item.resampler.feed(samples))
        self._tell(item)
        return is_first

    def say(self, item_id: str, text: str) -> None:
        """Take the next text of an open item."""
        if item := self._open_item(item_id):
            self._add_words(item, text)
            item.sentences += item.chunker.feed(text)
            self._tell(item)

    def complete(self, item_id: str) -> None:
        """All of an item has come."""
        if item := self._open_item(item_id):
            item.is_complete = True
            self._lay(item, item.resampler.feed(np.zeros(0, np.float32), last=True))
            self._finish_word(item)
            item.sentences += item.chunker.flush()
            self._tell(item)
            self._end_if_over()

    def complete_all(self) -> None:
        """Nothing more will come of any item: the connection is lost."""
        for item in tuple(self._items):
            self.complete(item.id)

    def stop(self) -> list[Heard]:
        """Fall silent at once; return what was heard of each item that was not over."""
        now = round(self._line.now_s * self._line.rate_hz)
        cut = []
        for item in self._items:
            for timer in item.timers:
                timer.cancel()
            self._tell_begun(item, now)
            cut.append(self._outcome(item, now))
        self._items.clear()
        self._line.agent.cut(self._line.now_s)
        self._fall_silent()
        return cut

    def heard(self, item_id: str) -> str:
        """Return the words of an item that was not over that have been heard by now."""
        now = round(self._line.now_s * self._line.rate_hz)
        return next((self._outcome(i, now).heard for i in self._items if i.id == item_id), "")

    def _open_item(self, item_id: str) -> _Item | None:
        return next((i for i in self._items if i.id == item_id and not i.is_complete), None)

    def _samples(self, duration_s: float) -> int:
        return round(duration_s * self._line.rate_hz)

    # --- sound ------------------------------------------------------------------------------

    def _lay(self, item: _Item, samples: Samples) -> None:
        if not samples.size:
            return
        line, now = self._line, math.ceil(self._line.now_s * self._line.rate_hz - 1e-6)
        before = self._items[self._items.index(item) - 1] if self._items[0] is not item else None
        earliest = now
        if not item.chunks and before is not None and before.end > now:
            earliest = before.end + self._samples(PAUSE_S)
        if item.chunks and item.end >= now:
            starts = item.end
            item.chunks[-1].size += samples.size
        else:
            starts = earliest
            item.chunks.append(_Chunk(starts, samples.size))
        if samples.any():  # a server without a voice sends silence: that is a call without sound
            line.agent.lay(starts / line.rate_hz, Audio(samples, line.rate_hz))
        if not self._audible:
            self._audible = True
            line.record("agent", "speech_started")
            self._on_started()
        self._set_end()

    def _set_end(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        end = max(item.end for item in self._items)
        self._end_timer = self._line.call_at(end / self._line.rate_hz, self._end_if_over)

    def _end_if_over(self) -> None:
        """Let go of the items that are over; fall silent where nothing follows in time."""
        now = round(self._line.now_s * self._line.rate_hz)
        for item in tuple(self._items):
            if item.is_complete and item.end <= now:
                self._items.remove(item)
                self._on_over(self._outcome(item, now))
        if not any(item.end > now for item in self._items):
            self._fall_silent()
            self._on_silent()

    def _fall_silent(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        if self._audible:
            self._audible = False
            self._line.record("agent", "speech_stopped")

    # --- words ------------------------------------------------------------------------------

    def _add_words(self, item: _Item, text: str) -> None:
        """Note each word that is complete, and where it begins; a word may come in pieces."""
        for piece in re.findall(r"\s+|\S+", text):
            if not piece.isspace():
                item.rest_s = item.rest_s if item.rest else self._begin_of_word(item)
                item.rest += piece
            else:
                self._finish_word(item)

    def _finish_word(self, item: _Item) -> None:
        if item.rest:
            item.words.append(_Word(item.rest, item.rest_s))
            item.rest = ""

    def _begin_of_word(self, item: _Item) -> float:
        if not item.words:
            return item.received_s
        last, length = item.words[-1], len(item.words[-1].text) + 1
        usual_s = last.start_s + length / USUAL_CHARS_PER_S
        if item.received_s < usual_s - AHEAD_S:
            return usual_s
        return max(item.received_s, last.start_s + length / FASTEST_CHARS_PER_S)

    def _spans(self, item: _Item) -> list[tuple[str, float, float]]:
        """Return each word with its start and its end in the item's sound."""
        words = item.words
        if not words:
            return []
        sound_s = item.size / self._line.rate_hz
        starts_s = [word.start_s for word in words[1:]]
        starts_s.append(max(sound_s, words[-1].start_s))
        spans = []
        for word, next_s in zip(words, starts_s, strict=True):
            longest_s = max(SHORTEST_WORD_S, len(word.text) / SLOWEST_CHARS_PER_S)
            is_last = word is words[-1] and item.is_complete
            end_s = next_s if is_last else min(next_s, word.start_s + longest_s)
            spans.append((word.text, word.start_s, end_s))
        return spans

    def _outcome(self, item: _Item, now: int) -> Heard:
        self._finish_word(item)
        played = item.played(now)
        heard_s = played / self._line.rate_hz
        spans = self._spans(item)
        is_whole = item.is_complete and played >= item.size
        heard = [text for text, _, end_s in spans if played and (is_whole or end_s <= heard_s)]
        unheard = [text for text, _, _ in spans[len(heard) :]]
        return Heard(
            item.id, item.content_index, heard_s, " ".join(heard), " ".join(unheard), is_whole
        )

    def _tell(self, item: _Item) -> None:
        """Note the whole sentences, each for the moment at which it begins to sound."""
        while item.chunks and item.sentences:
            sentence = item.sentences.pop(0)
            first, item.told = item.told, item.told + len(sentence.split())
            words = self._spans(item)[first : item.told]
            at_s = item.place(self._samples(words[0][1])) / self._line.rate_hz
            if at_s <= self._line.now_s:
                self._note(at_s, sentence, words)
            else:
                timer = self._line.call_at(at_s, self._note, at_s, sentence, words)
                item.timers.append(timer)

    def _note(self, at_s: float, sentence: str, words: Sequence[tuple[str, float, float]]) -> None:
        begins_s = words[0][1]
        times = [[text, start_s - begins_s, end_s - begins_s] for text, start_s, end_s in words]
        self._line.record_at(at_s, "agent", "sentence", text=sentence, words=times)

    def _tell_begun(self, item: _Item, now: int) -> None:
        """Note the sentence that sounds and is not whole yet, with the words that are there."""
        self._finish_word(item)
        words = self._spans(item)[item.told :]
        if item.chunks and words:
            at = item.place(self._samples(words[0][1]))
            if at < now:
                text = " ".join(word for word, _, _ in words)
                self._note(at / self._line.rate_hz, text, words)
