"""A call that a slider changes: heard and seen."""

from collections.abc import Callable
from functools import cache
from typing import Any

import ipywidgets

from voxlab.plots import plot_call
from voxlab.timeline import Call
from voxlab.widgets.picture import picture


def explore_call(
    hold: Callable[[float], Call], values: tuple[float, float, float], start: float, label: str
) -> Any:
    """Return a slider with the call that its value leads to: its player and its picture.

    hold: makes the call for a value, in virtual time; each value is held once and remembered.
    values: from, to, step. Without widgets: plot_call(hold(value)).
    """
    low, high, step = values
    slider = ipywidgets.FloatSlider(
        value=start,
        min=low,
        max=high,
        step=step,
        description=label,
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "60%"},
    )
    player = ipywidgets.HTML()
    image = ipywidgets.Image(format="png", layout={"max_width": "100%"})

    @cache
    def held(value: float) -> tuple[str, bytes]:
        player.value = "<i>holding the call …</i>"
        call = hold(value)
        return call._repr_html_(), picture(lambda ax: plot_call(call, ax=ax))

    def show(value: float) -> None:
        player.value, image.value = held(round(value, 6))  # a slider's 0.7 is 0.7000000000000001

    slider.observe(lambda change: show(change["new"]), names="value")
    show(start)
    return ipywidgets.VBox([slider, player, image])
