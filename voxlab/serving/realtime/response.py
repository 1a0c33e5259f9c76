"""A response in the making: which events tell of it, in which order, and how it ends early."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

from voxlab.agents.realtime.protocol import JsonObject
from voxlab.providers.protocols import ToolCall
from voxlab.serving.realtime.conversation import Conversation, Item, Sound
from voxlab.serving.realtime.protocol.audio_formats import FORMATS
from voxlab.serving.realtime.protocol.session_config import voice_name
from voxlab.serving.realtime.transport.send_queue import SendQueue

ARGUMENT_CHARACTERS = 24  # of a function call's arguments in one delta
AUDIO, TEXT = "response.output_audio", "response.output_text"
TRANSCRIPT = "response.output_audio_transcript"
ARGUMENTS = "response.function_call_arguments"


class Response:
    """One response; its events go to the queue.

    config: of `session_config.response_config`; context: what the model reads; conversation:
    where its items go, None for an out-of-band response. task: makes it.
    """

    task: asyncio.Task[None]

    def __init__(
        self,
        config: JsonObject,
        context: Sequence[Item],
        conversation: Conversation | None,
        queue: SendQueue,
    ) -> None:
        self.id = queue.new_id("resp")
        self.config = config
        self.context = context
        self.conversation = conversation
        self.wire = FORMATS[config["format"]["type"]]
        self.is_text = config["output_modalities"] == ["text"]
        self.items: list[Item] = []
        self.spoken_s = 0.0
        self._queue = queue
        self._status = "in_progress"
        self._details: JsonObject | None = None
        self._open: Item | None = None
        self._text = ""  # of the open item: said, also after the client has cut the item

    def resource(self, usage: JsonObject | None = None) -> JsonObject:
        """Return the response as it goes over the wire."""
        output = {"format": self.config["format"], "voice": voice_name(self.config)}
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
        item.say(text, sound)
        if text:
            self._text += text
            kind = TEXT if self.is_text else TRANSCRIPT
            self._tell(kind + ".delta", content_index=0, delta=text)
        if sound:
            self.spoken_s += len(sound) / self.wire.bytes_per_s
            delta = base64.b64encode(sound).decode()
            self._tell(AUDIO + ".delta", content_index=0, delta=delta)

    def call(self, call: ToolCall) -> None:
        """Send a function call: an item of its own, after the message."""
        self._close_item("completed")
        arguments = json.dumps(dict(call.arguments))
        item_id = self._queue.new_id("item")
        call_id = self._queue.new_id("call")  # a model's own names may repeat in a session
        item = self._open_item(
            item_id, "function_call", name=call.name, call_id=call_id, arguments=""
        )
        for start in range(0, len(arguments), ARGUMENT_CHARACTERS):
            piece = arguments[start : start + ARGUMENT_CHARACTERS]
            item.data["arguments"] += piece
            self._tell(ARGUMENTS + ".delta", call_id=call_id, delta=piece)
        self._close_item("completed")

    def cancel(self, reason: str) -> None:
        """Stop making it, and unsay what was queued but not sent."""
        self.task.cancel()
        if self._open is not None:
            for delta in reversed(self._queue.take_back(self._open.id)):
                is_sound = delta["type"] == AUDIO + ".delta"
                text = "" if is_sound else delta["delta"]
                size = len(base64.b64decode(delta["delta"])) if is_sound else 0
                self._open.unsay(text, size)
                self._text = self._text.removesuffix(text)
                self.spoken_s -= size / self.wire.bytes_per_s
        self.finish("cancelled", reason)

    def finish(self, status: str, why: str = "") -> None:
        """Close what is open; `resource` then tells how the response ended, and why."""
        self._close_item("completed" if status == "completed" else "incomplete")
        self._status = status
        if status == "failed":
            error = {"type": "server_error", "code": "engine_failed", "message": why}
            self._details = {"type": status, "error": error}
        elif status != "completed":
            self._details = {"type": status, "reason": why}

    def _open_message(self) -> Item:
        item_id = self._queue.new_id("item")
        item = self._open_item(item_id, "message", role="assistant", content=[])
        if self.is_text:
            part = {"type": "output_text", "text": ""}
        else:
            part = {"type": "output_audio", "transcript": ""}
            item.sounds[0] = Sound(self.wire, bytearray())
        item.data["content"].append(part)
        self._text = ""
        self._tell("response.content_part.added", content_index=0, part=self._part())
        return item

    def _open_item(self, item_id: str, kind: str, **fields: Any) -> Item:
        fixed = {"id": item_id, "object": "realtime.item", "type": kind, "status": "in_progress"}
        item = self._open = Item({**fixed, **fields})
        self.items.append(item)
        self._tell_of_item("response.output_item.added", item)
        if self.conversation is not None:
            previous = self.conversation.insert(item)
            self._queue.emit("conversation.item.added", previous_item_id=previous, item=item.data)
        return item

    def _close_item(self, status: str) -> None:
        item = self._open
        if item is None:
            return
        if item.data["type"] == "function_call":
            fields = {name: item.data[name] for name in ("call_id", "name", "arguments")}
            self._tell(ARGUMENTS + ".done", **fields)
        else:
            self._close_part()
        item.data["status"] = status
        if self.conversation is not None and item.id in self.conversation:
            previous = self.conversation.before(item.id)
            self._queue.emit("conversation.item.done", previous_item_id=previous, item=item.data)
        self._tell_of_item("response.output_item.done", item)
        self._open = None

    def _close_part(self) -> None:
        if self.is_text:
            self._tell(TEXT + ".done", content_index=0, text=self._text)
        else:
            self._tell(AUDIO + ".done", content_index=0)
            self._tell(TRANSCRIPT + ".done", content_index=0, transcript=self._text)
        self._tell("response.content_part.done", content_index=0, part=self._part())

    def _part(self) -> JsonObject:
        """Return the open part as its own events show it: its type is "text" or "audio" there."""
        if self.is_text:
            return {"type": "text", "text": self._text}
        return {"type": "audio", "transcript": self._text}

    def _tell(self, kind: str, **fields: Any) -> None:
        """Send an event of the open item."""
        item_id = self._open.id if self._open else None
        place = {"response_id": self.id, "output_index": len(self.items) - 1, "item_id": item_id}
        self._queue.emit(kind, **place, **fields)

    def _tell_of_item(self, kind: str, item: Item) -> None:
        place = {"response_id": self.id, "output_index": len(self.items) - 1}
        self._queue.emit(kind, **place, item=item.data)
