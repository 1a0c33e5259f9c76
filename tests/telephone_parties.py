"""Parties of a call over a telephone line: one that speaks, one that does things, one silent."""

import numpy as np

from voxlab.audio import Audio

SID = "MZ1"


class Speaker:
    """An agent that plays given sounds at given moments; None falls silent."""

    def __init__(self, *pieces, until_s=4.0):
        self._pieces, self._until_s = pieces, until_s

    async def run(self, line):
        for at_s, sound in self._pieces:
            await line.wait_until(at_s)
            if sound is None:
                line.agent.cut(line.now_s)
                line.record("agent", "speech_stopped")
            else:
                line.agent.lay(line.now_s, sound)
                line.record("agent", "speech_started")
        await line.wait_until(self._until_s)
        line.hang_up("the agent is done")


class Silent:
    """A caller who says nothing."""

    async def run(self, line):
        await line.closed.wait()


class Doing:
    """A party that does given things with its line at given moments."""

    def __init__(self, *steps, until_s=4.0):
        self._steps, self._until_s = steps, until_s

    async def run(self, line):
        for at_s, step in self._steps:
            await line.wait_until(at_s)
            step(line)
        await line.wait_until(self._until_s)


def level_at(call, frequency_hz, start_s, end_s):
    """Return how strong one frequency is in what the caller hears, in dB of full scale."""
    return level_of(call.agent.between(start_s, end_s), frequency_hz)


def level_of(sound, frequency_hz):
    """Return how strong one frequency is in a sound, in dB of full scale."""
    probe = np.exp(-2j * np.pi * frequency_hz * np.arange(sound.samples.size) / sound.rate_hz)
    return 20 * np.log10(2 * abs(probe @ sound.samples) / sound.samples.size + 1e-9)


def usual_level(sound, frequency_hz):
    """Return how strong one frequency is most of the time: a frame too late does not count."""
    blocks = range(int(sound.duration_s / 0.1))
    return np.median([level_of(sound.between(n / 10, (n + 1) / 10), frequency_hz) for n in blocks])


def end_reason(call):
    """Return why a call ended."""
    return call.timeline.select("transport", "call_ended")[-1].data["reason"]


def tone(frequency_hz, duration_s=1.0):
    time_s = np.arange(round(16000 * duration_s)) / 16000
    return Audio((0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32), 16000)
