"""Where the time goes, as a waterfall; how long callers wait, as a distribution."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator

from voxlab.latency.budgets import Budget, Span
from voxlab.latency.provider_latencies import Array, MeasuredLatency
from voxlab.latency.simulation import TurnTimings
from voxlab.plots.palette import AGENT, ERROR, PAPER, SILENCE, STAGE, USER, WAITING, ink_on

HEARD = ("voice", "filler speech")  # stages that the caller hears
STACK = (SILENCE, STAGE, WAITING, USER, AGENT, ERROR)
STACK_ALPHA = 0.7
LOOKS = ((USER, "-", "o"), (AGENT, "--", "s"), (STAGE, "-.", "^"), (ERROR, ":", "D"))
UNDERLAY = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
LANE_IN = 0.3  # height of a lane in inches
BAR = 0.7  # of a lane
PERCENTS = np.concatenate([np.linspace(0.5, 99, 198), np.linspace(99.1, 99.9, 9)])
Group = tuple[str, Sequence[Span], float]


def plot_budgets(budgets: Sequence[Budget], ax: Axes | None = None) -> Axes:
    """Draw budgets as waterfalls on one time axis, with the target of the first.

    A bar is hatched while its stage works without output, and full from its first output on.
    """
    groups = [(each.name, each.spans, each.first_audio_s) for each in budgets]
    return waterfalls(groups, budgets[0].target_s, ax)


def plot_turns(
    timings: Mapping[str, TurnTimings],
    turn: int = 0,
    target_s: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one turn as a waterfall, once for each way of taking it, all on one time axis."""
    groups = [(name, each.spans(turn), float(each.ttfb_s[turn])) for name, each in timings.items()]
    return waterfalls(groups, target_s, ax)


def waterfalls(groups: Sequence[Group], target_s: float | None, ax: Axes | None) -> Axes:
    """Draw a lane a stage, groups under each other."""
    lanes = [[*dict.fromkeys(span.name for span in spans)] for _, spans, _ in groups]
    height = sum(len(names) + 1.4 for names in lanes)
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 0.9 + LANE_IN * height), layout="constrained")
    last_s = max(span.end_s for _, spans, _ in groups for span in spans)
    ax.set_xlim(0, 1000 * 1.08 * max(last_s, target_s or 0.0))
    y, ticks = 0.0, dict[float, str]()
    for (title, spans, heard_s), names in zip(groups, lanes, strict=True):
        top, places = y, {name: y - 1.2 - lane for lane, name in enumerate(names)}
        for span in spans:
            draw_span(ax, span, places[span.name])
        ticks |= {place: name for name, place in places.items()}
        y = min(places.values()) - 0.4
        ax.plot([1000 * heard_s] * 2, [top - 0.7, y], color=AGENT, linewidth=1.6)
        label = f"{title}: first audio after {1000 * heard_s:.0f} ms"
        text = ax.text(0, top - 0.6, label, fontsize=9, weight="bold", va="bottom")
        text.set_bbox(UNDERLAY)
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.set_ylim(y - 0.9, 0.4)
    made = [span for _, spans, _ in groups for span in spans if span.name not in HEARD]
    streams = any(span.first_s < span.end_s for span in made)
    frame_waterfall(ax, target_s, streams)
    return ax


def frame_waterfall(ax: Axes, target_s: float | None, streams: bool = True) -> None:
    """Draw what stands around the bars: the target, a legend, the axis of time.

    streams: some stage gives output while it works.
    """
    if target_s is not None:
        ax.axvline(1000 * target_s, color=ERROR, linestyle="--", linewidth=1.2)
        label, low = f"target {1000 * target_s:.0f} ms", ax.get_ylim()[0] + 0.2
        text = ax.text(1000 * target_s, low, label, fontsize=9, ha="center")
        text.set(va="bottom", bbox=UNDERLAY)
    working = Patch(facecolor=PAPER, edgecolor=STAGE, hatch="////", label="at work")
    giving = Patch(facecolor=STAGE, label="gives output")
    heard = Patch(facecolor=AGENT, label="heard")
    look: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3}
    handles = [working, giving, heard] if streams else [working, heard]
    ax.legend(handles=handles, fontsize=9, frameon=False, **look)
    clean(ax, "time from the caller's last sound (ms)")


def draw_span(ax: Axes, span: Span, y: float) -> list[Artist]:
    """Draw a stage at work in its lane: hatched up to its first output, full after it."""
    color = AGENT if span.name in HEARD else SILENCE if span.name == "silence" else STAGE
    start, first, end = (1000 * at_s for at_s in (span.start_s, span.first_s, span.end_s))
    look: dict[str, Any] = {"edgecolor": color, "linewidth": 1}
    drawn: list[Artist] = []
    for begin, until, face, hatch in ((start, first, PAPER, "////"), (first, end, color, None)):
        if until > begin or end == start:  # a stage that takes no time is a line
            bar = Rectangle((begin, y - BAR / 2), until - begin, BAR, hatch=hatch, **look)
            bar.set_facecolor(face)
            drawn.append(ax.add_artist(bar))  # the axes have their limits: no patch changes them
    right = ax.get_xlim()[1]
    middle = (start + min(end, right)) / 2
    if end - start > 0.054 * right and middle < right:  # else two of them could touch
        text = ax.text(middle, y, f"{end - start:.0f}", fontsize=9, ha="center", va="center")
        text.set(bbox=UNDERLAY, clip_on=True)
        drawn.append(text)
    return drawn


