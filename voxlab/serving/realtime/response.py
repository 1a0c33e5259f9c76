"""A response in the making: which events tell of it, in which order, and how it ends early."""

import base64
import json
from collections.abc import Callable
from typing import Any

from voxlab.providers.protocols import ToolCall
from voxlab.serving.realtime.conversation import Conversation, Item, Sound
from voxlab.serving.realtime.protocol.audio_formats import WireFormat

Emit = Callable[..., None]
Wire = dict[str, Any]

ARGUMENT_CHARACTERS = 24  # of a function call's arguments in one delta
DELTAS = {"audio": "response.output_audio", "text": "response.output_text"}
TRANSCRIPT = "response.output_audio_transcript"
ARGUMENTS = "response.function_call_arguments"


class Response:
    """One response. emit(type, **fields) sends an event; new_id(kind) names things.

    conversation: where its items go; None for an out-of-band response.
    """

    def __init__(
        self,
        config: Wire,
        wire: WireFormat,
        conversation: Conversation | None,
        emit: Emit,
        new_id: Callable[[str], str],
    ) -> None:
        self.id = new_id("resp")
        self.config = config
        self.wire = wire
        self.conversation = conversation
        self.items: list[Item] = []
        self.spoken_s = 0.0
        self._emit = emit
        self._new_id = new_id
        self._status = "in_progress"
        self._details: Wire | None = None
        self._open: Item | None = None

    @property
    def open_id(self) -> str | None:
        """The name of the item that is being made."""
        return self._open.id if self._open else None

    @property
    def is_text(self) -> bool:
        """Whether it writes instead of speaking."""
        return bool(self.config["output_modalities"] == ["text"])

    def resource(self, usage: Wire | None = None) -> Wire:
        """Return the response as it goes over the wire."""
        voice = self.config["voice"]
        output = {
            "format": self.config["format"],
            "voice": voice["id"] if isinstance(voice, dict) else voice,
        }
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [item.data for item in self.items],
            "conversation_id": self.conversation.id if self.conversation else None,
            "output_modalities": self.config["output_modalities"],
            "max_output_tokens": self.config["max_output_tokens"],
            "audio": {"output": output},
            "usage": usage,
            "metadata": self.config["metadata"],
        }

    def say(self, text: str, sound: bytes) -> None:
        """Send the next words and the next sound of the message; the first ones open it."""
        item = self._open or self._open_message()
        part = item.data["content"][0]
        if text:
            part["text" if self.is_text else "transcript"] += text
            if not self.is_text:
                item.words.append((len(item.sounds[0].data), text))
            self._part_event((DELTAS["text"] if self.is_text else TRANSCRIPT) + ".delta", text)
        if sound:
            item.sounds[0].data += sound
            self.spoken_s += len(sound) / self.wire.bytes_per_s
            self._part_event(DELTAS["audio"] + ".delta", base64.b64encode(sound).decode())

    def call(self, call: ToolCall) -> None:
        """Send a function call: an item of its own, after the message."""
        self._finish_item("completed")
        arguments = json.dumps(dict(call.arguments))
        item = Item(
            {
                "id": self._new_id("item"),
                "object": "realtime.item",
                "type": "function_call",
                "status": "in_progress",
                "name": call.name,
                "call_id": self._new_id("call"),  # a model's own names may repeat in a session
                "arguments": "",
            }
        )
        self._add(item)
        call_id = item.data["call_id"]
        for start in range(0, len(arguments), ARGUMENT_CHARACTERS):
            piece = arguments[start : start + ARGUMENT_CHARACTERS]
            item.data["arguments"] += piece
            self._emit(ARGUMENTS + ".delta", **self._place(), call_id=call_id, delta=piece)
        self._finish_item("completed")

    def take_back(self, deltas: list[Wire]) -> None:
        """Unsay what was queued but not sent: these deltas, the latest of the open message."""
        if self._open is None:
            return
        part = self._open.data["content"][0]
        for delta in deltas:
            if delta["type"] == DELTAS["audio"] + ".delta":
                size = len(base64.b64decode(delta["delta"]))
                del self._open.sounds[0].data[-size:]
                self.spoken_s -= size / self.wire.bytes_per_s
            else:
                name = "text" if self.is_text else "transcript"
                part[name] = part[name][: len(part[name]) - len(delta["delta"])]
                del self._open.words[-1:]

    def finish(self, status: str, details: Wire | None) -> None:
        """Close what is open; `resource` then tells how the response ended."""
        self._finish_item("completed" if status == "completed" else "incomplete")
        self._status, self._details = status, details

    def _open_message(self) -> Item:
        kind = {"type": "output_text", "text": ""}
        part = kind if self.is_text else {"type": "output_audio", "transcript": ""}
        item = Item(
            {
                "id": self._new_id("item"),
                "object": "realtime.item",
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
        )
        self._add(item)
        item.data["content"].append(part)
        if not self.is_text:
            item.sounds[0] = Sound(self.wire, bytearray())
        self._emit("response.content_part.added", **self._place(0), part=self._part())
        return item

    def _add(self, item: Item) -> None:
        self._open = item
        self.items.append(item)
        place = {"response_id": self.id, "output_index": len(self.items) - 1}
        self._emit("response.output_item.added", **place, item=item.data)
        if self.conversation is not None:
            previous = self.conversation.insert(item)
            self._emit("conversation.item.added", previous_item_id=previous, item=item.data)

    def _finish_item(self, status: str) -> None:
        item = self._open
        if item is None:
            return
        if item.data["type"] == "function_call":
            fields = {name: item.data[name] for name in ("call_id", "name", "arguments")}
            self._emit(ARGUMENTS + ".done", **self._place(), **fields)
        else:
            self._finish_part(item.data["content"][0])
        item.data["status"] = status
        if self.conversation is not None and item.id in self.conversation:
            previous = self.conversation.before(item.id)
            self._emit("conversation.item.done", previous_item_id=previous, item=item.data)
        place = {"response_id": self.id, "output_index": len(self.items) - 1}
        self._emit("response.output_item.done", **place, item=item.data)
        self._open = None

    def _finish_part(self, part: Wire) -> None:
        if self.is_text:
            self._emit(DELTAS["text"] + ".done", **self._place(0), text=part["text"])
        else:
            self._emit(DELTAS["audio"] + ".done", **self._place(0))
            self._emit(TRANSCRIPT + ".done", **self._place(0), transcript=part["transcript"])
        self._emit("response.content_part.done", **self._place(0), part=self._part())

    def _part(self) -> Wire:
        """The part as its own events show it: its type there is "text" or "audio"."""
        part = self._open.data["content"][0] if self._open else {}
        return {**part, "type": part["type"].removeprefix("output_")}

    def _part_event(self, kind: str, delta: str) -> None:
        self._emit(kind, **self._place(0), delta=delta)

    def _place(self, content_index: int | None = None) -> Wire:
        place = {"response_id": self.id, "output_index": len(self.items) - 1}
        if self._open is not None:
            place["item_id"] = self._open.id
        if content_index is not None:
            place["content_index"] = content_index
        return place
