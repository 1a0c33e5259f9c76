"""The pipeline agent: turns worked out by hand, silence, and many calls."""

import asyncio
import contextvars
from dataclasses import replace

import pytest
from pipeline_calls import (
    ANSWER,
    FILLED,
    HELLO,
    NEXT,
    QUIET,
    calls,
    history,
    hold,
    llm,
    reason,
    say,
    stt,
    times,
    told,
    tool,
    tts,
)

from voxlab import data
from voxlab.agents.callers.script import load_script, parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.shop import shop_agent, shop_tools
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, Providers, Transcript
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import ScriptedSTT, ScriptedTTS, scripted
from voxlab.turn_taking.manager import TurnOptions

# --- a plain turn ---------------------------------------------------------------------------


def test_a_plain_turn_has_the_times_worked_out_by_hand():
    call = hold([HELLO], Providers(stt("Hi there."), llm(ANSWER), tts()))
    seen = [(e.at_s, e.source, e.kind) for e in call.timeline if e.source != "turn"]
    assert seen == [
        (0.0, "transport", "call_started"),
        (1.0, "caller", "speech_started"),
        (1.0625, "vad", "speech_started"),  # + min_speech_s
        (1.0625, "stt", "started"),
        (3.0, "caller", "speech_stopped"),
        (3.25, "vad", "speech_stopped"),  # + min_silence_s
        (3.375, "stt", "final"),  # + final_s
        (3.5, "llm", "request"),  # 3.0 + silence_s
        (3.75, "llm", "first_token"),  # + first_token_s
        (3.9375, "tts", "request"),  # + 3 token_s: the first sentence is complete
        (4.0625, "tts", "first_audio"),  # + first_audio_s
        (4.0625, "agent", "speech_started"),
        (4.0625, "agent", "sentence"),
        (4.0625, "tts", "done"),
        (4.1875, "llm", "done"),  # + 4 token_s
        (4.1875, "tts", "request"),  # while the first sentence plays
        (4.3125, "tts", "first_audio"),
        (4.3125, "tts", "done"),
        (6.0625, "agent", "sentence"),  # 4 words at 2 a second
        (8.0625, "agent", "speech_stopped"),
        (8.0625, "agent", "said"),
        (9.0625, "caller", "hung_up"),
        (9.0625, "transport", "call_ended"),
    ]
    assert told(call, "agent", "said") == [ANSWER]
    assert told(call, "turn", "commit") == ["Hi there."]


def test_the_answer_waits_for_a_late_transcript():
    late = ScriptedSTT(["Hi there."], final_s=1.5)
    call = hold([HELLO], Providers(late, llm(ANSWER), tts()))
    assert times(call, "llm", "request") == [4.75]  # 3.0 + 0.25 + 1.5


def test_two_segments_of_one_turn_are_answered_together():
    lines = [HELLO, say("Are you there?", "0.375 s after line 1 ends", 0.5)]
    model = llm(ANSWER)
    call = hold(lines, Providers(stt("Hi there.", "Are you there?"), model, tts()))
    assert told(call, "turn", "commit") == ["Hi there. Are you there?"]
    assert history(model.asked[0]) == [
        ("system", "Be brief."),
        ("user", "Hi there. Are you there?"),
    ]


def test_a_pause_that_is_shorter_than_the_vad_notices_makes_no_second_segment():
    lines = [HELLO, say("you", "0.125 s after line 1 ends", 0.5)]
    call = hold(lines, Providers(stt("Hi there you."), llm(ANSWER), tts()))
    assert times(call, "vad", "speech_stopped") == [3.875]
    assert told(call, "turn", "commit") == ["Hi there you."]


def test_the_greeting_and_every_reply_are_kept_in_the_history():
    model = llm("Yes.", "Of course.")
    options = replace(QUIET, turns=TurnOptions(greeting="Hello!"))
    hold([NEXT, NEXT], Providers(stt("Are you there?", "Really?"), model, tts()), options=options)
    assert history(model.asked[1]) == [
        ("system", "Be brief."),
        ("assistant", "Hello!"),
        ("user", "Are you there?"),
        ("assistant", "Yes."),
        ("user", "Really?"),
    ]


# --- streaming (its times: test_latency_agreement.py) ---------------------------------------


def test_a_long_answer_makes_the_model_wait_for_the_voice():
    slow = ScriptedTTS(first_audio_s=1.0, words_per_s=64, synthesis_rate=64)
    sentences = " ".join(["Good morning."] * 20)
    call = hold([HELLO], Providers(stt("Hi."), llm(sentences), slow))
    assert told(call, "agent", "said") == [sentences]
    assert times(call, "llm", "done")[0] > 3.75 + 39 / 16 + 5