def plot_budget_bar(budget: Budget, ax: Axes | None = None) -> Axes:
    """Draw the wait for the first audio as one bar of its stages, against the target."""
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 2.2), layout="constrained")
    longest_ms = 1000 * max(budget.target_s, budget.first_audio_s)
    ax.set_xlim(0, 1.02 * longest_ms)
    ax.set_ylim(-0.5, 0.5)
    draw_stack(ax, budget)
    ax.axvline(1000 * budget.target_s, color=ERROR, linestyle="--", linewidth=1.2)
    ax.set_title(verdict(budget), fontsize=9, loc="left")
    ax.set_yticks([])
    clean(ax, "wait for the first audio (ms)")
    return ax


def verdict(budget: Budget) -> str:
    """Say whether a budget is kept."""
    outcome = f"{1000 * budget.slack_s:.0f} ms to spare"
    if budget.broken_by:
        outcome = f"{-1000 * budget.slack_s:.0f} ms too late: {budget.broken_by} breaks it"
    return f"{1000 * budget.first_audio_s:.0f} of {1000 * budget.target_s:.0f} ms, {outcome}"


def draw_stack(ax: Axes, budget: Budget) -> list[Artist]:
    """Draw the stages that the first audio waits for, end to end, as high as the axes."""
    drawn: list[Artist] = []
    left_ms, right_ms = 0.0, ax.get_xlim()[1]
    for number, name in enumerate(budget.path):
        width_ms = 1000 * budget.share(name) * budget.first_audio_s
        color = STACK[number % len(STACK)]
        look: dict[str, Any] = {"facecolor": color, "alpha": STACK_ALPHA, "edgecolor": PAPER}
        drawn.append(ax.add_artist(Rectangle((left_ms, -0.4), width_ms, 0.8, **look)))
        wide = width_ms > 0.0075 * right_ms * max(len(name), 4)
        label = f"{name}\n{width_ms:.0f}" if wide else f"{name} {width_ms:.0f}"
        if wide or (width_ms > 0.018 * right_ms and len(label) <= upright_chars(ax)):
            text = ax.text(
                left_ms + width_ms / 2, 0, label, fontsize=9, color=ink_on(color, STACK_ALPHA)
            )
            text.set(ha="center", va="center", rotation=0 if wide else 90, clip_on=True)
            drawn.append(text)
        left_ms += width_ms
    return drawn


def upright_chars(ax: Axes) -> int:
    """Return how many characters of an upright text fit into a bar of the stack."""
    figure = ax.get_figure(root=True)
    height_in = ax.get_position().height * (figure.get_size_inches()[1] if figure else 0.0)
    return int(0.8 * 0.7 * height_in / 0.075)  # the bar's part; the axes' after layout; of 9 pt


def plot_waits(
    waits: Mapping[str, Array], target_s: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many turns have waited at most so long, with P50 and P95. waits: seconds."""
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 4), layout="constrained")
    for number, (name, waits_s) in enumerate(waits.items()):
        color, line, marker = LOOKS[number % len(LOOKS)]
        p50_s, p95_s = np.percentile(waits_s, [50, 95])
        label = f"{name}: P50 {1000 * p50_s:.0f} ms, P95 {1000 * p95_s:.0f} ms"
        ax.plot(np.percentile(waits_s, PERCENTS), PERCENTS, line, color=color, label=label)
        ax.plot([p50_s, p95_s], [50, 95], marker, color=color)
    frame_waits(ax, target_s)
    ax.legend(fontsize=9, loc="lower right")
    return ax


def frame_waits(ax: Axes, target_s: float | None) -> None:
    """Draw what stands around the distributions: the target and both axes."""
    if target_s is not None:
        look: dict[str, Any] = {"color": ERROR, "linestyle": "--", "linewidth": 1.2}
        ax.axvline(target_s, **look, label=f"target {1000 * target_s:.0f} ms")
    log_seconds(ax)
    ax.set_ylim(0, 100)
    ax.set_ylabel("turns (%)")
    clean(ax, "wait (s)")


def plot_profiles(rows: Sequence[MeasuredLatency], ax: Axes | None = None) -> Axes:
    """Draw fitted profiles as quantile curves through the percentiles that were measured."""
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 4), layout="constrained")
    levels = np.concatenate([np.linspace(0.02, 0.98, 97), np.linspace(0.982, 0.995, 14)])
    for number, row in enumerate(rows):
        color, line, marker = LOOKS[number % len(LOOKS)]
        fitted_s = [row.profile.percentile(100 * level) for level in levels]
        ax.plot(fitted_s, 100 * levels, color=color, linestyle=line, label=row.name)
        ax.plot([row.p50_s, row.p95_s, row.p99_s], [50, 95, 99], marker, color=color)
    log_seconds(ax)
    ax.set_ylabel("requests (%)")
    ax.legend(fontsize=9, loc="lower right")
    clean(ax, "latency (s); marks: measured P50, P95, P99")
    return ax


def log_seconds(ax: Axes) -> None:
    """Make the axis of time logarithmic, with round numbers."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()


def clean(ax: Axes, time_label: str) -> None:
    """Leave the axis of time, and a light grid."""
    ax.set_xlabel(time_label)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color=SILENCE, linewidth=0.4)
    ax.set_axisbelow(True)
