"""Every way to end a turn, on one picture: how often it cuts off, and how long it keeps waiting."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from voxlab.plots.palette import AGENT, ERROR, INK, STAGE, USER
from voxlab.turn_taking.end_of_turn_tradeoff import TradeoffPoint

LOOKS = {
    "fixed silence": (ERROR, ":", "D"),
    "words only": (STAGE, "-.", "^"),
    "sound only": (AGENT, "--", "s"),
    "words and sound": (USER, "-", "o"),
}
OTHER = (INK, "-", "v")


def plot_end_of_turn(
    curves: Mapping[str, Sequence[TradeoffPoint]],
    mark_s: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw policies: the share of pauses that each cuts off, against the delay of its answers.

    Below and to the left is better. mark_s: the setting of a policy whose point is marked, with its
    95% interval.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, points in curves.items():
        color, line, marker = LOOKS.get(name, OTHER)
        delays_s = [point.delay_s for point in points]
        shares = [100 * point.cut_off for point in points]
        ax.plot(delays_s, shares, line, color=color, marker=marker, markersize=3.5, label=name)
        look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 10, "capsize": 4}
        for point in points:
            if mark_s and point.finished_s == mark_s.get(name):
                reach = [[100 * (point.cut_off - point.low)], [100 * (point.high - point.cut_off)]]
                ax.errorbar(point.delay_s, 100 * point.cut_off, reach, **look)
    ax.set(xlabel="mean delay at the end of a turn (s)", ylabel="pauses cut off (%)")
    ax.set_xlim(left=0)
    ax.set_ylim(-3, 118)  # the legend has the room over 100%
    ax.set_yticks(range(0, 101, 20))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(linewidth=0.3)
    ax.legend(fontsize=9, frameon=False, loc="upper right", ncols=2, borderaxespad=0.0)
    return ax
