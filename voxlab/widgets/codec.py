"""Residual quantization with a point that the reader moves."""

from collections.abc import Sequence
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from voxlab.codec.quantizer import ResidualQuantizer, Vectors
from voxlab.plots.residual_stages import ResidualStages
from voxlab.widgets.static import Explorer


def explore_quantizer(
    quantizer: ResidualQuantizer, cloud: Vectors, point: Sequence[float] = (0.0, 0.0)
) -> Any:
    """Return sliders for a point of the plane and for the stages that are sent, and what follows.

    cloud: float (points, 2), what the quantizer learned from. The arrow keys also move a slider.
    Without widgets: plot_residual_stages(quantizer, cloud, (x, y), stages).
    """
    lab = ResidualStages(quantizer, cloud, Figure(dpi=100))
    reach = round(lab.reach[0], 1)
    x, y = (
        ipywidgets.FloatSlider(
            value=value, min=-reach, max=reach, step=reach / 100, description=name
        )
        for name, value in zip("xy", point, strict=True)
    )
    most = quantizer.stages
    stages = ipywidgets.IntSlider(value=most, min=1, max=most, description="stages sent")
    image = ipywidgets.Image(format="png", layout={"max_width": "100%"})

    def show(_: Any = None) -> None:
        lab.update((x.value, y.value), stages.value)
        image.value = lab.png()

    for slider in (x, y, stages):
        slider.observe(show, names="value")
    show()
    return Explorer([ipywidgets.HBox([x, y, stages]), image])
