"""Calls judged by their recordings: synthetic ones with known truth, and each bad recording."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxlab import data
from voxlab.audio import Audio
from voxlab.data.expectations import Kind
from voxlab.errors import AudioError, VoxlabError
from voxlab.evaluation.audible_speech import PAUSE_S, audible_speech
from voxlab.evaluation.panel import FEWEST, Figure, pass_rate, summarise
from voxlab.evaluation.recording_judge import (
    ExpectedLine,
    JudgedTurn,
    judge_recording,
)
from voxlab.timeline import Call, Event, Timeline

RATE_HZ = 16_000
NEAR_S = 0.032  # a judge may be off by so much
CALLERS = ("order_where", "weather_friday", "book_table", "return_shoes")
AGENTS = ("goodbye", "order_email", "shipping_arrival", "cancel_reservation")


@cache
def voice(name: str) -> np.ndarray:
    """A recorded utterance from its first to its last clearly audible sample, without a pause."""
    samples = data.utterance(name).audio.resample(RATE_HZ).samples
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return samples[loud[0] : loud[-1] + 1]


@dataclass(frozen=True)
class Said:
    who: str
    start_s: float
    name: str

    @property
    def end_s(self) -> float:
        return self.start_s + voice(self.name).size / RATE_HZ


def recording(said: list[Said], duration_s: float, noise: float = 0.0) -> Call:
    """A call in which these were said at these times; noise: its level at the caller's end."""
    channels = {who: np.zeros(round(duration_s * RATE_HZ), np.float32) for who in ("user", "agent")}
    channels["user"] += noise * np.random.default_rng(0).standard_normal(channels["user"].size)
    for each in said:
        start, sound = round(each.start_s * RATE_HZ), voice(each.name)
        channels[each.who][start : start + sound.size] += sound
    lines = [s for s in said if s.who == "user"]
    events = [Event(s.start_s, "caller", "speech_started", {"text": s.name}) for s in lines]
    events += [Event(s.end_s, "caller", "speech_stopped", {}) for s in lines]
    return Call(Timeline(events), *(Audio(s.clip(-1, 1), RATE_HZ) for s in channels.values()))


WAITS_S = st.floats(-0.5, 3.0).filter(lambda wait_s: not -0.05 < wait_s < 0.05)


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(CALLERS),
    st.sampled_from(AGENTS),
    st.sampled_from(CALLERS),
    WAITS_S,
    WAITS_S,
    st.sampled_from([0.0, 0.001]),
)
def test_every_time_of_a_synthetic_call_is_known_to_within_a_frame_of_the_vad(
    first, answer, second, wait_s, next_s, noise
):
    """wait_s: from the caller's end to the agent; next_s: from the agent's end to the caller."""
    question = Said("user", 0.7, first)
    reply = Said("agent", question.end_s + wait_s, answer)
    follows = Said("user", reply.end_s + next_s, second)
    last = Said("agent", follows.end_s + 0.6, AGENTS[0])
    said = [question, reply, follows, last]
    judged = judge_recording(recording(said, last.end_s + 0.5, noise))
    assert not judged.faults
    one, two = judged.turns
    for turn, truth in ((one, question), (two, follows)):
        assert turn.start_s == pytest.approx(truth.start_s, abs=NEAR_S)
        assert turn.end_s == pytest.approx(truth.end_s, abs=NEAR_S)
    assert one.reply_s == pytest.approx(reply.start_s, abs=NEAR_S)
    assert one.reply_end_s == pytest.approx(reply.end_s, abs=NEAR_S)
    assert one.cut_in == (wait_s < 0)
    assert (one.ttfb_s is None) == one.cut_in
    assert two.over_agent == (next_s < 0)
    if two.over_agent:
        assert two.yield_s == pytest.approx(reply.end_s - follows.start_s, abs=NEAR_S)
    if follows.start_s - question.end_s > PAUSE_S:  # else both lines are one stretch
        overlap_s = max(0.0, -wait_s) + max(0.0, -next_s)
        assert judged.talk_over_s == pytest.approx(overlap_s, abs=2 * NEAR_S)


def test_who_is_not_answered_is_missed_and_waits_in_dead_air():
    question = Said("user", 0.5, "order_where")
    judged = judge_recording(recording([question], question.end_s + 5.0))
    (turn,) = judged.turns
    assert (turn.reply_s, turn.is_answered) == (None, False)
    (silence,) = judged.dead_air
    assert silence.end_s - silence.start_s == pytest.approx(5.0, abs=NEAR_S)
    assert "the agent never speaks" in judged.faults


def test_a_backchannel_owes_no_answer_and_ignoring_it_is_right():
    story = Said("agent", 0.5, "order_email")
    hum = Said("user", 1.0, "just_yes")
    call = recording([story, hum], story.end_s + 5.0)
    (turn,) = judge_recording(call, [ExpectedLine(Kind.BACKCHANNEL)]).turns
    assert turn.over_agent
    assert turn.ignored == (story.end_s - hum.start_s > 1.0)
    assert not judge_recording(call, [ExpectedLine(Kind.BACKCHANNEL)]).dead_air


def test_without_a_script_a_short_pause_is_within_a_turn_and_a_reply_ends_it():
    first = Said("user", 0.5, "order_where")
    again = Said("user", first.end_s + 0.7, "weather_friday")
    call = recording([first, again], 9.0)
    (turn,) = judge_recording(Call(Timeline(), call.user, call.agent)).turns
    assert (turn.start_s, turn.end_s) == pytest.approx((0.5, again.end_s), abs=NEAR_S)
    cut = Said("agent", first.end_s + 0.3, "goodbye")
    call = recording([first, cut, again], 9.0)
    assert len(judge_recording(Call(Timeline(), call.user, call.agent)).turns) == 2


