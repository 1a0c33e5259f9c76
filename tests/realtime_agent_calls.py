"""Calls of the realtime agent over a connection in memory, in virtual time, with a referee."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, get_args

import numpy as np
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel
from realtime_automaton import Automaton
from realtime_client import RATE_HZ, tone

from voxlab.agents.callers.script import CallScript, ScriptLine, parse_moment
from voxlab.agents.calls import play
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings
from voxlab.agents.tools import Tool
from voxlab.audio import Audio, from_pcm16
from voxlab.evaluation.turn_times import transcript
from voxlab.providers.protocols import (
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolSpec,
    Transcript,
    Word,
)
from voxlab.providers.scripted import Answer, ScriptedLLM
from voxlab.serving.realtime.engines import LevelVAD
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.in_memory import Link, in_memory
from voxlab.timeline import Call

LEVEL = 0.25  # of the agent's voice: sound without a silent sample
WORD_S = 0.3
PAUSE_S = 0.2  # the server's, between sentences
QUESTION, SECOND, GOODBYE = 1.0, 1.4, 1.8  # seconds of tone: the recogniser knows them apart
TEXTS = {QUESTION: "Where is it?", SECOND: "And the other one?", GOODBYE: "Goodbye."}
LONG = "One two three four five six seven eight nine ten. " * 2
SILENT = RealtimeOptions(greeting="")


class ToneSTT:
    """Knows each utterance by its length, so that the same sound twice is the same words."""

    async def transcribe(self, audio: AsyncIterator[Audio]) -> AsyncIterator[Transcript]:
        pieces = [frame async for frame in audio]
        loud_s = sum(float(np.sum(np.abs(a.samples) > 0.01)) / a.rate_hz for a in pieces)
        await asyncio.sleep(0.1)
        yield Transcript(TEXTS[min(TEXTS, key=lambda length_s: abs(length_s - loud_s))], True)


class LevelTTS:
    """Speaks at one level, each word as long as the others, sentence by sentence."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        await asyncio.sleep(0.08)
        texts = text.split()
        words = tuple(Word(w, i * WORD_S, (i + 1) * WORD_S) for i, w in enumerate(texts))
        samples = np.full(round(len(texts) * WORD_S * RATE_HZ), LEVEL, np.float32)
        yield Speech(text, samples.size / RATE_HZ, Audio(samples, RATE_HZ), words)


class ReadingLLM(ScriptedLLM):
    """Gives the given answers, and keeps what it has read each time."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(answers)
        self.read: list[list[Message]] = []

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.read.append([m for m in messages if m.role != "system"])
        return super().stream(messages, tools)


class EchoLLM:
    """Answers the last words of the user; reads all of the conversation."""

    def __init__(self) -> None:
        self.read: list[list[Message]] = []

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.read.append([m for m in messages if m.role != "system"])
        said = [m.text for m in messages if m.role == "user"]
        await asyncio.sleep(0.2)
        yield TextDelta(f"You said {said[-1].rstrip('.?')}." if said else "Hello there.")


def client_models() -> dict[str, type[BaseModel]]:
    union = get_args(RealtimeClientEvent)[0]
    return {get_args(m.model_fields["type"].annotation)[0]: m for m in get_args(union)}


class Referee:
    """Watches each connection: the server's side by the automaton, ours by the SDK's models."""

    def __init__(self, then: Callable[[Link], None] = lambda link: None) -> None:
        self.automata: list[Automaton] = []
        self.sent: list[dict[str, Any]] = []
        self._models = client_models()
        self._then = then

    def __call__(self, link: Link) -> None:
        automaton, recv, send = Automaton(), link.recv, link.send
        self.automata.append(automaton)

        async def received(decode: bool | None = None) -> bytes:
            raw = await recv(decode)
            automaton.feed(raw.decode())
            return raw

        async def sent(message: str) -> None:
            event = json.loads(message)
            if event["type"] != "input_audio_buffer.append":
                self.sent.append(validated_client(message, self._models))
            await send(message)

        link.recv, link.send = received, sent  # type: ignore[method-assign]
        self._then(link)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.sent if event["type"] == kind]

    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    def errors(self) -> list[str]:
        found = (event for automaton in self.automata for event in automaton.events)
        return [event["error"]["code"] for event in found if event["type"] == "error"]


def validated_client(raw: str, models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(raw)
    model = models[event["type"]].model_validate_json(raw)
    assert not model.model_extra, f"{event['type']} with {model.model_extra}"
    return event


def script(*lines: tuple[float, str], until: str = "1 s after the agent stops") -> CallScript:
    """Return a call: the length of each utterance, and its moment."""
    said = [
        ScriptLine(
            f"line{index}",
            Speech(TEXTS[length_s], length_s, Audio(from_pcm16(tone(length_s)), RATE_HZ)),
            parse_moment(at),
        )
        for index, (length_s, at) in enumerate(lines)
    ]
    return CallScript("", tuple(said), parse_moment(until), patience_s=30.0, limit_s=90.0)


STARTS = "0.5 s after the call starts"
STOPS = "0.6 s after the agent stops"


def engines(llm: Any) -> Providers:
    return Providers(ToneSTT(), llm, LevelTTS(), LevelVAD())


def hold(
    agent_llm: Any,
    call: CallScript,
    referee: Referee | None = None,
    tools: Sequence[Tool] = (),
    session: SessionOptions | None = None,
    settings: RealtimeSettings | None = None,
    options: RealtimeOptions = SILENT,
    vad: Any = None,
) -> Call:
    connect = in_memory(engines(agent_llm), session, referee or Referee())
    return play(call, RealtimeAgent(connect, tools, settings, options, vad))


def events(call: Call, source: str, kind: str) -> list[Any]:
    return [event.data for event in call.timeline.select(source, kind)]


def told(call: Call) -> list[tuple[str, str]]:
    return [(who, text) for _, who, text in transcript(call.timeline)]


def sounding_s(call: Call) -> float:
    if call.agent is None:
        return 0.0
    return float(np.sum(np.abs(call.agent.samples) > LEVEL / 2)) / call.agent.rate_hz


def tool(name: str, function: Callable[..., Any], latency_s: float = 0.4, **how: Any) -> Tool:
    properties = {"city": {"type": "string"}}
    return Tool(ToolSpec(name, "", {"properties": properties}), function, latency_s, **how)


def the_city(city: str) -> str:
    return city


def asks(name: str, city: str = "Paris") -> ToolCall:
    return ToolCall("call", name, {"city": city})
