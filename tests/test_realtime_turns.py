"""Turn detection and formats of a realtime session, in virtual time."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from realtime_client import TURN, engines, quiet, session, tone

from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Transcript


class Judge:
    """Says how finished a turn sounds, by the script; its last answer stays."""

    def __init__(self, *answers: float) -> None:
        self.answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.heard_s: list[float] = []

    async def probability(self, turn: Audio) -> float:
        self.heard_s.append(turn.duration_s)
        return next(self.answers)


@pytest.mark.parametrize(
    ("eagerness", "finished", "silence_ms"),
    [("auto", 0.99, 300), ("auto", 0.5, 2000), ("low", 0.0, 8000), ("high", 0.0, 2000)],
)
def test_semantic_vad_waits_longer_the_less_finished_a_turn_sounds(
    eagerness: str, finished: float, silence_ms: int
):
    async def turn() -> None:
        async with session(engines(end_of_turn=Judge(finished))) as client:
            detection = {"type": "semantic_vad", "eagerness": eagerness}
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.append(tone(1.0) + quiet(9.0))
            stopped = await client.until("input_audio_buffer.speech_stopped")
            assert stopped["audio_end_ms"] == pytest.approx(1000 + silence_ms, abs=64)

    run_virtual(turn())


@pytest.mark.parametrize(
    ("answers", "silence_ms", "asked"),
    [
        ([0.15, 0.95], 600, 2),  # smart-turn often knows 0.6 s into a pause, and not after 0.2 s
        ([0.15, 0.2, 0.95], 1800, 3),
        ([0.15, 0.0, 0.0], 3400, 3),  # a doubt that comes later does not lengthen the wait
        ([0.0], 4000, 3),
    ],
)
def test_semantic_vad_asks_again_while_the_silence_lasts(
    answers: list[float], silence_ms: int, asked: int
):
    judge = Judge(*answers)

    async def turn() -> None:
        async with session(engines(end_of_turn=judge)) as client:
            await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
            await client.append(tone(1.0) + quiet(9.0))
            stopped = await client.until("input_audio_buffer.speech_stopped")
            assert stopped["audio_end_ms"] == pytest.approx(1000 + silence_ms, abs=96)

    run_virtual(turn())
    assert len(judge.heard_s) == asked
    assert judge.heard_s == pytest.approx([1.2, 1.6, 2.8][:asked], abs=0.1)


def test_semantic_vad_does_not_split_a_turn_at_a_pause():
    async def turn() -> None:
        judge = Judge(0.1, 0.1, 0.99)
        async with session(engines(end_of_turn=judge)) as client:
            await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
            await client.append(tone(1.0) + quiet(1.0) + tone(1.0) + quiet(1.0))
            await client.rest()
            assert len(client.of("input_audio_buffer.speech_started")) == 1
            assert len(client.of("input_audio_buffer.committed")) == 1
            assert judge.heard_s == pytest.approx([1.2, 1.6, 3.2], abs=0.1)

    run_virtual(turn())


def test_a_change_of_detector_replaces_it_whole():
    async def turn() -> None:
        async with session() as client:
            server = {"type": "server_vad", "threshold": 0.9}
            after = []
            for detection in (server, {"type": "server_vad", "prefix_padding_ms": 100}):
                event = await client.update(audio={"input": {"turn_detection": detection}})
                after.append(event["session"]["audio"]["input"]["turn_detection"])
            assert after[1] == {**after[0], "prefix_padding_ms": 100}
            assert after[1]["threshold"] == 0.9
            event = await client.update(
                audio={"input": {"turn_detection": {"type": "semantic_vad"}}}
            )
            assert event["session"]["audio"]["input"]["turn_detection"] == {
                "type": "semantic_vad",
                "eagerness": "auto",
                "create_response": True,
                "interrupt_response": True,
            }
            event = await client.update(audio={"input": {"turn_detection": None}})
            assert event["session"]["audio"]["input"]["turn_detection"] is None

    run_virtual(turn())


class Measuring:
    """A recogniser that takes its time and writes how long it listened."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.heard_s: list[float] = []

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        duration_s = sum([piece.duration_s async for piece in audio])
        await asyncio.sleep(self.delay_s)
        self.heard_s.append(duration_s)
        yield Transcript(f"{duration_s:.3f}", is_final=True)


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_a_turn_is_recognised_while_its_silence_is_waited_for(kind: str):
    async def first_delta_s(delay_s: float) -> float:
        providers = replace(engines(end_of_turn=Judge(0.875)), stt=Measuring(delay_s))
        async with session(providers) as client:
            await client.update(audio={"input": {"turn_detection": {"type": kind}}})
            streaming = asyncio.create_task(client.stream(TURN + quiet(1.0)))
            await client.until("response.output_audio.delta")
            heard_s = round(asyncio.get_running_loop().time(), 6)
            await streaming
            return heard_s

    assert run_virtual(first_delta_s(0.2)) == run_virtual(first_delta_s(0.0))


