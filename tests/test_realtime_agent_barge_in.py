"""Barge-in with the realtime agent: what was heard is what the server and the history are told."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from realtime_agent_calls import (
    LONG,
    PAUSE_S,
    QUESTION,
    SECOND,
    STARTS,
    WORD_S,
    ReadingLLM,
    Referee,
    asks,
    events,
    hold,
    script,
    tool,
)

from voxlab.agents.realtime.settings import (
    RealtimeOptions,
    RealtimeSettings,
    SemanticVAD,
    ServerVAD,
)
from voxlab.audio import Audio
from voxlab.evaluation.turn_times import interruptions
from voxlab.serving.realtime.engines import LevelVAD


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(0.1, 5.5), min_size=1, max_size=3),
    st.sampled_from([ServerVAD(), ServerVAD(interrupts=False), SemanticVAD(), None]),
)
def test_a_barge_in_keeps_exactly_what_was_heard(delays_s, detection):
    """Whoever detects it, and whether the response is still being made or done long ago."""
    referee, llm = Referee(), ReadingLLM([LONG, LONG, LONG, "Bye."])
    moments = [f"{delay_s:.3f} s after the agent starts to speak" for delay_s in delays_s]
    lines = script((QUESTION, STARTS), *((SECOND, at) for at in moments))
    call = hold(
        llm, lines, referee, settings=RealtimeSettings(turn_detection=detection), vad=LevelVAD()
    )
    truncates = referee.of("conversation.item.truncate")
    cuts = call.timeline.select("agent", "interrupted")
    assert len(cuts) == len(truncates) == len(delays_s)
    starts_s = [event.at_s for event in call.timeline.select("agent", "speech_started")]
    for start_s, cut, truncate in zip(starts_s, cuts, truncates, strict=False):
        heard_s = truncate["audio_end_ms"] / 1000
        assert heard_s == pytest.approx(cut.at_s - start_s, abs=0.0015)
        assert (cut.data["heard"] + " " + cut.data["unheard"]).split()[0] == "One"
        spoken_s = heard_s - (PAUSE_S if heard_s > 10 * WORD_S else 0.0)
        assert len(cut.data["heard"].split()) == pytest.approx(spoken_s / WORD_S, abs=1.5)
    crossed = {"response_cancel_not_active"}  # our cancel met the response's end on the way
    assert set(referee.errors()) <= (set() if detection and detection.interrupts else crossed)
    for cut, read in zip(cuts, llm.read[1:], strict=True):  # each cut is followed by a turn
        by_server = read[-2].text.split() if read[-2].role == "assistant" else []
        by_us = cut.data["heard"].split()
        shared = min(len(by_server), len(by_us))
        assert by_server[:shared] == by_us[:shared]
        assert abs(len(by_server) - len(by_us)) <= 1  # a word that ends at that very moment


@pytest.mark.slow
def test_what_sounded_is_what_the_server_is_told_of():
    referee = Referee()
    call = hold(
        ReadingLLM([LONG, ""]),
        script((QUESTION, STARTS), (SECOND, "2.345 s after the agent starts to speak")),
        referee,
        options=RealtimeOptions(greeting="", failures=99),
        settings=RealtimeSettings(),
    )
    (truncate,) = referee.of("conversation.item.truncate")
    first_s = call.timeline.select("agent", "interrupted")[0].at_s
    assert call.agent is not None
    before = Audio(call.agent.samples[: round((first_s + 0.1) * 16_000)], 16_000)
    sounded_s = float(np.sum(np.abs(before.samples) > 0.01)) / 16_000
    assert sounded_s == pytest.approx(truncate["audio_end_ms"] / 1000 + 0.005, abs=0.003)  # fade


def test_a_reply_nobody_heard_is_cut_to_nothing_and_not_said():
    referee, llm = Referee(), ReadingLLM([["Wait. ", asks("look")], LONG, "Bye."])
    lines = script((QUESTION, STARTS), (SECOND, "0.35 s after the agent starts to speak"))
    call = hold(llm, lines, referee, tools=[tool("look", lambda city: "x", 0.01)])
    lengths_ms = [event["audio_end_ms"] for event in referee.of("conversation.item.truncate")]
    assert all(ms < 600 for ms in lengths_ms)
    heard = " ".join(data["heard"] for data in events(call, "agent", "interrupted"))
    assert "One" not in heard
    assert not referee.errors()


@pytest.mark.slow
def test_the_agent_falls_silent_within_a_step_of_the_servers_detection():
    lines = script((QUESTION, STARTS), (SECOND, "2 s after the agent starts to speak"))
    call = hold(ReadingLLM([LONG]), lines)
    (cut,) = interruptions(call.timeline)
    assert cut.yield_s < 0.2
    assert cut.heard.split() == LONG.split()[: len(cut.heard.split())]
    assert (cut.heard + " " + cut.unheard).split()[:10] == LONG.split()[:10]
