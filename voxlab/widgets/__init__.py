"""Figures with sliders. Every widget has a plain twin: the function that draws without it."""

from voxlab.widgets.call import explore_call
from voxlab.widgets.latency import explore_latency

__all__ = ["explore_call", "explore_latency"]
