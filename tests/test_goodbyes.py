"""A call whose server stops ends with a goodbye, whichever protocol brought it."""

import asyncio

import pytest
from realtime_client import TURN, engines, session
from telephone_parties import Silent, Speaker, level_at, tone

from voxlab.agents.calls import hold_call
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.scripted import ScriptedTTS
from voxlab.serving.goodbyes import GOODBYE
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.workers import LeavesWithGoodbye

LONG = "A long answer that goes on. " * 30


def left(agent, tts, at_s):
    """Return a call whose server stops at a moment of it."""

    async def main():
        leaving = asyncio.Event()
        asyncio.get_running_loop().call_later(at_s, leaving.set)
        return await hold_call(LeavesWithGoodbye(agent, tts, leaving), Silent())

    return run_virtual(main())


def test_an_agent_that_must_leave_falls_silent_says_goodbye_and_hangs_up():
    call = left(Speaker((0.2, tone(440, 5.0)), until_s=60), ScriptedTTS(), 1.0)
    assert level_at(call, 440, 0.5, 0.9) > -20
    assert level_at(call, 440, 1.1, 2.0) < -80
    (said,) = call.timeline.select("agent", "said")
    assert said.data["text"] == GOODBYE
    assert call.timeline.end_reason == "the worker was stopped"
    assert said.at_s < call.timeline.duration_s


def test_a_voice_that_fails_does_not_keep_the_call_from_ending():
    class Mute:
        async def synthesize(self, text):
            raise ProviderError("no voice")
            yield

    call = left(Speaker(until_s=60), Mute(), 1.0)
    assert call.timeline.end_reason == "the worker was stopped"
    assert call.timeline.duration_s < 3
    assert call.timeline.select("tts", "failed")


def test_a_call_that_ends_by_itself_hears_no_goodbye():
    call = left(Speaker(until_s=0.5), ScriptedTTS(), 1.0)
    assert call.timeline.end_reason == "the agent is done"
    assert call.timeline.select("agent", "said") == []


@pytest.mark.parametrize("is_speaking", [True, False])
def test_a_realtime_session_says_goodbye_and_tells_why_it_ends(is_speaking):
    async def main():
        leaving = asyncio.Event()
        options = SessionOptions(leaving=leaving)
        async with session(engines([LONG]), options) as client:
            if is_speaking:
                await client.append(TURN)
                await client.until("response.output_audio.delta")
            leaving.set()
            error = await client.until("error")
            done = client.of("response.done")
            text = done[-1]["response"]["output"][-1]["content"][0]["transcript"]
            return error["error"]["code"], text, [each["response"]["status"] for each in done]

    code, text, statuses = run_virtual(main())
    assert (code, text) == ("session_expired", GOODBYE)
    assert statuses == ["cancelled"] * is_speaking + ["completed"]
