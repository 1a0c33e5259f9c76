"""A figure that follows a slider: what stands still is drawn once, the rest each time."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image


class Redrawn:
    """A figure of which some artists are replaced again and again.

    What is on its axes when `png` is first called, and was not given to `replace`, stands still.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self._moving: list[tuple[Axes, Artist]] = []
        self._canvas: Any = None
        self._still: object = None  # the pixels of what stands still

    def replace(self, moving: Iterable[tuple[Axes, Artist]]) -> None:
        """Take the artists of the last time away; moving yields the new ones, once drawn."""
        for _, artist in self._moving:
            artist.remove()
        self._moving = [*moving]

    def png(self) -> bytes:
        """Return the picture; quick, if not the first time."""
        if self._canvas is None:
            self._canvas = FigureCanvasAgg(self.figure)
            for _, artist in self._moving:
                artist.set_visible(False)
            self._canvas.draw()
            self._still = self._canvas.copy_from_bbox(self.figure.bbox)
            for _, artist in self._moving:
                artist.set_visible(True)
        self._canvas.restore_region(self._still)
        for ax, artist in self._moving:
            ax.draw_artist(artist)
        png = io.BytesIO()
        pixels = np.asarray(self._canvas.buffer_rgba())[..., :3]
        Image.fromarray(pixels).save(png, "png", compress_level=1)
        return png.getvalue()
