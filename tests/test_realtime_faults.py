"""Engines that fail and clients that do not behave: a session and its neighbours, virtual time."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from realtime_client import TURN, Client, Event, MemoryWire, engines, quiet, session, tone

from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, Providers, TextDelta, Transcript
from voxlab.serving.realtime.response_generation import Pace, Patience
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.session_loop import run_session

LONG = "This is the first sentence of a long answer. " + "And here it goes on and on. " * 12


class Broken:
    """An engine that fails at everything."""

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        raise RuntimeError("no ears")
        yield

    async def stream(self, messages: object, tools: object) -> AsyncIterator[TextDelta]:
        raise RuntimeError("no mind")
        yield

    async def synthesize(self, text: str) -> AsyncIterator[Any]:
        raise RuntimeError("no voice")
        yield


@pytest.mark.parametrize("which", ["stt", "llm", "tts"])
def test_an_engine_that_fails_fails_its_response_and_the_session_lives(which: str):
    async def turn() -> None:
        providers: Providers = replace(engines(["Hello."]), **{which: Broken()})
        async with session(providers) as client:
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.append(TURN)
            response = (await client.until("response.done"))["response"]
            assert response["status"] == "failed"
            assert response["status_details"]["type"] == "failed"
            assert "no " in response["status_details"]["error"]["message"]
            await client.rest()
            failed = client.of("conversation.item.input_audio_transcription.failed")
            assert len(failed) == (which == "stt")
            await client.update(instructions="Still there?")
            client.automaton.finish()

    run_virtual(turn())


class Forgetful:
    """A recogniser that fails at the first turn, and waits as long as each sound lasts."""

    def __init__(self) -> None:
        self.turns = 0

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        duration_s = sum([piece.duration_s async for piece in audio])
        self.turns += 1
        if self.turns == 1:
            raise ProviderError("out of memory")
        await asyncio.sleep(duration_s)
        yield Transcript("And this?", is_final=True)


def test_after_a_turn_without_a_transcript_the_next_one_is_answered():
    seen: list[list[str]] = []

    class Noting:
        async def stream(
            self, messages: Sequence[Message], tools: object
        ) -> AsyncIterator[TextDelta]:
            seen.append([message.text for message in messages if message.role == "user"])
            yield TextDelta("Fine.")

    async def turns() -> None:
        providers = replace(engines(), stt=Forgetful(), llm=Noting())
        async with session(providers) as client:
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            for _ in range(2):
                await client.append(TURN)
                await client.rest()
            ends = [event["response"]["status"] for event in client.of("response.done")]
            assert ends == ["failed", "completed"]
            kind = "conversation.item.input_audio_transcription."
            assert len(client.of(kind + "failed")) == len(client.of(kind + "completed")) == 1
            assert seen == [["And this?"]]  # an item without words is one without words
            await client.ask("In writing.")
            await client.send("response.create")
            await client.until("response.done")
            assert seen[-1] == ["And this?", "In writing."]

    run_virtual(turns())


def test_long_audio_has_as_much_longer_to_be_recognised():
    async def turn() -> None:
        stt = Forgetful()
        stt.turns = 1
        async with session(replace(engines(), stt=stt)) as client:
            await client.push_to_talk()
            await client.append(tone(0.5) + quiet(50.0))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run_virtual(turn())


def test_an_engine_that_hangs_is_given_up():
    class Hanging(Broken):
        async def stream(self, messages: object, tools: object) -> AsyncIterator[TextDelta]:
            await asyncio.sleep(3600)
            yield TextDelta("late")

    async def turn() -> None:
        options = SessionOptions(patience=Patience(llm_s=3.0))
        async with session(replace(engines(), llm=Hanging()), options) as client:
            await client.send("response.create")
            response = (await client.until("response.done"))["response"]
            assert "gave nothing for 3 s" in response["status_details"]["error"]["message"]

    run_virtual(turn())


def test_a_client_that_does_not_read_stops_its_own_session_only():
    async def silent_reader() -> None:
        async with session(engines([LONG * 2]), SessionOptions(pace=Pace(1e9))) as client:
            await client.send("response.create")
            await asyncio.sleep(600)  # nobody reads
            assert client.wire.to_client.full()
            async with session(engines(["Hello."])) as other:
                await other.send("response.create")
                await other.until("response.done")
            # the first one has lost nothing
            response = (await client.until("response.done"))["response"]
            assert response["output"][0]["content"][0]["transcript"] == (LONG * 2).strip()

    run_virtual(silent_reader())


class SlowWire(MemoryWire):
    """A connection that carries so many bytes a second to the client."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__(size=1)
        self._bytes_per_s = bytes_per_s

    async def send(self, frame: str) -> None:
        await asyncio.sleep(len(frame) / self._bytes_per_s)
        await super().send(frame)