# --- nobody speaks --------------------------------------------------------------------------


def test_a_silent_user_is_asked_twice_and_then_the_agent_hangs_up():
    options = replace(
        QUIET, turns=TurnOptions(greeting="Hello there.", prompt="Are you there?", user_idle_s=8.0)
    )
    providers = Providers(stt(), llm(), tts())
    call = hold([say("Hi.", "99 s after the call starts")], providers, options=options)
    # 0.125 + 1.0 of greeting; then twice 8.0 + 0.125 + 1.5 of asking; then 8.0
    assert times(call, "agent", "sentence") == [0.125, 9.25, 18.875]
    assert reason(call) == "the user is silent"
    assert times(call, "transport", "call_ended") == [0.125 + 1.0 + 2 * 9.625 + 8.0]


def test_a_user_who_comes_back_is_asked_twice_again():
    options = replace(QUIET, turns=TurnOptions(prompt="Are you there?"))
    lines = [say("Yes.", "12 s after the call starts"), say("Hi.", "99 s after the call starts")]
    call = hold(lines, Providers(stt("Yes."), llm("Good."), tts()), options=options)
    assert told(call, "agent", "said") == ["Are you there?", "Good.", *["Are you there?"] * 2]


def test_what_was_said_before_the_end_of_the_call_is_in_the_record():
    lines = [HELLO]
    options = {"hang_up": "4.625 s after the call starts"}
    call = hold(
        lines, Providers(stt("Hi."), llm(calls("look")), tts()), [tool("look")], FILLED, **options
    )
    assert told(call, "agent", "said") == ["One"]
    options = {"hang_up": "5.75 s after the call starts"}  # between the filler and the answer
    slow = [tool("look", latency_s=4)]
    call = hold(lines, Providers(stt("Hi."), llm(calls("look")), tts()), slow, FILLED, **options)
    assert told(call, "agent", "said") == ["One moment."]


# --- many calls -----------------------------------------------------------------------------


def test_two_virtual_runs_give_identical_timelines():
    script = load_script(data.path("calls/minute_without_sound.yaml"))

    def run():
        texts = [line.utterance.text for line in script.lines]
        agent = shop_agent(scripted(texts, RuleLLM()), database=data.shop())
        return run_virtual(hold_call(agent, Caller(script))).timeline.to_json()

    first = run()
    assert first == run()
    assert '"the caller hung up"' in first


HEARD = contextvars.ContextVar("HEARD")  # what is said in the call that a task belongs to


class Stenographer:
    """Hears what is said in the call it is used in; one for all calls."""

    async def transcribe(self, audio):
        async for _ in audio:
            pass
        await asyncio.sleep(1 / 8)
        yield Transcript(next(HEARD.get()), is_final=True)


@pytest.mark.slow
def test_calls_side_by_side_on_one_agent_are_as_if_each_was_alone():
    orders = ["12345", "48213", "70316", "30592", "61847", "25960", "83421", "94176"] * 2
    providers = Providers(Stenographer(), RuleLLM(1 / 4, 1 / 32), tts())
    tools = [replace(each, latency_s=0.5) for each in shop_tools(data.shop())]
    options = replace(FILLED, turns=TurnOptions(greeting="Hello."))
    agent = PipelineAgent(providers, tools, options)

    async def one(order_id, begins_s):
        texts = ["Where is my order?", f"It's {order_id}.", "When will my package arrive?"]
        HEARD.set(iter(texts))
        lines = [say(text, "0.5 s after the agent stops") for text in texts]
        lines[2]["at"] = '0.5 s after the agent says "order"'  # a barge-in
        await asyncio.sleep(begins_s)
        return (await hold_call(agent, Caller(parse_script({"lines": lines})))).timeline.to_json()

    async def all_together():
        calls = [one(order_id, index / 8) for index, order_id in enumerate(orders)]
        return await asyncio.gather(*calls)

    together = run_virtual(all_together())
    alone = [run_virtual(one(order_id, 0)) for order_id in orders]
    assert together == alone
    assert len(set(together)) == 8


def test_one_agent_holds_one_call_after_the_other_with_a_fresh_memory():
    model = llm("Yes.", "No.")
    agent = PipelineAgent(Providers(stt("A", "B"), model, tts()), (), QUIET)
    script = parse_script({"lines": [HELLO]})
    for _ in range(2):
        run_virtual(hold_call(agent, Caller(script)))
    assert history(model.asked[1]) == [("system", "Be brief."), ("user", "B")]


def test_the_message_of_the_user_is_a_plain_one():
    model = llm("Yes.")
    hold([HELLO], Providers(stt("A"), model, tts()))
    assert model.asked[0] == [Message("system", "Be brief."), Message("user", "A")]
