"""The recursion against the agent that runs: the same draws, every time equal to the bit.

It is the project's own pipeline agent, with scripted providers, in virtual time. What is not its
own is told in voxlab/agents/replayed_draws.py: connections, the network, and answers not streamed.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.agents.replayed_draws import play_turns
from voxlab.errors import LatencyError
from voxlab.evaluation.turn_times import turn_times
from voxlab.latency.random_turns import TurnDraws
from voxlab.latency.simulation import NEVER_S, Techniques, simulate

KINDS = {
    "one sentence": (1, False, False),
    "many sentences": (4, False, False),
    "a tool in silence": (3, True, False),
    "a tool under a filler": (3, True, True),
}
USER_END_S = 3.0


def wild_draws(rng: np.random.Generator, turns: int, sentences: int) -> TurnDraws:
    """Draw turns in which each stage is now and then the slowest one, whatever a provider does."""

    def some(mean_s, *shape):
        return rng.exponential(mean_s, shape or turns)

    counts = rng.integers(1, 5, (sentences, turns))
    counts *= np.arange(sentences)[:, None] < rng.integers(1, sentences + 1, turns)
    lasts_s = counts * rng.uniform(0.02, 0.6, turns)
    return TurnDraws(
        uplink_s=some(0.05),
        downlink_s=some(0.05),
        vad_silence_s=some(0.3),
        end_silence_s=some(0.4),
        doubt_s=some(0.1),
        stt_s=some(0.3),
        llm_connect_s=some(0.2),
        llm_first_token_s=some(0.5),
        word_s=some(0.1),
        tts_connect_s=some(0.2),
        tool_s=some(1.0),
        llm_after_tool_s=some(0.5),
        filler_after_s=some(0.3),
        filler_first_audio_s=some(0.3),
        filler_synthesis_s=some(0.3),
        filler_speech_s=some(1.0),
        words=counts,
        tts_first_audio_s=some(0.3, sentences, turns),
        tts_synthesis_s=lasts_s / rng.choice([0.5, 1, 2, 16], turns),
        speech_s=lasts_s,
    ).quantised()


def check_agreement(draws: TurnDraws, on: Techniques) -> None:
    """First audio, end of turn and every stage between them: equal, not nearly equal."""
    timings = simulate(draws, on)
    for turn, call in enumerate(play_turns(draws, range(len(draws)), on)):
        seen = turn_times(call.timeline)[0]
        assert seen.ttfb_s + draws.downlink_s[turn] == timings.ttfb_s[turn]
        assert seen.reply_end_s - seen.end_s + draws.downlink_s[turn] == timings.total_s[turn]

        def times(source, kind, timeline=call.timeline):
            return [event.at_s - USER_END_S for event in timeline.select(source, kind)]

        spoken = timings.first_byte_s[:, turn] > NEVER_S
        assert times("stt", "final") == [timings.transcript_s[turn]]
        assert times("turn", "commit") == [timings.commit_s[turn]]
        assert times("llm", "first_token")[0] == timings.first_token_s[turn]
        assert times("tts", "request") == timings.synth_start_s[spoken, turn].tolist()
        assert times("tts", "first_audio") == timings.first_byte_s[spoken, turn].tolist()
        assert times("tts", "done") == timings.synth_end_s[spoken, turn].tolist()
        assert times("agent", "sentence") == timings.play_start_s[spoken, turn].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_and_the_recursion_agree_to_the_bit(kind: str) -> None:
    sentences, tool, filler = KINDS[kind]
    rng = np.random.default_rng(list(KINDS).index(kind))
    turns = 0
    for switches in product([True, False], repeat=6):
        streaming, speculative, prewarmed, *head_start = switches
        draws = wild_draws(rng, 8, sentences)
        on = Techniques(streaming, speculative, prewarmed, tool, filler, *head_start)
        check_agreement(draws, on)
        turns += len(draws)
    assert turns == 512


def test_the_draws_take_both_sides_of_every_maximum() -> None:
    draws = wild_draws(np.random.default_rng(1), 2000, 4)
    t = simulate(draws)
    second = draws.words[1] > 0
    seen = {
        "the recogniser is later than the silence": t.transcript_s > t.end_of_turn_s,
        "the filler is needed": draws.tool_s > draws.filler_after_s,
        "there is a second sentence": second,
        "its text comes after the first is made": (t.synth_start_s[1] > t.synth_end_s[0])[second],
        "its sound comes after the first is over": (t.play_start_s[1] > t.play_end_s[0])[second],
        "making it takes longer than its first sound": (
            draws.tts_synthesis_s > draws.tts_first_audio_s
        )[1, second],
    }
    for branch, taken in seen.items():
        assert 0.05 < taken.mean() < 0.95, branch


QUARTERS = st.integers(0, 6).map(lambda quarters: quarters / 4)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(QUARTERS, min_size=25, max_size=25),
    st.lists(st.integers(1, 3), min_size=2, max_size=2),
    st.builds(Techniques, *[st.booleans()] * 8),
)
def test_they_agree_when_several_things_happen_at_the_same_moment(
    values: list[float], words: list[int], on: Techniques
) -> None:
    columns = iter(values)
    names = [name for name in TurnDraws.__dataclass_fields__ if name != "words"]
    by_sentence = {"tts_first_audio_s", "tts_synthesis_s", "speech_s"}
    arrays = {
        name: np.array([[next(columns)], [next(columns)]])
        if name in by_sentence
        else np.array([next(columns)])
        for name in names
    }
    check_agreement(TurnDraws(words=np.array(words)[:, None], **arrays), on)


def test_an_answer_too_long_for_one_piece_is_refused() -> None:
    draws = wild_draws(np.random.default_rng(1), 1, 9)
    many = np.full((9, 1), 40)
    long = TurnDraws(**{**draws.named(), "words": many})
    with pytest.raises(LatencyError, match="8 sentences ahead, and 142 words"):
        play_turns(long, [0], Techniques(streaming=False))
