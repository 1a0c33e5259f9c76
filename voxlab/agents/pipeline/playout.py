"""The agent's mouth: plays pieces of speech one after another and knows each word it has said."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from voxlab.agents.line import Line
from voxlab.audio import concatenate
from voxlab.providers.protocols import Speech, Word


def words_of(speech: Speech) -> tuple[Word, ...]:
    """Return when each word sounds; without word times, in proportion to the words' lengths."""
    if speech.words or not speech.text.split():
        return speech.words
    texts = speech.text.split()
    per_char_s = speech.duration_s / sum(len(text) + 1 for text in texts)
    words, start_s = [], 0.0
    for text in texts:
        end_s = start_s + (len(text) + 1) * per_char_s
        words.append(Word(text, start_s, end_s))
        start_s = end_s
    return tuple(words)


def split(speech: Speech, at_s: float) -> tuple[str, Speech | None]:
    """Cut a speech where it is interrupted: return the words heard to their end, and the rest.

    The rest begins with the word that was cut, so that it can be taken up there; None if every
    word was heard. A speech without words is taken up where it was cut.
    """
    words = words_of(speech)
    heard = [word for word in words if word.end_s <= at_s]
    left = words[len(heard) :]
    if at_s >= speech.duration_s or (heard and not left):
        return speech.text, None
    start_s = (left[0].start_s if heard else 0.0) if left else at_s
    timed = left if speech.words else ()  # an estimate is made anew if more sound comes
    rest = Speech(
        text=" ".join(word.text for word in left),
        duration_s=speech.duration_s - start_s,
        audio=speech.audio.between(start_s, speech.duration_s) if speech.audio else None,
        words=tuple(
            replace(w, start_s=w.start_s - start_s, end_s=w.end_s - start_s) for w in timed
        ),
    )
    return " ".join(word.text for word in heard), rest


def joined(speech: Speech, more: Speech) -> Speech:
    """Return a speech with its continuation: a piece that comes later, without text of its own."""
    audio = speech.audio
    if audio is not None and more.audio is not None:
        audio = concatenate([audio, more.audio])
    return replace(speech, duration_s=speech.duration_s + more.duration_s, audio=audio)


@dataclass(slots=True)
class _Piece:
    start_s: float
    speech: Speech
    begun: bool = False
    timer: asyncio.TimerHandle | None = None  # to its begin, then to its end

    @property
    def end_s(self) -> float:
        return self.start_s + self.speech.duration_s


class Playout:
    """Plays speech on a line: in order, with pause_s between sentences that are there in time.

    Every sample is laid on the line at once, ahead of time, and cut off on a pause: playing takes
    two timers a piece, not fifty frames a second. on_started and on_drained tell when the agent
    becomes audible and when it has nothing more to play.
    """

    def __init__(
        self,
        line: Line,
        on_started: Callable[[], None],
        on_drained: Callable[[], None],
        pause_s: float = 0.0,
    ) -> None:
        self._line = line
        self._pause_s = pause_s
        self._on_started = on_started
        self._on_drained = on_drained
        self._pieces: deque[_Piece] = deque()  # laid on the line and not yet over
        self._waiting: deque[Speech] = deque()  # kept while paused
        self._heard: list[str] = []
        self._paused = False
        self._audible = False

    @property
    def idle(self) -> bool:
        """True if nothing is playing and nothing waits to be played."""
        return not self._pieces and not self._waiting

    @property
    def unsaid(self) -> str:
        """The text that a pause has kept back."""
        return " ".join(speech.text for speech in self._waiting if speech.text)

    def play(self, speech: Speech) -> None:
        """Play a piece after all that are already there; while paused, keep it."""
        if self._paused:
            if self._waiting and not speech.text:
                speech = joined(self._waiting.pop(), speech)
            self._waiting.append(speech)
            return
        now_s = self._line.now_s
        pause_s = self._pause_s if speech.text else 0.0
        start_s = max(now_s, self._pieces[-1].end_s + pause_s) if self._pieces else now_s
        if speech.audio is not None:
            self._line.agent.lay(start_s, speech.audio)
        if self._pieces and not speech.text:
            piece = self._pieces[-1]
            piece.speech = joined(piece.speech, speech)
            if piece.begun:
                self._set_timer(piece, piece.end_s, self._end)
            return
        piece = _Piece(start_s, speech)
        self._pieces.append(piece)
        if start_s > now_s:
            self._set_timer(piece, start_s, self._begin)
        else:
            self._begin(piece)

    def pause(self) -> None:
        """Fall silent at once; keep what was not yet said, from the word that was cut."""
        if self._paused:
            return
        self._paused = True
        now_s = self._line.now_s
        unsaid: list[Speech] = []
        for piece in self._pieces:
            if piece.start_s >= now_s:
                unsaid.append(piece.speech)
                continue
            heard, rest = split(piece.speech, now_s - piece.start_s)
            self._heard.append(heard)
            if rest is not None:
                unsaid.append(rest)
        self._drop_pieces()
        self._waiting.extendleft(reversed(unsaid))

    def resume(self) -> None:
        """Go on where `pause` cut in."""
        self._paused = False
        waiting, self._waiting = self._waiting, deque()
        for speech in waiting:
            self.play(speech)
        if self.idle:
            self._on_drained()

    def clear(self) -> tuple[str, str]:
        """Forget the reply. Return the text that was heard of it, and the text that was not."""
        self.pause()
        unheard = self.unsaid
        self._waiting.clear()
        self._paused = False
        return self.take_heard(), unheard

    def take_heard(self) -> str:
        """Return the text heard since the last call of this, and begin anew."""
        heard, self._heard = " ".join(text for text in self._heard if text), []
        return heard

    def _set_timer(self, piece: _Piece, at_s: float, callback: Callable[[_Piece], None]) -> None:
        if piece.timer is not None:
            piece.timer.cancel()
        piece.timer = self._line.call_at(at_s, callback, piece)

    def _begin(self, piece: _Piece) -> None:
        piece.begun = True
        self._set_timer(piece, piece.end_s, self._end)
        if not self._audible:
            self._audible = True
            self._line.record("agent", "speech_started")
            self._on_started()
        if piece.speech.text:
            words = [[w.text, w.start_s, w.end_s] for w in words_of(piece.speech)]
            self._line.record("agent", "sentence", text=piece.speech.text, words=words)

    def _end(self, piece: _Piece) -> None:
        self._pieces.remove(piece)
        self._heard.append(piece.speech.text)
        if not self._pieces:
            self._fall_silent()
            self._on_drained()

    def _drop_pieces(self) -> None:
        for piece in self._pieces:
            if piece.timer is not None:
                piece.timer.cancel()
        self._pieces.clear()
        self._line.agent.cut(self._line.now_s)
        self._fall_silent()

    def _fall_silent(self) -> None:
        if self._audible:
            self._audible = False
            self._line.record("agent", "speech_stopped")
