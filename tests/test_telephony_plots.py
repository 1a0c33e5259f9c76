"""Pictures of telephone lines show each packet's fate, and each line's figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from voxlab import data
from voxlab.plots import plot_measured_lines, plot_packets
from voxlab.telephony import NetworkConditions, TelephoneCoder, carry, load_measured_lines


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def drawn(ax, marker):
    return [line for line in ax.lines if line.get_marker() == marker]


def test_every_packet_is_drawn_as_played_lost_or_too_late():
    voice = data.prompts("en")[3].audio.between(0, 2)
    bad = NetworkConditions(loss=0.1, jitter_s=0.03)
    carried = carry(voice, TelephoneCoder(), bad, np.random.default_rng(1))
    ax = plot_packets(carried, 0.0, 1.5)
    shown = [packet for packet in carried.packets if packet.sent_s < 1.5]
    lost = [packet for packet in shown if packet.arrived_s is None]
    late = [packet for packet in shown if packet.arrived_s and packet.played_s is None]
    hollow = [line for line in drawn(ax, "o") if line.get_fillstyle() == "none"]
    assert len(lost) > 0
    assert len(late) > 0
    assert (len(drawn(ax, "x")), len(hollow)) == (len(lost), len(late))
    assert len(drawn(ax, "|")) == 2 * len(shown) - len(lost) - len(late)


@pytest.mark.parametrize(("measure", "factor"), [("wer", 100), ("stoi", 1)])
def test_each_line_has_its_measured_figures(measure, factor):
    lines = load_measured_lines()
    ax = plot_measured_lines(lines, measure)
    assert len(ax.lines) == 4
    for curve in ax.lines:
        figures = [getattr(each, measure) for each in lines if each.line == curve.get_label()]
        known = [factor * each for each in figures if each is not None]
        np.testing.assert_allclose(curve.get_ydata(), known)
