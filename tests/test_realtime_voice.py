"""The voice of a realtime session: names and speeds are obeyed or refused, never only told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from realtime_client import Client, engines, session

from voxlab.clock import run_virtual
from voxlab.providers.protocols import Speech
from voxlab.providers.scripted import ScriptedTTS

Event = dict[str, Any]


class Singer(ScriptedTTS):
    """Has two voices and notes which one was asked for."""

    voices = ("alloy", "bass")

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, float]] = []

    def in_voice(self, voice: str, speed: float = 1.0) -> ScriptedTTS:
        self.asked.append((voice, speed))
        return super().in_voice(voice, speed)


class Plain:
    """An engine that has one voice."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        yield Speech(text, 1.0)


def output(**settings: Any) -> Event:
    return {"audio": {"output": settings}}


async def error_of(client: Client, kind: str, **fields: Any) -> Event:
    await client.send(kind, **fields)
    error: Event = (await client.until("error"))["error"]
    return error


def test_voice_and_speed_reach_the_engine():
    tts = Singer()

    async def turn() -> None:
        async with session(replace(engines(), tts=tts)) as client:
            for patch in ({"voice": "bass"}, {"speed": 1.5}, {"voice": {"id": "alloy"}}):
                await client.update(**output(**patch))
                await client.send("response.create", response={"output_modalities": ["text"]})
                await client.until("rate_limits.updated")
            await client.send("response.create", response=output(voice="bass"))
            done = await client.until("response.done")
            assert done["response"]["audio"]["output"]["voice"] == "bass"

    run_virtual(turn())
    assert tts.asked == [("bass", 1.0), ("bass", 1.5), ("alloy", 1.5), ("bass", 1.5)]


def test_twice_the_speed_takes_half_the_time():
    async def spoken_bytes(speed: float) -> int:
        async with session(engines(["Six words, and not one more."])) as client:
            await client.update(**output(speed=speed))
            await client.send("response.create")
            await client.until("response.done")
            return len(client.sound())

    slow, fast = run_virtual(spoken_bytes(0.75)), run_virtual(spoken_bytes(1.5))
    assert slow == pytest.approx(2 * fast, rel=0.001)


@pytest.mark.parametrize(
    ("tts", "settings", "name"),
    [
        (Singer(), {"voice": "marin"}, "voice"),
        (Singer(), {"voice": {"id": "voice_1234"}}, "voice"),
        (Plain(), {"voice": "bass"}, "voice"),
        (Plain(), {"speed": 1.5}, "speed"),
    ],
)
def test_what_the_engine_cannot_do_is_refused(tts: Any, settings: Event, name: str):
    async def turn() -> None:
        async with session(replace(engines(), tts=tts)) as client:
            patch = {"type": "realtime", **output(**settings)}
            error = await error_of(client, "session.update", session=patch)
            assert (error["code"], error["param"]) == (
                "invalid_value",
                f"session.audio.output.{name}",
            )
            if name == "voice":
                asked = output(**settings)
                error = await error_of(client, "response.create", response=asked)
                assert error["param"] == "response.audio.output.voice"
            assert (await client.update())["session"] == client.events[0]["session"]

    run_virtual(turn())


def test_an_engine_of_one_voice_answers_to_the_usual_names():
    async def turn() -> None:
        async with session(replace(engines(), tts=Plain())) as client:
            await client.update(**output(voice="marin", speed=1.0))
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run_virtual(turn())


def test_a_voice_that_has_been_heard_stays():
    async def turn() -> None:
        async with session(engines(["Hello."] * 9)) as client:
            await client.send("response.create", response=output(voice="ash"))
            await client.until("rate_limits.updated")
            error = await error_of(client, "response.create", response=output(voice="cedar"))
            assert error["code"] == "cannot_update_voice"
            assert error["param"] == "response.audio.output.voice"
            patch = {"type": "realtime", **output(voice="cedar")}
            error = await error_of(client, "session.update", session=patch)
            assert error["code"] == "cannot_update_voice"
            await client.update(instructions="Go on.")  # what does not touch the voice is fine
            for asked in (output(voice="ash"), {}):
                await client.send("response.create", response=asked)
                assert (await client.until("response.done"))["response"]["status"] == "completed"
                await client.until("rate_limits.updated")

    run_virtual(turn())


def test_a_voice_that_has_been_heard_cannot_change():
    async def turn() -> None:
        async with session(engines(["Hello."])) as client:
            await client.update(audio={"output": {"voice": "marin"}})
            await client.send("response.create")
            await client.until("rate_limits.updated")
            voice = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
            await client.send("session.update", session=voice)
            assert (await client.until("error"))["error"]["code"] == "cannot_update_voice"
            same = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
            await client.send("session.update", session=same)
            await client.until("session.updated")

    run_virtual(turn())
