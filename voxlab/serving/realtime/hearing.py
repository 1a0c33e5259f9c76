"""What the user said: one turn's audio through the recogniser, whatever becomes of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers.base import STT
from voxlab.providers.guard import guarded
from voxlab.serving.realtime.conversation import Sound

SHORTEST_S = 0.1  # no word is shorter


async def recognised(stt: STT, sound: Sound, patience_s: float) -> str | ProviderError:
    """Return the text of a turn, "" if there are no words, or how the engine failed."""
    if sound.duration_s < SHORTEST_S:
        return ""

    async def segment() -> AsyncIterator[Audio]:
        yield sound.wire.audio(bytes(sound.data))

    text = ""
    stream = guarded(lambda: stt.transcribe(segment()), patience_s, "the recogniser")
    try:
        async with aclosing(stream):
            async for transcript in stream:
                text = transcript.text
    except ProviderError as error:
        return error
    return text
