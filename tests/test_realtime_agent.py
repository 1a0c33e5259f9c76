"""The realtime agent over a connection in memory, in virtual time; all that passes is refereed."""

import pytest
from realtime_agent_calls import (
    GOODBYE,
    LONG,
    PAUSE_S,
    QUESTION,
    SECOND,
    STARTS,
    STOPS,
    TEXTS,
    WORD_S,
    EchoLLM,
    ReadingLLM,
    Referee,
    events,
    hold,
    script,
    sounding_s,
    told,
)

from voxlab.agents.realtime.settings import (
    RealtimeOptions,
    RealtimeSettings,
    SemanticVAD,
    ServerVAD,
)
from voxlab.evaluation.turn_times import interruptions, turn_times
from voxlab.serving.realtime.engines import LevelVAD

# --- a whole call ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_script_gives_a_full_transcript_and_every_reader_of_timelines_reads_it():
    referee = Referee()
    lines = script((QUESTION, STOPS), (SECOND, STOPS), (GOODBYE, STOPS))
    call = hold(EchoLLM(), lines, referee, options=RealtimeOptions())
    assert told(call) == [
        ("agent", "Hello there."),
        ("caller", "Where is it?"),
        ("agent", "You said Where is it."),
        ("caller", "And the other one?"),
        ("agent", "You said And the other one."),
        ("caller", "Goodbye."),
        ("agent", "You said Goodbye."),
    ]
    assert [turn["text"] for turn in events(call, "turn", "commit")] == [*TEXTS.values()]
    assert [turn["turn"] for turn in events(call, "turn", "commit")] == [1, 2, 3]
    replies_s = [turn.ttfb_s for turn in turn_times(call.timeline)]
    assert all(reply_s is not None and 0.8 < reply_s < 1.2 for reply_s in replies_s)
    assert not interruptions(call.timeline)
    assert not referee.errors()
    for automaton in referee.automata:
        automaton.finish()


@pytest.mark.slow
def test_two_calls_in_virtual_time_are_the_same_to_the_byte():
    lines = script((QUESTION, STARTS), (SECOND, "0.7 s after the agent starts to speak"))
    first, second = (hold(ReadingLLM([LONG]), lines) for _ in range(2))
    assert first.timeline.to_json() == second.timeline.to_json()


def test_words_are_noted_where_they_sound():
    call = hold(ReadingLLM(["One two. Three four five."]), script((QUESTION, STARTS)))
    start_s = call.timeline.select("agent", "speech_started")[0].at_s
    sentences = call.timeline.select("agent", "sentence")
    assert [event.data["text"] for event in sentences] == ["One two.", "Three four five."]
    words = [
        (word, event.at_s - start_s + begins_s)
        for event in sentences
        for word, begins_s, _ in event.data["words"]
    ]
    for index, (_, begins_s) in enumerate(words):
        expected_s = index * WORD_S + (PAUSE_S if index >= 2 else 0.0)
        assert begins_s == pytest.approx(expected_s, abs=0.11)  # the server's slices


# --- other ways to be told of turns, and to answer ------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("detection", [None, SemanticVAD(), ServerVAD(silence_s=0.3)])
def test_whoever_finds_the_turns_the_transcript_is_the_same(detection):
    referee = Referee()
    call = hold(
        EchoLLM(),
        script((QUESTION, STARTS), (SECOND, STOPS)),
        referee,
        settings=RealtimeSettings(turn_detection=detection),
        vad=LevelVAD(),
    )
    assert [text for who, text in told(call) if who == "agent"] == [
        "You said Where is it.",
        "You said And the other one.",
    ]
    assert len(events(call, "vad", "speech_stopped")) == 2
    assert not referee.errors()


def test_an_agent_that_writes_says_nothing_aloud_but_its_words_are_there():
    settings = RealtimeSettings(modality="text")
    lines = script((QUESTION, STARTS), until="3 s after line line0 ends")
    call = hold(EchoLLM(), lines, settings=settings)
    assert told(call) == [("caller", "Where is it?"), ("agent", "You said Where is it.")]
    assert sounding_s(call) == 0


def test_settings_the_server_refuses_end_the_call_with_its_words():
    settings = RealtimeSettings(turn_detection=ServerVAD(threshold=7.0))
    call = hold(EchoLLM(), script((QUESTION, STARTS)), settings=settings)
    assert "threshold" in events(call, "transport", "failed")[0]["error"]
