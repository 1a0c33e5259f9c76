"""What the agent does before it must: the times by hand, and no trace of what was for nothing."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from pipeline_calls import (
    ANSWER,
    FILLED,
    HELLO,
    QUIET,
    VAD,
    calls,
    check_history,
    history,
    hold,
    llm,
    say,
    times,
    told,
    tool,
    tts,
)

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.pipeline.options import NO_HEAD_START, HeadStart, PipelineOptions
from voxlab.agents.pipeline.segment import Segment
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.data.comparison import dump_database
from voxlab.errors import ProviderError
from voxlab.evaluation.stage_times import stage_times
from voxlab.providers.protocols import MayEnd, Message, Providers, Transcript
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import GuessingScriptedSTT, ScriptedTTS

EAGER = replace(QUIET, vad=replace(VAD, doubt_s=1 / 16), head_start=HeadStart())
EAGER_FILLED = replace(EAGER, reply=FILLED.reply)


def stt(*texts, **guesses):
    return GuessingScriptedSTT(texts, 1 / 8, 1 / 8, guesses)


def turn_events(call):
    return [e.kind for e in call.timeline.select("turn") if e.kind not in ("state", "interruption")]


def test_a_turn_with_a_head_start_has_the_times_worked_out_by_hand():
    call = hold([HELLO], Providers(stt("Hi there."), llm(ANSWER), tts()), options=EAGER)
    assert times(call, "stt", "guess") == times(call, "turn", "speculated") == [3.1875]
    assert times(call, "stt", "final") == [3.375]
    assert times(call, "turn", "commit") == [3.5]
    assert times(call, "llm", "first_token") == [3.1875 + 0.25]
    assert times(call, "tts", "request")[0] == 3.4375 + 3 / 16
    assert times(call, "agent", "speech_started") == [3.625 + 1 / 8]  # 4.0625 without
    (turn,) = stage_times(call.timeline)
    assert (turn.decided_s, turn.first_token_s, turn.audible_s) == (3.5, 3.4375, 3.75)


def test_nothing_that_is_ready_early_is_heard_before_the_turn_is_over():
    quick = ScriptedTTS(first_audio_s=1 / 64, words_per_s=2, synthesis_rate=64)
    model = llm(ANSWER, first_token_s=1 / 64)
    slow = replace(EAGER, turns=replace(EAGER.turns, silence_s=1.0))
    call = hold([HELLO], Providers(stt("Hi there."), model, quick), options=slow)
    assert times(call, "turn", "commit") == times(call, "agent", "speech_started") == [4.0]
    first, second = times(call, "tts", "request")
    assert first < 3.5  # kept back
    assert second == 4.0  # not more than a sentence for nothing


@pytest.mark.parametrize("switch", ["speculative_stt", "preemptive", "early_filler"])
def test_each_switch_alone_makes_no_answer_another_one(switch):
    alone = replace(EAGER, head_start=replace(NO_HEAD_START, **{switch: True}))
    for options in (alone, replace(EAGER, head_start=replace(HeadStart(), **{switch: False}))):
        model = llm(ANSWER)
        call = hold([HELLO], Providers(stt("Hi there."), model, tts()), options=options)
        assert told(call, "agent", "said") == [ANSWER]
        assert [history(asked) for asked in model.asked] == [
            [("system", "Be brief."), ("user", "Hi there.")]
        ]


# --- the user was not done -----------------------------------------------------------------


def test_what_was_begun_for_half_a_turn_leaves_no_trace_but_its_count():
    more = say("And more.", "0.375 s after line 1 ends")  # heard at 3.4375, before 3.5
    model = llm("For nothing. At all.", ANSWER)
    call = hold(
        [HELLO, more], Providers(stt("Hi there.", "And more."), model, tts()), options=EAGER
    )
    assert turn_events(call) == ["speculated", "dropped", "speculated", "commit"]
    (dropped,) = call.timeline.select("turn", "dropped")
    assert dropped.data == {"tokens": 1, "voice_s": 0, "tools": []}
    assert told(call, "agent", "said") == [ANSWER]
    assert told(call, "llm", "done") == [ANSWER]
    assert history(model.asked[-1]) == [("system", "Be brief."), ("user", "Hi there. And more.")]


def test_a_user_who_goes_on_at_the_very_moment_of_the_commitment_is_answered_once():
    for begin in (7 / 16, 7 / 16 - 1 / 1024, 7 / 16 + 1 / 1024):  # heard 1/16 later: at 3.5
        more = say("And more.", f"{begin} s after line 1 ends")
        model = llm("For nothing. At all.", ANSWER, ANSWER)
        parts = Providers(stt("Hi there.", "And more."), model, tts())
        call = hold([HELLO, more], parts, options=EAGER)
        assert told(call, "agent", "said") == [ANSWER]
        asked = " ".join(m.text for m in model.asked[-1] if m.role == "user")
        assert asked == "Hi there. And more."


def test_three_pauses_in_one_turn_are_three_beginnings_and_one_answer():
    lines = [HELLO, *(say(f"Part {n}.", f"0.375 s after line {n} ends") for n in (1, 2))]
    model = llm("No.", "Nor this.", ANSWER)
    texts = ("Hi there.", "Part 1.", "Part 2.")
    call = hold(lines, Providers(stt(*texts), model, tts()), options=EAGER)
    assert turn_events(call) == [*["speculated", "dropped"] * 2, "speculated", "commit"]
    assert told(call, "agent", "said") == [ANSWER]
    assert told(call, "turn", "commit") == [" ".join(texts)]


def test_a_backchannel_to_oneself_drops_the_beginning_too():
    hm = say("Uh huh.", "0.375 s after line 1 ends", 0.25)
    model = llm("No.", ANSWER)
    call = hold([HELLO, hm], Providers(stt("Hi there.", "Uh huh."), model, tts()), options=EAGER)
    assert turn_events(call) == ["speculated", "dropped", "speculated", "commit"]
    assert told(call, "agent", "said") == [ANSWER]


# --- tools ---------------------------------------------------------------------------------


def test_who_corrects_himself_after_a_tool_has_read_is_answered_as_if_it_had_not():
    runs = []
    look = tool("look", lambda: runs.append("look"), 1 / 64, only_reads=True)
    more = say("No, Paris.", "0.375 s after line 1 ends")
    model = llm(calls("look"), "Sunny.", calls("look"), ANSWER, first_token_s=1 / 16)
    parts = Providers(stt("Rome?", "No, Paris."), model, tts())
    call = hold([HELLO, more], parts, [look], options=EAGER)
    assert runs == ["look"] * 2
    (dropped,) = call.timeline.select("turn", "dropped")
    assert dropped.data["tools"] == ["look"]
    assert len(call.timeline.select("tool", "started")) == 1
    roles = [(role, text) for role, text in history(model.asked[-1]) if role != "tool"]
    assert roles[1:] == [("user", "Rome? No, Paris."), ("assistant", "look")]
    check_history(model.asked[-1])


def test_a_tool_that_may_write_waits_for_the_turn_to_be_over():
    ran_at_s = {}

    def hold_with(only_reads):
        book = tool("book", lambda: "booked", 1 / 64, only_reads=only_reads)
        model = llm(calls("book"), ANSWER, first_token_s=1 / 16)
        call = hold([HELLO], Providers(stt("Book!"), model, tts()), [book], options=EAGER)
        (ran_at_s[only_reads],) = times(call, "tool", "started")
        assert told(call, "agent", "said") == [ANSWER]

    hold_with(only_reads=True)
    hold_with(only_reads=False)
    assert ran_at_s == {True: 3.1875 + 1 / 16, False: 3.5}


def test_the_tools_of_the_shop_that_write_say_so():
    agent = shop_agent(Providers(stt(), RuleLLM(), tts()))
    reading = [name for name, each in agent.tools._tools.items() if each.only_reads]
    assert reading == ["lookup_order", "check_shipping", "get_weather"]


def test_a_tool_that_is_known_to_be_slow_gets_its_filler_at_once_and_a_fast_one_none():
    for latency_s, filler_s in ((1.0, 3.5), (1 / 4, None)):
        look = tool("look", latency_s=latency_s, only_reads=True)
        model = llm(calls("look"), ANSWER, first_token_s=1 / 16)
        voice = tts()
        parts = Providers(stt("Hi there."), model, voice)
        call = hold([HELLO], parts, [look], options=EAGER_FILLED)
        said = {e.data["text"]: e.at_s for e in call.timeline.select("agent", "sentence")}
        assert said.get("One moment.") == filler_s
        if filler_s:  # it was made when the call began
            assert call.timeline.select("tts", "request")[0].data["cached"]


def test_measured_times_decide_whether_a_tool_is_slow():
    sometimes = tool("look", latency_s=1.0, only_reads=True)
    lines = [HELLO, *(say("Again?", "1 s after the agent stops") for _ in range(3))]
    model = llm(*[calls("look"), "Good."] * 4, first_token_s=1 / 16)
    parts = Providers(stt(*["Again?"] * 4), model, tts())
    agent_tools = [replace(sometimes, latency_s=1 / 16)]
    call = hold(lines, parts, agent_tools, options=EAGER_FILLED)
    assert "One moment." not in " ".join(told(call, "agent", "said"))


# --- failures ------------------------------------------------------------------------------


class FailsFirst:
    """Fails the first time that it is asked, and works from then on."""

    def __init__(self, works):
        self.works, self.asked = works, 0

    def _failing(self):
        self.asked += 1
        if self.asked == 1:
            raise ProviderError("not now")

    def stream(self, messages, tools):
        self._failing()
        return self.works.stream(messages, tools)

    def synthesize(self, text):
        self._failing()
        return self.works.synthesize(text)


@pytest.mark.parametrize("broken", ["llm", "tts"])
def test_a_provider_that_fails_in_speculation_only_is_asked_again_and_nobody_hears_of_it(broken):
    parts = Providers(stt("Hi there."), llm("Good.", "Good."), tts())
    parts = replace(parts, **{broken: FailsFirst(getattr(parts, broken))})
    options = replace(EAGER, reply=replace(EAGER.reply, apology=""))
    call = hold([HELLO], parts, options=options)
    assert told(call, "agent", "said") == ["Good."]
    assert turn_events(call) == ["speculated", "dropped", "commit"]
    assert not call.timeline.select(broken, "failed")


class NoGuesses:
    """A recogniser that fails whenever it is asked for a guess; it hears how many frames came."""

    guesses = True

    def __init__(self):
        self.times_asked = 0

    async def transcribe(self, audio):
        self.times_asked += 1
        frames = 0
        async for item in audio:
            if isinstance(item, MayEnd):
                raise ProviderError("no guesses today")
            frames += 1
        yield Transcript(f"{frames} frames.", is_final=True)


def test_a_recogniser_that_fails_over_its_guess_only_hears_all_of_the_turn_once_more():
    async def main():
        segment = Segment(0.0, 1.0)
        frames = [Audio(np.zeros(512, np.float32), 16_000)] * 3
        heard = asyncio.create_task(anext(segment.transcripts(deaf)))
        for frame in frames:
            segment.push(frame)
        segment.may_end()
        await asyncio.sleep(1)
        segment.go_on()
        segment.push(frames[0])
        segment.may_end()
        await asyncio.sleep(1)
        segment.close()
        return await heard

    deaf = NoGuesses()
    assert run_virtual(main()) == Transcript("4 frames.", is_final=True)
    assert deaf.times_asked == 2
    deaf = NoGuesses()
    call = hold([HELLO], Providers(deaf, llm(ANSWER), tts()), options=EAGER)
    assert told(call, "agent", "said") == [ANSWER]
    assert not call.timeline.select("stt", "failed")


# --- over the agent ------------------------------------------------------------------------

OVER = say("And Paris?", "5 s after the call starts")


def over_the_reply(*texts, options=EAGER, **guesses):
    model = llm(ANSWER, "Sunny.", "Fine.")
    parts = Providers(stt("Hi there.", *texts, **guesses), model, tts())
    return hold([HELLO, OVER], parts, options=options), model


def test_a_speculation_over_the_paused_agent_asks_what_will_be_asked():
    (call, model), (patient, asked) = (
        over_the_reply("And Paris?", options=options)
        for options in (EAGER, replace(EAGER, head_start=NO_HEAD_START))
    )
    said = told(call, "agent", "said")
    assert turn_events(call)[-2:] == ["speculated", "commit"]
    heard = " ".join(said[:-1])
    assert Message("assistant", heard) in model.asked[-1]
    assert said[-1] == told(patient, "agent", "said")[-1] == "Sunny."
    assert [m.role for m in model.asked[-1]] == [m.role for m in asked.asked[-1]]
    (turn,) = (t for t in stage_times(call.timeline) if t.text == "And Paris?")
    (slow,) = (t for t in stage_times(patient.timeline) if t.text == "And Paris?")
    assert turn.ttfb_s < slow.ttfb_s


def test_a_backchannel_that_was_guessed_to_be_words_lets_the_agent_go_on():
    call, model = over_the_reply("Uh huh.", **{"Uh huh.": "And Paris?"})
    assert turn_events(call) == ["speculated", "commit", "speculated", "dropped"]
    assert told(call, "agent", "said") == [ANSWER]
    assert len(model.asked) == 2


# --- whole calls ---------------------------------------------------------------------------


def test_a_shop_with_a_head_start_says_and_does_the_same():
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]
    outcomes = []
    for head_start in (NO_HEAD_START, HeadStart()):
        shop = data.shop()
        parts = Providers(GuessingScriptedSTT(texts), RuleLLM(), ScriptedTTS())
        call = play(script, shop_agent(parts, PipelineOptions(head_start=head_start), shop))
        outcomes.append(
            (told(call, "turn", "commit"), told(call, "llm", "done"), dump_database(shop))
        )
    assert outcomes[0] == outcomes[1]


def test_a_tool_that_is_done_before_the_turn_is_over_is_answered_before_it_is_over():
    look = tool("look", latency_s=1 / 64, only_reads=True)
    model = llm(calls("look"), ANSWER, first_token_s=1 / 16)
    slow = replace(EAGER_FILLED, turns=replace(EAGER.turns, silence_s=1.0))
    call = hold([HELLO], Providers(stt("Hi there."), model, tts()), [look], options=slow)
    assert times(call, "llm", "request")[1] < 3.5
    assert times(call, "agent", "speech_started") == times(call, "turn", "commit") == [4.0]
    assert told(call, "agent", "said") == [ANSWER]


@pytest.mark.parametrize("prewarmed", [True, False])
def test_providers_are_warmed_up_while_the_call_begins_and_one_that_fails_is_as_cold_as_before(
    prewarmed,
):
    warmed = []

    class Cold(GuessingScriptedSTT):
        async def warm_up(self):
            warmed.append("stt")
            raise ProviderError("no network yet")

    options = replace(EAGER, head_start=replace(HeadStart(), prewarmed=prewarmed))
    call = hold([HELLO], Providers(Cold(["Hi there."]), llm(ANSWER), tts()), options=options)
    assert warmed == ["stt"] * prewarmed
    assert told(call, "agent", "said") == [ANSWER]
