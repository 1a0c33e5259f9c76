"""A figure as PNG bytes, drawn without pyplot, which is not made for a widget's threads."""

import io
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def picture(draw: Callable[[Axes], Any], size_in: tuple[float, float] = (10, 6.6)) -> bytes:
    """Return what draw puts on its axes, as a PNG. size_in: width and height in inches."""
    figure = Figure(figsize=size_in, layout="constrained")
    draw(figure.subplots())
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    return png.getvalue()
