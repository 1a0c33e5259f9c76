"""Parties of a call over Twilio: one that speaks, one that is silent."""

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


def tone(frequency_hz, duration_s=1.0):
    time_s = np.arange(round(16000 * duration_s)) / 16000
    return Audio((0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32), 16000)
