"""The send queue of a session: bounded, and with deltas that can be taken back."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from voxlab.agents.realtime.protocol import JsonObject

log = logging.getLogger(__name__)
Shim = Callable[[JsonObject], Iterable[JsonObject]]
Note = Callable[[str, JsonObject], None]

ROOM_BYTES = 128 * 1024  # two seconds of audio: whoever makes more waits
FULL_BYTES = 4 * 2**20  # whoever asks for more answers than this without reading any waits


@dataclass(frozen=True, slots=True)
class _Waiting:
    frames: tuple[str, ...]
    delta: JsonObject | None
    size: int


def error_of(fields: JsonObject) -> JsonObject | None:
    """Return the error that an event tells of, its own or that of a response."""
    details = fields.get("response", {}).get("status_details") or {}
    error: JsonObject | None = fields.get("error") or details.get("error")
    return error


class SendQueue:
    """The events of a session that the writer has not sent yet, in order.

    token: makes the session's names unique; shim: turns an event into those of another dialect;
    note: is told of each event.
    `emit` never waits. Whoever makes sound or text awaits `room`, whoever answers a client awaits
    `relief`. Of events that tell of an error the code is logged: the message may quote the client.
    """

    def __init__(self, token: str, shim: Shim | None = None, note: Note | None = None) -> None:
        self._token = token
        self._shim = shim
        self._note = note
        self._names = 0
        self._waiting: deque[_Waiting] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._is_sending = False

    def new_id(self, kind: str) -> str:
        """Return a new name, for an event or for what events tell of."""
        self._names += 1
        return f"{kind}_{self._token}{self._names:06d}"

    def emit(self, kind: str, **fields: Any) -> None:
        """Queue an event."""
        if error := error_of(fields):
            log.info("session %s: error %s", self._token, error.get("code"))
        if self._note is not None:
            self._note(kind, fields)
        event = {"type": kind, "event_id": self.new_id("event"), **fields}
        told = self._shim(event) if self._shim else (event,)
        frames = tuple(json.dumps(each, separators=(",", ":")) for each in told)
        delta = event if kind.endswith(".delta") and "response_id" in event else None
        waiting = _Waiting(frames, delta, sum(map(len, frames)))
        self._waiting.append(waiting)
        self._size += waiting.size
        self._changed.set()

    async def get(self) -> tuple[str, ...]:
        """Return the next frames to send; those of the call before count as sent by then."""
        self._is_sending = False
        self._changed.set()
        await self._until(lambda: bool(self._waiting))
        waiting = self._waiting.popleft()
        self._size -= waiting.size
        self._is_sending = True
        self._changed.set()
        return waiting.frames

    def take_back(self, item_id: str) -> list[JsonObject]:
        """Remove and return the deltas of a response's item that nobody has seen, in order."""
        taken: list[JsonObject] = []
        kept: deque[_Waiting] = deque()
        for waiting in self._waiting:
            if waiting.delta and waiting.delta["item_id"] == item_id:
                taken.append(waiting.delta)
                self._size -= waiting.size
            else:
                kept.append(waiting)
        self._waiting = kept
        self._changed.set()
        return taken

    async def room(self) -> None:
        """Wait until little waits to be sent."""
        await self._until(lambda: self._size < ROOM_BYTES)

    async def relief(self) -> None:
        """Wait until not very much waits to be sent."""
        await self._until(lambda: self._size < FULL_BYTES)

    async def flushed(self) -> None:
        """Wait until all is sent."""
        await self._until(lambda: not self._waiting and not self._is_sending)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()