Told = list[tuple[float, Event]]


async def told_after(delay_s: float, client: Client) -> Told:
    """Hold a turn and tell what came when: the words of the neighbour's session."""
    clock = asyncio.get_running_loop().time
    told: Told = []

    async def read() -> None:
        while True:
            event = await client.next()
            told.append((round(clock(), 6), event))
            if event["type"] == "rate_limits.updated":
                return

    await asyncio.sleep(delay_s)
    await client.until("session.created")
    async with asyncio.TaskGroup() as group:
        group.create_task(client.stream(TURN))
        group.create_task(read())
    return told


@given(
    bytes_per_s=st.sampled_from([1_000, 1_500, 20_000, 200_000]),
    barges_in=st.booleans(),
    delay_s=st.floats(0, 20),
)
@example(bytes_per_s=1_000, barges_in=True, delay_s=5.0)
@example(bytes_per_s=1_000, barges_in=False, delay_s=5.0)
@settings(max_examples=4)
@pytest.mark.slow
def test_a_slow_reader_changes_nothing_for_its_neighbour_and_misses_nothing(
    bytes_per_s: float, barges_in: bool, delay_s: float
):
    """At 1 KB/s it reads for minutes what was said in seconds; a barge-in spares it the rest."""

    async def visit(beside: bool) -> tuple[Told, Client]:
        slow = Client(SlowWire(bytes_per_s))
        async with session(engines(["Hello! How are you?"]), opened=False) as neighbour:
            held = asyncio.create_task(
                run_session(slow.wire, engines([LONG]), SessionOptions(pace=Pace(1e9)))
            )
            if beside:
                await slow.send("response.create")
            told = await told_after(delay_s, neighbour)
            if beside and barges_in:
                await slow.append(tone(0.5))
            if beside:
                await slow.until("rate_limits.updated")
            slow.wire.hang_up()
            await held
            return told, slow

    alone, _ = run_virtual(visit(beside=False))
    together, slow = run_virtual(visit(beside=True))
    assert together == alone
    (response,) = [event["response"] for event in slow.of("response.done")]
    said = response["output"][0]["content"][0]["transcript"] if response["output"] else ""
    assert LONG.strip().startswith(said.strip())
    assert (response["status"] == "completed") == (said.strip() == LONG.strip())
    if bytes_per_s < 2_000 and barges_in:  # it had read a little of a minute's sound
        assert response["status_details"]["reason"] == "turn_detected"
        assert len(slow.sound()) < 48_000 * 25
    slow.automaton.finish()


def test_a_client_that_asks_without_reading_is_slowed_down():
    async def flood() -> None:
        async with session() as client:
            with pytest.raises(TimeoutError):
                await flooded(client, 1000)
            client.wire.hang_up()

    async def flooded(client: Client, events: int) -> None:
        for _ in range(events):  # 5 MiB of errors
            await client.send("response.cancel", event_id="x" * 5000)

    run_virtual(flood())


@pytest.mark.slow
def test_a_client_that_vanishes_in_mid_response_leaves_nothing_behind():
    async def visit() -> None:
        async with session(
            engines(["A rather long answer that nobody will hear to its end."])
        ) as c:
            await c.append(tone(0.5))
            await c.send("response.create")
            await c.until("response.created")

    async def visits(count: int) -> None:
        for _ in range(count):
            await visit()

    async def measured() -> int:
        await visits(20)  # caches are filled
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await visits(60)
        gc.collect()  # a session is a circle of objects
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(asyncio.all_tasks()) == 1
        return after - before

    assert run_virtual(measured()) < 60 * 1024  # under a KiB a visit
