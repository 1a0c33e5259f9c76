"""The twenty utterances, and the parts of quality, with engines that take scripted times."""

from dataclasses import replace

import pytest

from voxlab import data
from voxlab.agents.comparison import hold_trial, hold_trials, make_wanted_shop
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings
from voxlab.agents.shop import shop_agent, shop_realtime_agent
from voxlab.audio import silence
from voxlab.data.comparison import HeldTrial, dump_database, load_trials
from voxlab.errors import VoxlabError
from voxlab.evaluation.answer_quality import answers, judge, longest_silence_s
from voxlab.evaluation.stage_times import stage_times
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.manager import TurnOptions

BY_NAME = {trial.id: trial for trial in load_trials()}
WAITING = PipelineOptions(turns=TurnOptions(greeting=""))
DETECTS = RealtimeSettings(turn_detection=None)  # there is no sound to hear: see EdgeEar


def engines(trial):
    return scripted([trial.utterance.text], RuleLLM())


def pipeline(trial):
    return lambda shop: shop_agent(engines(trial), WAITING, shop)


def realtime(trial):
    connect, options = in_memory(engines(trial)), RealtimeOptions(greeting="")
    return lambda shop: shop_realtime_agent(connect, DETECTS, options, shop)


def judged(held):
    return judge(held, recognise=lambda voice: "").quality


# --- the table -----------------------------------------------------------------------------


def test_there_are_twenty_utterances_over_both_voices_and_all_kinds():
    assert len(load_trials()) == len(BY_NAME) == 20
    said = {(trial.utterance.id, trial.utterance.voice) for trial in load_trials()}
    assert len(said) == 20
    voices = [trial.utterance.voice for trial in load_trials()]
    assert voices.count("heart") == voices.count("espeak") == 10
    kinds = {trial.utterance.kind for trial in load_trials()}
    assert {"weather", "order", "shipping", "reservation", "hesitation", "person"} <= kinds


def test_only_bookings_may_change_the_shop():
    untouched = dump_database(data.shop())
    changing = {trial.id for trial in load_trials() if make_wanted_shop(trial) != untouched}
    assert changing == {"book", "book_robot"}


@pytest.mark.slow
@pytest.mark.parametrize("make", [pipeline, realtime])
def test_an_agent_that_hears_every_word_passes_all_twenty(make):
    for trial in load_trials():
        (held,) = hold_trials([trial], make(trial))
        quality = judged(held)
        assert (quality.right_answer, quality.right_state) == (True, True), trial.id
        assert quality.understood.errors == 0, trial.id
        assert not quality.dead_air, trial.id


def test_each_trial_has_a_shop_to_itself():
    for _ in range(2):  # one table for four is free on Friday at seven; a second booking would fail
        held = hold_trial(BY_NAME["book"], pipeline(BY_NAME["book"]))
        assert held.shop == held.wanted_shop != dump_database(data.shop())


# --- the parts of quality ------------------------------------------------------------------


def test_who_has_no_tools_answers_wrong_and_leaves_the_shop_as_it_was():
    held = hold_trial(
        BY_NAME["book"], lambda _: PipelineAgent(engines(BY_NAME["book"]), [], WAITING)
    )
    assert held.shop == dump_database(data.shop())
    assert (judged(held).right_answer, judged(held).right_state) == (False, False)


def test_a_wrong_table_is_a_wrong_state_although_the_words_are_right():
    wrong = replace(BY_NAME["book"], arguments={"day": "Friday", "time": "19:00", "party_size": 2})
    quality = judged(hold_trial(wrong, pipeline(BY_NAME["book"])))
    assert (quality.right_answer, quality.right_state) == (True, False)


def test_a_caller_who_is_not_handed_over_is_a_wrong_state():
    asks = replace(BY_NAME["order_check"], hands_over=True)
    assert not judged(hold_trial(asks, pipeline(asks))).right_state
    stays = replace(BY_NAME["person"], hands_over=False)
    assert not judged(hold_trial(stays, pipeline(stays))).right_state


@pytest.mark.parametrize("times", [0, 2])
def test_a_call_in_which_the_user_did_not_speak_once_is_no_trial(times):
    said = [
        Event(at_s + n, "caller", kind, {"text": "Hello?"} if kind == "speech_started" else {})
        for n in range(times)
        for at_s, kind in ((0.0, "speech_started"), (0.5, "speech_stopped"))
    ]
    held = HeldTrial(BY_NAME["book"], Call(Timeline(said), None, None), "", "")
    with pytest.raises(VoxlabError, match=f"spoke {times} times in .* a trial is one question"):
        judged(held)


def test_words_that_were_misheard_are_counted():
    trial = BY_NAME["weather_friday"]
    heard = scripted(["Will it rain in Rome on Friday?"], RuleLLM())
    held = hold_trial(trial, lambda shop: shop_agent(heard, WAITING, shop))
    assert judged(held).understood == (1, 7)
    assert not judged(held).right_answer


def test_speech_that_a_recogniser_gets_wrong_is_counted():
    held = hold_trial(BY_NAME["arrival"], pipeline(BY_NAME["arrival"]))
    sound = silence(held.call.timeline.duration_s, 16_000)
    voiced = replace(held.call, user=sound, agent=sound)
    lengths_s = []

    def recognise(voice):
        lengths_s.append(voice.duration_s)
        return "Sure. What is your border number?"

    quality = judge(replace(held, call=voiced), recognise).quality
    assert quality.spoken == (1, 6)
    spoken_s = sum(
        event.at_s * (1 if event.kind == "speech_stopped" else -1)
        for event in held.call.timeline.select("agent")
        if event.kind.startswith("speech")
    )
    assert lengths_s == [pytest.approx(spoken_s + 0.4, abs=0.01)]


def test_an_answer_may_say_it_in_any_of_its_wordings():
    trial = replace(BY_NAME["book"], answer=(("booked", "is yours"), ("friday",), ("21",)))
    assert answers(trial, "Friday it is: twenty-one o'clock, the table is yours!")
    assert not answers(trial, "Friday it is, at 21.")
    assert not answers(trial, "It is overbooked on Friday at 21.")


@pytest.mark.parametrize(
    ("agent", "longest_s"),
    [
        ([(3.5, 5.0), (5.2, 6.0)], 0.5),
        ([(3.5, 5.0), (7.0, 8.0)], 2.0),
        ([(1.5, 2.0), (4.5, 8.0)], 1.5),
        ([], 7.0),
    ],
)
def test_silence_counts_from_the_users_end_to_the_end_of_the_answer(agent, longest_s):
    spans = [("caller", 1.0, 3.0), *(("agent", *span) for span in agent)]
    events = [Event(10.0, "transport", "call_ended", {"reason": "the caller hung up"})]
    for source, start_s, end_s in spans:
        events.append(Event(start_s, source, "speech_started", {"text": ""}))
        events.append(Event(end_s, source, "speech_stopped"))
    timeline = Timeline(events)
    assert longest_silence_s(timeline, stage_times(timeline)[0]) == pytest.approx(longest_s)