@pytest.mark.parametrize("pause_s", [0.1, 0.3, 0.4])
@pytest.mark.parametrize("window_ms", [500, 20])
def test_a_turn_that_goes_on_after_a_pause_is_recognised_whole(pause_s: float, window_ms: int):
    """Also when the window that ends it has become too short for a second look."""
    stt = Measuring(1.0)

    async def turn() -> float:
        async with session(replace(engines(), stt=stt)) as client:
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.append(tone(1.0) + quiet(pause_s) + tone(0.5))
            detection = {"type": "server_vad", "silence_duration_ms": window_ms}
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.append(tone(0.5) + quiet(0.8))
            await client.rest()
            (told,) = client.of("conversation.item.input_audio_transcription.completed")
            return float(told["transcript"])

    heard_s = run_virtual(turn())
    assert 2.0 + pause_s <= heard_s <= 2.0 + pause_s + window_ms / 1000 + 0.1
    assert len(stt.heard_s) == 1  # a second look at an older pause is given up


def test_push_to_talk_says_nothing_until_it_is_told_to():
    async def turn() -> None:
        async with session(engines(["Yes."])) as client:
            await client.push_to_talk()
            await client.append(TURN)
            await client.send("input_audio_buffer.commit")
            await client.rest()
            assert client.types()[2:] == [
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
            ]
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run_virtual(turn())


def test_a_turn_that_nobody_wants_answered_is_only_committed():
    async def turn() -> None:
        detection = {"type": "server_vad", "create_response": False}
        async with session() as client:
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.append(TURN)
            await client.rest()
            assert client.types()[-1] == "conversation.item.done"

    run_virtual(turn())


def test_the_client_may_commit_while_somebody_speaks():
    async def turn() -> None:
        async with session() as client:
            await client.append(tone(1.0))
            started = await client.until("input_audio_buffer.speech_started")
            await client.send("input_audio_buffer.commit")
            committed = await client.until("input_audio_buffer.committed")
            assert committed["item_id"] == started["item_id"]
            await client.append(tone(1.0) + quiet(0.8))  # what follows is another turn
            again = await client.until("input_audio_buffer.speech_started")
            assert again["item_id"] != started["item_id"]
            assert again["audio_start_ms"] >= 1000

    run_virtual(turn())


def test_a_turn_keeps_its_name_if_turn_detection_is_switched_off_in_it():
    async def turn() -> None:
        async with session() as client:
            await client.append(tone(1.0))
            started = await client.until("input_audio_buffer.speech_started")
            await client.push_to_talk()
            await client.append(tone(0.5))
            await client.send("input_audio_buffer.commit")
            committed = await client.until("input_audio_buffer.committed")
            assert committed["item_id"] == started["item_id"]
            await client.append(tone(0.5))
            await client.send("input_audio_buffer.commit")
            committed = await client.until("input_audio_buffer.committed")
            assert committed["item_id"] != started["item_id"]

    run_virtual(turn())


def test_clearing_forgets_the_audio_but_not_the_time():
    async def turn() -> None:
        async with session() as client:
            await client.append(tone(1.0))
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            await client.append(quiet(1.0) + tone(0.5))
            started = await client.until("input_audio_buffer.speech_started")
            assert started["audio_start_ms"] == pytest.approx(2000 - 300, abs=32)

    run_virtual(turn())


