"""Every way to speak over the agent in data/interruptions.yaml, twice.

With the real engines: did the caller get what he wanted? And with the words known, as if the
recogniser never erred: was each interruption also taken for what it was?
"""

from dataclasses import replace
from functools import cache

import pytest
from remembered import remembered

from voxlab.agents.callers.interruption_scenarios import load_scenarios, read_outcome
from voxlab.agents.calls import play
from voxlab.agents.pipeline.options import NO_HEAD_START, HeadStart, PipelineOptions
from voxlab.agents.shop import shop_agent
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.offline import offline
from voxlab.providers.protocols import Providers
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import ScriptedSTT
from voxlab.providers.smart_turn import SmartTurn
from voxlab.turn_taking.interruptions import Meaning

MISHEARD = {  # what Moonshine makes of these words costs the caller his answer
    "another_day_by_espeak": "No way, I meant to stay.",
}


@cache
def voice():
    tts = HibariTTS()
    tts._sentence = remembered(tts._sentence)
    return tts


@cache
def engines():
    stt, judge = MoonshineSTT(partial_every_s=None), SmartTurn()
    stt._text, judge.judge = remembered(stt._text), remembered(judge.judge)
    return replace(offline(), stt=stt, tts=voice(), end_of_turn=judge)


def knowing(scenario):
    """Providers that hear each line of the script as it is written, and noises as no words."""
    texts = [line.utterance.text for line in scenario.script.lines]
    heard = ["" if text.startswith("(") else text for text in texts]
    return Providers(ScriptedSTT(heard), Asked(RuleLLM()), voice())


class Asked:
    """A language model that keeps what it was asked last."""

    def __init__(self, llm):
        self.llm, self.messages = llm, []

    def stream(self, messages, tools):
        self.messages = list(messages)
        return self.llm.stream(messages, tools)


def options(scenario):
    return PipelineOptions(
        head_start=NO_HEAD_START if scenario.is_before_the_reply else HeadStart()
    )


def told(call, source, kind):
    return [event.data["text"] for event in call.timeline.select(source, kind)]


def heard_words(timeline):
    """The agent's words that sounded to their end, by their times and the moments of silence."""
    stops = [event.at_s for event in timeline.select("agent", "speech_stopped")]
    words = []
    for sentence in timeline.select("agent", "sentence"):
        until_s = next(at_s for at_s in stops if at_s >= sentence.at_s) + 1e-9
        words += [w for w, _, end_s in sentence.data["words"] if sentence.at_s + end_s <= until_s]
    return words


def case(id, scenario):
    mark = pytest.mark.xfail(strict=True, reason=f"heard as: {MISHEARD.get(id)}")
    return pytest.param(scenario, id=id, marks=[mark] if id in MISHEARD else [])


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [case(*item) for item in load_scenarios().items()])
def test_the_caller_gets_what_he_wants_from_the_real_engines(scenario):
    call = play(scenario.script, shop_agent(engines(), options(scenario)))
    assert scenario.is_met_by(read_outcome(call.timeline)), told(call, "stt", "final")


@pytest.mark.parametrize("scenario", [*load_scenarios().values()], ids=[*load_scenarios()])
def test_with_the_words_known_all_goes_right_and_the_history_keeps_what_was_heard(scenario):
    providers = knowing(scenario)
    call = play(scenario.script, shop_agent(providers, options(scenario)))
    found, said = read_outcome(call.timeline), told(call, "agent", "said")
    assert scenario.is_met_by(found)
    assert found.means == (scenario.wanted.means or found.means)
    assert " ".join(said).split() == heard_words(call.timeline)
    kept = [m.text for m in providers.llm.messages if m.role == "assistant" and m.text]
    assert kept == said[: len(kept)]
    if scenario.wanted.then in ("goes on", "resumes"):  # and not a word is lost
        assert all(text in said[-1] for text in told(call, "llm", "done"))


def test_there_are_many_ways_to_speak_over_an_agent():
    wanted = [scenario.wanted for scenario in load_scenarios().values()]
    assert len(wanted) >= 40
    assert {means for outcome in wanted for means in outcome.means} == {*Meaning} - {Meaning.NOISE}
    assert {outcome.then for outcome in wanted} == {
        *("goes on", "resumes", "answers", "is silent", "hands over")
    }


@pytest.mark.parametrize("wrong", [Meaning.REQUEST, Meaning.BACKCHANNEL, Meaning.STOP])
def test_an_agent_that_takes_everything_for_the_same_gets_most_scenarios_wrong(wrong):
    options = PipelineOptions(classify=lambda *_: wrong)
    some = [*load_scenarios().values()][::4]
    calls = [play(scenario.script, shop_agent(knowing(scenario), options)) for scenario in some]
    met = [s.is_met_by(read_outcome(c.timeline)) for s, c in zip(some, calls, strict=True)]
    assert sum(met) <= 0.6 * len(met)
