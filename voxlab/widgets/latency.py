"""The latency lab: a slider for each stage, a switch for each technique, and what follows."""

from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np

from voxlab.latency.random_turns import TurnModel, draw_turns
from voxlab.latency.simulation import Techniques, monte_carlo, simulate
from voxlab.plots.latency_lab import LatencyLab
from voxlab.widgets.static import Explorer

TURNS = 2000
SLIDERS = {  # part of the model: (what it is called, the most that it can be set to, in ms)
    "end_silence_s": ("silence", 1000),
    "stt_s": ("STT", 1000),
    "llm_s": ("LLM, first token", 2000),
    "tts_s": ("TTS, first audio", 1000),
    "uplink_s": ("network, one way", 300),
    "tool_s": ("tool", 4000),
}
SWITCHES = {
    "streaming": "streaming",
    "speculative_stt": "speculative STT",
    "prewarmed": "pre-warmed",
    "tool": "tool call",
    "filler": "filler",
    "early_stt": "STT at the first silence",
    "preemptive": "preemptive generation",
    "early_filler": "filler at once",
}


def explore_latency(model: TurnModel, target_s: float = 0.5) -> Any:
    """Return sliders for the medians of a turn's stages and switches for the techniques.

    The luck stays the same when a slider moves, so what changes is what the slider did.
    Without widgets: plot_latency_lab.
    """
    sliders = {
        name: ipywidgets.IntSlider(
            value=round(1000 * getattr(model.typical(), name)),
            max=most_ms,
            step=10,
            description=label,
            style={"description_width": "9em"},
            readout_format="d",
        )
        for name, (label, most_ms) in SLIDERS.items()
    }
    switches = {
        name: ipywidgets.Checkbox(
            value=getattr(Techniques(), name), description=label, indent=False
        )
        for name, label in SWITCHES.items()
    }
    lab = LatencyLab(target_s)
    image = ipywidgets.Image(format="png", layout={"max_width": "100%"})

    def show(_: Any = None) -> None:
        medians_s = {name: slider.value / 1000 for name, slider in sliders.items()}
        on = Techniques(**{name: switch.value for name, switch in switches.items()})
        changed, rng = _set(model, medians_s), np.random.default_rng(0)
        typical = simulate(draw_turns(changed.typical(), 1, rng), on)
        lab.update(typical, monte_carlo(changed, TURNS, rng, on).ttfb_s)
        image.value = lab.png()

    for control in (*sliders.values(), *switches.values()):
        control.observe(show, names="value")
    show()
    panel = [ipywidgets.VBox([*sliders.values()]), ipywidgets.VBox([*switches.values()])]
    return Explorer([ipywidgets.HBox(panel), image])


def _set(model: TurnModel, medians_s: Mapping[str, float]) -> TurnModel:
    """Give the model the sliders' medians; 0 becomes a microsecond, for a shape needs a scale."""
    medians_s = {name: max(median_s, 1e-6) for name, median_s in medians_s.items()}
    return model.with_medians(**medians_s, downlink_s=medians_s["uplink_s"])
