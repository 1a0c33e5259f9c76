"""The pipeline agent: worked by hand, interrupted, and with broken parts."""

import asyncio
import contextvars
import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.callers.script import load_script, parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.pipeline.agent import PipelineAgent, PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.shop import shop_agent, shop_tools
from voxlab.agents.tools import UNFINISHED, Tool
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, Providers, ToolCall, ToolSpec, Transcript
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS, scripted
from voxlab.timeline import Call
from voxlab.turn_taking import events, manager
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions

# All delays are sums of powers of two, so that the times worked out by hand are exact.
VAD = VADOptions(min_speech_s=1 / 16, min_silence_s=1 / 4)
QUIET = PipelineOptions(
    instructions="Be brief.",
    vad=VAD,
    turns=TurnOptions(silence_s=0.5),
    reply=ReplyOptions(filler="", apology="", sentence_pause_s=0.0),
)
APOLOGY = "I am sorry."
NOT_HEARD = "Say that again?"
CAREFUL = replace(
    QUIET,
    turns=TurnOptions(silence_s=0.5, not_heard=NOT_HEARD),
    reply=ReplyOptions(filler="", apology=APOLOGY, sentence_pause_s=0.0),
)
ANSWER = "One two three four. Five six seven eight."


def say(text, at, lasts_s=1.0):
    return {"text": text, "at": at, "lasts_s": lasts_s}


HELLO = say("Hi there.", "1 s after the call starts", 2.0)  # heard from 1.0 to 3.0
NEXT = say("And now?", "0.5 s after the agent stops")
LATER = say("And now?", "5 s after the agent stops")  # after every time limit of the voice


class Notebook:
    """A language model that writes down what it was asked, and passes it on to another one."""

    def __init__(self, llm):
        self.llm = llm
        self.asked = []

    def stream(self, messages, tools):
        self.asked.append(list(messages))
        return self.llm.stream(messages, tools)


def llm(*answers, first_token_s=0.25):
    return Notebook(ScriptedLLM(answers, first_token_s=first_token_s, token_s=1 / 16))


def tts():
    return ScriptedTTS(first_audio_s=1 / 8, words_per_s=2, synthesis_rate=16)


def stt(*texts):
    return ScriptedSTT(texts, final_s=1 / 8)


def hold(lines, providers, tools=(), options=QUIET, **more):
    """Hold the call in virtual time and return it; nothing may be left running after it."""
    script = parse_script({"lines": lines, **more})
    agent = PipelineAgent(providers, tools, options)

    async def main():
        call = await hold_call(agent, Caller(script), limit_s=script.limit_s)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return call

    call = run_virtual(main())
    check_order(call.timeline)
    return call


