"""A speech on its way to a line: its words, and the stretches of the call in which it sounds."""

import asyncio
import math
from dataclasses import dataclass, field

from voxlab.agents.spoken_words import SpokenWords
from voxlab.audio import Audio, Resampler


@dataclass(frozen=True, slots=True)
class Played:
    """What became of an utterance: how much of it has sounded, and which words to their end.

    content_index: of a Realtime item. is_whole: all of it has come and has sounded.
    """

    id: str
    content_index: int
    heard_s: float
    heard: str
    unheard: str
    is_whole: bool


@dataclass(slots=True)
class Stretch:
    """A part of an utterance that sounds without a gap, in seconds of the call."""

    start_s: float
    duration_s: float = 0.0
    samples: int = 0  # on the line

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.start_s + self.duration_s


@dataclass(eq=False, slots=True)
class Utterance:
    """A speech that comes piece by piece.

    paused_s: how much had sounded when it was cut off, minus infinity if it had not begun; None
    while it plays. heard: its words before it was taken up again.
    """

    id: str
    content_index: int = 0
    paused_s: float | None = None
    is_open: bool = True  # more may come
    is_broken: bool = False  # more should have come
    words: SpokenWords = field(default_factory=SpokenWords)
    heard: list[str] = field(default_factory=list)
    sound: list[Audio] = field(default_factory=list)  # kept in case it is taken up again
    resampler: Resampler | None = None
    stretches: list[Stretch] = field(default_factory=list)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def keep(self, audio: Audio) -> Audio:
        """Keep the next piece of sound, and return it at the rate of the first one."""
        self.sound.append(audio.resample(self.sound[0].rate_hz) if self.sound else audio)
        return self.sound[-1]

    @property
    def laid_s(self) -> float:
        """How much sound is on the line."""
        return sum(stretch.duration_s for stretch in self.stretches)

    @property
    def end_s(self) -> float:
        """When the sound ends that is on the line."""
        return self.stretches[-1].end_s if self.stretches else -math.inf

    def played_s(self, now_s: float) -> float:
        """Return how much of the sound has sounded; minus infinity if it has not begun."""
        if self.paused_s is not None:
            return self.paused_s
        if not self.stretches or self.stretches[0].start_s >= now_s:
            return -math.inf
        return sum(min(max(0.0, now_s - s.start_s), s.duration_s) for s in self.stretches)

    def place_s(self, offset_s: float) -> float:
        """Return when a moment of the sound sounds; beyond the end, would sound."""
        for stretch in self.stretches[:-1]:
            if offset_s < stretch.duration_s:
                return stretch.start_s + offset_s
            offset_s -= stretch.duration_s
        return self.stretches[-1].start_s + offset_s

    def is_played(self, now_s: float, hair_s: float) -> bool:
        """Tell whether all has sounded that will come. hair_s: what ends so soon is over."""
        if self.paused_s is None:
            return not self.is_open and self.end_s - now_s <= hair_s
        return not self.is_open and self.words.came_s - self.paused_s <= hair_s

    def is_over(self, now_s: float, hair_s: float) -> bool:
        """Tell whether nothing is left to say: after the last word, a silence is not taken up."""
        if self.is_open or self.paused_s is None:
            return self.is_played(now_s, hair_s)
        heard, words = self.words.heard(self.paused_s, self.words.came_s), len(self.words.texts)
        return self.is_played(now_s, hair_s) or (words > 0 and heard == words)

    def outcome(self, now_s: float, hair_s: float) -> Played:
        """Return what has become of it by now."""
        texts, played_s = self.words.texts, self.played_s(now_s)
        is_whole = self.is_played(now_s, hair_s) and not self.is_broken
        sound_s = self.laid_s if self.paused_s is None else self.words.came_s
        count = len(texts) if is_whole else self.words.heard(played_s, sound_s)
        count = count if self.stretches else 0  # text without any sound
        return Played(
            self.id,
            self.content_index,
            max(0.0, played_s),
            " ".join([*self.heard, *texts[:count]]),
            " ".join(texts[count:]),
            is_whole,
        )
