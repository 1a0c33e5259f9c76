"""The caller who wants an answer: goes on, answers, says it again in other words, gives up."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import LISTENS_S
from voxlab.agents.calls import play
from voxlab.agents.playback import Playback
from voxlab.errors import ScriptError
from voxlab.providers.protocols import Speech

WAIT_S = 1.0  # of the answerer, before each answer


class Answerer:
    """Answers each line of the caller with the next of some texts, a second each; "" is silence."""

    def __init__(self, *texts):
        self.texts = texts

    async def run(self, line):
        playback, left = Playback(line, *[lambda *_: None] * 3), list(self.texts)

        def say(text):
            speech = playback.open()
            playback.play(speech, Speech(text, 1.0))
            playback.complete(speech)

        def note(event):
            is_end = (event.source, event.kind) == ("caller", "speech_stopped")
            if is_end and left and (text := left.pop(0)):
                line.call_at(line.now_s + WAIT_S, say, text)

        line.subscribe(note)
        await asyncio.Event().wait()


def script(temper=None, **line):
    ask = {"id": "ask", "text": "Where is it?", "lasts_s": 1.0, "at": "0 s after the call starts"}
    bye = {"id": "bye", "text": "Bye.", "lasts_s": 0.5}
    lines = [{**ask, "wants": "Friday | tomorrow", **line}, bye]
    return parse_script(
        {"lines": lines, "temper": temper or {}, "hang_up": "0 s after line bye ends"}
    )


def held(agent, *args, **line):
    return play(script(*args, **line), agent).timeline


def said(timeline):
    return [event.data["text"] for event in timeline.select("caller", "speech_started")]


def test_a_caller_goes_on_once_the_wanted_words_are_said():
    timeline = held(Answerer("It comes tomorrow"))
    assert said(timeline) == ["Where is it?", "Bye."]
    assert timeline.select("caller", "reacted") == []


def test_without_a_want_the_caller_only_follows_the_script():
    assert said(held(Answerer("What?"), wants=None)) == ["Where is it?", "Bye."]


def test_a_caller_who_is_not_understood_says_it_again_and_in_other_words():
    agent = Answerer("What?", "Pardon?", "On Friday")
    assert said(held(agent)) == ["Where is it?"] * 3 + ["Bye."]
    other = said(held(agent, rephrased=["Has it been sent?"]))
    assert other == ["Where is it?", "Has it been sent?", "Where is it?", "Bye."]


def test_a_caller_tells_what_they_react_to():
    timeline = held(Answerer("What?", "", "On Friday"))
    reacted = [dict(event.data) for event in timeline.select("caller", "reacted")]
    assert reacted == [
        {"line": "ask", "why": "not understood", "said": "what"},
        {"line": "ask", "why": "no answer", "said": ""},
    ]


def test_a_caller_hears_the_answer_out_before_they_say_it_again():
    timeline = held(Answerer("What?", "On Friday"))
    _, again, _ = timeline.select("caller", "speech_started")
    silent_s = 1.0 + WAIT_S + 1.0  # the line, the wait, the answer
    assert silent_s + LISTENS_S <= again.at_s <= silent_s + LISTENS_S + 1.0


def test_a_caller_without_any_answer_waits_for_as_long_as_they_bear_silence():
    timeline = held(Answerer("", "On Friday"))
    assert timeline.select("caller", "speech_started")[1].at_s == pytest.approx(1.0 + 8.0)


def test_after_all_tries_the_caller_gives_up():
    timeline = held(Answerer(*["What?"] * 9), {"tries": 2})
    assert said(timeline) == ["Where is it?"] * 2
    assert timeline.end_reason == "the caller gave up: ask was not understood 2 times"
    (gone,) = timeline.select("caller", "gave_up")
    assert gone.data["line"] == "ask"


ANSWERS = {"number": "It is five.", "name": "The name is Morgan."}


@pytest.fixture
def without_voice(monkeypatch):
    """Let what is spoken last a second and make no sound."""
    read = "voxlab.agents.callers.script_sounds.speak_text"
    monkeypatch.setattr(read, lambda text, *_: Speech(text, 1.0))


@pytest.mark.usefixtures("without_voice")
def test_a_caller_answers_what_the_agent_asks_once_and_that_is_no_try():
    agent = Answerer("Which number?", "Which name?", "On Friday")
    timeline = held(agent, {"tries": 1, "answers": ANSWERS})
    assert said(timeline) == ["Where is it?", "It is five.", "The name is Morgan.", "Bye."]
    twice = held(Answerer(*["Which number?"] * 9), {"tries": 1, "answers": ANSWERS})
    assert said(twice) == ["Where is it?", "It is five."]


@pytest.mark.usefixtures("without_voice")
def test_last_words_are_said_before_the_caller_hangs_up():
    temper = {"tries": 1, "last_words": "This is hopeless."}
    assert said(held(Answerer("What?"), temper)) == ["Where is it?", "This is hopeless."]


WAYS = ["Has it been sent?", "Is it on its way?", "When will I have it?"]


def test_two_calls_of_one_caller_are_the_same_to_the_byte_and_another_seed_differs():
    def hold(seed):
        agent = Answerer(*["What?"] * 9)
        return held(agent, {"seed": seed, "tries": 4}, rephrased=WAYS).to_json()

    assert hold(1) == hold(1)
    assert len({hold(seed) for seed in range(4)}) > 1


@pytest.mark.slow
@given(st.integers(0, 99), st.integers(1, 5), st.lists(st.sampled_from(["What?", "", "On Friday"])))
def test_whatever_the_agent_says_the_caller_tries_so_often_or_is_content(seed, tries, texts):
    timeline = held(Answerer(*texts), {"seed": seed, "tries": tries}, rephrased=WAYS)
    asked = [text for text in said(timeline) if text != "Bye."]
    content = "On Friday" in texts[:tries]
    assert len(asked) == (texts.index("On Friday") + 1 if content else tries)
    assert timeline.end_reason.startswith("the caller hung up" if content else "the caller gave up")


@pytest.mark.parametrize(
    ("temper", "reason"),
    [
        ({"trys": 3}, "temper: unknown key 'trys'; did you mean tries?"),
        ({"tries": 0}, "temper: tries is 0: needs"),
        ({"seed": "x"}, "temper: seed is 'x'"),
        ({"last_words": 3}, "temper: speak: 3 has no words"),
    ],
)
def test_a_temper_that_cannot_be_is_refused(temper, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)):
        script(temper)