# --- bad recordings -----------------------------------------------------------------------------


def two_lines() -> list[Said]:
    first = Said("user", 0.7, "order_where")
    reply = Said("agent", first.end_s + 0.8, "order_email")
    second = Said("user", reply.end_s + 0.6, "weather_friday")
    return [first, reply, second, Said("agent", second.end_s + 0.7, "goodbye")]


def faults(call: Call) -> str:
    return "; ".join(judge_recording(call).faults)


def test_each_bad_recording_is_told_in_words():
    call = recording(two_lines(), 16.0)
    assert faults(call) == ""
    user, agent = call.user, call.agent
    assert user is not None
    assert agent is not None
    loud = Audio((user.samples * 50).clip(-1, 1), RATE_HZ)
    assert "the caller's channel is clipped" in faults(Call(call.timeline, loud, agent))
    assert "both channels are the same" in faults(Call(call.timeline, user, user))
    assert "look swapped" in faults(Call(call.timeline, agent, user))
    short = [each.between(0.0, 5.0) for each in (user, agent)]
    assert "the recording ends" in faults(Call(call.timeline, *short))
    slow = Audio(user.samples, 15_500).resample(RATE_HZ)
    padded = Audio(np.pad(agent.samples, (0, slow.samples.size - agent.samples.size)), RATE_HZ)
    assert "the clocks drift" in faults(Call(call.timeline, slow, padded))
    nothing = Audio(np.zeros_like(user.samples), RATE_HZ)
    assert "the caller never speaks" in faults(Call(Timeline(), nothing, agent))


def test_a_call_without_sound_and_too_few_expectations_are_refused():
    with pytest.raises(VoxlabError, match="without sound"):
        judge_recording(Call(Timeline()))
    with pytest.raises(VoxlabError, match="2 lines were said, and 1 are expected"):
        judge_recording(recording(two_lines(), 16.0), [ExpectedLine()])


def test_digital_silence_holds_no_speech_and_a_tone_is_none():
    assert audible_speech(Audio(np.zeros(32_000, np.float32), RATE_HZ)) == []
    tone = 0.3 * np.sin(np.arange(32_000) * 0.2).astype(np.float32)
    assert audible_speech(Audio(tone, RATE_HZ)) == []
    assert len(audible_speech(Audio(tone, RATE_HZ), is_one_voice=True)) == 1
    for unusable in (Audio(np.zeros(32_000, np.float32), 8_000), Audio(tone[:100], RATE_HZ)):
        with pytest.raises(AudioError):
            audible_speech(unusable)


def test_a_word_is_found_where_it_lies_however_much_silence_is_around_it():
    """The VAD is not asked about long silences."""
    word = data.utterance("goodbye").audio
    (alone,) = audible_speech(word)
    for before_s, after_s in ((0.0, 0.5), (0.5, 0.0), (5.0, 1.0), (60.0, 60.0)):
        before, after = (np.zeros(round(s * RATE_HZ), np.float32) for s in (before_s, after_s))
        padded = Audio(np.concatenate([before, word.samples, after]), RATE_HZ)
        (found,) = audible_speech(padded)
        assert found.start_s - before_s == pytest.approx(alone.start_s, abs=0.004)
        assert found.end_s - before_s == pytest.approx(alone.end_s, abs=0.004)


# --- the panel ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    turns: tuple[JudgedTurn, ...]


def turns_of(ttfb_s: list[float]) -> list[Judged]:
    return [
        Judged((JudgedTurn(ExpectedLine(), 1.0, 2.0, False, None, 2.0 + each, 4.0),))
        for each in ttfb_s
    ]


def test_a_figure_over_too_few_events_has_no_value_and_says_of_how_many():
    few, enough = summarise(turns_of([0.5] * (FEWEST - 1))), summarise(turns_of([0.5] * FEWEST))
    assert str(few["response rate"]) == f"N/A ({FEWEST - 1})"
    assert enough["response latency, P50"].value == pytest.approx(0.5)
    assert str(enough["response latency, P95"]) == f"N/A ({FEWEST})"
    assert str(enough["yield rate"]) == "N/A (0)"


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.0, 0.2))
def test_the_gate_fails_only_on_what_the_intervals_support(seed, slower_s):
    rng = np.random.default_rng(seed)
    times_s = rng.uniform(0.5, 0.9, 40)
    before, after = (
        summarise(turns_of(list(times_s))),
        summarise(turns_of(list(times_s + slower_s))),
    )
    worse = after.worse_than(before)
    medians = [each["response latency, P50"] for each in (before, after)]
    assert ("response latency, P50" in worse) == (medians[1].low > medians[0].high)
    assert before.worse_than(before) == []
    assert summarise(turns_of(list(times_s + 1.0))).worse_than(before)


def test_a_cut_in_is_counted_and_enters_no_latency():
    judged = summarise(turns_of([0.5] * 10 + [-0.3] * 10))
    assert judged["agent cuts in"].value == 0.5
    assert judged["response latency, P50"].events == 10


def test_a_share_and_a_time_are_written_with_interval_and_count():
    assert str(Figure("a", "s", "lower", 12, 0.5, 0.4, 0.6)) == "0.50 s (0.40 to 0.60; 12)"
    assert str(Figure("b", "", "higher", 12, 0.5, 0.25, 0.75)) == "50% (25% to 75%; 12)"


def test_pass_k_of_what_always_works_is_one_and_falls_with_k_otherwise():
    assert pass_rate([4, 4], 4, 4) == 1.0
    falling = [pass_rate([4, 3, 1], 4, k) for k in range(1, 5)]
    assert falling == sorted(falling, reverse=True)
    with pytest.raises(VoxlabError, match="needs k trials"):
        pass_rate([1], 2, 3)
