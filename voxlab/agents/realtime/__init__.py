"""The agent on one connection in OpenAI's Realtime protocol."""

from voxlab.agents.realtime.protocol import (
    RATE_HZ,
    RecordedConnection,
    appends,
    converse,
    decode_audio,
)

__all__ = ["RATE_HZ", "RecordedConnection", "appends", "converse", "decode_audio"]
