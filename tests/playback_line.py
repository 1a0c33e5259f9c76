"""Speech by the tick, and a line that plays it: what sounds, and what is told."""

import numpy as np

from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.playback import Playback
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Speech, Word

TICK_S = 1 / 64  # a power of two: every time in these tests is exact
TICK = RATE_HZ // 64  # samples
FADE = RATE_HZ // 200


def speech(text, *ticks, value=0.5):
    """Speech whose words last the given numbers of ticks, a constant as its sound."""
    ends = np.cumsum(ticks) * TICK_S
    words = [
        Word(word, float(end - count * TICK_S), float(end))
        for word, end, count in zip(text.split(), ends, ticks, strict=True)
    ]
    audio = Audio(np.full(sum(ticks) * TICK, value, np.float32), RATE_HZ)
    return Speech(text, sum(ticks) * TICK_S, audio, tuple(words))


def mute(text, duration_s):
    return Speech(text, duration_s)


class Mouth:
    """Plays speeches one by one, as the pipeline agent does, and collects what was heard."""

    def __init__(self, line, pause_s=0.0):
        self.over, self.utterance = [], ""
        self.playback = Playback(
            line,
            lambda: line.record("turn", "started"),
            lambda: line.record("turn", "drained"),
            self.over.append,
            pause_s=pause_s,
        )
        self.pause, self.resume = self.playback.pause, self.playback.resume

    def play(self, piece, more=False):
        """Play a speech, or go on with the one before. more: it will go on."""
        if piece.text or not self.utterance:
            self.finish()
            self.utterance = self.playback.open()
        self.playback.play(self.utterance, piece)
        if not more:
            self.finish()

    def finish(self, **how):
        self.playback.complete(self.utterance, **how)
        self.utterance = ""

    def take_heard(self):
        heard, self.over[:] = [played.heard for played in self.over], []
        return " ".join(filter(None, heard))

    def clear(self):
        """Forget the reply; return what was heard of it, and what was not."""
        self.utterance, stopped = "", self.playback.stop()
        unheard = " ".join(filter(None, (played.unheard for played in stopped)))
        self.over += stopped
        return self.take_heard(), unheard


def on_a_line(act, pause_s=0.0):
    """Run `await act(mouth, line)`; return its result, the events and the agent's samples."""

    async def main():
        line = Line()
        result = await act(Mouth(line, pause_s), line)
        return result, list(line.timeline), line.agent.between(0, 5 * RATE_HZ)

    return run_virtual(main())
