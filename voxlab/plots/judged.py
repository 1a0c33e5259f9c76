"""What a judge heard in a recording, as a picture: stretches of speech, waits and overlaps."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from voxlab.evaluation.recording_judge import JudgedRecording
from voxlab.plots.palette import AGENT, ERROR, FAILED, INK, USER

LANES = {"caller": 1.3, "agent": 0.0}
HALF = 0.3  # of a bar's height


def plot_judged(judged: JudgedRecording, ax: Axes | None = None) -> Axes:
    """Draw a judged recording: who spoke when, the wait for each reply, cut-ins and dead air."""
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 2.4), layout="constrained")
    caller = [(turn.start_s, turn.end_s - turn.start_s) for turn in judged.turns]
    agent = [(each.start_s, each.end_s - each.start_s) for each in judged.agent]
    for lane, bars, color in (("caller", caller, USER), ("agent", agent, AGENT)):
        ax.broken_barh(bars, (LANES[lane] - HALF, 2 * HALF), facecolor=color, alpha=0.7)
    for turn in judged.turns:
        y = (LANES["caller"] + LANES["agent"]) / 2
        if turn.ttfb_s is not None and turn.reply_s is not None:
            look = {"arrowstyle": "<->", "linewidth": 0.9}
            ax.annotate("", (turn.reply_s, y), (turn.end_s, y), arrowprops=look)
            text, at_s, color = f"{turn.ttfb_s:.2f} s", (turn.reply_s + turn.end_s) / 2, INK
        elif turn.reply_s is not None:
            text, at_s, color = "cut in", turn.reply_s, FAILED
        else:
            text, at_s, color = "no reply", turn.end_s, FAILED
        ax.text(at_s, y + 0.04, text, ha="center", va="bottom", fontsize=9, color=color)
    for silence in judged.dead_air:
        ax.axvspan(silence.start_s, silence.end_s, color=ERROR, alpha=0.15, linewidth=0)
    ax.set_yticks(list(LANES.values()), list(LANES), fontsize=10)
    ax.set(xlabel="time in the recording (s)", ylim=(-0.5, 1.8))
    ax.set_xlim(left=0.0)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax
