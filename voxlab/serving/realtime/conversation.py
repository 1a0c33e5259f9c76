"""The conversation: items in order, each with its predecessor, and what the model reads of them."""

import asyncio
import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voxlab.agents.realtime.protocol import JsonObject
from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, ToolCall
from voxlab.serving.realtime.protocol.audio_formats import WireFormat
from voxlab.serving.realtime.protocol.client_events import audio_bytes
from voxlab.serving.realtime.protocol.errors import Refused

LARGEST_ITEM = 512 * 1024  # bytes of JSON: many clients read frames of 1 MiB at most


@dataclass(slots=True)
class Sound:
    """The audio of one content part."""

    wire: WireFormat
    data: bytearray

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.data) / self.wire.bytes_per_s

    @property
    def audio(self) -> Audio:
        """The sound as a recording."""
        return self.wire.audio(bytes(self.data))


@dataclass(eq=False, slots=True)
class Item:
    """An item as it goes over the wire, its audio apart.

    words: the assistant's, each piece with the byte of the sound before which it begins.
    is_cut: its audio was truncated: what still comes of it was not heard.
    heard: what the recogniser makes of the user's audio, or how it failed.
    """

    data: JsonObject
    sounds: dict[int, Sound] = field(default_factory=dict)
    words: list[tuple[int, str]] = field(default_factory=list)
    is_cut: bool = False
    heard: "asyncio.Future[str | ProviderError] | None" = None

    @property
    def id(self) -> str:
        """The item's name in the session."""
        return str(self.data["id"])

    def say(self, text: str, sound: bytes) -> None:
        """Add the assistant's next words and sound, unless the item is cut before them."""
        if self.is_cut:
            return
        part = self.data["content"][0]
        part["transcript" if self.sounds else "text"] += text
        if self.sounds:
            self.sounds[0].data += sound
            self.words += [(len(self.sounds[0].data), text)] if text else []

    def unsay(self, text: str, size: int) -> None:
        """Take back the latest words, or so many bytes of sound, that nobody has heard."""
        if self.is_cut:
            return
        part, name = self.data["content"][0], "transcript" if self.sounds else "text"
        part[name] = part[name].removesuffix(text)
        if text:
            del self.words[-1:]
        if size:
            del self.sounds[0].data[-size:]

    def with_audio(self) -> JsonObject:
        """Return the item with its audio in base64, where that fits into a frame."""
        content = [dict(part) for part in self.data.get("content", [])]
        size = LARGEST_ITEM
        for index, sound in self.sounds.items():
            size -= len(sound.data) * 4 // 3
            if size > 0:
                content[index]["audio"] = base64.b64encode(sound.data).decode()
        return {**self.data, "content": content} if content else self.data

    def text(self) -> str:
        """Return what is said in a message: written, spoken, or heard."""
        parts = self.data.get("content", [])
        texts = [part.get("text") or "" for part in parts]
        heard = self.heard.result() if self.heard is not None and self.heard.done() else None
        if isinstance(heard, str):
            texts.append(heard)
        elif self.words:  # after a truncation without a transcript, but it was said
            texts.append("".join(text for _, text in self.words))
        else:
            texts += [part.get("transcript") or "" for part in parts]
        return " ".join(filter(None, texts)).strip()


def user_item(item_id: str, sound: Sound, heard: "asyncio.Future[str | ProviderError]") -> Item:
    """Return the item of what the user has said."""
    data = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio"}],
    }
    return Item(data, {0: sound}, heard=heard)


def new_item(given: JsonObject, item_id: str, wire: WireFormat) -> Item:
    """Return a client's item, complete: its audio apart, its status "completed".

    Raises Refused if the audio is not whole samples, or the rest is too large to be sent back.
    """
    data = {name: value for name, value in given.items() if value is not None}
    data |= {"id": item_id, "object": "realtime.item", "status": "completed"}
    if data["type"] == "function_call":
        data.setdefault("call_id", f"call_{item_id}")
    item = Item(data)
    for index, part in enumerate(given.get("content", [])):
        if "audio" in part:
            path = f"item.content[{index}].audio"
            sound = audio_bytes(part["audio"], path)
            refuse_split_samples(sound, wire, path)
            item.sounds[index] = Sound(wire, bytearray(sound))
    if "content" in data:
        data["content"] = [
            {name: value for name, value in part.items() if name != "audio" and value is not None}
            for part in data["content"]
        ]
    if len(json.dumps(data)) > LARGEST_ITEM:
        raise Refused("string_above_max_length", "Invalid 'item': it is too long.", "item")
    return item


def refuse_split_samples(data: bytes, wire: WireFormat, param: str) -> None:
    """Raise Refused unless the bytes are whole samples."""
    if len(data) % wire.sample_bytes:
        said = f"expected whole samples of {wire.sample_bytes} bytes ({wire.name})"
        raise Refused("invalid_value", f"Invalid '{param}': {said}, got {len(data)} bytes.", param)


