"""Random sessions, and streams with planted faults: the referee must pass the one, catch the other.

VOXLAB_REALTIME_SESSIONS=3000 makes a long run of the first (default: 25 sessions).
"""

import asyncio
import copy
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from realtime_automaton import Automaton, ProtocolFault
from realtime_client import (
    WEATHER_TOOL,
    Client,
    MemoryWire,
    engines,
    quiet,
    session,
    tone,
    weather_call,
)

from voxlab.clock import VirtualLoop, run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.scripted import ScriptedSTT, paced
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.session_loop import run_session

Event = dict[str, Any]
SESSIONS = int(os.environ.get("VOXLAB_REALTIME_SESSIONS", "25"))
STORY = "Once upon a time there was a vocoder. It lived in a box, and it said: hello! " * 3


class Moody:
    """Answers in turn with a word, a story, calls, both, and a failure."""

    def __init__(self) -> None:
        self._moods = itertools.cycle(
            [
                ["Yes."],
                [STORY],
                [weather_call()],
                [STORY, weather_call(), weather_call("Rome")],
                [],
                ["— —"],
            ]
        )

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[TextDelta | ToolCall]:
        parts = next(self._moods)
        if not parts:
            raise ProviderError("not today")
        async for part in paced(parts, 0.2, 0.02):
            yield part


class Unsure:
    """A judge of turns that is now sure and now not."""

    def __init__(self) -> None:
        self._moods = itertools.cycle([0.9, 0.1, 0.5])

    async def probability(self, turn: object) -> float:
        return next(self._moods)


# --- what a client might send ---------------------------------------------------------------

MS = st.integers(0, 3000)
DETECTION = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"type": st.just("server_vad")},
        optional={
            "threshold": st.floats(0, 1),
            "prefix_padding_ms": MS,
            "silence_duration_ms": MS,
            "create_response": st.booleans(),
            "interrupt_response": st.booleans(),
            "idle_timeout_ms": st.none() | st.integers(1000, 9000),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("semantic_vad")},
        optional={
            "eagerness": st.sampled_from(["low", "medium", "high", "auto"]),
            "interrupt_response": st.booleans(),
        },
    ),
    st.just({"type": "psychic_vad"}),
)
FORMAT = st.sampled_from([{"type": f"audio/{kind}"} for kind in ("pcm", "pcmu", "pcma", "opus")])
SETTINGS = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "output_modalities": st.sampled_from([["audio"], ["text"], ["text", "audio"]]),
        "tools": st.just([WEATHER_TOOL]),
        "instructions": st.text(max_size=20),
        "max_output_tokens": st.sampled_from(["inf", 5, 4096, 0]),
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries(
                    {},
                    optional={
                        "turn_detection": DETECTION,
                        "format": FORMAT,
                        "transcription": st.sampled_from([None, {"model": "whisper-1"}]),
                    },
                ),
                "output": st.fixed_dictionaries(
                    {}, optional={"format": FORMAT, "voice": st.sampled_from(["alloy", "ash"])}
                ),
            },
        ),
    },
)
NAME = st.sampled_from(["a", "b", "c", ""])
TEXT = st.lists(st.fixed_dictionaries({"type": st.just("input_text"), "text": st.text(max_size=9)}))
ITEM = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("message"), "role": st.sampled_from(["user", "system", "assistant"])}
        | {"content": TEXT},
        optional={"id": NAME},
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "name": st.just("f"), "arguments": st.text(max_size=5)},
        optional={"id": NAME, "call_id": NAME},
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call_output"), "call_id": NAME, "output": st.text(max_size=9)},
        optional={"id": NAME},
    ),
)
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none", "other"]),
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "input": st.lists(ITEM, max_size=2),
        "max_output_tokens": st.sampled_from(["inf", 3]),
        "audio": st.fixed_dictionaries({"output": st.fixed_dictionaries({"format": FORMAT})}),
    },
)
GARBAGE = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.dictionaries(st.sampled_from(["type", "item_id", "audio"]), st.text(max_size=9)).map(
        json.dumps
    ),
)


