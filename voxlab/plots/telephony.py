"""Telephone lines as pictures: the packets of a voice, and what losses do to it."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from voxlab.plots.palette import AGENT, ERROR, SILENCE, STAGE, USER
from voxlab.telephony.jitter_buffer import FrameSource
from voxlab.telephony.measured_lines import MeasuredLine
from voxlab.telephony.simulated_line import Carried

LOOKS = ((USER, "o", "-"), (AGENT, "s", "-"), (STAGE, "^", "-"), (ERROR, "D", "--"))


def plot_packets(
    carried: Carried, start_s: float = 0.0, end_s: float = 1.0, ax: Axes | None = None
) -> Axes:
    """Draw the packets of a voice from three moments: sent, arrived, played.

    start_s, end_s: which packets, by when they were sent. A line that leans is a packet on its way;
    a cross is one that the network lost, and a hollow mark one that came too late to be played.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
    for packet in carried.packets:
        if not start_s <= packet.sent_s < end_s:
            continue
        ax.plot(packet.sent_s, 2, "|", color=USER, markersize=12)
        if packet.arrived_s is None:
            ax.plot([packet.sent_s, packet.sent_s + 0.01], [2, 1.6], color=ERROR)
            ax.plot(packet.sent_s + 0.01, 1.6, "x", color=ERROR, markersize=9, mew=2)
        elif packet.played_s is None:
            ax.plot([packet.sent_s, packet.arrived_s], [2, 1], color=ERROR, linestyle=":")
            ax.plot(packet.arrived_s, 1, "o", color=ERROR, fillstyle="none", markersize=8)
        else:
            times_s = [packet.sent_s, packet.arrived_s, packet.played_s]
            ax.plot(times_s, [2, 1, 0], color=SILENCE, linewidth=1)
            ax.plot(packet.arrived_s, 1, "o", color=STAGE, markersize=4)
            ax.plot(packet.played_s, 0, "|", color=AGENT, markersize=12)
    ax.set_yticks([2, 1, 0], ["sent", "arrived", "played"])
    ax.set(xlabel="time (s)", ylim=(-0.4, 2.4))
    made_up = sum(kind is not FrameSource.PACKET for kind in carried.frames)
    ax.set_title(f"{made_up} of {len(carried.frames)} frames made up", loc="right", fontsize=10)
    return ax


def plot_measured_lines(
    lines: Sequence[MeasuredLine], measure: str = "wer", ax: Axes | None = None
) -> Axes:
    """Draw what lost packets do on each line. measure: "wer", of words, or "stoi"."""
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    names = list(dict.fromkeys(each.line for each in lines if each.loss))
    for name, (color, marker, style) in zip(names, LOOKS * 3, strict=False):
        points = [
            (100 * each.loss, getattr(each, measure))
            for each in lines
            if each.line == name and getattr(each, measure) is not None
        ]
        losses, values = np.array(points).T
        values = 100 * values if measure == "wer" else values
        ax.plot(losses, values, color=color, marker=marker, linestyle=style, label=name)
    ylabel = "words that are wrong (%)" if measure == "wer" else "STOI beside no loss"
    ax.set(xlabel="packets lost (%)", ylabel=ylabel)
    ax.set_ylim(bottom=0 if measure == "wer" else None)
    ax.legend(frameon=False, fontsize=9)
    return ax
