"""The judge of a VAD's setting, on cases worked by hand and on any events at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import VoxlabError
from voxlab.vad.endpointing import SpeechSegment, SpeechStarted, SpeechStopped
from voxlab.vad.error_rates import vad_costs

TURN = SpeechSegment(2.0, 4.0)
OTHER = SpeechSegment(6.0, 7.0)


def heard(*stretches: tuple[float, float], wait_s: float = 0.2, sure_s: float = 0.1):
    """The events of a detector that finds these stretches."""
    events = []
    for start_s, end_s in stretches:
        events += [SpeechStarted(start_s, start_s + sure_s), SpeechStopped(end_s, end_s + wait_s)]
    return events


def test_a_perfect_detector_costs_only_its_waits() -> None:
    costs = vad_costs(heard((2, 4), (6, 7)), [TURN, OTHER], 10.0)
    assert (costs.false_alarms, costs.missed, costs.cut_off, costs.unended) == (0, 0, 0, 0)
    assert costs.starts_s == pytest.approx((0.1, 0.1))
    assert costs.ends_s == pytest.approx((0.2, 0.2))
    assert costs.quiet_s == pytest.approx(7)
    assert costs.clipped_s == pytest.approx(0)


def test_speech_where_nobody_speaks_is_a_false_alarm() -> None:
    costs = vad_costs(heard((0.5, 1), (2, 4), (8, 8.5)), [TURN], 14.0)
    assert costs.false_alarms == 2
    assert costs.false_alarms_per_min == pytest.approx(2 / 12 * 60)


def test_a_stop_inside_a_turn_cuts_it_off_unless_the_wait_outlasts_the_pause() -> None:
    events = heard((2, 2.8), (3.2, 4))
    assert vad_costs(events, [TURN], 10.0).cut_off == 1
    assert vad_costs(events, [TURN], 10.0, silence_s=0.6).cut_off == 0
    assert vad_costs(events, [TURN], 10.0, silence_s=0.6).ends_s == pytest.approx((0.6,))


def test_a_turn_of_which_nothing_is_found_is_missed() -> None:
    costs = vad_costs(heard((6, 7)), [TURN, OTHER], 10.0)
    assert (costs.missed, costs.turns) == (1, 2)


def test_an_end_that_is_noticed_after_the_next_start_is_none() -> None:
    costs = vad_costs(heard((1, 7)), [TURN, OTHER], 10.0)
    assert costs.unended == 1
    assert costs.ends_s == pytest.approx((0.2,))
    assert costs.starts_s == (), "the detector was on long before"


def test_padding_saves_what_would_be_clipped() -> None:
    events = heard((2.25, 3.9))
    assert vad_costs(events, [TURN], 10.0).clipped_s == pytest.approx(0.35)
    assert vad_costs(events, [TURN], 10.0, padding_s=0.2).clipped_s == pytest.approx(0.05)


def test_no_events_miss_every_turn_and_the_text_says_so() -> None:
    costs = vad_costs([], [TURN, OTHER], 10.0)
    assert costs.missed == 2
    assert "missed 2" in str(costs)
    assert "never" in str(costs)


@given(
    st.lists(st.floats(0.05, 3), max_size=12).filter(lambda gaps: len(gaps) % 2 == 0),
    st.floats(0, 1),
)
def test_every_turn_has_one_end_at_most_and_no_wait_is_negative(gaps, silence_s) -> None:
    times, now = [], 0.0
    for gap in gaps:
        now += gap
        times.append(now)
    events = heard(*zip(times[::2], times[1::2], strict=True), wait_s=0.05, sure_s=0.05)
    costs = vad_costs(events, [TURN, OTHER], 40.0, silence_s)
    assert len(costs.ends_s) + costs.unended + costs.missed <= costs.turns
    assert min((*costs.starts_s, *costs.ends_s), default=0) >= -0.1
    longer = vad_costs(events, [TURN, OTHER], 40.0, silence_s + 1)
    assert longer.cut_off <= costs.cut_off


def test_events_out_of_order_are_refused() -> None:
    with pytest.raises(VoxlabError, match="a start and a stop in turn"):
        vad_costs(heard((2, 4))[1:], [TURN], 10.0)
