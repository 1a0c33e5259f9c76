"""Streams with planted faults: the referee of the other tests must catch each of them."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from realtime_automaton import Automaton
from realtime_client import (
    engines,
    quiet,
    session,
    tone,
    weather_call,
)
from realtime_models import ProtocolFault

from voxlab.clock import run_virtual

Event = dict[str, Any]
STORY = "Once upon a time there was a vocoder. It lived in a box, and it said: hello! " * 3


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    """Return the events of a session in which nearly everything happens."""

    async def rich() -> list[Event]:
        answers = ["A short answer.", ["Let me see.", weather_call()], STORY, STORY]
        async with session(engines(answers)) as client:
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.append(quiet(0.4) + tone(1.0) + quiet(0.8))
            await client.rest()
            await client.ask("And the weather?", item_id="asked")
            await client.send("response.create")
            await client.rest()
            await client.send("response.create", response={"output_modalities": ["text"]})
            await client.rest()
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.append(tone(0.5))
            await client.rest()
            await client.append(quiet(1.0))
            await client.rest()
            await client.send("conversation.item.retrieve", item_id="asked")
            await client.send("conversation.item.delete", item_id="asked")
            await client.rest()
            return client.events

    events: list[Event] = run_virtual(rich())
    return events


def judge(events: Sequence[Event]) -> None:
    automaton = Automaton()
    for event in events:
        automaton.feed(json.dumps(event))
    automaton.finish()


def test_a_recorded_stream_is_right(stream: list[Event]):
    judge(stream)


ALONE = {  # what no other event depends on: its loss cannot be seen
    "session.updated",
    "rate_limits.updated",
    "conversation.item.retrieved",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.completed",
    "response.output_audio.delta",  # the protocol has no sum over the sound
    "input_audio_buffer.speech_started",  # a client may commit without a turn,
    "input_audio_buffer.speech_stopped",  # and in the middle of one
}


def positions(stream: Sequence[Event]) -> dict[str, int]:
    """Return where each kind of event comes first."""
    return {event["type"]: at for at, event in reversed(list(enumerate(stream)))}


def test_the_loss_of_any_event_is_caught(stream: list[Event]):
    unseen = set()
    for kind, at in positions(stream).items():
        try:
            judge(stream[:at] + stream[at + 1 :])
            unseen.add(kind)
        except ProtocolFault:
            pass
    assert unseen <= ALONE


def test_an_event_that_comes_twice_is_caught(stream: list[Event]):
    unseen = set()
    for kind, at in positions(stream).items():
        again = {**stream[at], "event_id": "another"}
        try:
            judge([*stream[: at + 1], again, *stream[at + 1 :]])
            unseen.add(kind)
        except ProtocolFault:
            pass
    assert unseen <= {
        "session.updated",
        "conversation.item.retrieved",
        "response.output_audio.delta",
    }
    with pytest.raises(ProtocolFault, match="an event_id twice"):
        judge([*stream, stream[-1]])


def test_two_neighbours_in_the_wrong_order_are_caught(stream: list[Event]):
    """All but the pairs that may come either way: audio and its words, rate limits and the rest."""
    unseen = set()
    for at in range(1, len(stream) - 1):
        swapped = [*stream[:at], stream[at + 1], stream[at], *stream[at + 2 :]]
        pair = {stream[at]["type"], stream[at + 1]["type"]}
        free = any("transcription" in k or "session" in k or "retrieved" in k for k in pair)
        if free or pair <= {
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
        }:
            continue
        try:
            judge(swapped)
            unseen.add(tuple(sorted(pair)))
        except ProtocolFault:
            pass
    assert unseen <= {("conversation.item.added", "conversation.item.deleted")} | {
        ("input_audio_buffer.speech_started", "rate_limits.updated"),
        ("input_audio_buffer.speech_started", "response.output_audio.delta"),
        ("input_audio_buffer.speech_started", "response.output_audio.done"),
        ("conversation.item.deleted", "rate_limits.updated"),
    }


def change(kind: str, edit: Callable[[Event], object]) -> Callable[[list[Event]], None]:
    """Return a fault that edits the first event of a kind."""

    def plant(events: list[Event]) -> None:
        edit(next(event for event in events if event["type"] == kind))

    return plant


FAULTS: dict[str, tuple[Callable[[list[Event]], None], str]] = {
    "an unknown field": (change("response.created", lambda e: e.update(extra=1)), "does not know"),
    "an unknown field deep inside": (
        change("response.created", lambda e: e["response"]["audio"]["output"].update(rate=1)),
        "does not know",
    ),
    "a number as text": (
        change("input_audio_buffer.speech_started", lambda e: e.update(audio_start_ms="5")),
        "audio_start_ms",
    ),
    "a missing field": (change("response.output_item.added", lambda e: e.pop("item")), "item"),
    "a beta name": (
        change("conversation.item.added", lambda e: e.update(type="conversation.item.created")),
        "no server sends",
    ),
    "a part type of the item": (
        change("response.content_part.added", lambda e: e["part"].update(type="output_audio")),
        "part",
    ),
    "another transcript": (
        change("response.output_audio_transcript.done", lambda e: e.update(transcript="No.")),
        "unlike its deltas",
    ),
    "other arguments": (
        change("response.function_call_arguments.done", lambda e: e.update(arguments="{}")),
        "unlike their deltas",
    ),
    "a wrong predecessor": (
        change("conversation.item.done", lambda e: e.update(previous_item_id="nobody")),
        "chain is broken",
    ),
    "a commit after the wrong item": (
        change("input_audio_buffer.committed", lambda e: e.update(previous_item_id="nobody")),
        "wrong item",
    ),
    "time that goes back": (
        change("input_audio_buffer.speech_stopped", lambda e: e.update(audio_end_ms=0)),
        "offset 0",
    ),
    "a turn under another name": (
        change("input_audio_buffer.speech_stopped", lambda e: e.update(item_id="x")),
        "has not started",
    ),
    "a wrong index": (
        change("response.output_audio.delta", lambda e: e.update(output_index=3)),
        "output_index",
    ),
    "sound that is not base64": (
        change("response.output_audio.delta", lambda e: e.update(delta="***")),
        "base64",
    ),
    "a response that ends in progress": (
        change("response.done", lambda e: e["response"].update(status="in_progress")),
        "in progress",
    ),
    "tokens that do not add up": (
        change("response.done", lambda e: e["response"]["usage"].update(total_tokens=1)),
        "add up",
    ),
    "another output than sent": (
        change("response.done", lambda e: e["response"].update(output=[])),
        "another output",
    ),
    "no status_details": (
        change("response.created", lambda e: e["response"].pop("status_details")),
        "status_details",
    ),
    "text and audio": (
        change(
            "session.updated", lambda e: e["session"].update(output_modalities=["text", "audio"])
        ),
        "modalities",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(stream: list[Event], name: str):
    plant, message = FAULTS[name]
    events = copy.deepcopy(stream)
    plant(events)
    with pytest.raises((ProtocolFault, ValueError), match=message):
        judge(events)


def test_a_response_that_never_ends_is_caught(stream: list[Event]):
    at = positions(stream)["response.content_part.added"]
    with pytest.raises(ProtocolFault, match="never end"):
        judge(stream[: at + 1])
