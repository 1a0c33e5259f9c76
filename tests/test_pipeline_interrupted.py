"""The pipeline agent interrupted: what was heard is kept, and the meaning decides."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_calls import (
    ANSWER,
    FILLED,
    HELLO,
    NEXT,
    calls,
    check_history,
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

from voxlab.agents.tools import UNFINISHED
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers
from voxlab.providers.scripted import ScriptedTTS
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import TurnOptions

# --- interrupted ----------------------------------------------------------------------------


def test_a_barge_in_while_speaking_keeps_only_the_words_that_were_heard():
    model = llm(ANSWER, "All right.")
    lines = [HELLO, say("And in Paris?", "5 s after the call starts")]
    call = hold(lines, Providers(stt("Hi there.", "And in Paris?"), model, tts()))
    # 5.0 + 1/16; until then 1.0 s of "One two three four." (0.1 s a character) has been spoken
    assert times(call, "agent", "speech_stopped")[0] == 5.0625
    assert told(call, "agent", "interrupted", "heard") == ["One two"]
    assert told(call, "agent", "interrupted", "unheard") == ["three four. Five six seven eight."]
    assert times(call, "agent", "interrupted") == [6.375]  # 6.0 + 1/4 + 1/8: the words are known
    assert times(call, "llm", "request") == [3.5, 6.5]
    assert told(call, "agent", "said") == ["One two", "All right."]
    assert history(model.asked[1]) == [
        ("system", "Be brief."),
        ("user", "Hi there."),
        ("assistant", "One two"),
        ("user", "And in Paris?"),
    ]


def test_an_interruption_without_words_lets_the_agent_go_on_at_the_word():
    model = llm(ANSWER, "All right.")
    lines = [HELLO, say("(cough)", "5 s after the call starts", 0.25), NEXT]
    call = hold(lines, Providers(stt("Hi there.", "", "And now?"), model, tts()))
    assert times(call, "agent", "resumed") == [5.625]  # 5.25 + 1/4 + 1/8
    assert told(call, "agent", "sentence")[:3] == [
        "One two three four.",
        "three four.",
        "Five six seven eight.",
    ]
    assert told(call, "agent", "said") == [ANSWER, "All right."]
    assert history(model.asked[1])[2] == ("assistant", ANSWER)


def test_who_goes_on_while_the_agent_thinks_is_answered_once_and_to_everything():
    model = llm(ANSWER, "All right.")
    lines = [HELLO, say("I mean hello.", "3.5 s after the call starts")]
    call = hold(lines, Providers(stt("Hi there.", "I mean hello."), model, tts()))
    assert told(call, "turn", "commit") == ["Hi there.", "Hi there. I mean hello."]
    assert told(call, "agent", "said") == ["All right."]
    assert history(model.asked[1]) == [
        ("system", "Be brief."),
        ("user", "Hi there. I mean hello."),
    ]


def test_a_barge_in_during_the_filler_keeps_what_the_tool_found():
    model = llm(calls("look"), "Found it.", "All right.")
    lines = [HELLO, say("And in Paris?", "4.625 s after the call starts")]
    call = hold(lines, Providers(stt("Hi.", "And in Paris?"), model, tts()), [tool("look")], FILLED)
    # the filler sounds from 4.125; "One", a third of its second, is over at 4.6875
    assert history(model.asked[2]) == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "look"),
        ("tool", '"done"'),
        ("assistant", "One"),
        ("user", "And in Paris?"),
    ]
    assert told(call, "agent", "said") == ["One", "All right."]


def test_a_tool_that_was_cut_off_has_a_result_that_says_so():
    done = []
    model = llm(calls("slow", "fast"), "All right.")
    tools = [tool("slow", lambda: done.append("slow"), 9.0), tool("fast", lambda: 2, 0.25)]
    lines = [HELLO, say("And in Paris?", "4.5 s after the call starts")]
    call = hold(lines, Providers(stt("Hi.", "And in Paris?"), model, tts()), tools, FILLED)
    check_history(model.asked[1])
    assert history(model.asked[1])[1:] == [
        ("user", "Hi."),
        ("assistant", "slow+fast"),
        ("tool", UNFINISHED),
        ("tool", "2"),
        ("assistant", "One"),
        ("user", "And in Paris?"),
    ]
    assert done == []
    assert times(call, "tool", "finished") == [4.0625]


def test_what_a_tool_did_before_the_reply_was_audible_is_not_asked_for_again():
    # "Book it." is answered by a tool at 3.75; before the reply sounds the user adds something
    model = llm(calls("book"), "It is booked.", "Fine.", "Bye.")
    lines = [HELLO, say("No.", "4.0 s after the call starts", 0.5), NEXT]
    heard = stt("Book it.", "No.", "And now?")
    call = hold(lines, Providers(heard, model, tts()), [tool("book", latency_s=0.125)])
    assert told(call, "turn", "commit") == ["Book it.", "Book it. No.", "And now?"]
    assert history(model.asked[2])[1:] == [
        ("user", "Book it."),
        ("assistant", "book"),
        ("tool", '"done"'),
        ("user", "No."),
    ]
    assert history(model.asked[3])[5:] == [("assistant", "Fine."), ("user", "And now?")]


def test_a_turn_that_is_interrupted_twice_before_it_is_audible_is_asked_once_in_all():
    model = llm(calls("book"), "It is booked.", "Fine.", "Very fine.")
    lines = [
        HELLO,
        say("Not Paris.", "4.0 s after the call starts", 0.5),  # the next request: 5.0
        say("No.", "5.125 s after the call starts", 0.5),
    ]
    heard = stt("Book it.", "Not Paris.", "No.")
    hold(lines, Providers(heard, model, tts()), [tool("book", latency_s=0.125)])
    assert history(model.asked[3])[1:] == [
        ("user", "Book it."),
        ("assistant", "book"),
        ("tool", '"done"'),
        ("user", "Not Paris. No."),
    ]


def test_after_a_reply_that_ended_unheard_the_next_one_can_be_heard():
    # All words of the first reply are heard, but its synthesiser is still busy when the user
    # begins to speak; the reply ends by itself while the user speaks, and must not stay paused.
    busy = ScriptedTTS(first_audio_s=1 / 8, words_per_s=2, synthesis_rate=0.5)
    lines = [HELLO, say("And?", "6.5 s after the call starts", 3.0)]
    call = hold(lines, Providers(stt("Hi.", "And?"), llm("One two three.", "Yes."), busy))
    assert told(call, "agent", "said") == ["One two three.", "Yes."]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["And in Paris?", ""])
def test_an_interruption_at_any_moment_and_at_every_tie_leaves_the_call_in_order(words):
    tools = [tool("look", latency_s=0.5)]
    for sixteenths in range(53, 17 * 16):  # from where it is a segment of its own
        at = f"{sixteenths / 16} s after the call starts"
        model = llm(calls("look"), ANSWER, "All right.", "Very well.", "Good.")
        lines = [HELLO, say(words or "(cough)", at, 0.25), say("Next?", "9 s after line 2 ends")]
        providers = Providers(stt("Hi there.", words, "Next?"), model, tts())
        call = hold(lines, providers, tools, FILLED)
        assert reason(call) == "the caller hung up", at
        for messages in model.asked:
            check_history(messages)
        said = " ".join(told(call, "agent", "said"))
        known = [m.text for m in model.asked[-1] if m.role == "assistant" and m.text]
        assert said.startswith(" ".join(known))
        asked = " ".join(m.text for m in model.asked[-1] if m.role == "user")
        assert asked == " ".join(f"Hi there. {words} Next?".split()), at
        if not words:
            assert said.startswith(f"One moment. {ANSWER}"), at


ANSWERS = st.sampled_from(["Yes.", ANSWER, calls("look"), ["Let me see. ", *calls("look")]])
GAPS = st.integers(5, 60).map(lambda sixteenths: sixteenths / 16)  # else two lines are one segment


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(st.tuples(GAPS, st.booleans()), min_size=1, max_size=6),
    st.lists(ANSWERS, max_size=12),
    st.sampled_from([0.0, 0.125, 0.5, 3.0]),
)
def test_however_often_the_user_interrupts_every_word_stands_in_the_history_once(
    gaps, answers, latency_s
):
    lines, heard, at_s = [HELLO], ["word0"], 3.0
    for number, (gap_s, has_words) in enumerate(gaps, 1):
        heard.append(f"word{number}" if has_words else "")
        lines.append(say(f"line {number}", f"{at_s + gap_s} s after the call starts", 0.25))
        at_s += gap_s + 0.25
    lines.append(say("last", f"{at_s + 30} s after the call starts"))
    model = llm(*answers)
    providers = Providers(stt(*heard, "last"), model, tts())
    options = replace(
        FILLED, turns=TurnOptions(user_idle_s=999), classify=lambda *_: Meaning.REQUEST
    )
    call = hold(lines, providers, [tool("look", latency_s=latency_s)], options, patience_s=99)
    assert reason(call) == "the caller hung up"
    for messages in model.asked:
        check_history(messages)
    last = next(m for m in reversed(model.asked) if m[-1].role == "user")
    asked = " ".join(message.text for message in last if message.role == "user")
    assert asked.split() == [*filter(None, heard), "last"]
    said = told(call, "agent", "said")
    known = [m.text for m in last if m.role == "assistant" and m.text]
    assert known == said[: len(known)]


# --- what the interruption means ------------------------------------------------------------


def over_the_reply(words, lasts_s=1.0):
    """Hold a call in which the user says something over "Red green blue. Cyan."."""
    next_line = say("Next?", "12 s after the call starts")
    lines = [HELLO, say(words, "5.0 s after the call starts", lasts_s), next_line]
    model = llm("Red green blue. Cyan.", "A new answer.", "Bye.")
    return hold(lines, Providers(stt("Hi there.", words, "Next?"), model, tts()))


def test_a_backchannel_is_resumed_at_the_word_where_the_agent_stopped():
    call = over_the_reply("Uh huh.", 0.5)
    assert told(call, "turn", "interruption", "meaning") == ["backchannel"]
    assert "".join(told(call, "agent", "said")[:1]) == "Red green blue. Cyan."
    assert told(call, "turn", "commit") == ["Hi there.", "Next?"]


def test_stop_drops_the_rest_and_nothing_is_said_until_the_user_speaks():
    call = over_the_reply("Stop.")
    assert told(call, "turn", "interruption", "meaning") == ["stop"]
    assert told(call, "turn", "commit") == ["Hi there.", "Next?"]
    assert told(call, "agent", "said")[1:] == ["A new answer."]  # to "Next?"


def test_a_correction_drops_the_rest_and_is_answered():
    call = over_the_reply("No, I meant Tuesday.")
    assert told(call, "turn", "commit") == ["Hi there.", "No, I meant Tuesday.", "Next?"]
    assert times(call, "agent", "interrupted")


class Judge:
    """Says how likely the user is done, one answer a pause, at once."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.heard_s = []

    async def probability(self, turn):
        self.heard_s.append(turn.duration_s)
        return self.answers.pop(0)


def test_a_turn_that_sounds_finished_is_answered_sooner_and_one_that_does_not_later():
    end = TurnOptions().end_of_turn
    for probability, silence_s in ((0.9, end.finished_s), (0.1, end.unsure_s)):
        providers = Providers(stt("Hi there."), llm("One."), tts(), end_of_turn=Judge(probability))
        call = hold([HELLO], providers)
        ends_s = times(call, "caller", "speech_stopped")[0]
        words_known_s = times(call, "stt", "final")[0]
        expected_s = max(ends_s + silence_s, words_known_s)
        assert times(call, "turn", "commit") == [pytest.approx(expected_s)]


def test_a_judge_who_fails_leaves_the_plain_silence():
    class Broken:
        async def probability(self, turn):
            raise ProviderError("the model is gone")

    call = hold([HELLO], Providers(stt("Hi there."), llm("One."), tts(), end_of_turn=Broken()))
    ends_s = times(call, "caller", "speech_stopped")[0]
    assert times(call, "turn", "commit") == [pytest.approx(ends_s + TurnOptions().silence_s)]
    assert told(call, "turn", "failed", "error") == ["the model is gone"]
