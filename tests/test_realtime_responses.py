"""Responses of a realtime session: side by side, interrupted, cancelled, limited; virtual time."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from realtime_client import TURN, Client, engines, session, tone

from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolSpec

Event = dict[str, Any]
LONG = "This is the first sentence of a long answer. " + "And here it goes on and on. " * 12


def ends(client: Client) -> list[Event]:
    return [event["response"] for event in client.of("response.done")]


def test_audio_comes_in_slices_of_100_ms_and_faster_than_it_plays():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.push_to_talk()
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            began_s = asyncio.get_running_loop().time()
            await client.until("response.done")
            took_s = asyncio.get_running_loop().time() - began_s
            deltas = client.of("response.output_audio.delta")
            assert max(len(base64.b64decode(event["delta"])) for event in deltas) <= 4800
            spoken_s = len(client.sound()) / 48_000
            assert spoken_s > 20
            assert took_s == pytest.approx((spoken_s - 0.5) / 4, rel=0.1)

    run_virtual(turn())


def test_speech_over_a_response_cancels_it_and_keeps_what_was_sent():
    async def turn() -> None:
        async with session(engines([LONG, "Yes?"])) as client:
            await client.ask("Tell me a story.")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            reading = asyncio.create_task(client.read_on())
            await client.stream(TURN)
            reading.cancel()
            await client.rest()
            cut, answer = ends(client)
            assert cut["status"] == "cancelled"
            assert cut["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            (item,) = cut["output"]
            assert item["status"] == "incomplete"
            said = item["content"][0]["transcript"]
            assert said
            assert LONG.startswith(said.strip())
            assert len(said) < len(LONG) - 50
            assert answer["status"] == "completed"

    run_virtual(turn())


def test_after_speech_started_no_delta_of_the_cancelled_response_comes():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.append(tone(0.5))  # nobody has read the deltas that are queued by now
            await client.rest()
            kinds = [event["type"] for event in client.events]
            after = kinds[kinds.index("input_audio_buffer.speech_started") :]
            assert not [kind for kind in after if kind.endswith(".delta")]
            assert after[-2:] == ["response.done", "rate_limits.updated"]

    run_virtual(turn())


def test_a_response_that_must_not_be_interrupted_goes_on():
    async def turn() -> None:
        detection = {"type": "server_vad", "interrupt_response": False}
        async with session(engines([LONG])) as client:
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.append(TURN)
            await client.rest()
            assert [end["status"] for end in ends(client)] == ["completed"]
            (error,) = client.of("error")  # the turn asked for an answer of its own
            assert error["error"]["code"] == "conversation_already_has_active_response"

    run_virtual(turn())


@pytest.mark.parametrize("when", ["response.created", "response.output_audio.delta"])
def test_the_client_can_cancel_at_any_time(when: str):
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.until(when)
            await client.send("response.cancel")
            done = await client.until("response.done")
            details = done["response"]["status_details"]
            assert details == {"type": "cancelled", "reason": "client_cancelled"}
            await client.rest()
            client.automaton.finish()

    run_virtual(turn())


def test_a_second_cancel_is_refused():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.send("response.cancel", event_id="first")
            await client.send("response.cancel", event_id="second")
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "second")

    run_virtual(turn())


def test_only_one_response_writes_to_the_conversation():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.send("response.create", event_id="again")
            error = (await client.until("error"))["error"]
            assert error["code"] == "conversation_already_has_active_response"
            assert error["event_id"] == "again"

    run_virtual(turn())


def test_an_out_of_band_response_runs_beside_and_leaves_no_trace():
    async def turn() -> None:
        async with session(engines([LONG, "positive"])) as client:
            await client.ask("I love it.")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            aside = {
                "conversation": "none",
                "output_modalities": ["text"],
                "metadata": {"topic": "mood"},
                "input": [],
            }
            await client.send("response.create", response=aside)
            await client.rest()
            told = {end["conversation_id"]: end for end in ends(client)}
            assert told[None]["metadata"] == {"topic": "mood"}
            assert told[None]["output"][0]["content"] == [
                {"type": "output_text", "text": "positive"}
            ]
            assert told[None]["output"][0]["id"] not in client.automaton.order
            assert len(told) == 2
            client.automaton.finish()

    run_virtual(turn())


def test_the_input_of_a_response_replaces_the_conversation():
    seen: list[list[str]] = []

    class Noting:
        async def stream(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec]
        ) -> AsyncIterator[TextDelta]:
            seen.append([message.text for message in messages])
            yield TextDelta("Fine.")

    async def turn() -> None:
        async with session(replace(engines(), llm=Noting())) as client:
            await client.update(instructions="Be brief.", output_modalities=["text"])
            await client.ask("First.", item_id="one")
            await client.ask("Second.")
            part = {"type": "input_text", "text": "Own."}
            own = {"type": "message", "role": "user", "content": [part]}
            reference = {"type": "item_reference", "id": "one"}
            for given in ([reference, own], [], None):
                await client.send("response.create", response={"input": given})
                await client.until("rate_limits.updated")
            assert seen[0] == ["Be brief.", "First.", "Own."]
            assert seen[1] == ["Be brief."]
            assert seen[2] == ["Be brief.", "First.", "Second.", "Fine.", "Fine."]

    run_virtual(turn())


def test_text_only_output_has_no_sound():
    async def turn() -> None:
        async with session(engines(["Just text."])) as client:
            await client.update(output_modalities=["text"])
            await client.send("response.create")
            done = await client.until("response.done")
            (item,) = done["response"]["output"]
            assert item["content"] == [{"type": "output_text", "text": "Just text."}]
            assert not client.of("response.output_audio.delta")
            assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == 0

    run_virtual(turn())


def test_a_limit_on_tokens_ends_a_response_incomplete():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create", response={"max_output_tokens": 10})
            response = (await client.until("response.done"))["response"]
            assert response["status"] == "incomplete"
            assert response["status_details"]["reason"] == "max_output_tokens"
            transcript = response["output"][0]["content"][0]["transcript"]
            assert transcript == LONG[:40].strip()

    run_virtual(turn())


@given(limit=st.integers(1, 80), modality=st.sampled_from(["audio", "text"]))
@example(limit=1, modality="audio")
@settings(max_examples=20)
def test_text_and_sound_together_keep_the_limit_on_tokens(limit: int, modality: str):
    async def turn() -> Event:
        async with session(engines(["One. Two. Three. Four. Five. Six."])) as client:
            asked = {"max_output_tokens": limit, "output_modalities": [modality]}
            await client.send("response.create", response=asked)
            done = await client.until("response.done")
            await client.rest()
            client.automaton.finish()
            return done["response"]

    response = run_virtual(turn())
    usage = response["usage"]["output_tokens"]
    if response["status"] == "completed":
        assert usage <= limit
    else:
        assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert limit - 1 <= usage <= limit  # less than a token's text was left
        assert response["output"][0]["status"] == "incomplete"


def test_a_model_that_says_nothing_has_answered():
    async def turn() -> Event:
        async with session(engines([[]])) as client:
            await client.send("response.create")
            return (await client.until("response.done"))["response"]

    response = run_virtual(turn())
    assert (response["status"], response["output"]) == ("completed", [])


def test_rate_limits_fall_with_what_was_used_and_recover():
    async def turn() -> None:
        async with session(engines(["One.", "Two.", "Three."])) as client:
            left = []
            for wait_s in (0, 0, 120):
                await asyncio.sleep(wait_s)
                await client.send("response.create")
                limits = (await client.until("rate_limits.updated"))["rate_limits"]
                left.append({limit["name"]: limit["remaining"] for limit in limits})
            assert left[1]["tokens"] < left[0]["tokens"]
            assert left[2] == pytest.approx(left[0], abs=60)

    run_virtual(turn())
