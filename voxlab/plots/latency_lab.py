"""The latency lab's figure, made to follow a slider: what stands still is drawn once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxlab.latency.provider_latencies import Array
from voxlab.latency.simulation import TurnTimings
from voxlab.plots import latency
from voxlab.plots.palette import AGENT, ERROR, USER
from voxlab.plots.redrawn import Redrawn

SIZE_IN, DPI = (10, 5.2), 100
LANES = ("silence", "STT", "LLM", "tool", "TTS", "voice")
UNTIL_MS = 4000.0  # what comes later is not drawn
WAITS_S = (0.1, 20.0)


def plot_latency_lab(timings: TurnTimings, ttfb_s: Array, target_s: float = 0.5) -> Figure:
    """Draw one turn's waterfall and its budget, and how long callers wait in many turns.

    timings: of a typical turn, such as `simulate(draw_turns(model.typical(), 1, rng))`; ttfb_s:
    of many, (turns,), such as `monte_carlo(model, ...).ttfb_s`.
    """
    lab = LatencyLab(target_s)
    lab.update(timings, ttfb_s)
    return lab.figure


class LatencyLab(Redrawn):
    """The figure of `plot_latency_lab`, and a quick way to draw it again with other times.

    Its axes stay as they are; only the bars, curves and figures on them are drawn anew.
    """

    def __init__(self, target_s: float) -> None:
        super().__init__(Figure(figsize=SIZE_IN, dpi=DPI))
        self.target_s = target_s
        grid = self.figure.add_gridspec(
            2, 2, height_ratios=(5, 1.2), width_ratios=(3, 2), hspace=0.62, wspace=0.16
        )
        self.figure.subplots_adjust(left=0.07, right=0.98, top=0.93, bottom=0.1)
        self._turn = self.figure.add_subplot(grid[0, 0], xlim=(0, UNTIL_MS), ylim=(-6.6, 0.4))
        self._turn.set_yticks([-0.2 - lane for lane in range(len(LANES))], LANES)
        latency.frame_waterfall(self._turn, target_s)
        self._turn.set_title("a typical turn", fontsize=9, weight="bold", loc="left")
        self._waits = self.figure.add_subplot(grid[0, 1], xlim=WAITS_S)
        latency.frame_waits(self._waits, target_s)
        self._stack = self.figure.add_subplot(grid[1, :], xlim=(0, UNTIL_MS), ylim=(-0.5, 0.5))
        self._stack.set_yticks([])
        self._stack.axvline(1000 * target_s, color=ERROR, linestyle="--", linewidth=1.2)
        latency.clean(self._stack, "wait for the first audio (ms)")

    def update(self, timings: TurnTimings, ttfb_s: Array) -> None:
        """Show another typical turn, and the waits of many."""
        self.replace([*self._draw_turn(timings), *self._draw_waits(ttfb_s)])

    def _draw_turn(self, timings: TurnTimings) -> Iterator[tuple[Axes, Artist]]:
        for span in timings.spans():
            for artist in latency.draw_span(self._turn, span, -0.2 - LANES.index(span.name)):
                yield self._turn, artist
        budget = timings.budget(0, self.target_s)
        for artist in latency.draw_stack(self._stack, budget):
            yield self._stack, artist
        look: dict[str, Any] = {"fontsize": 9, "weight": "bold", "va": "bottom"}
        yield self._stack, self._stack.text(0, 0.55, latency.verdict(budget), **look)
        heard_ms = 1000 * budget.first_audio_s
        yield self._turn, self._turn.plot([heard_ms] * 2, [0.3, -5.7], color=AGENT)[0]

    def _draw_waits(self, ttfb_s: Array) -> Iterator[tuple[Axes, Artist]]:
        ax, percents = self._waits, latency.PERCENTS
        yield ax, ax.plot(np.percentile(ttfb_s, percents), percents, color=USER)[0]
        for percent in (50, 95):
            at_s = float(np.percentile(ttfb_s, percent))
            yield ax, ax.plot(at_s, percent, "o", color=USER)[0]
            label = f"P{percent} {1000 * at_s:.0f} ms"
            yield ax, ax.text(at_s * 1.15, percent - 6, label, fontsize=9)
