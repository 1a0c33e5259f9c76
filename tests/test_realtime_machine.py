"""Random sessions: whatever a client does, the referee finds nothing to say.

VOXLAB_REALTIME_SESSIONS=3000 makes a long run (default: 25 sessions).
"""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from realtime_client import (
    WEATHER_TOOL,
    Client,
    MemoryWire,
    engines,
    quiet,
    tone,
    weather_call,
)
from realtime_models import ProtocolFault

from voxlab.clock import VirtualLoop
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
    suppress_health_check=list(HealthCheck),
)
TestRandomSessions = pytest.mark.slow(RandomSession.TestCase)
