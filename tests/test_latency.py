"""Turns from draws: worked by hand, what each technique may and may not do, and intervals."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats

from voxlab.errors import LatencyError, VoxlabError
from voxlab.latency.random_turns import GRID_S, TurnDraws, TurnModel, draw_turns, fit_turn_model
from voxlab.latency.simulation import CHUNK, NAIVE, Techniques, monte_carlo, simulate
from voxlab.statistics.intervals import bootstrap_interval

MODEL = fit_turn_model("stt/nova-3", "llm/gpt-4o-mini", "tts/flash-v2.5")
ONE = {  # one turn; sums of powers of two, so that what is worked out by hand is exact
    "uplink_s": 1 / 32,
    "downlink_s": 1 / 16,
    "vad_silence_s": 1 / 4,
    "end_silence_s": 1 / 2,
    "doubt_s": 1 / 32,
    "stt_s": 1 / 8,
    "llm_connect_s": 1 / 4,
    "llm_first_token_s": 1 / 2,
    "word_s": 1 / 16,
    "tts_connect_s": 1 / 4,
    "tool_s": 2.0,
    "llm_after_tool_s": 1 / 2,
    "filler_after_s": 1 / 4,
    "filler_first_audio_s": 1 / 8,
    "filler_synthesis_s": 1 / 4,
    "filler_speech_s": 1.0,
}
SENTENCES = {
    "words": [[4], [3], [0]],
    "tts_first_audio_s": [[1 / 8], [1 / 4], [0.0]],
    "tts_synthesis_s": [[1 / 2], [1 / 8], [0.0]],
    "speech_s": [[1.0], [2.0], [0.0]],
}


def one_turn(**changes: float) -> TurnDraws:
    single = {name: np.array([value]) for name, value in (ONE | changes).items()}
    return TurnDraws(**single, **{name: np.array(value) for name, value in SENTENCES.items()})


ALL_ON = [Techniques(*on) for on in product([False, True], repeat=5)]


# --- by hand -------------------------------------------------------------------------------


def test_a_streaming_turn_has_the_times_worked_out_by_hand():
    t = simulate(one_turn())
    assert t.end_of_turn_s == 17 / 32  # 1/32 on the way, 1/2 of silence
    assert t.transcript_s == 13 / 32  # asked at the pause, 9/32: done before the turn is over
    assert t.first_token_s == 33 / 32
    ready_s = 33 / 32 + 3 / 16  # the fourth word
    assert t.synth_start_s[:, 0].tolist() == [ready_s, ready_s + 1 / 2, ready_s + 3 / 4]
    assert t.first_byte_s[:2, 0].tolist() == [ready_s + 1 / 8, ready_s + 3 / 4]
    assert t.synth_end_s[1, 0] == ready_s + 3 / 4  # no sound before it is made
    assert t.play_start_s[:2, 0].tolist() == [ready_s + 1 / 8, ready_s + 9 / 8]
    assert t.ttfb_s == ready_s + 1 / 8 + 1 / 16
    assert t.total_s == ready_s + 1 / 8 + 3 + 1 / 16
    assert t.longest_silence_s == t.ttfb_s


def test_a_naive_turn_does_one_thing_after_the_other():
    t = simulate(one_turn(), NAIVE)
    assert t.commit_s == 17 / 32 + 1 / 8  # the recogniser begins when the turn is over
    assert t.first_token_s == t.commit_s + 1 / 4 + 1 / 2  # with a connection to be made
    assert t.synth_start_s == t.first_token_s + 6 / 16  # all seven words
    assert t.ttfb_s == t.synth_start_s + 1 / 4 + 5 / 8 + 1 / 16  # connection, both sentences made
    assert t.total_s == t.ttfb_s + 3


def test_a_filler_is_heard_while_the_tool_works_and_the_answer_comes_after_it():
    t = simulate(one_turn(), Techniques(tool=True))
    assert t.synth_start_s[0, 0] == 33 / 32 + 1 / 4
    assert t.ttfb_s == 33 / 32 + 1 / 4 + 1 / 8 + 1 / 16
    answer_s = 33 / 32 + 2 + 1 / 2 + 3 / 16 + 1 / 8
    assert t.play_start_s[1, 0] == answer_s
    assert t.longest_silence_s == t.ttfb_s
    silent = simulate(one_turn(), Techniques(tool=True, filler=False))
    assert silent.ttfb_s == answer_s + 1 / 16
    assert silent.total_s == t.total_s, "this filler is over before the answer is there"


def test_a_quick_tool_needs_no_filler_and_the_answer_pays_for_the_connection():
    quick = one_turn(tool_s=1 / 8)
    t = simulate(quick, Techniques(tool=True, prewarmed=False))
    silent = simulate(quick, Techniques(tool=True, prewarmed=False, filler=False))
    assert t.play_start_s[0, 0] == -math.inf
    assert t.ttfb_s == silent.ttfb_s
    assert t.total_s == silent.total_s
    assert t.longest_silence_s == silent.longest_silence_s


def test_a_gap_between_two_sentences_is_silence_too():
    t = simulate(one_turn(word_s=2.0))
    gap_s = t.play_start_s[1] - t.play_end_s[0]
    assert gap_s > 3
    assert t.longest_silence_s == max(t.ttfb_s, gap_s)


# --- what holds for every turn -------------------------------------------------------------


def test_no_delay_ever_makes_anything_earlier():
    draws = draw_turns(MODEL, 300, np.random.default_rng(1))
    for on in ALL_ON:
        before = simulate(draws, on)
        for name in ("uplink_s", "stt_s", "llm_first_token_s", "word_s", "tts_first_audio_s"):
            after = simulate(replace(draws, **{name: draws.named()[name] + 0.25}), on)
            assert (after.ttfb_s >= before.ttfb_s).all(), (name, on)
            assert (after.total_s >= before.total_s).all(), (name, on)


def test_what_each_technique_gains_and_costs():
    draws = draw_turns(MODEL, 1000, np.random.default_rng(2))
    for on in ALL_ON:
        t = simulate(draws, on)
        for name in ("speculative_stt", "prewarmed"):
            better = simulate(draws, replace(on, **{name: True}))
            assert (better.ttfb_s <= t.ttfb_s).all()
            assert (better.total_s <= t.total_s).all()
        assert (simulate(draws, replace(on, streaming=True)).ttfb_s <= t.ttfb_s + 1e-9).all()


def test_a_filler_helps_unless_it_is_slower_than_the_tool_and_never_ends_a_turn_earlier():
    draws = draw_turns(MODEL, 1000, np.random.default_rng(2))
    slow = draws.filler_after_s + draws.filler_first_audio_s > draws.tool_s
    filled, silent = (simulate(draws, Techniques(tool=True, filler=on)) for on in (True, False))
    assert (filled.ttfb_s < silent.ttfb_s)[~slow].all()
    assert (filled.ttfb_s > silent.ttfb_s)[slow].any(), "a slow filler stands in the answer's way"
    assert (filled.total_s >= silent.total_s - 1e-9).all()


def test_the_budget_of_a_turn_adds_up_to_its_ttfb():
    draws = draw_turns(MODEL, 40, np.random.default_rng(3))
    for on in ALL_ON:
        t = simulate(draws, on)
        for turn in range(40):
            assert t.budget(turn).first_audio_s == pytest.approx(t.ttfb_s[turn], abs=1e-9)


def test_the_spans_of_a_turn_tell_when_it_is_heard():
    t = simulate(one_turn(), Techniques(tool=True))
    spans = t.spans()
    names = ["silence", "STT", "LLM", "tool", "LLM", *["TTS", "voice"] * 3]
    assert [span.name for span in spans] == names
    assert all(span.start_s <= span.first_s <= span.end_s for span in spans)
    voices = [span for span in spans if span.name == "voice"]
    assert voices[0].start_s == t.ttfb_s[0]
    assert voices[-1].end_s == t.total_s[0]


# --- draws ---------------------------------------------------------------------------------


def test_two_models_that_differ_in_one_part_have_equal_luck_in_all_others():
    other = replace(MODEL, llm_s=0.3, tool_s=2.0)
    one, two = (draw_turns(m, 50, np.random.default_rng(4)).named() for m in (MODEL, other))
    differ = {name for name in one if not np.array_equal(one[name], two[name])}
    assert differ == {"llm_first_token_s", "llm_after_tool_s", "tool_s"}


def test_quantised_draws_lie_on_the_grid_and_close_to_the_others():
    draws = draw_turns(MODEL, 50, np.random.default_rng(5))
    for name, values in draws.quantised().named().items():
        steps = values if name == "words" else values / GRID_S
        assert np.array_equal(steps, np.round(steps)), name
        assert np.abs(values - draws.named()[name]).max() <= GRID_S / 2


def test_answers_have_as_many_sentences_and_words_as_the_model_says():
    model = replace(MODEL, sentences=(2, 3), words=(5, 6))
    words = draw_turns(model, 2000, np.random.default_rng(6)).words
    assert np.unique(words[:2]).tolist() == [5, 6]
    assert np.unique(words[2]).tolist() == [0, 5, 6]
    assert 0.4 < (words[2] > 0).mean() < 0.6


def test_a_typical_turn_has_every_part_at_its_median():
    draws = draw_turns(MODEL.typical(), 2, np.random.default_rng(7))
    assert draws.stt_s.tolist() == pytest.approx([0.096] * 2, rel=0.01)
    assert draws.words.tolist() == [[9, 9], [9, 9]]
    slower = draw_turns(
        MODEL.with_medians(stt_s=0.2, tool_s=1.0).typical(), 1, np.random.default_rng(7)
    )
    assert (slower.stt_s[0], slower.tool_s[0]) == (pytest.approx(0.2), 1.0)


def test_monte_carlo_is_the_recursion_in_pieces():
    rng = np.random.default_rng(8)
    pieces = [simulate(draw_turns(MODEL, size, rng), NAIVE) for size in (CHUNK, 100)]
    waits = monte_carlo(MODEL, CHUNK + 100, np.random.default_rng(8), NAIVE)
    for name in ("ttfb_s", "total_s", "longest_silence_s"):
        whole = np.concatenate([getattr(piece, name) for piece in pieces])
        assert np.array_equal(getattr(waits, name), whole)


# --- refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["stt_s", "filler_first_audio_s", "speech_s"])
def test_a_draw_that_is_no_latency_is_named(name, value):
    draws = draw_turns(MODEL, 5, np.random.default_rng(9))
    values = draws.named()[name].copy()
    values[..., 3] = value
    with pytest.raises(LatencyError, match=f"{name} holds {value}"):
        replace(draws, **{name: values})


def test_draws_of_another_shape_are_refused():
    draws = draw_turns(MODEL, 5, np.random.default_rng(9))
    with pytest.raises(LatencyError, match=r"stt_s has the shape \(4,\), needs \(5,\)"):
        replace(draws, stt_s=draws.stt_s[:4])
    with pytest.raises(LatencyError, match="a first sentence"):
        replace(draws, words=np.zeros_like(draws.words))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stt_s", -1.0),
        ("llm_s", math.nan),
        ("tool_s", math.inf),
        ("words_per_s", 0.0),
        ("synthesis_rate", 0.0),
        ("words", (0, 3)),
        ("sentences", (3, 2)),
    ],
)
def test_a_model_that_makes_no_turn_is_refused_by_name(name, value):
    with pytest.raises(LatencyError, match=f"{name} is "):
        TurnModel(**{"stt_s": 0.1, "llm_s": 0.2, "tts_s": 0.1, name: value})


def test_no_turns_are_refused():
    with pytest.raises(LatencyError, match="0 turns"):
        draw_turns(MODEL, 0, np.random.default_rng(1))


# --- intervals -----------------------------------------------------------------------------


def p95(sample):
    return np.percentile(sample, 95, axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize("statistic", [p95, lambda x: np.mean(x, axis=-1)])
def test_the_bootstrap_interval_is_scipys(statistic):
    sample = np.random.default_rng(1).lognormal(size=40)
    ours = bootstrap_interval(sample, statistic, np.random.default_rng(2), 0.9)
    theirs = stats.bootstrap(
        (sample,), statistic, method="percentile", confidence_level=0.9, n_resamples=4000, rng=3
    ).confidence_interval
    assert ours == pytest.approx(theirs, rel=0.05)


def test_the_interval_of_a_mean_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.normal(size=50), lambda x: x.mean(axis=-1), rng)
        held += low < 0 < high
    assert 88 <= held <= 99


@pytest.mark.parametrize("sample", [[], [1.0], [[1.0, 2.0]], [1.0, math.nan]])
def test_a_sample_that_tells_nothing_is_refused(sample):
    with pytest.raises(VoxlabError, match="two finite values or more"):
        bootstrap_interval(sample, p95, np.random.default_rng(1))


def test_a_confidence_is_a_share():
    with pytest.raises(VoxlabError, match=r"confidence of 95.*0\.95"):
        bootstrap_interval([1.0, 2.0], p95, np.random.default_rng(1), 95)
