"""Calls over a telephone line: the agent's end of it, and the simulated telephone at the other."""

from voxlab.agents.telephone.agent import CallerVoice, TelephoneOptions, telephone_agent
from voxlab.agents.telephone.menu import KeyingCaller, KeypadMenu
from voxlab.agents.telephone.twilio_phone import OverTwilio, StreamOptions

__all__ = [
    "CallerVoice",
    "KeyingCaller",
    "KeypadMenu",
    "OverTwilio",
    "StreamOptions",
    "TelephoneOptions",
    "telephone_agent",
]
