"""The items of a realtime session: put anywhere, cut to what was heard, told without long sound."""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from realtime_client import Client, engines, session
from realtime_events import ITEM, b64

from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolSpec
from voxlab.providers.scripted import ScriptedTTS

Event = dict[str, Any]


async def answered(client: Client) -> Event:
    """Have a question answered; return the assistant's item."""
    await client.push_to_talk()
    await client.ask("Hello?")
    await client.send("response.create")
    item: Event = (await client.until("response.done"))["response"]["output"][0]
    return item


class Remembering:
    """Says a text, and remembers what it has read last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.seen: Sequence[Message] = ()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[TextDelta]:
        self.seen = messages
        yield TextDelta(self.text)


def test_truncating_cuts_the_audio_and_deletes_the_whole_transcript():
    llm = Remembering("Paris is the capital of France.")

    async def turn() -> None:
        async with session(replace(engines(), llm=llm)) as client:
            item = await answered(client)
            place = {"item_id": item["id"], "content_index": 0, "audio_end_ms": 700}
            await client.send("conversation.item.truncate", **place)
            truncated = await client.until("conversation.item.truncated")
            assert {name: truncated[name] for name in place} == place
            await client.send("conversation.item.retrieve", item_id=item["id"])
            (part,) = (await client.until("conversation.item.retrieved"))["item"]["content"]
            assert "transcript" not in part
            assert len(base64.b64decode(part["audio"])) == 48 * 700
            await client.send("response.create")
            await client.until("response.done")
            assert [message.role for message in llm.seen] == ["system", "user"]

    run_virtual(turn())


@pytest.mark.parametrize("cancels", [True, False])
def test_what_is_still_being_said_can_be_truncated(cancels: bool):
    """As openai-agents interrupts: it truncates the item, and only then cancels the response."""
    llm = Remembering("One. Two. Three. Four. Five. Six. Seven. Eight.")

    async def turn() -> None:
        providers = replace(engines(), llm=llm, tts=ScriptedTTS(words_per_s=2.0))
        async with session(providers) as client:
            await client.push_to_talk()
            await client.ask("Count.")
            await client.send("response.create")
            while len(client.sound()) < 48_000 * 2:  # a word each 0.7 s, its pause included
                await client.next()
            item_id = client.of("response.output_item.added")[0]["item"]["id"]
            place = {"item_id": item_id, "content_index": 0, "audio_end_ms": 1500}
            await client.send("conversation.item.truncate", **place)
            await client.until("conversation.item.truncated")
            if cancels:
                await client.send("response.cancel")
            response = (await client.until("response.done"))["response"]
            assert response["status"] == ("cancelled" if cancels else "completed")
            assert "transcript" not in response["output"][0]["content"][0]
            await client.send("conversation.item.retrieve", item_id=item_id)
            (part,) = (await client.until("conversation.item.retrieved"))["item"]["content"]
            assert base64.b64decode(part["audio"]) == client.sound()[: 48 * 1500]
            await client.send("response.create")
            await client.until("rate_limits.updated")
            await client.rest()
            assert [m.text for m in llm.seen if m.role == "assistant"] == ["One. Two."]
            assert not client.of("error")
            client.automaton.finish()

    run_virtual(turn())


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"item_id": "nobody"}, "item_truncate_invalid_item_id", "item_id"),
        ({"audio_end_ms": 60_000}, "invalid_value", "audio_end_ms"),
        ({"content_index": 3}, "invalid_value", "content_index"),
        ({"item_id": "mine"}, "unsupported_content_type", "item_id"),
    ],
)
def test_what_cannot_be_truncated_is_refused(change: Event, code: str, param: str):
    async def turn() -> None:
        async with session(engines(["Hello to you, too."])) as client:
            item = await answered(client)
            await client.ask("One more.", item_id="mine")
            place = {"item_id": item["id"], "content_index": 0, "audio_end_ms": 100, **change}
            await client.send("conversation.item.truncate", **place)
            error = (await client.until("error"))["error"]
            assert (error["code"], error["param"]) == (code, param)

    run_virtual(turn())


def test_items_can_be_put_anywhere():
    async def turn() -> None:
        async with session() as client:
            for item_id, previous in (("b", None), ("a", "root"), ("d", None), ("c", "b")):
                part = {"type": "input_text", "text": item_id}
                item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
                await client.send("conversation.item.create", item=item, previous_item_id=previous)
                await client.until("conversation.item.done")
            assert client.automaton.order == ["a", "b", "c", "d"]
            await client.send("conversation.item.delete", item_id="b")
            await client.until("conversation.item.deleted")
            assert client.automaton.order == ["a", "c", "d"]

    run_virtual(turn())


def test_an_item_may_not_take_anothers_name():
    async def turn() -> None:
        async with session() as client:
            await client.ask("One.", item_id="same")
            await client.ask("Two.", item_id="same")
            assert (await client.until("error"))["error"]["param"] == "item.id"

    run_virtual(turn())


def test_sound_that_is_too_long_for_a_frame_is_left_out_of_its_item():
    async def turn() -> None:
        async with session() as client:  # the referee refuses frames of a MiB
            for size, is_told in ((96_000, True), (2**20, False)):
                part = {"type": "input_audio", "audio": b64(bytes(size))}
                item = {**ITEM, "content": [part], "id": f"long_{size}"}
                await client.send("conversation.item.create", item=item)
                await client.send("conversation.item.retrieve", item_id=item["id"])
                (part,) = (await client.until("conversation.item.retrieved"))["item"]["content"]
                assert ("audio" in part) == is_told

    run_virtual(turn())
