"""The one curve: what each policy cuts off, and how long it waits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import VoxlabError
from voxlab.statistics.intervals import wilson_interval
from voxlab.turn_taking.end_of_turn import EndOfTurnOptions, silence_needed_s
from voxlab.turn_taking.end_of_turn_tradeoff import (
    HEARD_S,
    KNOWN_S,
    POLICIES,
    JudgedPause,
    PauseJudges,
    find_pauses,
    inner_silences,
    measure_tradeoff,
)

RATE_HZ = 16_000
UNFINISHED = JudgedPause("I'd like a table on", 0.1, (0.4, 1.0, 2.0))
MISLEADING = JudgedPause("Where is it?", 0.9, (0.4, 1.0, 2.0))
END = JudgedPause("Where is my order?", 0.9, ())
UNSURE_END = JudgedPause("Where is my order?", 0.1, ())
PAUSES = [UNFINISHED, MISLEADING, END, UNSURE_END]

texts = st.sampled_from(["Yes.", "I want a", "My number is, um,", "Where is it?", ""])
pauses = st.builds(
    JudgedPause, texts, st.floats(0, 1), st.lists(st.floats(0.2, 3), max_size=4).map(tuple)
)


def one(policy: str, finished_s: float = 0.4):
    return measure_tradeoff(PAUSES, POLICIES[policy], [finished_s])[0]


def test_each_policy_hears_its_own_witnesses_only() -> None:
    assert one("fixed silence").cut_off == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert one("words only").cut_off == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert one("sound only").cut_off == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert one("words and sound").cut_off == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert one("fixed silence").delay_s == one("words only").delay_s == pytest.approx(0.4)
    assert one("sound only").delay_s == pytest.approx((0.4 + 0.9) / 2)


def test_nobody_answers_before_pause_and_words_are_known() -> None:
    assert one("fixed silence", 0.0).delay_s == KNOWN_S


@given(st.lists(pauses, min_size=1, max_size=20), st.sampled_from(sorted(POLICIES)))
def test_more_patience_never_cuts_off_more_and_never_waits_less(several, name) -> None:
    several = [*several, UNFINISHED, END]
    points = measure_tradeoff(several, POLICIES[name], [0.2, 0.4, 0.8, 1.2, 1.8])
    shares, delays_s = [p.cut_off for p in points], [p.delay_s for p in points]
    assert shares == sorted(shares, reverse=True)
    assert delays_s == sorted(delays_s)
    for point in points:
        assert 0 <= point.low <= point.cut_off + 1e-9 <= point.high + 2e-9 <= 1 + 2e-9


@given(pauses)
def test_ours_is_the_agents_own_policy(pause) -> None:
    options = EndOfTurnOptions()
    wait_s = silence_needed_s(pause.text, pause.probability, options)
    assert POLICIES["words and sound"](pause, options) == wait_s
    others = [POLICIES[name](pause, options) for name in ("words only", "sound only")]
    assert wait_s >= others[0]
    assert POLICIES["fixed silence"](pause, options) <= min(others)


@pytest.mark.parametrize("few", [[], [END], [UNFINISHED]])
def test_a_curve_needs_pauses_and_ends(few) -> None:
    with pytest.raises(VoxlabError, match="a curve needs both"):
        measure_tradeoff(few, POLICIES["words only"], [0.5])


# --- pauses in a recording -----------------------------------------------------------------


def hums(*pieces_s: float) -> Audio:
    """A hum, a silence, a hum, ...: lengths in seconds."""
    parts = [
        audio.silence(length_s, RATE_HZ)
        if index % 2
        else Audio(np.full(round(length_s * RATE_HZ), 0.2), RATE_HZ)
        for index, length_s in enumerate(pieces_s)
    ]
    return audio.concatenate(parts)


def durations(sounds: list[float]) -> PauseJudges:
    """Witnesses that note how long what they hear is."""

    def judge(heard: Audio) -> float:
        sounds.append(heard.duration_s)
        return 0.5

    return PauseJudges(judge, lambda heard: f"{heard.duration_s:.2f}")


def test_the_silences_inside_are_found_to_ten_milliseconds() -> None:
    assert inner_silences(hums(1.0, 0.3, 0.6, 0.05, 1.0)) == [pytest.approx((1.0, 1.3))]
    assert inner_silences(hums(0.3, 0.3, 1.0, 0.3, 0.3)) == [], "too near the edges"


def test_the_witnesses_hear_what_an_agent_hears_at_the_pause() -> None:
    sounds: list[float] = []
    pause, end = find_pauses(hums(1.0, 0.4, 1.0), durations(sounds), speaker="hum")
    assert sounds == pytest.approx([1.0 + HEARD_S, 2.4 + HEARD_S])
    assert pause.lasts_s == pytest.approx((0.4,))
    assert (pause.text, pause.speaker, end.is_end) == ("1.22", "hum", True)


def test_a_silence_that_no_vad_would_notice_is_a_pause_only_if_it_is_stretched() -> None:
    short = hums(1.0, 0.15, 1.0)
    assert len(find_pauses(short, durations([]))) == 1
    stretched, end = find_pauses(short, durations([]), lasts_s=[0.5, 1.0])
    assert stretched.lasts_s == (0.5, 1.0)
    assert end.is_end


def test_a_cut_goes_to_the_quietest_place_near() -> None:
    sound = hums(1.0, 0.04, 0.96)
    sounds: list[float] = []
    find_pauses(sound, durations(sounds), lasts_s=[0.5], cuts=[0.52])
    assert sounds[0] - HEARD_S == pytest.approx(1.01, abs=0.03)
    with pytest.raises(VoxlabError, match="pass lasts_s"):
        find_pauses(sound, durations([]), cuts=[0.5])


# --- the interval of a share ---------------------------------------------------------------


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_shares_interval_is_that_of_scipy(counts) -> None:
    from scipy.stats import binomtest

    successes, trials = counts
    theirs = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 3), (4, 3)])
def test_counts_that_are_no_share_are_refused(successes, trials) -> None:
    with pytest.raises(VoxlabError, match="need 1 trial or more"):
        wilson_interval(successes, trials)
