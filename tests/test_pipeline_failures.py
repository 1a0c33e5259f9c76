"""The pipeline agent with broken parts: it apologises, asks again, or ends with a reason."""

import asyncio
import json

import pytest
from pipeline_calls import (
    ANSWER,
    APOLOGY,
    CAREFUL,
    HELLO,
    NEXT,
    NOT_HEARD,
    Notebook,
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

from voxlab.agents.tools import Tool
from voxlab.providers.protocols import Providers, ToolSpec, Transcript
from voxlab.providers.scripted import ScriptedLLM
from voxlab.timeline import Call
from voxlab.turn_taking import events, manager

LATER = say("And now?", "5 s after the agent stops")  # after every time limit of the voice


# --- broken parts ---------------------------------------------------------------------------


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
    assert model.asked[1][-1].text.replace("test_pipeline_failures.", "").startswith(result)
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


# --- faults of the agent itself -------------------------------------------------------------


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