class Conversation:
    """The items of the session's default conversation, in order."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._items: dict[str, Item] = {}  # in order

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def items(self) -> list[Item]:
        """The items in order."""
        return list(self._items.values())

    @property
    def last_id(self) -> str | None:
        """The name of the last item."""
        return next(reversed(self._items), None)

    def before(self, item_id: str) -> str | None:
        """Return the name of the item before another."""
        previous = None
        for each in self._items:
            if each == item_id:
                break
            previous = each
        return previous

    def get(self, item_id: str, what: str) -> Item:
        """Return an item. what: "retrieve" and the like, for the error. Raises Refused."""
        if item_id not in self._items:
            raise Refused(
                f"item_{what}_invalid_item_id",
                f"Error: item with id '{item_id[:100]}' not found in the conversation.",
                "item_id",
            )
        return self._items[item_id]

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Put an item after another, at the end, or first ("root"); return its predecessor's id.

        Raises Refused if the name is taken, the predecessor is unknown, or a function's output
        answers no call.
        """
        if item.id in self._items:
            said = f"Item with id '{item.id[:100]}' already exists in the conversation."
            raise Refused("invalid_value", said, "item.id")
        call_id = item.data.get("call_id")
        if item.data["type"] == "function_call_output" and call_id not in self._call_ids():
            said = f"Tool call ID '{str(call_id)[:100]}' not found in conversation."
            raise Refused("invalid_tool_call_id", said, "item.call_id")
        if after is None or after == self.last_id:
            previous = self.last_id
            self._items[item.id] = item
            return previous
        if after != "root" and after not in self._items:
            raise Refused(
                "item_create_invalid_previous_item_id",
                f"Error: previous item '{after[:100]}' not found in the conversation.",
                "previous_item_id",
            )
        ids = list(self._items)
        at = 0 if after == "root" else ids.index(after) + 1
        ordered = [*self.items[:at], item, *self.items[at:]]
        self._items = {each.id: each for each in ordered}
        return ids[at - 1] if at else None

    def _call_ids(self) -> set[str]:
        items = self._items.values()
        return {i.data["call_id"] for i in items if i.data["type"] == "function_call"}

    def delete(self, item_id: str) -> None:
        """Remove an item. Raises Refused if there is none of this name."""
        del self._items[self.get(item_id, "delete").id]

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an assistant's audio to what was heard; its transcript goes, whole.

        The words that were said in what is left stay in the model's memory, as they do with a
        model that hears its own voice. An item in progress stays as it is now, whatever is still
        said. Raises Refused if it is no assistant's audio, or is shorter.
        """
        item, end_s = self.get(item_id, "truncate"), audio_end_ms / 1000
        sound = item.sounds.get(content_index)
        if item.data.get("role") != "assistant":
            said = "Only audio of assistant messages can be truncated."
            raise Refused("unsupported_content_type", said, "item_id")
        if sound is None:
            said = f"The message has no audio at content index {content_index}."
            raise Refused("invalid_value", said, "content_index")
        if end_s > sound.duration_s + 1e-9:
            said = f"{sound.duration_s * 1000:.0f}ms is already shorter than {audio_end_ms}ms"
            raise Refused("invalid_value", f"Audio content of {said}", "audio_end_ms")
        kept = sound.wire.size(end_s)
        is_whole = item.is_cut or item.data["status"] == "completed"
        # else nobody knows where its last word would have ended
        item.words = said_before(item.words, kept, len(sound.data) if is_whole else math.inf)
        del sound.data[kept:]
        item.data["content"][content_index].pop("transcript", None)
        item.is_cut = True


def said_before(words: Sequence[tuple[int, str]], kept: int, size: float) -> list[tuple[int, str]]:
    """Return the words that end in the first bytes of a sound. kept: so many; size: of all of it.

    >>> said_before([(4800, "It's"), (9600, " shipped"), (14400, " today.")], 14400, 19200)
    [(4800, "It's"), (9600, ' shipped')]
    """
    ends = [*(start for start, _ in words[1:]), size]
    return [word for word, end in zip(words, ends, strict=False) if end <= kept]


def messages(items: Sequence[Item], instructions: str) -> list[Message]:
    """Return what a chat model reads of a conversation.

    A call without its output is left out, as is an output without its call; outputs stand right
    after their calls. What nobody said or heard leaves no message.
    """
    outputs = {
        item.data["call_id"]: item.data["output"]
        for item in items
        if item.data["type"] == "function_call_output"
    }
    found = [Message("system", instructions)] if instructions else []
    for item in items:
        if item.data["type"] == "message":
            text = item.text()
            found += [Message(item.data["role"], text)] if text else []
        elif item.data["type"] == "function_call" and item.data["call_id"] in outputs:
            call = ToolCall(item.data["call_id"], item.data["name"], _arguments(item))
            found.append(Message("assistant", "", tool_calls=(call,)))
            found.append(Message("tool", outputs[call.id], tool_call_id=call.id))
    return found


def _arguments(item: Item) -> dict[str, Any]:
    try:
        arguments = json.loads(item.data["arguments"])
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
