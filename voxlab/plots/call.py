"""A call as a picture: both voices, whose turn it is, and the stages of the pipeline."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from voxlab.audio import Audio
from voxlab.evaluation.call_lanes import Interval, call_lanes
from voxlab.evaluation.captions import Caption, captions
from voxlab.evaluation.stage_work import STAGES
from voxlab.evaluation.turn_times import turn_times
from voxlab.plots.envelope import PEAKS_PER_S, peaks
from voxlab.plots.palette import (
    AGENT,
    ERROR,
    FAILED,
    INK,
    PAPER,
    SILENCE,
    STAGE,
    USER,
    WAITING,
    ink_on,
)
from voxlab.timeline import Call, Timeline
from voxlab.turn_taking.manager import State

STATE_LOOK = {
    State.LISTENING: (USER, ""),
    State.THINKING: (WAITING, ".."),
    State.SPEAKING: (AGENT, ""),
    State.INTERRUPTED: (ERROR, "xx"),
}
LANES = {
    "caller": 14.4,
    "agent": 9.8,
    "turn": 7.2,
    "STT": 5.4,
    "LLM": 3.8,
    "tools": 2.2,
    "TTS": 0.6,
}
BAR_ALPHA = 0.55
WORDS_LINES = 3  # room for so many lines of words over each voice
REASON_LINES = 6  # of what has failed, below the picture
PLACEHOLDER = " …"
LEGEND_CHARS = 20  # of small print, for an entry of the legend with its sign
CHARS_PER_INCH = 12.5  # of the small print, on the safe side


def plot_call(
    call: Call, start_s: float = 0.0, end_s: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a call on one time axis: both voices and their words, turns, stages, events.

    start_s, end_s: the part to draw (the whole call). Times to the first audio of each reply are
    written over the silence they fill.
    """
    end_s = max(call.timeline.duration_s, start_s + 1.0) if end_s is None else end_s
    if ax is None:
        _, ax = plt.subplots(figsize=(_width_in(start_s, end_s), 6.6), layout="constrained")
    ax.set_xlim(start_s, end_s)
    ax.set_ylim(-0.2, LANES["caller"] + 3.4)
    ax.set_yticks(list(LANES.values()), list(LANES))
    said = captions(call.timeline)
    for who, voice, color in (("caller", call.user, USER), ("agent", call.agent, AGENT)):
        draw_voice(ax, voice, LANES[who], color, [each for each in said if each.who == who])
    lanes = call_lanes(call.timeline)
    for state, (color, hatch) in STATE_LOOK.items():
        of_state = [each for each in lanes["turn"] if each.kind == state.value]
        _draw_bars(ax, of_state, LANES["turn"], color, hatch)
    for lane in STAGES:
        _draw_bars(ax, lanes[lane], LANES[lane], STAGE)
    _draw_response_times(ax, call.timeline)
    _draw_events(ax, call.timeline)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("time in the call (s)")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color=SILENCE, linewidth=0.4)
    ax.set_axisbelow(True)
    return ax


def plot_calls(
    calls: Mapping[str, Call], start_s: float = 0.0, end_s: float | None = None
) -> Figure:
    """Draw the same call with several agents, by name, under one another on one time axis.

    start_s, end_s: the part to draw (up to the end of the longest).
    """
    longest_s = max(call.timeline.duration_s for call in calls.values())
    end_s = max(longest_s, start_s + 1.0) if end_s is None else end_s
    size_in = (_width_in(start_s, end_s), 6.2 * len(calls))
    figure, axes = plt.subplots(len(calls), 1, figsize=size_in, layout="constrained", squeeze=False)
    for ax, (name, call) in zip(axes[:, 0], calls.items(), strict=True):
        plot_call(call, start_s, end_s, ax)
        ax.set_ylabel(name, fontsize=12, weight="bold")
    return figure


def _width_in(start_s: float, end_s: float) -> float:
    """Return the width of a picture: a notebook shows 17 s of a call at full size."""
    return float(np.clip(0.6 * (end_s - start_s), 10, 30))


def draw_voice(
    ax: Axes, voice: Audio | None, y: float, color: str, words: Sequence[Caption] = ()
) -> None:
    """Draw a waveform as its envelope, with the words over it."""
    if voice is not None:
        height = 0.85 * peaks(voice, PEAKS_PER_S)
        times_s = (np.arange(height.size) + 0.5) / PEAKS_PER_S
        ax.fill_between(times_s, y - height, y + height, color=color, linewidth=0)
    else:
        spoken = [Interval(each.start_s, each.end_s, "", "", "") for each in words]
        _draw_bars(ax, spoken, y, color)
    left, right = ax.get_xlim()
    for index, caption in enumerate(words):
        free_until_s = words[index + 1].start_s if index + 1 < len(words) else right
        if caption.end_s > left:
            write(ax, caption.start_s, free_until_s, y + 1.0, str(caption), lines=WORDS_LINES)


def _draw_bars(
    ax: Axes, intervals: Sequence[Interval], y: float, color: str, hatch: str = ""
) -> None:
    bars = [(each.start_s, max(each.end_s - each.start_s, 0.02)) for each in intervals]
    look = _bar_look(color, hatch)
    ax.broken_barh(bars, (y - 0.55, 1.1), **look)
    for each in filter(lambda interval: interval.label, intervals):
        ink = ink_on(color, BAR_ALPHA)
        write(ax, each.start_s, each.end_s, y - 0.2, f" {each.label}", lines=1, color=ink)