class RandomSession(RuleBasedStateMachine):
    """One session in virtual time, with a client that does whatever comes to its mind."""

    @initialize()
    def open(self) -> None:
        self.loop = VirtualLoop()
        texts = itertools.cycle(["Hello.", "", "What is the weather?"])
        providers = engines(end_of_turn=Unsure())
        providers = replace(providers, llm=Moody(), stt=ScriptedSTT(texts))
        self.client = Client(MemoryWire())
        self.held = self.loop.create_task(
            run_session(self.client.wire, providers, SessionOptions())
        )
        self.reading = self.loop.create_task(self.client.read_on())
        self.sent = 0

    def do(self, step: Any) -> Any:
        return self.loop.run_until_complete(step)

    def send(self, kind: str, **fields: Any) -> None:
        self.sent += 1
        self.do(self.client.send(kind, event_id=f"mine_{self.sent}", **fields))

    def named(self, index: int) -> str:
        """Return an item that exists, or one that does not."""
        order = self.client.automaton.order
        return order[index % len(order)] if order and index < 12 else "nobody"

    @rule(speech_s=st.floats(0, 2), silence_s=st.floats(0, 2))
    def speak(self, speech_s: float, silence_s: float) -> None:
        self.do(self.client.append(tone(speech_s) + quiet(silence_s)))

    @rule(audio=st.binary(max_size=9))
    def append_scraps(self, audio: bytes) -> None:
        self.do(self.client.append(audio))

    @rule(kind=st.sampled_from(["commit", "clear"]))
    def handle_the_buffer(self, kind: str) -> None:
        self.send(f"input_audio_buffer.{kind}")

    @rule(settings=SETTINGS)
    def update(self, settings: Event) -> None:
        self.send("session.update", session=settings)

    @rule(item=ITEM, previous=st.none() | st.just("root") | st.integers(0, 15))
    def create_item(self, item: Event, previous: int | str | None) -> None:
        after = self.named(previous) if isinstance(previous, int) else previous
        self.send("conversation.item.create", item=item, previous_item_id=after)

    @rule(kind=st.sampled_from(["delete", "retrieve"]), index=st.integers(0, 15))
    def handle_an_item(self, kind: str, index: int) -> None:
        self.send(f"conversation.item.{kind}", item_id=self.named(index))

    @rule(index=st.integers(0, 15), end_ms=MS, content_index=st.integers(0, 1))
    def truncate(self, index: int, end_ms: int, content_index: int) -> None:
        place = {"content_index": content_index, "audio_end_ms": end_ms}
        self.send("conversation.item.truncate", item_id=self.named(index), **place)

    @rule(request=st.none() | REQUEST)
    def respond(self, request: Event | None) -> None:
        self.send("response.create", response=request)

    @rule(index=st.none() | st.integers(0, 3))
    def cancel(self, index: int | None) -> None:
        active = [*self.client.automaton.active, "nobody"]
        named = {} if index is None else {"response_id": active[index % len(active)]}
        self.send("response.cancel", **named)

    @rule(frame=GARBAGE)
    def send_garbage(self, frame: str | bytes) -> None:
        self.do(self.client.raw(frame))

    @rule(duration_s=st.floats(0, 8))
    def wait(self, duration_s: float) -> None:
        self.do(asyncio.sleep(duration_s))

    @rule(duration_s=st.floats(0, 3))
    def look_away(self, duration_s: float) -> None:
        """Read nothing for a while, so that what is sent queues up."""

        async def away() -> None:
            self.reading.cancel()
            with suppress(asyncio.CancelledError):
                await self.reading
            await asyncio.sleep(duration_s)
            await self.client.send("response.cancel")
            await asyncio.sleep(0.1)

        self.do(away())
        self.reading = self.loop.create_task(self.client.read_on())

    @invariant()
    def nothing_has_broken(self) -> None:
        if hasattr(self, "held"):
            assert not self.held.done()
            if self.reading.done():
                self.reading.result()

    def teardown(self) -> None:
        if not hasattr(self, "held"):
            return
        try:
            idle = {"turn_detection": None}  # its timeout would never let it rest
            settings = {"type": "realtime", "audio": {"input": idle}}
            self.send("session.update", session=settings)
            self.wait(300.0)
            self.nothing_has_broken()
            self.client.automaton.finish()
            for event in self.client.of("error"):
                named = event["error"]["event_id"] or "mine_1"
                assert 1 <= int(named.removeprefix("mine_")) <= self.sent
        finally:
            self.client.wire.hang_up()
            self.reading.cancel()
            with suppress(asyncio.CancelledError, ProtocolFault):
                self.do(self.reading)
            self.do(self.held)
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
            assert not left


RandomSession.TestCase.settings = settings(
    max_examples=SESSIONS,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRandomSessions = pytest.mark.slow(RandomSession.TestCase)


# --- planted faults -------------------------------------------------------------------------


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
