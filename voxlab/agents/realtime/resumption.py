"""What the agent keeps of a call in case its connection breaks: the conversation and the sound.

A new session knows nothing. It is told the conversation as items, as it was heard, and it gets the
user's sound that the old one had not yet transcribed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from voxlab.agents.realtime.protocol import RATE_HZ, JsonObject

SAMPLE_BYTES = 2
RESENT = ""  # the turn that a new session has not noticed yet
PREROLL_S = 1.0  # speech may have begun that nobody has noticed yet
PARTS = {"user": "input_text", "assistant": "output_text"}


@dataclass(slots=True)
class Entry:
    """An item of the conversation. text: as it was heard; None while that is not known yet."""

    id: str
    kind: str  # "user", "assistant", or an item's type
    text: str | None = None
    call: Mapping[str, str] = field(default_factory=dict)

    def to_wire(self) -> JsonObject | None:
        """Return the item to create; None if there is nothing to tell."""
        if self.kind not in PARTS:
            return {"id": self.id, "type": self.kind, **self.call}
        if not self.text:
            return None
        content = [{"type": PARTS[self.kind], "text": self.text}]
        return {"id": self.id, "type": "message", "role": self.kind, "content": content}


class CallItems:
    """The items of a call in order, over all of its connections."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._entries

    def add(self, entry: Entry) -> None:
        """Put an item at the end; one that is there already stays as it is."""
        self._entries.setdefault(entry.id, entry)

    def hear(self, item_id: str, text: str) -> None:
        """Note what of a message was heard."""
        if item_id in self._entries:
            self._entries[item_id].text = text

    def forget(self, item_id: str) -> None:
        """Drop an item: it will come again."""
        self._entries.pop(item_id, None)

    def forget_unwritten(self) -> None:
        """Drop the caller's messages that nobody has written down: their sound is sent again."""
        kept = {e.id: e for e in self._entries.values() if e.kind != "user" or e.text is not None}
        self._entries = kept

    def to_wire(self) -> list[JsonObject]:
        """Return the items that a new session is told."""
        found = (entry.to_wire() for entry in self._entries.values())
        return [item for item in found if item is not None]

    @property
    def awaits_answer(self) -> bool:
        """Whether the last thing that was said or done was not the assistant's."""
        known = [e for e in self._entries.values() if e.text is None or e.to_wire() is not None]
        return bool(known) and known[-1].kind in ("user", "function_call_output")

    def wire_of(self, item_id: str) -> JsonObject | None:
        """Return one item as it is created; None if there is nothing to tell."""
        return self._entries[item_id].to_wire() if item_id in self._entries else None

    def previous(self, item_id: str) -> str:
        """Return the item before another that the server knows, or "root"."""
        before = "root"
        for entry in self._entries.values():
            if entry.id == item_id:
                break
            before = entry.id if entry.to_wire() is not None else before
        return before


@dataclass(slots=True)
class _Turn:
    """A turn that is not written down, in samples of the call."""

    start: int
    end: int | None = None  # None while it goes on


class UntranscribedAudio:
    """The caller's sound that the server may not have understood yet, 16 bit at 24 kHz.

    longest_s: older sound is dropped. Offsets are the server's: seconds of the sound that was
    appended in its session.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest = round(longest_s * RATE_HZ)
        self._data = bytearray()
        self._end = 0  # samples of the call
        self._session = 0  # sample of the call at which the session begins
        self._turns: dict[str, _Turn] = {}
        self._written = 0  # up to here all turns are written down
        self.dropped_s = 0.0

    def add(self, sound: bytes) -> None:
        """Take the next sound of the call."""
        self._data += sound
        self._end += len(sound) // SAMPLE_BYTES
        too_many = self._end - self._begin - self._longest
        if too_many > 0:
            self.dropped_s += too_many / RATE_HZ
            self._drop_before(self._begin + too_many)

    def sent(self) -> None:
        """All of it is on its way: what belongs to no open turn need not be kept for long."""
        preroll = self._end - round(PREROLL_S * RATE_HZ)
        starts = [turn.start for turn in self._turns.values()]
        self._drop_before(min([max(preroll, self._written), *starts]))

    def call_s(self, offset_s: float) -> float:
        """Return the time of the call at an offset."""
        return self._session / RATE_HZ + offset_s

    @property
    def offset_s(self) -> float:
        """The offset at which the next sound will be."""
        return (self._end - self._session) / RATE_HZ

    @property
    def has_turn(self) -> bool:
        """Whether a turn is not written down."""
        return bool(self._turns)

    def turn_started(self, item_id: str, offset_s: float) -> None:
        """Keep the sound from here on, until the turn is written down."""
        self._turns.pop(RESENT, None)
        self._turns[item_id] = _Turn(self._sample(offset_s))

    def turn_ended(self, item_id: str, offset_s: float) -> None:
        """The turn goes up to here. The one that was sent whole gets its name now."""
        turn = self._turns.pop(RESENT, None) or self._turns.get(item_id)
        if turn is not None:
            self._turns[item_id] = _Turn(turn.start, self._sample(offset_s))

    def turn_written(self, item_id: str) -> None:
        """The turn's words are known: its sound need not be sent again."""
        turn = self._turns.pop(item_id, None)
        if turn is not None and turn.end is not None:
            self._written = max(self._written, turn.end)
            self.sent()

    def resend(self) -> bytes:
        """Begin a new session: return the sound that it begins with."""
        self._session = self._begin
        self._turns = {RESENT: _Turn(self._begin)} if self._turns else {}  # until it is heard again
        return bytes(self._data)

    @property
    def _begin(self) -> int:
        return self._end - len(self._data) // SAMPLE_BYTES

    def _sample(self, offset_s: float) -> int:
        return self._session + math.floor(offset_s * RATE_HZ)

    def _drop_before(self, sample: int) -> None:
        del self._data[: max(0, sample - self._begin) * SAMPLE_BYTES]
