"""Residual quantization in the plane, where it can be seen: the point, the stages, the cells."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voxlab.codec.quantizer import ResidualQuantizer, Vectors
from voxlab.plots.palette import AGENT, ERROR, INK, MUTED, PAPER, SILENCE, USER
from voxlab.plots.redrawn import Redrawn

GRID = 400  # points along each side of a plane whose cells are drawn
SHARE = 99.5  # per cent of the cloud that must be in the picture
UNDERLAY = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.7}
Moving = Iterator[tuple[Axes, Artist]]


def plot_residual_stages(
    quantizer: ResidualQuantizer, cloud: Vectors, point: Sequence[float], stages: int | None = None
) -> Figure:
    """Draw how a point of the plane becomes codes: the whole on the left, then stage by stage.

    cloud: float (points, 2), what the quantizer learned from. point: (x, y). stages: how many are
    sent (default: all). Each stage has a panel around its own origin, at its own scale: its cloud
    is what the stages before it left of all points, the cross what they left of this one. On the
    left the chosen codewords stand head to tail, in the cells that all codes sent make together.
    """
    picture = ResidualStages(quantizer, cloud, plt.figure())
    picture.update(point, stages)
    return picture.figure


class ResidualStages(Redrawn):
    """The figure of `plot_residual_stages`, and a quick way to draw it with another point."""

    def __init__(self, quantizer: ResidualQuantizer, cloud: Vectors, figure: Figure) -> None:
        super().__init__(figure)
        count = quantizer.stages
        figure.set_size_inches(10, 10 * 4.5 / (4.6 + 2.85 * count))
        grid = self.figure.add_gridspec(1, count + 1, width_ratios=[1.55, *[1] * count])
        grid.update(left=0.045, right=0.995, top=0.93, bottom=0.06, wspace=0.22)
        self.quantizer = quantizer
        clouds = list(quantizer.residuals(np.asarray(cloud, np.float32)))
        self.reach = [1.15 * float(np.percentile(np.abs(each), SHARE)) for each in clouds]
        self._whole, *self._panels = (
            self.figure.add_subplot(grid[0, column]) for column in range(count + 1)
        )
        self._cells = [
            borders(ResidualQuantizer(quantizer.codebooks[: stage + 1]), self.reach[0])
            for stage in range(count)
        ]
        for stage, ax in enumerate((self._whole, *self._panels)):
            seen = max(0, stage - 1)
            _draw_cloud(ax, clouds[seen], self.reach[seen])
            if stage:
                alone = ResidualQuantizer(quantizer.codebooks[seen:stage])
                _draw_borders(ax, borders(alone, self.reach[seen]), self.reach[seen])
                _draw_codewords(ax, alone.codebooks[0])

    def update(self, point: Sequence[float], stages: int | None = None) -> None:
        """Show another point, or another number of stages."""
        one = np.array([point], np.float32)
        codes = self.quantizer.encode(one, stages)[:, 0]
        left = [each[0] for each in self.quantizer.residuals(one)]
        self.replace([*self._draw_whole(codes, left), *self._draw_panels(codes, left)])

    def _draw_panels(self, codes: NDArray[np.int32], left: Sequence[Vectors]) -> Moving:
        """Draw in each stage that is sent the codeword nearest to the point, and what is missed."""
        for stage, ax in enumerate(self._panels):
            if stage >= len(codes):
                yield _title(ax, f"stage {stage + 1}: not sent", color=MUTED)
                continue
            nearest = self.quantizer.codebooks[stage, codes[stage]]
            yield _title(ax, f"stage {stage + 1}: code {codes[stage]}")
            yield _arrow(ax, np.zeros(2), nearest, USER, "-")
            yield _arrow(ax, nearest, left[stage], ERROR, ":")
            yield _cross(ax, left[stage])

    def _draw_whole(self, codes: NDArray[np.int32], left: Sequence[Vectors]) -> Moving:
        """Draw the chosen codewords head to tail, and how far from the point they end."""
        ax = self._whole
        yield ax, _draw_borders(ax, self._cells[len(codes) - 1], self.reach[0])
        corner = np.zeros(2)
        for codebook, code in zip(self.quantizer.codebooks, codes, strict=False):
            yield _arrow(ax, corner, corner + codebook[code], USER, "-")
            corner = corner + codebook[code]
        yield _cross(ax, left[0])
        bits, miss = len(codes) * np.log2(self.quantizer.codes), np.linalg.norm(left[len(codes)])
        named = "-".join(map(str, codes))
        yield _title(ax, f"code {named}: {bits:g} bits, misses by {miss:.2f}", weight="bold")


def plot_cells(codebook: Vectors, cloud: Vectors, ax: Axes) -> Axes:
    """Draw the codewords of one codebook, their cells, and the cloud that lies in them.

    codebook: float (codes, 2); cloud: float (points, 2).
    """
    quantizer = ResidualQuantizer(np.asarray(codebook)[None])
    reach = 1.15 * float(np.percentile(np.abs(cloud), SHARE))
    _draw_cloud(ax, np.asarray(cloud), reach)
    _draw_borders(ax, borders(quantizer, reach), reach)
    _draw_codewords(ax, quantizer.codebooks[0])
    return ax


def borders(quantizer: ResidualQuantizer, reach: float) -> NDArray[np.float64]:
    """Return where codes change in the plane from -reach to reach: pixels, RGBA.

    A border of the first stage is strongest.
    """
    side = np.linspace(-reach, reach, GRID, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    codes = quantizer.encode(plane).reshape(quantizer.stages, GRID, GRID)
    here = codes[:, :-1, :-1]
    parted = (here != codes[:, 1:, :-1]) | (here != codes[:, :-1, 1:])
    first = np.where(parted.any(0), parted.argmax(0), -1)
    pixels = np.zeros((GRID - 1, GRID - 1, 4))
    pixels[..., :3] = to_rgb(INK)
    pixels[..., 3] = np.array([*(0.9 * 0.5 ** np.arange(quantizer.stages)), 0.0])[first]
    return pixels


def _draw_cloud(ax: Axes, cloud: Vectors, reach: float) -> None:
    ax.plot(*cloud.T, ".", color=SILENCE, markersize=2, zorder=0)
    ax.plot(0, 0, "+", color=INK)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.tick_params(labelsize=9)


def _draw_borders(ax: Axes, pixels: NDArray[np.float64], reach: float) -> Artist:
    extent = (-reach, reach, -reach, reach)
    return ax.imshow(pixels, extent=extent, origin="lower", interpolation="antialiased")


def _draw_codewords(ax: Axes, codebook: Vectors) -> None:
    """Write each codeword's number where it lies."""
    for code, (x, y) in enumerate(codebook):
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "clip_on": True}
        ax.text(x, y, str(code), color=USER, weight="bold", bbox=UNDERLAY, **look)


def _title(ax: Axes, text: str, **look: Any) -> tuple[Axes, Artist]:
    title = ax.text(0.5, 1.02, text, transform=ax.transAxes, ha="center", fontsize=10, **look)
    return ax, title


def _cross(ax: Axes, at: Vectors) -> tuple[Axes, Artist]:
    return ax, ax.plot(*at, "x", color=AGENT, markersize=9, markeredgewidth=2)[0]


def _arrow(
    ax: Axes, tail: NDArray[np.floating], head: NDArray[np.floating], color: str, line: str
) -> tuple[Axes, Artist]:
    look = {"arrowstyle": "->", "color": color, "linestyle": line, "linewidth": 1.8}
    ends = (float(head[0]), float(head[1])), (float(tail[0]), float(tail[1]))
    return ax, ax.annotate("", *ends, arrowprops={**look, "shrinkA": 0, "shrinkB": 0})
