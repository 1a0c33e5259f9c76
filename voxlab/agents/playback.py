"""Playback of an agent's speech: lays it on the line, and knows which words have been heard.

Sound is laid on the line as soon as it comes, ahead of time, and cut off when the agent falls
silent: playing takes a timer a sentence, not fifty frames a second. Both agents play through this.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np

from voxlab.agents.line import Line
from voxlab.agents.utterance import Played, Stretch, Utterance
from voxlab.audio import Audio, Resampler, Samples, concatenate
from voxlab.providers.protocols import Speech, Word
from voxlab.timeline import Event

TIMER_EARLY_S = 1e-8  # more than the resolution of either clock


class Playback:
    """Plays utterances on a line, one after another, pause_s apart if they are there in time.

    on_started, on_silent: called when the agent becomes audible, and when nothing more is there to
    play. on_over: told of each utterance that was played to its end.
    in_samples: times are counted in samples of the line, as suits a stream; otherwise a piece lasts
    as long as it says, so that a call without sound has exact times.
    """

    def __init__(
        self,
        line: Line,
        on_started: Callable[[], None],
        on_silent: Callable[[], None],
        on_over: Callable[[Played], None],
        *,
        pause_s: float = 0.0,
        in_samples: bool = False,
    ) -> None:
        self._line = line
        self._on_started = on_started
        self._on_silent = on_silent
        self._on_over = on_over
        self._pause_s = pause_s
        self._in_samples = in_samples
        self._utterances: list[Utterance] = []  # open, or not yet played to the end
        self._opened = 0
        self._is_interrupted = False
        self._is_held = False  # the caller has put the agent on hold, and hears nothing
        self._audible = False
        line.subscribe(self._follow_hold)
        self._end_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """True if nothing sounds and nothing is to come."""
        return not self._utterances

    @property
    def audible(self) -> bool:
        """True while sound is playing."""
        return self._audible

    @property
    def heard(self) -> str:
        """The words that have been heard, of the utterances that are not over."""
        heard = [each.outcome(*self._now).heard for each in self._utterances]
        return " ".join(text for text in heard if text)

    @property
    def unheard(self) -> str:
        """The words that are there and have not been heard."""
        rest = [each.outcome(*self._heard_now).unheard for each in self._utterances]
        return " ".join(text for text in rest if text)

    @property
    def open_ids(self) -> list[str]:
        """The utterances of which more is to come."""
        return [each.id for each in self._utterances if each.is_open]

    def open(self, id: str = "", content_index: int = 0) -> str:
        """Begin an utterance, after all that are already there; return its id, a new one if none.

        What is played, said or completed under another id, or after its completion, is dropped.
        """
        self._opened += 1
        paused_s = -math.inf if self._is_paused else None
        utterance = Utterance(id or f"utterance_{self._opened}", content_index, paused_s)
        self._utterances.append(utterance)
        return utterance.id

    def play(self, id: str, piece: Speech | Audio) -> bool:
        """Play the next piece of an utterance, or keep it while paused; tell if it is the first."""
        utterance = self._find(id)
        if utterance is None:
            return False
        speech = Speech("", piece.duration_s, piece) if isinstance(piece, Audio) else piece
        is_first = not utterance.words.came_s
        if speech.text:
            utterance.words.add(speech.text, speech.words)
        utterance.words.grow(speech.duration_s)
        audio = utterance.keep(speech.audio) if speech.audio else None
        if not self._is_paused:
            self._lay(utterance, audio, speech.duration_s)
            self._tell(utterance)
        return is_first

    def say(self, id: str, text: str) -> None:
        """Take the next characters of an utterance, which come apart from its sound."""
        if utterance := self._find(id):
            utterance.words.stream(text)
            self._tell(utterance)

    def complete(self, id: str, *, is_broken: bool = False) -> None:
        """Nothing more will come of an utterance. is_broken: though more should have come."""
        utterance = self._find(id)
        if utterance is None:
            return
        utterance.is_open, utterance.is_broken = False, is_broken
        utterance.words.finish(is_broken=is_broken)
        if not self._is_paused:
            self._lay_rest(utterance)
            self._tell(utterance)
        self._end_if_over()

    def _find(self, id: str) -> Utterance | None:
        return next((each for each in self._utterances if each.is_open and each.id == id), None)

    @property
    def _is_paused(self) -> bool:
        return self._is_interrupted or self._is_held

    def pause(self) -> None:
        """Fall silent at once; keep what was not yet said, from the word that was cut."""
        if not self._is_paused:
            self._silence()
        self._is_interrupted = True

    def resume(self) -> None:
        """Go on where `pause` cut in; on hold, once it is over."""
        if self._is_interrupted:
            self._is_interrupted = False
            self._go_on()

    def _follow_hold(self, event: Event) -> None:
        """Say nothing into a telephone that does not listen."""
        if (event.source, event.kind) == ("transport", "held") and not self._is_held:
            if not self._is_paused:
                self._silence()
            self._is_held = True
        elif (event.source, event.kind) == ("transport", "resumed") and self._is_held:
            self._is_held = False
            self._go_on()

    def _silence(self) -> None:
        for utterance in self._utterances:
            self._drop_timers(utterance)
            utterance.paused_s = utterance.played_s(self._heard_now[0])
        self._cut()
        self._let_go()

    def _go_on(self) -> None:
        if self._is_paused:
            return
        for utterance in self._utterances:
            self._take_up(utterance)
        self._let_go()
        if self.idle:
            self._on_silent()

    def stop(self) -> list[Played]:
        """Fall silent at once, for good; return what was heard of each that was not over."""
        stopped = []
        for utterance in self._utterances:
            self._drop_timers(utterance)
            self._tell_begun(utterance)
            stopped.append(utterance.outcome(*self._heard_now))
        self._utterances.clear()
        self._is_interrupted = False
        self._cut()
        return stopped

    def _cut(self) -> None:
        self._line.agent.cut(self._line.now_s)
        self._fall_silent()

    # --- time -------------------------------------------------------------------------------

    @property
    def _now_s(self) -> float:
        return self._counted(self._line.now_s)

    def _counted(self, at_s: float) -> float:
        """Return a time to the nearest sample, if times are counted in samples."""
        rate_hz = self._line.rate_hz
        return round(at_s * rate_hz) / rate_hz if self._in_samples else at_s

    def _next_s(self) -> float:
        """Return when sound can begin that is laid now."""
        now_s, rate_hz = self._line.now_s, self._line.rate_hz
        return math.ceil(now_s * rate_hz - 1e-6) / rate_hz if self._in_samples else now_s

    @property
    def _now(self) -> tuple[float, float]:
        """What time it is, and how much later is still now: a timer may fire a hair too early."""
        return self._now_s, 0.5 / self._line.rate_hz if self._in_samples else TIMER_EARLY_S

    @property
    def _heard_now(self) -> tuple[float, float]:
        """`_now` at the caller's ear: what is later is on its way, and a cut takes it back."""
        now_s, hair_s = self._now
        return now_s - self._line.find_heard_lag_s(), hair_s

    # --- sound ------------------------------------------------------------------------------

    def _lay(self, utterance: Utterance, audio: Audio | None, duration_s: float) -> None:
        """Lay the next piece of an utterance; what the resampler holds back follows later."""
        if audio is None:
            self._extend(utterance, duration_s, np.zeros(0, np.float32))
            return
        if utterance.resampler is None:
            utterance.resampler = Resampler(audio.rate_hz, self._line.rate_hz)
        samples = utterance.resampler.feed(audio.samples)
        if samples.size:
            self._extend(utterance, samples.size / self._line.rate_hz, samples)

    def _lay_rest(self, utterance: Utterance) -> None:
        """Lay what the resampler has held back."""
        if utterance.resampler is not None:
            samples = utterance.resampler.feed(np.zeros(0, np.float32), last=True)
            if samples.size:
                self._extend(utterance, samples.size / self._line.rate_hz, samples)
        if utterance.stretches and not self._in_samples:
            last = utterance.stretches[-1]
            lasts_s = utterance.words.came_s - (utterance.laid_s - last.duration_s)
            if last.duration_s != lasts_s:  # to the last digit what its pieces said
                last.duration_s = lasts_s
                self._set_end()

    def _extend(self, utterance: Utterance, duration_s: float, samples: Samples) -> None:
        """Let sound follow what is laid of an utterance; after a gap, at once."""
        rate_hz = self._line.rate_hz
        if not utterance.stretches or utterance.end_s < self._next_s():
            utterance.stretches.append(Stretch(self._start_s(utterance)))
        last = utterance.stretches[-1]
        if samples.any():  # a server without a voice sends silence: that is a call without sound
            start = round(last.start_s * rate_hz) + last.samples
            self._line.agent.lay(start / rate_hz, Audio(samples, rate_hz))
        last.samples += samples.size
        last.duration_s = self._counted(last.duration_s + duration_s)
        self._set_end()
        if not self._audible:
            self._audible = True
            self._line.record("agent", "speech_started")
            self._on_started()

    def _start_s(self, utterance: Utterance) -> float:
        """Return when a new stretch of an utterance begins: after those before it, or at once."""
        next_s = self._next_s()
        before = self._utterances[: self._utterances.index(utterance)]
        end_s = max((each.end_s for each in before), default=-math.inf)
        if utterance.stretches or end_s <= next_s:
            return next_s
        return self._counted(end_s + self._pause_s)

    def _set_end(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        end_s = max(each.end_s for each in self._utterances)
        self._end_timer = self._line.call_at(self._counted(end_s), self._end_if_over)

    def _end_if_over(self) -> None:
        """Let go of what is over; fall silent where nothing follows in time."""
        self._let_go()
        soon_s = sum(self._now)
        if not self._is_paused and not any(each.end_s > soon_s for each in self._utterances):
            self._fall_silent()
            self._on_silent()

    def _let_go(self) -> None:
        for utterance in tuple(self._utterances):
            if utterance.is_over(*self._now):
                self._utterances.remove(utterance)
                self._on_over(utterance.outcome(*self._now))

    def _fall_silent(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        if self._audible:
            self._audible = False
            self._line.record("agent", "speech_stopped")

    def _take_up(self, utterance: Utterance) -> None:
        """Play an utterance again, from the first word that was not heard to its end."""
        words, played_s = utterance.words, utterance.played_s(self._now_s)
        count, end_s = words.heard(played_s, words.came_s), words.came_s
        utterance.heard += words.texts[:count]
        start_s = words.drop(count, max(0.0, played_s))
        utterance.paused_s, utterance.resampler = None, None
        utterance.stretches.clear()
        if utterance.sound:
            utterance.sound = [concatenate(utterance.sound).between(start_s, end_s)]
        if words.came_s or not utterance.is_open:
            self._lay(utterance, utterance.sound[0] if utterance.sound else None, words.came_s)
        if not utterance.is_open:
            self._lay_rest(utterance)
        self._tell(utterance)

    # --- words ------------------------------------------------------------------------------

    def _tell(self, utterance: Utterance) -> None:
        """Note the sentences that are complete, each for the moment at which it begins to sound."""
        words = utterance.words
        while utterance.stretches and (sentence := words.next_sentence()):
            times = words.likely(utterance.laid_s)[words.told - sentence.count : words.told]
            if not times:  # a part of one endless word
                continue
            start_s = times[0].start_s if sentence.start_s is None else sentence.start_s
            at_s = self._counted(utterance.place_s(start_s))
            if at_s <= self._line.now_s:
                self._note(at_s, sentence.text, start_s, times)
            else:
                note = (at_s, sentence.text, start_s, times)
                utterance.timers.append(self._line.call_at(at_s, self._note, *note))

    def _note(self, at_s: float, text: str, start_s: float, times: Sequence[Word]) -> None:
        words = [[word.text, word.start_s - start_s, word.end_s - start_s] for word in times]
        self._line.record_at(at_s, "agent", "sentence", text=text, words=words)

    def _tell_begun(self, utterance: Utterance) -> None:
        """Note the sentence that sounds and is not complete yet, with the words that are there."""
        utterance.words.end_word()
        times = utterance.words.likely(utterance.laid_s)[utterance.words.told :]
        if utterance.stretches and times:
            at_s = self._counted(utterance.place_s(times[0].start_s))
            if at_s < self._now_s:
                self._note(at_s, " ".join(word.text for word in times), times[0].start_s, times)

    def _drop_timers(self, utterance: Utterance) -> None:
        for timer in utterance.timers:
            timer.cancel()
        utterance.timers.clear()
