"""What a codec does to a sound: spectrograms, what its bits buy, and how it uses its codes."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from voxlab.audio import Audio
from voxlab.codec.spectrum import HOP_S, spectrogram_db
from voxlab.errors import AudioError
from voxlab.plots.latency import LOOKS
from voxlab.plots.palette import ERROR, INK, PAPER, SILENCE

QUIETEST_DB = -80.0


# --- sound ---------------------------------------------------------------------------------


def plot_spectrograms(sounds: Mapping[str, Audio]) -> Figure:
    """Draw recordings below each other on one axis of time: which frequencies sound when.

    Raises AudioError if there is none, or one is shorter than 32 ms.
    """
    if not sounds:
        raise AudioError("no recording to draw: pass one at least, by name")
    figure, axes = plt.subplots(
        len(sounds),
        1,
        figsize=(10, 1.5 * len(sounds) + 0.5),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    rows = axes[:, 0]
    for ax, (name, sound) in zip(rows, sounds.items(), strict=True):
        plot_spectrogram(sound, ax=ax)
        ax.set_title(name, fontsize=9, loc="left")
        ax.label_outer()
    figure.colorbar(rows[0].images[0], ax=rows, label="level (dB)", shrink=0.9 / len(sounds) ** 0.5)
    return figure


def plot_spectrogram(sound: Audio, ax: Axes | None = None) -> Axes:
    """Draw which frequencies sound when, and how loudly: the farther from the paper, the louder."""
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 2.4), layout="constrained")
    levels = spectrogram_db(sound)
    extent = (0.0, len(levels) * HOP_S, 0.0, sound.rate_hz / 2000)
    greys = LinearSegmentedColormap.from_list("greys", [PAPER, INK])
    look: dict[str, Any] = {"origin": "lower", "aspect": "auto", "cmap": greys}
    ax.imshow(levels.T, extent=extent, vmin=QUIETEST_DB, vmax=-20, interpolation="nearest", **look)
    ax.set(xlabel="time (s)", ylabel="kHz")
    return ax


# --- figures -------------------------------------------------------------------------------


def plot_ladder(
    rungs: Mapping[str, Sequence[tuple[float, float]]], label: str, ax: Axes | None = None
) -> Axes:
    """Draw what a bit buys: for each codec its (bits a second, value) pairs. label: the value's."""
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    looks = cycle((*LOOKS, (INK, "-", "v")))
    for (name, pairs), (color, line, marker) in zip(rungs.items(), looks, strict=False):
        bitrates, values = np.array(pairs).T
        ax.plot(bitrates / 1000, values, line, marker=marker, color=color, label=name)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set(xlabel="kilobits a second", ylabel=label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=SILENCE, linewidth=0.4)
    ax.legend(fontsize=9)
    return ax


def plot_code_use(counts: Mapping[str, NDArray[np.integer]], ax: Axes | None = None) -> Axes:
    """Draw how often each code is used, the most frequent first. counts: int (codes,) by name."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3), layout="constrained")
    for number, (name, each) in enumerate(counts.items()):
        color, line, _ = LOOKS[number % len(LOOKS)]
        label = f"{name}: {np.count_nonzero(each)} of {each.size} codes used"
        ax.plot(np.sort(each)[::-1] / each.sum(), line, color=color, label=label)
    equal = next(1 / each.size for each in counts.values())
    ax.axhline(equal, color=ERROR, linewidth=1, linestyle=(0, (1, 3)), label="all alike")
    ax.set(xlabel="codes, the most frequent first", ylabel="share of frames")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=9)
    return ax
