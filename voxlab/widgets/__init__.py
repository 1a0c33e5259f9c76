"""Figures with sliders. Every widget has a plain twin: the function that draws without it."""

from voxlab.widgets.call import explore_call
from voxlab.widgets.codec import explore_quantizer
from voxlab.widgets.latency import explore_latency
from voxlab.widgets.live import live_call
from voxlab.widgets.prediction import predict
from voxlab.widgets.rating import rate
from voxlab.widgets.recording import record
from voxlab.widgets.speech_lm import live_training
from voxlab.widgets.vad import explore_vad

__all__ = [
    "explore_call",
    "explore_latency",
    "explore_quantizer",
    "explore_vad",
    "live_call",
    "live_training",
    "predict",
    "rate",
    "record",
]