def check_order(timeline):
    """What must hold in every call."""
    kinds = [event.kind for event in timeline.select("agent") if "speech" in event.kind]
    assert kinds == ["speech_started", "speech_stopped"] * (len(kinds) // 2)
    states = timeline.select("turn", "state")
    assert all(a.data["now"] == b.data["was"] for a, b in pairwise(states))
    ends = timeline.select("transport", "call_ended")
    assert len(ends) == 1
    assert ends[0].at_s == timeline.duration_s


def times(call, source, kind):
    return [event.at_s for event in call.timeline.select(source, kind)]


def told(call, source, kind, key="text"):
    return [event.data[key] for event in call.timeline.select(source, kind)]


def reason(call):
    return call.timeline.select("transport", "call_ended")[0].data["reason"]


def history(messages):
    """The messages as (role, text), tool calls as the tool's name."""
    return [(m.role, m.text or "+".join(call.name for call in m.tool_calls)) for m in messages]


def check_history(messages):
    """What a chat API demands: a result for each tool call, right after it."""
    for index, message in enumerate(messages):
        ids = [call.id for call in message.tool_calls]
        results = messages[index + 1 : index + 1 + len(ids)]
        assert [result.tool_call_id for result in results] == ids


# --- a plain turn --------------------------------------------------------------------------


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


# --- tools ---------------------------------------------------------------------------------


def tool(name, function=lambda: "done", latency_s=1.0, **more):
    return Tool(ToolSpec(name, f"Do {name}."), function, latency_s, **more)


def calls(*names):
    return [ToolCall(f"id_{name}", name, {}) for name in names]


FILLED = replace(
    QUIET,
    reply=ReplyOptions(filler="One moment.", filler_after_s=0.25, apology="", sentence_pause_s=0.0),
)


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
    assert told(call, "llm", "failed", "error") == ["no answer after 5 rounds of tools"]
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


# --- interrupted ---------------------------------------------------------------------------


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


# --- what the interruption means -----------------------------------------------------------


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


# --- nobody speaks -------------------------------------------------------------------------


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


# --- broken parts --------------------------------------------------------------------------


class Flaky:
    """A provider that fails in a given way, the first `times` times or always."""

    def __init__(self, provider, how, times=1, skip=0):
        self.provider, self.how, self.left, self.skip = provider, how, times, skip

    def transcribe(self, audio):
        return self._open(lambda: self.provider.transcribe(audio), Transcript("Hel", False))

    def stream(self, messages, tools):
        return self._open(lambda: self.provider.stream(messages, tools))

    def synthesize(self, text):
        return self._open(lambda: self.provider.synthesize(text))

    def _open(self, make, partial=None):
        if self.skip:
            self.skip -= 1
            return make()
        if not self.left:
            return make()
        self.left -= 1
        if self.how == "refuses":
            raise RuntimeError("no connection")
        if self.how == "coroutine":
            return "not a stream at all"
        return self._fail(make, partial)

    async def _fail(self, make, partial):
        try:
            if "midway" in self.how:
                yield partial or await anext(make())
            if "raises" in self.how:
                raise ConnectionResetError("by peer")
            if "times out" in self.how:
                raise TimeoutError
            if "gives up" in self.how:
                raise asyncio.CancelledError
            if "hangs" in self.how:
                await asyncio.Event().wait()
        finally:
            if "badly" in self.how:
                raise RuntimeError("cannot even close")


WAYS = [
    "refuses",
    "coroutine",
    "raises",
    "times out",
    "gives up",
    "hangs",
    "hangs and closes badly",
    "returns nothing",
    "raises midway",
    "hangs midway",
    "hangs midway and closes badly",
]
ENDS = ["stops midway"]  # for a recogniser this is a failure, for the others an end


@pytest.mark.parametrize("how", [*WAYS, *ENDS])
def test_a_recogniser_that_fails_once_is_asked_about_again(how):
    model = llm("Good.")
    ears = Flaky(stt("And now?"), how)
    call = hold([HELLO, NEXT], Providers(ears, model, tts()), options=CAREFUL)
    assert len(told(call, "stt", "failed", "error")) == 1
    assert told(call, "agent", "said") == [NOT_HEARD, "Good."]
    assert history(model.asked[0])[1:] == [("assistant", NOT_HEARD), ("user", "And now?")]
    assert reason(call) == "the caller hung up"


@pytest.mark.parametrize("how", WAYS)
def test_a_recogniser_that_always_fails_leaves_a_polite_agent(how):
    ears = Flaky(stt(), how, times=99)
    call = hold([HELLO, NEXT, NEXT], Providers(ears, llm(), tts()), options=CAREFUL)
    assert told(call, "agent", "said") == [NOT_HEARD] * 3
    assert reason(call) == "the caller hung up"


@pytest.mark.parametrize("how", WAYS)
def test_a_model_that_fails_once_is_apologised_for(how):
    model = Notebook(Flaky(ScriptedLLM(["Good morning to you."]), how))
    call = hold([HELLO, NEXT], Providers(stt("Hi.", "And?"), model, tts()), options=CAREFUL)
    assert len(told(call, "llm", "failed", "error")) == 1
    said = told(call, "agent", "said")
    assert said[0] == APOLOGY  # half a sentence of the model is not spoken
    assert len(said) == 2
    assert history(model.asked[1])[1:] == [
        ("user", "Hi."),
        ("assistant", APOLOGY),
        ("user", "And?"),
    ]
    assert reason(call) == "the caller hung up"


@pytest.mark.parametrize("how", WAYS)
def test_a_model_that_always_fails_is_apologised_for_each_time(how):
    model = Flaky(ScriptedLLM(["Good morning."] * 9), how, times=99)
    call = hold([HELLO, NEXT, NEXT], Providers(stt("A", "B", "C"), model, tts()), options=CAREFUL)
    assert told(call, "agent", "said") == [APOLOGY] * 3
    assert reason(call) == "the caller hung up"


def test_a_model_that_fails_after_a_tool_leaves_a_complete_history():
    model = Notebook(Flaky(ScriptedLLM([calls("look"), "Good."]), "raises", skip=1))
    providers = Providers(stt("Hi.", "And?"), model, tts())
    hold([HELLO, NEXT], providers, [tool("look", latency_s=0.25)], CAREFUL)
    check_history(model.asked[-1])
    assert [role for role, _ in history(model.asked[-1])] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize("how", WAYS)
def test_a_voice_that_fails_once_lets_the_prepared_apology_be_heard(how):
    voice = Flaky(tts(), how, skip=1)  # the first request is the apology
    model = llm("Good morning.", "Good.")
    call = hold([HELLO, LATER], Providers(stt("Hi.", "And?"), model, voice), options=CAREFUL)
    assert len(told(call, "tts", "failed", "error")) == 1
    # the sentence lasted a second so far: enough for "Good", however slowly it was said
    spoken = f"Good {APOLOGY}" if "midway" in how else APOLOGY
    assert told(call, "agent", "said") == [spoken, "Good."]
    assert reason(call) == "the caller hung up"


@pytest.mark.parametrize("how", WAYS)
def test_a_voice_that_breaks_during_the_call_ends_it_with_the_reason(how):
    voice = Flaky(tts(), how, times=99, skip=1)
    providers = Providers(stt("A", "B", "C"), llm("One.", "Two.", "Three."), voice)
    call = hold([HELLO, LATER, LATER], providers, options=CAREFUL)
    assert reason(call).startswith("the agent has lost its voice")
    assert told(call, "turn", "commit") == ["A", "B"]


@pytest.mark.parametrize("how", [way for way in WAYS if "midway" not in way])
def test_a_voice_that_never_works_ends_the_call_with_the_reason(how):
    voice = Flaky(tts(), how, times=99)
    later = say("Hello?", "12 s after the call starts")
    providers = Providers(stt("A", "B"), llm("One.", "Two."), voice)
    call = hold([HELLO, later], providers, options=CAREFUL, patience_s=99)
    assert reason(call).startswith("the agent has lost its voice")
    assert not times(call, "agent", "speech_started")
    assert told(call, "tts", "failed", "error")


def test_a_broken_voice_does_not_stop_the_model_in_a_long_answer():
    providers = Providers(stt("Hi."), llm("Good morning. " * 20), Flaky(tts(), "raises", 1, 1))
    call = hold([HELLO], providers, options=CAREFUL)
    assert told(call, "agent", "said") == [APOLOGY]
    assert times(call, "llm", "done")


@pytest.mark.parametrize(
    ("function", "latency_s", "result", "failed"),
    [
        (lambda: 1 / 0, 0.5, '{"error": "the system does not answer"}', "ZeroDivisionError"),
        (lambda: {1, 2}, 0.5, '{"error": "the system does not answer"}', "TypeError"),
        (lambda: "late", 99.0, '{"error": "no answer within 8 s; whether the', "TimeoutError"),
        (lambda: None, 0.5, "null", None),
        (lambda wrong: 1, 0.5, '{"error": "<lambda>() missing 1 required', None),
    ],
)
def test_a_tool_that_fails_hangs_or_returns_nothing_is_a_result(
    function, latency_s, result, failed
):
    broken = Tool(ToolSpec("look", "Look."), function, latency_s)
    model = llm(calls("look"), "I could not find it.", "Good.")
    providers = Providers(stt("Hi.", "And?"), model, tts())
    call = hold([HELLO, NEXT], providers, [broken], CAREFUL, patience_s=20)
    assert model.asked[1][-1].text.replace("test_pipeline.", "").startswith(result)
    errors = told(call, "tool", "failed", "error")
    assert [error.partition(":")[0] for error in errors] == ([failed] if failed else [])
    assert told(call, "agent", "said") == ["I could not find it.", "Good."]


def test_a_tool_that_does_not_exist_is_a_result():
    model = llm(calls("fly"), "I cannot fly.")
    hold([HELLO], Providers(stt("Hi."), model, tts()), [tool("look")])
    assert json.loads(model.asked[1][-1].text) == {"error": "no tool 'fly'; there are ['look']"}


def test_the_record_of_a_call_with_broken_parts_can_be_saved(tmp_path):
    providers = Providers(Flaky(stt("B"), "raises"), Flaky(llm("One."), "hangs"), tts())
    call = hold([HELLO, NEXT], providers, options=CAREFUL)
    call.save(tmp_path)
    assert Call.load(tmp_path).timeline.to_json() == call.timeline.to_json()


# --- faults of the agent itself ------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        events.CallStarted,
        events.UserStarted,
        events.UserStopped,
        events.Transcribed,
        events.SilenceElapsed,
        events.AgentStarted,
        events.AgentFinished,
    ],
)
def test_a_fault_of_the_agent_ends_the_call_and_keeps_the_record(monkeypatch, event):
    step = manager.step

    def broken(turn, happened, options):
        if isinstance(happened, event):
            raise LookupError(event.__name__)
        return step(turn, happened, options)

    monkeypatch.setattr(manager, "step", broken)
    call = hold([HELLO], Providers(stt("Hi."), llm(ANSWER), tts()))
    assert reason(call) == f"the agent failed: LookupError: {event.__name__}"
    failed = call.timeline.select("transport", "failed")
    assert [e.data["who"] for e in failed] == ["agent"]
    assert "LookupError" in failed[0].data["trace"]


# --- many calls ----------------------------------------------------------------------------


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