def _bar_look(color: str, hatch: str) -> dict[str, Any]:
    """Return how a bar looks in its lane, and in the legend."""
    return {"facecolor": color, "alpha": BAR_ALPHA, "hatch": hatch, "edgecolor": PAPER}


def write(
    ax: Axes, start_s: float, end_s: float, y: float, text: str, lines: int, color: str = INK
) -> None:
    """Write a text from start_s on, wrapped to end before end_s; nothing where it does not fit."""
    left, right = ax.get_xlim()
    start_s, end_s = max(start_s, left), min(end_s, right)
    chars = int(chars_in(ax, end_s - start_s)) - 1
    if chars < 5 or not text:
        return
    wrapped = textwrap.wrap(
        text, min(chars, 44), max_lines=lines, placeholder=PLACEHOLDER, break_long_words=False
    )
    if wrapped != [PLACEHOLDER.strip()] and max(len(line) for line in wrapped) <= chars:
        ax.text(start_s, y, "\n".join(wrapped), fontsize=9, va="bottom", clip_on=True, color=color)


def chars_in(ax: Axes, duration_s: float) -> float:
    """Return how many characters of small print fit into a stretch of time."""
    left, right = ax.get_xlim()
    figure = ax.get_figure(root=True)
    labels = max((len(label.get_text()) for label in ax.get_yticklabels()), default=0)
    margins_in = 0.3 + labels / CHARS_PER_INCH
    width_in = figure.get_size_inches()[0] - margins_in if figure else 9.0
    return duration_s / (right - left) * width_in * CHARS_PER_INCH


def _draw_response_times(ax: Axes, timeline: Timeline) -> None:
    """Draw the wait for each reply in the agent's lane, where nothing sounds."""
    y, (left, right) = LANES["agent"], ax.get_xlim()
    stops_s = [event.at_s for event in timeline.select("agent", "speech_stopped")]
    for turn in turn_times(timeline):
        if turn.reply_s is None or turn.ttfb_s is None or not left <= turn.end_s <= right:
            continue
        look = {"arrowstyle": "<->", "color": ERROR if turn.cut_off else INK, "linewidth": 0.9}
        ax.annotate("", (turn.reply_s, y), (turn.end_s, y), arrowprops=look)
        label = f"{1000 * turn.ttfb_s:.0f} ms"
        until_s = max(turn.end_s, turn.reply_s)
        silent_since_s = max((at_s for at_s in stops_s if at_s < until_s), default=left)
        if chars_in(ax, until_s - max(silent_since_s, left)) < len(label):
            continue
        ax.text(until_s, y - 0.2, f"{label} ", fontsize=9, ha="right", va="top")


def _draw_events(ax: Axes, timeline: Timeline) -> None:
    """Mark the moments that decide: speech found and lost, turns committed, barge-in, failures."""
    marks = (
        ("vad", "speech_started", "caller", "^", USER, "VAD: speech starts"),
        ("vad", "speech_stopped", "caller", "v", USER, "VAD: speech stops"),
        ("turn", "commit", "turn", "|", INK, "turn committed"),
        ("agent", "interrupted", "agent", "X", ERROR, "reply dropped"),
        ("agent", "resumed", "agent", ">", AGENT, "reply resumed"),
    )
    handles: list[Artist] = []
    left, right = ax.get_xlim()
    for source, kind, lane, marker, color, label in marks:
        times_s = [e.at_s for e in timeline.select(source, kind) if left <= e.at_s <= right]
        if times_s:
            low = np.full(len(times_s), LANES[lane] - (1.25 if lane != "turn" else 0.0))
            handles += ax.plot(times_s, low, marker, color=color, markersize=6, label=label)
    turns = call_lanes(timeline)["turn"]
    seen = {each.kind for each in turns if left < each.end_s and each.start_s < right}
    for state, (color, hatch) in STATE_LOOK.items():
        if state in seen:
            handles.append(Patch(**_bar_look(color, hatch), label=state.value))
    _draw_failures(ax, timeline)
    if handles:
        ax.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.0,
            ncols=max(2, int(chars_in(ax, right - left) / LEGEND_CHARS)),
            fontsize=9,
            frameon=False,
            columnspacing=1.2,
        )


def _draw_failures(ax: Axes, timeline: Timeline) -> None:
    """Mark each failure where it happened, and write the reasons below the time axis."""
    left, right = ax.get_xlim()
    reasons = []
    for event in timeline:
        is_shown = event.kind == "failed" or event.is_failure
        if not is_shown or not left <= event.at_s <= right:
            continue
        ax.axvline(event.at_s, color=ERROR, linestyle=":")
        side = "left" if event.at_s < right - 0.1 * (right - left) else "right"
        text = f" {event.source} {event.kind} "
        ax.text(event.at_s, -0.1, text, fontsize=9, color=FAILED, ha=side, clip_on=True)
        if event.is_failure:
            reasons.append(event.failure)
    width = int(chars_in(ax, right - left))
    lines = [line for reason in dict.fromkeys(reasons) for line in textwrap.wrap(reason, width)]
    if len(lines) > REASON_LINES:
        lines[REASON_LINES - 1 :] = [PLACEHOLDER.strip()]
    ax.annotate(
        "\n".join(lines),
        (0, 0),
        (0, -36),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=FAILED,
    )