def test_an_idle_timeout_speaks_after_the_reply_has_been_played():
    async def turn() -> None:
        detection = {"type": "server_vad", "idle_timeout_ms": 5000}
        async with session(engines(["Two words."] * 9)) as client:
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.send("response.create")
            await client.until("response.done")
            done_s = asyncio.get_running_loop().time()
            played_s = len(client.sound()) / 48_000
            streaming = asyncio.create_task(client.stream(quiet(8.0)))
            triggered = await client.until("input_audio_buffer.timeout_triggered")
            waited_s = asyncio.get_running_loop().time() - done_s
            assert waited_s == pytest.approx(played_s + 5.0, abs=0.1)
            assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == 5000
            await client.until("response.created")
            await streaming

    run_virtual(turn())


def test_no_idle_timeout_comes_while_the_user_speaks():
    async def turn() -> None:
        detection = {"type": "server_vad", "idle_timeout_ms": 1000, "interrupt_response": False}
        async with session(engines(["An answer of a few words only."])) as client:
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.send("response.create")
            reading = asyncio.create_task(client.read_on())
            await client.stream(tone(8.0) + quiet(1.0))
            reading.cancel()
            kinds = [kind for kind in client.types() if "input_audio" in kind or "done" in kind]
            assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.done")
            assert "input_audio_buffer.timeout_triggered" not in kinds
            (started,) = client.of("input_audio_buffer.speech_started")
            (stopped,) = client.of("input_audio_buffer.speech_stopped")
            assert started["item_id"] == stopped["item_id"]

    run_virtual(turn())


def test_idle_timers_do_not_pile_up():
    async def replies() -> None:
        detection = {"type": "server_vad", "idle_timeout_ms": 3_600_000}
        async with session(engines(["Yes."] * 20)) as client:
            await client.update(audio={"input": {"turn_detection": detection}})
            tasks = []
            for _ in range(20):
                await client.send("response.create")
                await client.until("rate_limits.updated")
                await asyncio.sleep(1.0)
                tasks.append(len(asyncio.all_tasks()))
            assert tasks == tasks[:1] * 20

    run_virtual(replies())


def test_without_being_asked_for_no_idle_timeout_comes():
    async def turn() -> None:
        async with session(engines(["Hello."])) as client:
            await client.send("response.create")
            await client.rest(quiet_s=600)
            assert not client.of("input_audio_buffer.timeout_triggered")

    run_virtual(turn())


# --- formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_a_telephones_formats_work_both_ways(kind: str):
    from voxlab.serving.realtime.protocol.audio_formats import FORMATS

    wire = FORMATS[kind]

    async def turn() -> None:
        async with session(engines(["A short answer."])) as client:
            audio_format = {"format": {"type": kind}}
            await client.update(audio={"input": audio_format, "output": audio_format})
            speech = Audio(np.frombuffer(TURN, "<i2").astype(np.float32) / 32768, 24_000)
            await client.append(wire.encode(speech.resample(8000).samples))
            started = await client.until("input_audio_buffer.speech_started")
            assert started["audio_start_ms"] == pytest.approx(200, abs=32)
            response = (await client.until("response.done"))["response"]
            assert response["audio"]["output"]["format"] == {"type": kind}
            assert len(client.sound()) == pytest.approx(8000 * 3 / 2.8, abs=2)

    run_virtual(turn())


def test_changing_the_format_converts_what_is_in_the_buffer():
    async def turn() -> None:
        async with session() as client:
            await client.push_to_talk()
            await client.append(tone(1.0))
            await client.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
            await client.send("input_audio_buffer.commit")
            item_id = (await client.until("input_audio_buffer.committed"))["item_id"]
            await client.send("conversation.item.retrieve", item_id=item_id)
            item = (await client.until("conversation.item.retrieved"))["item"]
            assert len(base64.b64decode(item["content"][0]["audio"])) == 8000

    run_virtual(turn())
