"""Calls of the pipeline agent in virtual time with scripted parts, and what must hold in each."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import NO_HEAD_START, PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.tools import Tool
from voxlab.clock import run_virtual
from voxlab.providers.protocols import ToolCall, ToolSpec
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions

# All delays are sums of powers of two, so that the times worked out by hand are exact.
VAD = VADOptions(min_speech_s=1 / 16, min_silence_s=1 / 4)
QUIET = PipelineOptions(
    instructions="Be brief.",
    vad=VAD,
    turns=TurnOptions(silence_s=0.5),
    head_start=NO_HEAD_START,
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


def tool(name, function=lambda: "done", latency_s=1.0, **more):
    return Tool(ToolSpec(name, f"Do {name}."), function, latency_s, **more)


def calls(*names):
    return [ToolCall(f"id_{name}", name, {}) for name in names]


FILLED = replace(
    QUIET,
    reply=ReplyOptions(filler="One moment.", filler_after_s=0.25, apology="", sentence_pause_s=0.0),
)
