"""The realtime agent with a server whose every event the test decides."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from realtime_agent_calls import SILENT, events, sounding_s, the_city, tool
from realtime_client import tone

from voxlab.agents.calls import hold_call
from voxlab.agents.line import Line
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.connection import over
from voxlab.clock import run_virtual
from voxlab.serving.realtime.transport.in_memory import Link
from voxlab.timeline import Call


class HandServer:
    """The other end of a link, played by the test: what real servers do and ours does not."""

    def __init__(self) -> None:
        self.link = Link()
        self.got: list[dict[str, Any]] = []
        self._count = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        await self.say("session.created", session={"type": "realtime"})
        reading = asyncio.create_task(self._read())
        try:
            yield over(self.link)
        finally:
            reading.cancel()

    async def _read(self) -> None:
        while True:
            event = json.loads(await self.link.receive())
            if event["type"] != "input_audio_buffer.append":
                self.got.append(event)

    async def say(self, kind: str, **fields: Any) -> None:
        self._count += 1
        await self.link.send_down(
            json.dumps({"type": kind, "event_id": f"event_{self._count}", **fields})
        )

    async def response(self, name: str, texts: Sequence[str], seconds: Sequence[float]) -> None:
        """Make a response: all of its text first, in tokens, then its sound."""
        place = {"response_id": name, "item_id": f"item_{name}", "output_index": 0}
        place["content_index"] = 0
        resource = {"id": name, "status": "in_progress", "conversation_id": "conv", "output": []}
        await self.say("response.created", response=resource)
        item = {"id": f"item_{name}", "type": "message", "role": "assistant", "content": []}
        await self.say("response.output_item.added", response_id=name, output_index=0, item=item)
        await self.say("response.content_part.added", **place, part={"type": "audio"})
        for text in texts:
            await self.say("response.output_audio_transcript.delta", **place, delta=text)
        await self.sound(name, seconds)

    async def sound(self, name: str, seconds: Sequence[float]) -> None:
        place = {"response_id": name, "item_id": f"item_{name}", "output_index": 0}
        for duration_s in seconds:
            delta = base64.b64encode(tone(duration_s)).decode()
            await self.say("response.output_audio.delta", **place, content_index=0, delta=delta)

    async def done(self, name: str, status: str, calls: Sequence[dict[str, Any]] = ()) -> None:
        item = {"id": f"item_{name}", "type": "message", "role": "assistant", "content": []}
        output = [item, *calls]
        await self.say("response.output_item.done", response_id=name, output_index=0, item=item)
        resource = {"id": name, "status": status, "conversation_id": "conv", "output": output}
        await self.say("response.done", response=resource)


def talk(play_server: Callable[[HandServer], Any], **agent: Any) -> tuple[HandServer, Call]:
    server = HandServer()

    class Director:
        async def run(self, line: Line) -> None:
            await asyncio.sleep(0.1)
            await play_server(server)
            line.hang_up("the play is over")

    async def main() -> Call:
        return await hold_call(RealtimeAgent(server.connect, options=SILENT, **agent), Director())

    server_call = run_virtual(_made_inside(server, main))
    return server, server_call


async def _made_inside(server: HandServer, main: Callable[[], Any]) -> Call:
    server.link = Link()
    call: Call = await main()
    return call


def test_sound_that_comes_after_the_interruption_is_not_played():
    async def act(server: HandServer) -> None:
        await server.response("r", ["Hel", "lo the", "re, my", " friend."], [0.1, 1.9])
        await asyncio.sleep(0.9)
        await server.say("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        await server.sound("r", [1.0, 1.0])  # it was on its way
        await server.done("r", "cancelled")
        await asyncio.sleep(3.0)

    server, call = talk(act)
    truncate = [event for event in server.got if event["type"].endswith("truncate")]
    assert [event["audio_end_ms"] for event in truncate] == [900]
    assert sounding_s(call) < 0.92
    (cut,) = events(call, "agent", "interrupted")
    assert cut["heard"].split() == ["Hello"]
    assert cut["unheard"] == "there, my friend."


def test_a_response_that_begins_while_the_user_speaks_is_cancelled_and_leaves_no_trace():
    async def act(server: HandServer) -> None:
        await server.say("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        await server.response("r", ["Now then."], [1.0])
        await server.done("r", "cancelled")
        await asyncio.sleep(1.0)

    server, call = talk(act)
    kinds = [event["type"] for event in server.got[1:]]
    assert kinds == ["response.cancel", "conversation.item.truncate"]
    assert server.got[-1]["audio_end_ms"] == 0
    assert sounding_s(call) == 0


def test_arguments_that_are_no_json_are_the_models_to_mend():
    call_item = {"id": "c", "type": "function_call", "status": "completed", "name": "look"}
    call_item |= {"call_id": "call_1", "arguments": '{"city": '}

    async def act(server: HandServer) -> None:
        await server.response("r", ["Wait."], [0.2])
        await server.done("r", "completed", [call_item])
        await asyncio.sleep(1.0)

    server, _ = talk(act, tools=[tool("look", the_city)])
    output = next(event["item"] for event in server.got if "item" in event)
    assert "not a JSON object" in json.loads(output["output"])["error"]
    assert server.got[-1]["type"] == "response.create"


def test_gaps_in_the_sound_do_not_count_as_heard():
    async def act(server: HandServer) -> None:
        await server.response("r", ["One two three four"], [0.5])
        await asyncio.sleep(2.0)
        await server.sound("r", [1.0])
        await asyncio.sleep(0.25)
        await server.say("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        await asyncio.sleep(0.1)

    server, _ = talk(act)
    assert server.got[-1]["audio_end_ms"] == pytest.approx(750, abs=15)  # the resampler has it
