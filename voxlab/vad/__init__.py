"""Voice activity: the network, the decisions on it, the scenes and costs they are judged by."""

from voxlab.vad.acoustic_scenes import ROOMS, lay_scene, move_to_room
from voxlab.vad.endpointing import (
    SpeechStarted,
    SpeechStopped,
    TalkingRoom,
    VADOptions,
    speech_events,
)
from voxlab.vad.error_rates import vad_costs
from voxlab.vad.silero import (
    FRAME_S,
    FRAME_SIZE,
    GRAPH_FILE,
    RATE_HZ,
    SileroVAD,
    speech_probabilities,
)

__all__ = [
    "FRAME_S",
    "FRAME_SIZE",
    "GRAPH_FILE",
    "RATE_HZ",
    "ROOMS",
    "SileroVAD",
    "SpeechStarted",
    "SpeechStopped",
    "TalkingRoom",
    "VADOptions",
    "lay_scene",
    "move_to_room",
    "speech_events",
    "speech_probabilities",
    "vad_costs",
]
