"""The engine behind the replies of both agents: how writing and speaking overlap, and break."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.agents.spoken_reply import SENTENCES_AHEAD, SpokenReply, Written, overlap
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, ToolCall
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS

DELAYS = st.lists(st.sampled_from([0.0, 0.25, 1.0, 4.0]), min_size=1, max_size=30)


@given(DELAYS, DELAYS)
def test_every_sentence_is_spoken_in_order_and_the_writer_is_never_far_ahead(written_s, spoken_s):
    count = len(written_s)
    done = []
    ahead = []

    async def write(put):
        for number, wait_s in enumerate(written_s):
            await asyncio.sleep(wait_s)
            await put(str(number))
            ahead.append(number + 1 - len(done))

    async def speak(sentence):
        await asyncio.sleep(spoken_s[int(sentence) % len(spoken_s)])
        done.append(sentence)

    run_virtual(overlap(write, speak))
    assert done == [str(number) for number in range(count)]
    assert max(ahead) <= SENTENCES_AHEAD + 1  # and the one that is being spoken


@pytest.mark.parametrize("who", ["writer", "voice"])
def test_the_error_of_one_side_is_raised_itself_and_cancels_the_other(who):
    cancelled = []

    async def work(name):
        if name == who:
            await asyncio.sleep(1)
            raise ProviderError(f"the {name} is gone")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(name)

    async def write(put):
        await put("One.")
        await work("writer")

    async def speak(sentence):
        await work("voice")

    with pytest.raises(ProviderError, match=f"the {who} is gone"):
        run_virtual(overlap(write, speak))
    assert cancelled == [{"writer": "voice", "voice": "writer"}[who]]


def test_a_filler_is_wanted_for_tools_that_are_called_in_silence():
    call = ToolCall("1", "look", {})
    assert Written(text=" ", calls=[call]).wants_filler
    assert not Written(text="Let me see.", calls=[call]).wants_filler
    assert not Written().wants_filler
    with pytest.raises(ProviderError, match="no text, no tool"):
        Written(text="\n").refuse_nothing()


class Silent:
    async def synthesize(self, text):
        for piece in ():
            yield piece


def test_a_voice_that_says_nothing_fails_unless_there_is_no_word():
    async def pieces(voice, sentence):
        providers = Providers(ScriptedSTT([]), ScriptedLLM([]), voice)
        return [piece async for piece in SpokenReply(providers, 1.0, 1.0).speak(sentence)]

    assert len(run_virtual(pieces(ScriptedTTS(), "Hello."))) == 1
    assert run_virtual(pieces(Silent(), "—")) == []
    with pytest.raises(ProviderError, match=r"returned nothing for 'Hello\.'"):
        run_virtual(pieces(Silent(), "Hello."))
