"""The telephone: G.711."""

from voxlab.telephony.g711 import MULAW

__all__ = ["MULAW"]
