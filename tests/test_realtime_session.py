"""A realtime session in virtual time: the order of its events, and the rules behind them.

Every stream is refereed by `realtime_automaton` while the client reads it.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from realtime_client import TURN, WEATHER_TOOL, Client, engines, session, tone, weather_call

from voxlab.clock import run_virtual
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.scripted import ScriptedTTS
from voxlab.serving.realtime.session import SessionOptions

Event = dict[str, Any]
LONG = "This is the first sentence of a long answer. " + "And here it goes on and on. " * 12


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return run_virtual(main)


def ends(client: Client) -> list[Event]:
    return [event["response"] for event in client.of("response.done")]


# --- a voice turn ---------------------------------------------------------------------------


def test_a_voice_turn_has_the_documented_order():
    async def turn() -> None:
        async with session(engines(["Hello! How are you?"])) as client:
            await client.stream(TURN)
            await client.rest()
            assert client.types() == [
                "session.created",
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
                "rate_limits.updated",
            ]
            client.automaton.finish()

    run(turn())


def test_offsets_include_the_padding_and_the_silence_window():
    async def turn() -> None:
        async with session() as client:
            await client.stream(TURN)
            started = await client.until("input_audio_buffer.speech_started")
            stopped = await client.until("input_audio_buffer.speech_stopped")
            # the tone lasts from 500 to 1500 ms; a frame of the detector is 32 ms
            assert started["audio_start_ms"] == pytest.approx(500 - 300, abs=32)
            assert stopped["audio_end_ms"] == pytest.approx(1500 + 500, abs=48)
            assert started["item_id"] == stopped["item_id"]

    run(turn())


def test_the_committed_audio_is_what_the_offsets_say():
    async def turn() -> None:
        async with session() as client:
            await client.append(TURN)
            item_id = (await client.until("input_audio_buffer.committed"))["item_id"]
            await client.send("conversation.item.retrieve", item_id=item_id)
            item = (await client.until("conversation.item.retrieved"))["item"]
            audio = base64.b64decode(item["content"][0]["audio"])
            start_ms = client.of("input_audio_buffer.speech_started")[0]["audio_start_ms"]
            end_ms = client.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
            assert audio == TURN[48 * start_ms : 48 * end_ms]

    run(turn())


def test_two_turns_in_one_append_are_two_turns():
    async def turns() -> None:
        async with session(engines(["One.", "Two."])) as client:
            await client.append(TURN + TURN)
            await client.rest()
            assert len(client.of("input_audio_buffer.committed")) == 2
            # the second turn came before the first was answered: it was spoken over
            assert [end["status"] for end in ends(client)] == ["cancelled", "completed"]

    run(turns())


def test_transcription_events_come_only_if_asked_for_and_tell_what_was_heard():
    async def turn() -> None:
        async with session(engines(texts=["Hi there.", "Bye."])) as client:
            await client.stream(TURN)
            await client.rest()
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.stream(TURN)
            await client.rest()
            kind = "conversation.item.input_audio_transcription.completed"
            (heard,) = client.of(kind)
            assert heard["transcript"] == "Bye."
            assert heard["usage"]["type"] == "duration"
            assert heard["usage"]["seconds"] == pytest.approx(1.8, abs=0.05)

    run(turn())


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

    run(turn())


# --- barge-in, cancel, truncate -------------------------------------------------------------


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

    run(turn())


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

    run(turn())


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

    run(turn())


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

    run(turn())


def test_a_second_cancel_is_refused():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.send("response.cancel", event_id="first")
            await client.send("response.cancel", event_id="second")
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "second")

    run(turn())


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

    run(turn())


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

    run(turn())


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

    run(turn())


# --- responses ------------------------------------------------------------------------------


def test_only_one_response_writes_to_the_conversation():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create")
            await client.send("response.create", event_id="again")
            error = (await client.until("error"))["error"]
            assert error["code"] == "conversation_already_has_active_response"
            assert error["event_id"] == "again"

    run(turn())


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

    run(turn())


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

    run(turn())


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

    run(turn())


def test_a_limit_on_tokens_ends_a_response_incomplete():
    async def turn() -> None:
        async with session(engines([LONG])) as client:
            await client.send("response.create", response={"max_output_tokens": 10})
            response = (await client.until("response.done"))["response"]
            assert response["status"] == "incomplete"
            assert response["status_details"]["reason"] == "max_output_tokens"
            transcript = response["output"][0]["content"][0]["transcript"]
            assert transcript == LONG[:40].strip()

    run(turn())


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

    response = run(turn())
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

    response = run(turn())
    assert (response["status"], response["output"]) == ("completed", [])


def test_several_function_calls_come_in_one_turn_and_their_results_are_answered():
    heard: list[Sequence[Message]] = []

    class Asking:
        async def stream(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec]
        ) -> AsyncIterator[TextDelta | ToolCall]:
            heard.append(messages)
            assert [tool.name for tool in tools] == ["get_weather"]
            if messages[-1].role == "tool":
                yield TextDelta("Both are sunny.")
            else:
                yield TextDelta("Let me look that up. ")
                yield weather_call("Paris")
                yield weather_call("Rome")

    async def turn() -> None:
        async with session(replace(engines(), llm=Asking())) as client:
            await client.push_to_talk()
            await client.update(tools=[WEATHER_TOOL])
            await client.ask("Paris or Rome?")
            await client.send("response.create")
            done = await client.until("response.done")
            filler, first, second = done["response"]["output"]
            assert filler["content"][0]["transcript"] == "Let me look that up."
            assert first["call_id"] != second["call_id"]
            cities = [json.loads(call["arguments"])["city"] for call in (first, second)]
            assert cities == ["Paris", "Rome"]
            for call in (first, second):
                output = {"type": "function_call_output", "call_id": call["call_id"]}
                await client.send(
                    "conversation.item.create", item={**output, "output": '{"sky": "clear"}'}
                )
            await client.send("response.create")
            done = await client.until("response.done")
            assert done["response"]["output"][0]["content"][0]["transcript"] == "Both are sunny."
            roles = [message.role for message in heard[-1]]
            assert roles == ["system", "user", "assistant", *["assistant", "tool"] * 2]

    run(turn())


def test_a_filler_is_spoken_before_a_tool_is_called_in_silence():
    async def turn() -> None:
        options = SessionOptions(filler="One moment.")
        async with session(engines([weather_call()]), options) as client:
            await client.send("response.create")
            done = await client.until("response.done")
            filler, call = done["response"]["output"]
            assert filler["content"][0]["transcript"] == "One moment."
            assert call["name"] == "get_weather"

    run(turn())


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

    run(turn())


# --- the session ----------------------------------------------------------------------------


def test_the_session_is_complete_from_the_start():
    async def turn() -> None:
        async with session(None, SessionOptions(started_at=1000, model="gpt-realtime")) as client:
            told = client.events[0]["session"]
            assert told["type"] == "realtime"
            assert told["object"] == "realtime.session"
            assert told["expires_at"] == 1000 + 3600
            assert told["output_modalities"] == ["audio"]
            detection = told["audio"]["input"]["turn_detection"]
            expected = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
            assert expected.items() <= detection.items()

    run(turn())


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

    run(turn())


def test_a_session_ends_after_an_hour():
    async def hour() -> None:
        async with session() as client:
            events = await client.rest(quiet_s=3601)
            assert events[-1]["error"]["code"] == "session_expired"
            assert asyncio.get_running_loop().time() >= 3600

    run(hour())


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

    run(turn())
