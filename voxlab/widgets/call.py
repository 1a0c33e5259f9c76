"""A call that a slider changes: heard and seen."""

from collections.abc import Callable
from functools import cache
from typing import Any

import ipywidgets

from voxlab.plots.player import call_frame
from voxlab.timeline import Call
from voxlab.widgets.static import Explorer


def explore_call(
    hold: Callable[[float], Call], values: tuple[float, float, float], start: float, label: str
) -> Any:
    """Return a slider with the player of the call that its value leads to.

    hold: makes the call for a value, in virtual time; each value is held once and remembered.
    values: from, to, step. Without widgets: hold(value).
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

    @cache
    def held(value: float) -> str:
        player.value = "<i>holding the call …</i>"
        return call_frame(hold(value))

    def show(value: float) -> None:
        player.value = held(round(value, 6))  # a slider's 0.7 is 0.7000000000000001

    slider.observe(lambda change: show(change["new"]), names="value")
    show(start)
    return Explorer([slider, player])
