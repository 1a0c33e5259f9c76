"""The VAD lab: choose a room, move the thresholds, and see at once what they find and cost."""

from functools import cache
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from voxlab.plots.vad import DPI, VADLab
from voxlab.vad.acoustic_scenes import ROOMS, Scene, move_to_room
from voxlab.vad.endpointing import VADOptions
from voxlab.vad.silero import speech_probabilities
from voxlab.widgets.static import Explorer

SNRS_DB = (20, 15, 10, 5, 0, -3)
SLIDERS = {  # option: (what it is called, least, most, step)
    "threshold": ("threshold", 0.05, 0.95, 0.05),
    "exit_threshold": ("exit threshold", 0.05, 0.95, 0.05),
    "min_speech_s": ("min. speech (s)", 0.0, 0.5, 0.032),
    "min_silence_s": ("min. silence (s)", 0.032, 1.504, 0.032),
    "padding_s": ("padding (s)", 0.0, 0.5, 0.05),
}


def explore_vad(scene: Scene, options: VADOptions | None = None) -> Any:
    """Return sliders for a VAD's options over one scene in any room, with its player and picture.

    The network hears each room once; a slider only segments its probabilities again. The exit
    threshold follows the threshold down. Without widgets: plot_vad.
    """
    sliders = _sliders(options or VADOptions())
    louder = ipywidgets.Checkbox(True, description="louder than a room that talks", indent=False)
    room = ipywidgets.Dropdown(options=ROOMS, description="room")
    snr = ipywidgets.Dropdown(options=SNRS_DB, value=10, description="SNR (dB)")
    player, image = ipywidgets.HTML(), ipywidgets.Image(format="png", layout={"max_width": "100%"})

    @cache
    def lab(where: str, snr_db: int) -> tuple[VADLab, str]:
        there = move_to_room(scene, where, snr_db, np.random.default_rng(0))
        heard = speech_probabilities(there.audio)
        return VADLab(Figure(dpi=DPI), there.audio, heard, there.turns), there.audio._repr_html_()

    def segment(_: Any = None) -> None:
        values = {name: slider.value for name, slider in sliders.items()}
        values["exit_threshold"] = min(values["exit_threshold"], values["threshold"])
        if not louder.value:
            values |= {"start_over_floor_db": 0.0, "stop_over_floor_db": 0.0}
        picture, _ = lab(room.value, snr.value)
        picture.update(VADOptions(**values))
        image.value = picture.png()

    def enter(_: Any = None) -> None:
        player.value = lab(room.value, snr.value)[1]
        segment()

    for control in (*sliders.values(), louder):
        control.observe(segment, names="value")
    for place in (room, snr):
        place.observe(enter, names="value")
    enter()
    places = ipywidgets.VBox([room, snr, louder, player])
    panel = ipywidgets.HBox([ipywidgets.VBox([*sliders.values()]), places])
    return Explorer([panel, image])


def _sliders(options: VADOptions) -> dict[str, Any]:
    return {
        name: ipywidgets.FloatSlider(
            value=getattr(options, name),
            min=least,
            max=most,
            step=step,
            description=label,
            style={"description_width": "9em"},
        )
        for name, (label, least, most, step) in SLIDERS.items()
    }
