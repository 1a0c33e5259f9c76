"""Tools of the realtime agent: each call is answered once, whatever else happens."""

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from realtime_agent_calls import (
    QUESTION,
    SECOND,
    STARTS,
    ReadingLLM,
    Referee,
    asks,
    events,
    hold,
    script,
    the_city,
    told,
    tool,
)

from voxlab.serving.realtime.session import SessionOptions


def broken(city: str) -> None:
    raise RuntimeError("boom")


@pytest.mark.slow
def test_several_calls_run_side_by_side_and_are_answered_once():
    referee = Referee()
    llm = ReadingLLM([[asks("look"), asks("break"), asks("sleep"), asks("none")], "Done."])
    tools = [tool("look", lambda city: {"in": city}), tool("break", broken)]
    tools.append(tool("sleep", lambda city: "late", latency_s=60.0))
    call = hold(llm, script((QUESTION, STARTS)), referee, tools=tools)
    outputs = [message.text for message in llm.read[1] if message.role == "tool"]
    assert json.loads(outputs[0]) == {"in": "Paris"}
    assert json.loads(outputs[1]) == {"error": "the system does not answer"}
    assert json.loads(outputs[2])["error"].startswith("no answer within 8 s")
    assert "no tool 'none'" in outputs[3]
    assert referee.types().count("response.create") == 1
    assert referee.types()[-5:] == ["conversation.item.create"] * 4 + ["response.create"]
    assert told(call)[-1] == ("agent", "Done.")
    lasted_s = [event.at_s for event in call.timeline.select("tool")]
    assert max(lasted_s) - min(lasted_s) == pytest.approx(8.0)  # the longest wait, not the sum


@pytest.mark.slow
def test_a_filler_plays_while_the_tool_runs_and_the_answer_follows_it():
    llm = ReadingLLM([asks("look"), "It is clear."])
    session = SessionOptions(filler="One moment, let me look that up.")
    call = hold(
        llm, script((QUESTION, STARTS)), tools=[tool("look", the_city, 1.0)], session=session
    )
    assert told(call)[-1] == ("agent", "One moment, let me look that up. It is clear.")
    started = call.timeline.select("tool", "started")[0].at_s
    finished = call.timeline.select("tool", "finished")[0].at_s
    (spoken,) = call.timeline.select("agent", "speech_started")
    (silent,) = call.timeline.select("agent", "speech_stopped")
    assert spoken.at_s < started < finished < silent.at_s


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(latency_s=st.floats(0.05, 6.0))
def test_a_result_is_read_once_whatever_the_user_says_meanwhile(latency_s):
    """Before, during and after the user's next turn: it is never lost, never asked for twice."""
    referee, llm = Referee(), ReadingLLM([["Wait. ", asks("look")], *["I see."] * 5])
    at, until = "0.3 s after the agent stops", "8 s after the agent stops"
    lines = script((QUESTION, STARTS), (SECOND, at), until=until)
    hold(llm, lines, referee, tools=[tool("look", lambda city: "found", latency_s)])
    assert any(m.role == "tool" and "found" in m.text for m in llm.read[-1])
    reads = [[m.text for m in read if m.role == "tool"] for read in llm.read]
    assert sum(a != b for a, b in pairwise(reads)) == 1
    assert len(llm.read) <= 4
    assert not set(referee.errors())


def test_a_tool_that_hands_over_ends_the_call_after_its_reply():
    llm = ReadingLLM([asks("person"), "I connect you."])
    call = hold(
        llm, script((QUESTION, STARTS)), tools=[tool("person", the_city, 0.1, ends_call=True)]
    )
    assert told(call)[-1] == ("agent", "I connect you.")
    assert events(call, "transport", "call_ended") == [
        {"reason": "the agent handed the caller over"}
    ]
