"""Two agents side by side: the stages of one turn, and the differences over many."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from voxlab.errors import VoxlabError
from voxlab.evaluation.stage_times import StageTimes
from voxlab.plots.latency import UNDERLAY, clean, waterfalls
from voxlab.plots.palette import AGENT, INK, PAPER, SILENCE, STAGE
from voxlab.statistics.paired import PairedComparison

ROW_IN = 0.21  # height of a pair in inches


def plot_stages(
    turns: Mapping[str, StageTimes], target_s: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the stages at work in a turn, for each agent, on one time axis.

    A lane that an agent has not, it does not tell. Raises VoxlabError if one gave no answer.
    """
    silent = [name for name, times in turns.items() if times.ttfb_s is None]
    if silent:
        raise VoxlabError(f"{', '.join(silent)} did not answer: there is no turn to draw")
    groups = [(name, times.work, times.ttfb_s or 0.0) for name, times in turns.items()]
    return waterfalls(groups, target_s, ax)


def plot_paired(
    result: PairedComparison,
    trials: Sequence[str],
    names: tuple[str, str],
    what: str = "TTFB",
    ax: Axes | None = None,
) -> Axes:
    """Draw the difference of each pair, sorted, with the median and its range.

    trials: the names of all trials. names: of the first and the second agent. A bar to the left
    says that the second had less of it.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 1.5 + ROW_IN * len(result.kept)), layout="constrained")
    order = np.argsort(-result.differences)
    differences_ms = 1000 * result.differences[order]
    rows = np.arange(len(order))
    looks: dict[str, Any] = {"height": 0.7, "edgecolor": PAPER}
    less = differences_ms < 0
    ax.barh(rows[less], differences_ms[less], color=AGENT, **looks)
    ax.barh(rows[~less], differences_ms[~less], color=STAGE, hatch="//", **looks)
    ax.set_yticks(rows, [trials[result.kept[k]] for k in order], fontsize=9)
    ax.axvspan(1000 * result.low, 1000 * result.high, color=SILENCE, alpha=0.5, zorder=0)
    ax.axvline(1000 * result.median, color=INK, linewidth=1.4)
    ax.axvline(0, color=INK, linewidth=0.6)
    span_ms = 1.15 * max(1.0, float(np.abs(differences_ms).max()))
    ax.set_xlim(-span_ms, span_ms)
    ax.set_ylim(-0.6, len(rows) + 1.1)
    label = f"median {1000 * result.median:+.0f} ms"
    text = ax.text(1000 * result.median, len(rows) + 0.4, label, fontsize=9, ha="center")
    text.set(va="center", bbox=UNDERLAY)
    for place, name, side in ((0.0, names[1], "left"), (1.0, names[0], "right")):
        label = f"less with {name}"
        ax.text(place, 1.01, label, transform=ax.transAxes, ha=side, fontsize=9, weight="bold")
    clean(ax, f"difference in {what} (ms): {names[1]} less {names[0]}; grey: 95% interval")
    return ax
