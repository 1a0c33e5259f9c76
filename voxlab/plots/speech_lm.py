"""A language model that speaks: its tokens, the order it says them in, how it learns and reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from voxlab.audio import Audio
from voxlab.errors import AudioError
from voxlab.plots.latency import LOOKS
from voxlab.plots.palette import AGENT, ERROR, INK, MUTED, PAPER, SILENCE, STAGE, USER, ink_on
from voxlab.speech_lm.comparison import Comparison, MeasuredPattern
from voxlab.speech_lm.vocabulary import Ids, JointVocabulary
from voxlab.statistics.intervals import wilson_interval

# --- tokens --------------------------------------------------------------------------------


def plot_joint_tokens(
    sound: Audio, text: Mapping[int, str], ids: Ids, joint: JointVocabulary
) -> Figure:
    """Draw a recording and its tokens on one axis of time, each at its id in the joint vocabulary.

    text: what is said by the frame it begins in; its id is drawn at zero. ids: int (stages,
    frames), see `JointVocabulary.audio_ids`.
    """
    figure, (wave, tokens) = plt.subplots(
        2,
        1,
        figsize=(10, 5.6),
        height_ratios=(1, 4),
        sharex=True,
        layout="constrained",
    )
    frame_s = sound.duration_s / ids.shape[1]
    times_s = np.arange(sound.samples.size) / sound.rate_hz
    wave.plot(times_s, sound.samples, color=AGENT, linewidth=0.5)
    wave.set(ylabel="sound", yticks=[])
    middles_s = (np.arange(ids.shape[1]) + 0.5) * frame_s
    for stage, row in enumerate(ids):
        first = joint.first_id(stage)
        if stage % 2 == 0:
            tokens.axhspan(first, first + joint.codebook_size, color=SILENCE, alpha=0.25)
        marker = LOOKS[stage % len(LOOKS)][2]
        tokens.plot(middles_s, row, marker, color=AGENT, markersize=3)
    for frame, word in text.items():
        for ax in (wave, tokens):
            ax.axvline(frame * frame_s, color=USER, linewidth=0.8, linestyle=":")
        tokens.text(frame * frame_s, -30, f" {word}", color=USER, va="top", weight="bold")
    edges = [joint.text_size, *(joint.first_id(k) for k in range(1, joint.stages)), joint.size]
    tokens.set(xlabel="time (s)", ylabel="id in the joint vocabulary", yticks=edges)
    tokens.set_ylim(-0.1 * joint.size, joint.size)
    tokens.margins(x=0.01)
    right = tokens.secondary_yaxis("right")
    middles = [joint.first_id(k) + joint.codebook_size / 2 for k in range(joint.stages)]
    names = [f"codebook {k + 1}" for k in range(joint.stages)]
    right.set_yticks([-0.05 * joint.size, *middles], [f"text, {joint.text_size} ids", *names])
    right.tick_params(length=0)
    return figure


def plot_patterns(frames: int = 5, stages: int = 4) -> Figure:
    """Draw in which position of the large model each code of a few frames is said, in four ways.

    In the depth pattern the small model's step within the position stands behind the point.
    """
    frame, stage = np.meshgrid(np.arange(frames), np.arange(stages))
    ways: dict[str, Any] = {
        "flattened": (frame * stages + stage, "{0}"),
        "parallel": (frame, "{0}"),
        "delay": (frame + stage, "{0}"),
        "depth": (frame, "{0}.{1}"),
    }
    blues = LinearSegmentedColormap.from_list("blues", [PAPER, USER])
    last = 1.6 * frames * stages  # so that no cell is as strong as the colour itself
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), sharey=True, layout="constrained")
    for ax, (name, (place, label)) in zip(axes, ways.items(), strict=True):
        ax.imshow(place / last, cmap=blues, vmin=0, vmax=1, aspect="auto")
        for (row, column), position in np.ndenumerate(place):
            text = label.format(position + 1, row + 1)
            ink = ink_on(USER, position / last)
            ax.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
        ax.set_title(f"{name}: {place.max() + 1} positions", fontsize=10)
        ax.set(xlabel="frame", xticks=range(frames), xticklabels=range(1, frames + 1))
    axes[0].set(ylabel="codebook", yticks=range(stages), yticklabels=range(1, stages + 1))
    return figure


# --- learning ------------------------------------------------------------------------------


def plot_learning(losses: Sequence[Sequence[float]], ax: Axes | None = None) -> Axes:
    """Draw how a model learns: nats a frame of each codebook. losses: (steps, stages)."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
    by_stage = np.array(losses).T
    width = max(1, by_stage.shape[1] // 40)
    for stage, values in enumerate(by_stage):
        color, line, _ = LOOKS[stage % len(LOOKS)]
        smooth = np.convolve(values, np.ones(width) / width, "valid")
        ax.plot(np.arange(smooth.size) + width, smooth, line, color=color)
        ax.annotate(
            f" codebook {stage + 1}",
            (smooth.size + width - 1, smooth[-1]),
            va="center",
            fontsize=9,
        )
    ax.set(xlabel="steps", ylabel="nats a code")
    _plain(ax)
    ax.set_xlim(0, 1.12 * (by_stage.shape[1] + 1))
    return ax


def plot_comparison(found: Comparison) -> Figure:
    """Draw what four ways of predicting cost and reach: by steps, by time, and as heard."""
    figure, (steps, seconds, heard) = plt.subplots(1, 3, figsize=(10, 3.9), layout="constrained")
    for number, (name, each) in enumerate(found.patterns.items()):
        color, line, marker = LOOKS[number % len(LOOKS)]
        at, times_s, nats = zip(*each.curve, strict=True)
        total = np.array(nats).sum(1)
        look = {"color": color, "marker": marker, "markersize": 3, "linestyle": line}
        steps.plot(at, total, **look, label=name)
        seconds.plot(times_s, total, **look)
    same = found.equal_steps
    steps.axvline(same, color=SILENCE, linewidth=1)
    steps.text(same, steps.get_ylim()[1], f" {same} steps", fontsize=9, va="top", color=MUTED)
    steps.set(xlabel="steps", ylabel="unseen numbers: nats a frame")
    steps.legend(fontsize=9)
    seconds.set(xlabel="processor seconds of training")
    for ax in (steps, seconds):
        _plain(ax)
    _draw_heard(found.patterns, found.heard_codec, heard)
    return figure


def _draw_heard(patterns: Mapping[str, MeasuredPattern], codec: Sequence[bool], ax: Axes) -> None:
    low, high = wilson_interval(sum(codec), len(codec))
    ax.axvspan(low, high, color=STAGE, alpha=0.2)
    ax.axvline(float(np.mean(codec)), color=STAGE, linewidth=1, linestyle="--")
    ax.text(low, -0.75, "codec alone ", fontsize=9, ha="right", va="center")
    for row, each in enumerate(patterns.values()):
        share = float(np.mean(each.heard))
        low, high = wilson_interval(sum(each.heard), len(each.heard))
        color, _, marker = LOOKS[row % len(LOOKS)]
        ax.plot([low, high], [row, row], color=color)
        ax.plot([share], [row], marker, color=color)
    ax.set(xlim=(0, 1), ylim=(len(patterns) - 0.5, -1), yticks=range(len(patterns)))
    ax.set_yticklabels(patterns)
    ax.set(xlabel=f"heard right, of {len(codec)}\nunseen numbers (95% interval)")
    ax.spines[["top", "right"]].set_visible(False)


# --- how it was said -----------------------------------------------------------------------


def plot_votes(sound: Audio, votes: Sequence[float], ax: Axes | None = None) -> Axes:
    """Draw what a probe hears frame by frame: above zero whispered, below spoken.

    votes: one a frame of the sound, see `WhisperProbe.by_frame`. Raises AudioError if there is
    none, or no sound.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 3), layout="constrained")
    given = np.asarray(votes, np.float64)
    if given.ndim != 1 or not (given.size and sound.samples.any()):
        raise AudioError(f"{given.shape} votes for {sound.duration_s:.3f} s: pass those of a sound")
    frame_s = sound.duration_s / given.size
    middles_s = (np.arange(given.size) + 0.5) * frame_s
    for kind, color, hatch in ((given > 0, ERROR, "//"), (given <= 0, USER, "")):
        ax.bar(middles_s[kind], given[kind], frame_s, color=color, hatch=hatch, edgecolor=PAPER)
    times_s = np.arange(sound.samples.size) / sound.rate_hz
    wave = sound.samples / np.abs(sound.samples).max() * np.abs(given).max()
    ax.plot(times_s, wave, color=SILENCE, linewidth=0.4, zorder=0)
    ax.axhline(0, color=INK, linewidth=0.6)
    ax.text(1.01, 0.9, "whispered", va="top", transform=ax.transAxes)
    ax.text(1.01, 0.1, "spoken", va="bottom", transform=ax.transAxes)
    ax.set(xlabel="time (s)", ylabel="vote of a frame (nats)")
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=SILENCE, linewidth=0.4)
