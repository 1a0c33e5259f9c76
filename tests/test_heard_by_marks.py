"""What an agent may believe that a caller on the telephone has heard: what marks confirm."""

import numpy as np
import pytest
from telephone_parties import SID, Silent, tone

from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.calls import hold_call
from voxlab.agents.playback import Playback
from voxlab.agents.sockets import socket_pair
from voxlab.agents.telephone.twilio_caller import TwilioCaller
from voxlab.agents.telephone.twilio_phone import OverTwilio
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Speech, Word
from voxlab.telephony.twilio import Connected, Start, from_twilio

WORD_S, CUT_S = 0.2, 2.0


class Counting:
    """Counts aloud from 0.5 s on, a word each 0.2 s, and is cut off after 2 s of the call."""

    def __init__(self):
        self.heard = None

    async def run(self, line):
        texts = [str(n) for n in range(20)]
        words = tuple(Word(text, WORD_S * n, WORD_S * (n + 1)) for n, text in enumerate(texts))
        sound = tone(440, WORD_S * len(texts))
        playback = Playback(line, lambda: None, lambda: None, lambda played: None)
        await line.wait_until(0.5)
        playback.play(playback.open(), Speech(" ".join(texts), sound.duration_s, sound, words))
        await line.wait_until(CUT_S)
        self.heard = playback.stop()[0].heard.split()
        await line.wait_until(CUT_S + 1.5)


def on_the_line(agent):
    return run_virtual(hold_call(agent, Silent()))


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2, 0.4])
def test_words_that_count_as_heard_have_sounded_at_the_caller_s_ear(delay_s):
    agent = Counting()
    call = on_the_line(OverTwilio(agent, delay_s=delay_s))
    loud = np.flatnonzero(np.abs(call.agent.samples) > 0.05)
    sounded_s = (loud[-1] - loud[0]) / call.agent.rate_hz
    assert len(agent.heard) * WORD_S <= sounded_s + 0.01
    way_s = 2 * delay_s + 0.1  # there and back, and frames: so much may have sounded besides
    assert len(agent.heard) * WORD_S > sounded_s - way_s - WORD_S


def test_without_a_line_between_them_every_word_that_sounded_is_heard():
    agent = Counting()
    on_the_line(agent)
    assert len(agent.heard) == round((CUT_S - 0.5) / WORD_S - 0.5)


def test_where_no_mark_comes_back_nothing_counts_as_heard():
    agent = Counting()

    async def main():
        near, far = socket_pair()
        for number, message in enumerate([Connected(), Start(SID, "CA1")]):
            await near.send(from_twilio(message, number, SID))
        caller = TwilioCaller(far)
        await caller.start()
        await hold_call(agent, caller, lag_s=LAG_S)

    run_virtual(main())
    assert agent.heard == []
