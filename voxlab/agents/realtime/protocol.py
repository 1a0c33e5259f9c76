"""The client's end of a realtime connection: a note of every event, and an open microphone.

Nothing here decides. `converse` asks for every event that comes what to send in return.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from voxlab.agents.line import Line
from voxlab.audio import Audio, from_pcm16, silence, to_pcm16

RATE_HZ = 24_000  # of audio/pcm, the protocol's format of sound unless another is agreed
STEP_S = 0.1
SOUND_FIELDS = {  # the events that carry sound, and where
    "input_audio_buffer.append": "audio",
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",  # the beta's name
}
JsonObject = dict[str, Any]  # an event, an item or settings as they go over the wire
ClientEvent = Mapping[str, Any]


class Connection(Protocol):
    """A realtime connection, such as that of the openai package."""

    async def send(self, event: Any) -> None:
        """Send a client event."""
        ...

    async def recv(self) -> Any:
        """Return the next server event: a dict, or a model with `to_dict`."""
        ...


class RecordedConnection:
    """A connection whose events are noted on a line as they pass (transport `sent`, `received`).

    What the microphone sends is also laid on the line as the caller's voice.
    """

    def __init__(self, connection: Connection, line: Line) -> None:
        self._connection = connection
        self._line = line

    async def send(self, event: ClientEvent) -> None:
        """Send a client event."""
        note_event(self._line, "sent", event)
        if event["type"] == "input_audio_buffer.append":
            self._lay(decode_audio(event["audio"]))
        await self._connection.send(event)

    async def recv(self) -> Any:
        """Return the next server event, as the connection gives it."""
        event = await self._connection.recv()
        note_event(self._line, "received", as_dict(event))
        return event

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield server events for ever."""
        while True:
            yield await self.recv()

    def _lay(self, sound: Audio) -> None:
        """Lay what was just said; a piece that follows another within a step joins it."""
        track, now_s = self._line.user, self._line.now_s
        end_s = track.end / track.rate_hz
        start_s = now_s - sound.duration_s
        track.lay(end_s if start_s < end_s + STEP_S else start_s, sound)


def note_event(line: Line, kind: str, event: Mapping[str, Any]) -> None:
    """Note an event of the protocol on a line, "sent" or "received"; its sound is only counted."""
    name = SOUND_FIELDS.get(event["type"])
    if name is None:
        line.record("transport", kind, event=dict(event))
    else:
        shown = {key: value for key, value in event.items() if key != name}
        sound_bytes = len(event[name]) * 3 // 4 - event[name][-2:].count("=")
        line.record("transport", kind, event=shown, sound_bytes=sound_bytes)


def as_dict(event: Any) -> dict[str, Any]:
    """Return an event as it came over the wire."""
    return dict(event if isinstance(event, Mapping) else event.to_dict())


def appends(sound: Audio, step_s: float = STEP_S) -> list[dict[str, Any]]:
    """Return the events that send a recording, step_s of sound in each.

    >>> [len(event["audio"]) for event in appends(silence(0.15, 24_000))]
    [6400, 3200]
    """
    data = to_pcm16(sound.resample(RATE_HZ).samples)
    size = 2 * round(step_s * RATE_HZ)
    return [append(data[start : start + size]) for start in range(0, len(data), size)]


def append(sound: bytes) -> dict[str, Any]:
    """Return the event that sends some sound, 16-bit samples at RATE_HZ."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()}


def decode_audio(audio: str) -> Audio:
    """Return the sound that an event carries in base64."""
    return Audio(from_pcm16(base64.b64decode(audio)), RATE_HZ)


async def send_speech(connection: Connection, events: Iterable[ClientEvent]) -> None:
    """Send sound as an open microphone does: each piece when it is over, and then silence for ever.

    events: `input_audio_buffer.append`, as `appends` makes them. The server hears the end of a
    turn in the silence after it: a client that stops sending is never answered.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    (still,) = appends(silence(STEP_S, RATE_HZ))
    for event in _and_then(events, still):
        due_s += decode_audio(event["audio"]).duration_s
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        await connection.send(event)


def _and_then(events: Iterable[ClientEvent], still: ClientEvent) -> Iterable[ClientEvent]:
    yield from events
    while True:
        yield still


async def converse(
    connection: RecordedConnection,
    events: Iterable[ClientEvent],
    respond: Callable[[dict[str, Any]], Awaitable[Iterable[ClientEvent]]],
    answers: int = 1,
) -> None:
    """Speak, and do what `respond` says to each server event, until the answers are complete.

    events: the sound, see `send_speech`. respond: takes a server event, returns client events;
    while it works no other event is read. answers: how many responses end by themselves and
    without a function call.
    """
    microphone = asyncio.create_task(send_speech(connection, events))
    try:
        async for model in connection:
            event = as_dict(model)
            for reply in await respond(event):
                await connection.send(reply)
            answers -= _is_answer(event)
            if not answers:
                return
    finally:
        microphone.cancel()
        await asyncio.gather(microphone, return_exceptions=True)


def _is_answer(event: Mapping[str, Any]) -> bool:
    if event["type"] != "response.done":
        return False
    response = event["response"]
    kinds = {item["type"] for item in response["output"]}
    return response["status"] == "completed" and "function_call" not in kinds
