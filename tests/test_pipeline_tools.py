"""The pipeline agent's tools: fillers, rounds, hand-overs."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pipeline_calls import (
    APOLOGY,
    CAREFUL,
    FILLED,
    HELLO,
    NEXT,
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

from voxlab.agents.pipeline.options import HeadStart
from voxlab.providers.protocols import Providers


def test_a_filler_is_spoken_over_a_tool_that_takes_long():
    model = llm(calls("look"), "Found it.")
    call = hold([HELLO], Providers(stt("Hi."), model, tts()), [tool("look")], FILLED)
    assert times(call, "tool", "started") == [3.75]
    assert times(call, "tool", "finished") == [4.75]
    assert times(call, "llm", "request") == [3.5, 4.75]
    # the filler: 3.75 + 0.25, two words in one second; the answer: 4.75 + 0.25 + one token
    assert times(call, "tts", "request") == [4.0, 5.0625]
    assert times(call, "agent", "sentence") == [4.125, 5.1875]
    assert times(call, "agent", "speech_stopped") == [5.125, 6.1875]
    assert told(call, "agent", "said") == ["One moment. Found it."]
    assert history(model.asked[1]) == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "look"),
        ("tool", '"done"'),
    ]


def test_no_filler_is_spoken_over_a_fast_tool_or_after_words_of_the_model():
    fast = hold(
        [HELLO],
        Providers(stt("Hi."), llm(calls("look"), "Found it."), tts()),
        [tool("look", latency_s=0.125)],
        FILLED,
    )
    assert told(fast, "agent", "said") == ["Found it."]
    model = llm(["Let me see. ", *calls("look")], "Found it.", "Bye.")
    spoken = hold(
        [HELLO, NEXT], Providers(stt("Hi.", "Thanks."), model, tts()), [tool("look")], FILLED
    )
    assert told(spoken, "agent", "said") == ["Let me see. Found it.", "Bye."]
    assert ("assistant", "Let me see.") in history(model.asked[1])  # the model goes on from there
    assert history(model.asked[2])[1:] == [  # in the history it stands once, as it was heard
        ("user", "Hi."),
        ("assistant", "look"),
        ("tool", '"done"'),
        ("assistant", "Let me see. Found it."),
        ("user", "Thanks."),
    ]


@pytest.mark.parametrize("wait_s", [0.25, 0.0])
def test_a_tool_that_is_done_just_in_time_needs_no_filler(wait_s):
    options = replace(FILLED, reply=replace(FILLED.reply, filler_after_s=wait_s))
    model = llm(calls("look"), "Found it.")
    call = hold(
        [HELLO], Providers(stt("Hi."), model, tts()), [tool("look", latency_s=wait_s)], options
    )
    assert told(call, "agent", "said") == ["Found it."]


def test_tools_of_one_round_run_side_by_side_and_answer_in_order():
    tools = [tool("slow", lambda: 1, 2.0), tool("fast", lambda: 2, 0.5), tool("bad", min, 0.25)]
    model = llm(calls("slow", "fast", "bad"), "Done.")
    call = hold([HELLO], Providers(stt("Hi."), model, tts()), tools)
    assert times(call, "tool", "started") == [3.875] * 3  # 3.75 + 2 token_s
    assert times(call, "tool", "finished") == [4.125, 4.375, 5.875]
    assert times(call, "llm", "request")[1] == 5.875
    results = [message.text for message in model.asked[1][-3:]]
    assert results[:2] == ["1", "2"]
    assert "min expected at least 1 argument" in results[2]


def test_the_model_may_ask_for_tools_again_and_again_but_not_for_ever():
    model = llm(calls("look"), calls("look"), "Done.")
    call = hold([HELLO], Providers(stt("Hi."), model, tts()), [tool("look", latency_s=0.25)])
    assert told(call, "agent", "said") == ["Done."]
    assert history(model.asked[2])[2:] == 2 * [("assistant", "look"), ("tool", '"done"')]
    endless = llm(*[calls("look")] * 9)
    call = hold([HELLO], Providers(stt("Hi."), endless, tts()), [tool("look")], CAREFUL)
    assert len(endless.asked) == 5
    (error,) = told(call, "llm", "failed", "error")
    assert "after 5 rounds of tools" in error
    assert told(call, "agent", "said") == [APOLOGY]


def test_a_tool_can_end_the_call_once_the_reply_is_spoken():
    model = llm(calls("transfer"), "Please hold.")
    tools = [tool("transfer", ends_call=True)]
    call = hold([HELLO, NEXT], Providers(stt("Hi."), model, tts()), tools)
    assert reason(call) == "the agent handed the caller over"
    assert told(call, "agent", "said") == ["Please hold."]
    silent = hold([HELLO], Providers(stt("Hi."), llm(calls("transfer"), ""), tts()), tools)
    assert reason(silent) == "the agent handed the caller over"


def test_a_tool_that_fails_does_not_end_the_call():
    def broken():
        raise RuntimeError("no line")

    model = llm(calls("transfer"), "That did not work.", "Bye.")
    tools = [tool("transfer", broken, ends_call=True)]
    call = hold([HELLO, NEXT], Providers(stt("Hi.", "Well."), model, tts()), tools)
    assert told(call, "tool", "failed", "error") == ["RuntimeError: no line"]
    assert reason(call) == "the caller hung up"


QUESTIONS = ("Are you still there?", "Hello, can you hear me?", "Is anybody there?")


@settings(max_examples=25, deadline=None)
@example(8, QUESTIONS[0])
@given(st.integers(7, 38), st.sampled_from(QUESTIONS))
def test_who_asks_if_the_agent_is_there_while_a_tool_runs_gets_its_answer(eighths, question):
    """The tool runs from 3.75 to 8.75; they speak from anywhere in it, also beyond its end."""
    lines = [HELLO, say(question, f"{eighths / 8} s after line 1 ends")]
    model = llm(calls("look"), "It comes on Friday.")
    call = hold(
        lines,
        Providers(stt("Where is it?", question), model, tts()),
        [tool("look", latency_s=5.0)],
        replace(FILLED, head_start=HeadStart(False, False)),
        hang_up="8 s after line 2 ends",
    )
    assert len(times(call, "tool", "started")) == len(times(call, "tool", "finished")) == 1
    (said,) = told(call, "agent", "said")
    assert said.endswith("It comes on Friday.")
    assert told(call, "turn", "commit") == ["Where is it?"]


def test_who_hears_nothing_while_a_tool_runs_and_asks_hears_the_filler_again():
    lines = [HELLO, say(QUESTIONS[0], "2.5 s after line 1 ends")]
    model = llm(calls("look"), "It comes on Friday.")
    call = hold(
        lines,
        Providers(stt("Where is it?", QUESTIONS[0]), model, tts()),
        [tool("look", latency_s=5.0)],
        replace(FILLED, head_start=HeadStart(False, False)),
        hang_up="8 s after line 2 ends",
    )
    assert told(call, "agent", "said") == ["One moment. One moment. It comes on Friday."]


def test_another_question_while_a_tool_runs_takes_the_floor_as_before():
    lines = [HELLO, say("What is the weather?", "2.5 s after line 1 ends")]
    model = llm(calls("look"), "It is sunny.")
    call = hold(
        lines,
        Providers(stt("Where is it?", "What is the weather?"), model, tts()),
        [tool("look", latency_s=5.0)],
        FILLED,
    )
    assert told(call, "agent", "said")[-1] == "It is sunny."
