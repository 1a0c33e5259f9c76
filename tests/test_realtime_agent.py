"""The realtime agent over a connection in memory, in virtual time; all that passes is refereed."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel
from realtime_automaton import Automaton, server_models, validated
from realtime_client import RATE_HZ, tone

from voxlab.agents.callers.script import CallScript, ScriptLine, parse_moment
from voxlab.agents.calls import hold_call, play
from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.connection import Connect, over, to_server
from voxlab.agents.realtime.resumption import Kept
from voxlab.agents.realtime.settings import (
    GREETING,
    RealtimeOptions,
    RealtimeSettings,
    SemanticVAD,
    ServerVAD,
)
from voxlab.agents.tools import Tool
from voxlab.agents.utterance import Played
from voxlab.audio import Audio, from_pcm16
from voxlab.cli import main
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.evaluation.turn_times import interruptions, transcript, turn_times
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
from voxlab.serving.realtime.transport.server import ServerOptions, serving
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


# --- a whole call ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_script_gives_a_full_transcript_and_every_reader_of_timelines_reads_it():
    referee = Referee()
    lines = script((QUESTION, STOPS), (SECOND, STOPS), (GOODBYE, STOPS))
    call = hold(EchoLLM(), lines, referee, options=RealtimeOptions())
    assert told(call) == [
        ("agent", "Hello there."),
        ("user", "Where is it?"),
        ("agent", "You said Where is it."),
        ("user", "And the other one?"),
        ("agent", "You said And the other one."),
        ("user", "Goodbye."),
        ("agent", "You said Goodbye."),
    ]
    assert [turn["text"] for turn in events(call, "turn", "commit")] == [*TEXTS.values()]
    assert [turn["turn"] for turn in events(call, "turn", "commit")] == [1, 2, 3]
    replies_s = [turn.ttfb_s for turn in turn_times(call.timeline)]
    assert all(reply_s is not None and 0.8 < reply_s < 1.2 for reply_s in replies_s)
    assert not interruptions(call.timeline)
    assert not referee.errors()
    for automaton in referee.automata:
        automaton.finish()


@pytest.mark.slow
def test_two_calls_in_virtual_time_are_the_same_to_the_byte():
    lines = script((QUESTION, STARTS), (SECOND, "0.7 s after the agent starts to speak"))
    first, second = (hold(ReadingLLM([LONG]), lines) for _ in range(2))
    assert first.timeline.to_json() == second.timeline.to_json()


def test_words_are_noted_where_they_sound():
    call = hold(ReadingLLM(["One two. Three four five."]), script((QUESTION, STARTS)))
    start_s = call.timeline.select("agent", "speech_started")[0].at_s
    sentences = call.timeline.select("agent", "sentence")
    assert [event.data["text"] for event in sentences] == ["One two.", "Three four five."]
    words = [
        (word, event.at_s - start_s + begins_s)
        for event in sentences
        for word, begins_s, _ in event.data["words"]
    ]
    for index, (_, begins_s) in enumerate(words):
        expected_s = index * WORD_S + (PAUSE_S if index >= 2 else 0.0)
        assert begins_s == pytest.approx(expected_s, abs=0.11)  # the server's slices


# --- barge-in -------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(0.1, 5.5), min_size=1, max_size=3),
    st.sampled_from([ServerVAD(), ServerVAD(interrupts=False), SemanticVAD(), None]),
)
def test_a_barge_in_keeps_exactly_what_was_heard(delays_s, detection):
    """Whoever detects it, and whether the response is still being made or done long ago."""
    referee, llm = Referee(), ReadingLLM([LONG, LONG, LONG, "Bye."])
    moments = [f"{delay_s:.3f} s after the agent starts to speak" for delay_s in delays_s]
    lines = script((QUESTION, STARTS), *((SECOND, at) for at in moments))
    call = hold(
        llm, lines, referee, settings=RealtimeSettings(turn_detection=detection), vad=LevelVAD()
    )
    truncates = referee.of("conversation.item.truncate")
    cuts = call.timeline.select("agent", "interrupted")
    assert len(cuts) == len(truncates) == len(delays_s)
    starts_s = [event.at_s for event in call.timeline.select("agent", "speech_started")]
    for start_s, cut, truncate in zip(starts_s, cuts, truncates, strict=False):
        heard_s = truncate["audio_end_ms"] / 1000
        assert heard_s == pytest.approx(cut.at_s - start_s, abs=0.0015)
        assert (cut.data["heard"] + " " + cut.data["unheard"]).split()[0] == "One"
        spoken_s = heard_s - (PAUSE_S if heard_s > 10 * WORD_S else 0.0)
        assert len(cut.data["heard"].split()) == pytest.approx(spoken_s / WORD_S, abs=1.5)
    crossed = {"response_cancel_not_active"}  # our cancel met the response's end on the way
    assert set(referee.errors()) <= (set() if detection and detection.interrupts else crossed)
    for cut, read in zip(cuts, llm.read[1:], strict=True):  # each cut is followed by a turn
        by_server = read[-2].text.split() if read[-2].role == "assistant" else []
        by_us = cut.data["heard"].split()
        shared = min(len(by_server), len(by_us))
        assert by_server[:shared] == by_us[:shared]
        assert abs(len(by_server) - len(by_us)) <= 1  # a word that ends at that very moment


@pytest.mark.slow
def test_what_sounded_is_what_the_server_is_told_of():
    referee = Referee()
    call = hold(
        ReadingLLM([LONG, ""]),
        script((QUESTION, STARTS), (SECOND, "2.345 s after the agent starts to speak")),
        referee,
        options=RealtimeOptions(greeting="", failures=99),
        settings=RealtimeSettings(),
    )
    (truncate,) = referee.of("conversation.item.truncate")
    first_s = call.timeline.select("agent", "interrupted")[0].at_s
    assert call.agent is not None
    before = Audio(call.agent.samples[: round((first_s + 0.1) * 16_000)], 16_000)
    sounded_s = float(np.sum(np.abs(before.samples) > 0.01)) / 16_000
    assert sounded_s == pytest.approx(truncate["audio_end_ms"] / 1000 + 0.005, abs=0.003)  # fade


def test_a_reply_nobody_heard_is_cut_to_nothing_and_not_said():
    referee, llm = Referee(), ReadingLLM([["Wait. ", asks("look")], LONG, "Bye."])
    lines = script((QUESTION, STARTS), (SECOND, "0.35 s after the agent starts to speak"))
    call = hold(llm, lines, referee, tools=[tool("look", lambda city: "x", 0.01)])
    lengths_ms = [event["audio_end_ms"] for event in referee.of("conversation.item.truncate")]
    assert all(ms < 600 for ms in lengths_ms)
    heard = " ".join(data["heard"] for data in events(call, "agent", "interrupted"))
    assert "One" not in heard
    assert not referee.errors()


@pytest.mark.slow
def test_the_agent_falls_silent_within_a_step_of_the_servers_detection():
    lines = script((QUESTION, STARTS), (SECOND, "2 s after the agent starts to speak"))
    call = hold(ReadingLLM([LONG]), lines)
    (cut,) = interruptions(call.timeline)
    assert cut.yield_s < 0.2
    assert cut.heard.split() == LONG.split()[: len(cut.heard.split())]
    assert (cut.heard + " " + cut.unheard).split()[:10] == LONG.split()[:10]


# --- tools ----------------------------------------------------------------------------------


def broken(city: str) -> None:
    raise RuntimeError("boom")


@pytest.mark.slow
def test_several_calls_run_side_by_side_and_are_answered_once():
    referee = Referee()
    llm = ReadingLLM([[asks("look"), asks("break"), asks("sleep"), asks("none")], "Done."])
    tools = [tool("look", lambda city: {"in": city}), tool("break", broken)]
    tools.append(tool("sleep", lambda city: "late", latency_s=60.0))
    call = hold(llm, script((QUESTION, STARTS)), referee, tools=tools)
    outputs = [message.text for message in llm.read[1] if message.role == "tool"]
    assert json.loads(outputs[0]) == {"in": "Paris"}
    assert json.loads(outputs[1]) == {"error": "the system does not answer"}
    assert json.loads(outputs[2])["error"].startswith("no answer within 8 s")
    assert "no tool 'none'" in outputs[3]
    assert referee.types().count("response.create") == 1
    assert referee.types()[-5:] == ["conversation.item.create"] * 4 + ["response.create"]
    assert told(call)[-1] == ("agent", "Done.")
    lasted_s = [event.at_s for event in call.timeline.select("tool")]
    assert max(lasted_s) - min(lasted_s) == pytest.approx(8.0)  # the longest wait, not the sum


@pytest.mark.slow
def test_a_filler_plays_while_the_tool_runs_and_the_answer_follows_it():
    llm = ReadingLLM([asks("look"), "It is clear."])
    session = SessionOptions(filler="One moment, let me look that up.")
    call = hold(
        llm, script((QUESTION, STARTS)), tools=[tool("look", the_city, 1.0)], session=session
    )
    assert told(call)[-1] == ("agent", "One moment, let me look that up. It is clear.")
    started = call.timeline.select("tool", "started")[0].at_s
    finished = call.timeline.select("tool", "finished")[0].at_s
    (spoken,) = call.timeline.select("agent", "speech_started")
    (silent,) = call.timeline.select("agent", "speech_stopped")
    assert spoken.at_s < started < finished < silent.at_s


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(latency_s=st.floats(0.05, 6.0))
def test_a_result_is_read_once_whatever_the_user_says_meanwhile(latency_s):
    """Before, during and after the user's next turn: it is never lost, never asked for twice."""
    referee, llm = Referee(), ReadingLLM([["Wait. ", asks("look")], *["I see."] * 5])
    at, until = "0.3 s after the agent stops", "8 s after the agent stops"
    lines = script((QUESTION, STARTS), (SECOND, at), until=until)
    hold(llm, lines, referee, tools=[tool("look", lambda city: "found", latency_s)])
    assert any(m.role == "tool" and "found" in m.text for m in llm.read[-1])
    reads = [[m.text for m in read if m.role == "tool"] for read in llm.read]
    assert sum(a != b for a, b in pairwise(reads)) == 1
    assert len(llm.read) <= 4
    assert not set(referee.errors())


def test_a_tool_that_hands_over_ends_the_call_after_its_reply():
    llm = ReadingLLM([asks("person"), "I connect you."])
    call = hold(
        llm, script((QUESTION, STARTS)), tools=[tool("person", the_city, 0.1, ends_call=True)]
    )
    assert told(call)[-1] == ("agent", "I connect you.")
    assert events(call, "transport", "call_ended") == [
        {"reason": "the agent handed the caller over"}
    ]


# --- connections that break -----------------------------------------------------------------


def dropping(*times_s: float) -> Callable[[Link], None]:
    """Break whatever connection there is at these times of the call."""
    links: list[Link] = []

    def drop() -> None:
        links[-1].drop()

    def on_link(link: Link) -> None:
        links.append(link)
        if len(links) == 1:
            loop = asyncio.get_running_loop()
            for at_s in times_s:
                loop.call_later(at_s, drop)

    return on_link


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0.01, 20.0), min_size=1, max_size=3))
@example([3.0, 2.1875])  # the caller speaks before the answer can be said again
def test_a_lost_connection_loses_nothing_that_was_said(times_s):
    """Amid the user's words, the transcript, the thinking or the answer: each turn is answered."""
    referee, llm = Referee(dropping(*times_s)), EchoLLM()
    lines = script((QUESTION, STARTS), (SECOND, STOPS), (GOODBYE, STOPS))
    call = hold(llm, lines, referee)
    assert events(call, "transport", "call_ended") == [{"reason": "the caller hung up"}]
    read = [m.text for m in llm.read[-1] if m.role == "user"]
    assert read == [*TEXTS.values()]
    said = " ".join(text for who, text in told(call) if who == "agent")
    for text in TEXTS.values():
        assert any(messages[-1].text == text for messages in llm.read)
        if not events(call, "agent", "interrupted"):  # or the caller spoke over what was said again
            assert f"You said {text.rstrip('.?')}." in said
    assert len(referee.automata) == len(events(call, "transport", "connected"))
    assert not referee.errors()


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0.01, 8.0))
def test_tools_are_not_run_again_because_a_connection_was_lost(at_s):
    runs: list[str] = []
    llm = ReadingLLM([asks("look"), *["It is clear."] * 4])
    tools = [tool("look", lambda city: runs.append(city) or "clear", 1.0)]  # type: ignore[func-returns-value]
    call = hold(llm, script((QUESTION, STARTS)), Referee(dropping(at_s)), tools=tools)
    if len(runs) == 1:
        assert any(m.role == "tool" and "clear" in m.text for m in llm.read[-1])
    assert len(runs) <= 1  # none, if the call itself was lost and the model answered otherwise
    assert told(call)[-1][1].endswith("It is clear.")


@pytest.mark.slow
def test_an_expired_session_goes_on_in_a_new_one_unnoticed():
    lines = script((QUESTION, STARTS), (SECOND, STOPS), (GOODBYE, STOPS))
    whole = hold(EchoLLM(), lines)
    llm = EchoLLM()
    parts = hold(llm, lines, session=SessionOptions(longest_s=5.0))
    assert [line for line in told(parts) if line[0] == "user"] == [
        line for line in told(whole) if line[0] == "user"
    ]
    assert len(events(parts, "transport", "reconnecting")) >= 2
    assert [m.text for m in llm.read[-1] if m.role == "user"] == [*TEXTS.values()]


@pytest.mark.slow
def test_what_was_playing_when_the_connection_broke_is_remembered_as_it_was_heard():
    """The response was complete; the user cuts it after the break: the new session is told."""
    referee, llm = Referee(dropping(5.0)), ReadingLLM([LONG, "Bye."])
    lines = script((QUESTION, STARTS), (SECOND, "4 s after the agent starts to speak"))
    call = hold(llm, lines, referee)
    (cut,) = events(call, "agent", "interrupted")
    restored = [m.text for m in llm.read[-1] if m.role == "assistant"]
    assert restored == [cut["heard"]]
    assert not referee.of("conversation.item.truncate")  # of an item that the session has not
    assert [m.role for m in llm.read[-1]] == ["user", "assistant", "user"]


@pytest.mark.slow
def test_a_reply_that_outlasts_its_connection_ends_when_it_has_been_heard():
    """The new session is told of the tool's result, too; that is no reason to wait for more."""
    llm = ReadingLLM([asks("look"), LONG])
    tools = [tool("look", the_city)]
    call = hold(llm, script((QUESTION, STARTS)), Referee(dropping(6.0)), tools=tools)
    (stopped,) = call.timeline.select("agent", "speech_stopped")
    (said,) = call.timeline.select("agent", "said")
    assert said.at_s == stopped.at_s > call.timeline.select("transport", "connected")[1].at_s
    assert said.data["text"] == LONG.strip()
    assert len(llm.read) == 2


def failing(error: Exception, after: int = 0, then: Connect | None = None) -> Connect:
    """Return a way that opens `after` times, and then fails for ever."""
    opened = 0

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        nonlocal opened
        opened += 1
        if opened > after or then is None:
            raise error
        async with then() as connection:
            yield connection

    return connect


def test_after_so_many_failures_the_call_ends_and_says_why():
    way = in_memory(engines(EchoLLM()), None, Referee(dropping(2.0)))
    agent = RealtimeAgent(failing(ConnectionRefusedError(111, "refused"), 1, way))
    call = play(script((QUESTION, STARTS), (SECOND, STOPS)), agent)
    delays_s = [data["delay_s"] for data in events(call, "transport", "reconnecting")]
    assert delays_s == [0.5, 1.0, 2.0, 4.0, 8.0]
    (failed,) = events(call, "transport", "failed")
    assert "5 attempts to open it again failed" in failed["error"]
    assert "refused" in failed["error"]


@pytest.mark.slow
def test_a_server_that_lets_us_in_and_drops_us_each_time_is_given_up_too():
    def drop_soon(link: Link) -> None:
        asyncio.get_running_loop().call_later(0.2, link.drop)

    call = hold(EchoLLM(), script((QUESTION, STARTS)), Referee(drop_soon))
    assert len(events(call, "transport", "connected")) == 6
    assert "5 attempts" in events(call, "transport", "failed")[0]["error"]


def test_a_server_that_is_not_there_is_named_at_once():
    agent = RealtimeAgent(failing(ConnectionRefusedError(111, "refused")))
    call = play(script((QUESTION, STARTS)), agent)
    (failed,) = events(call, "transport", "failed")
    assert failed["error"].startswith("ProviderError: no connection to the realtime server")
    assert not events(call, "transport", "reconnecting")


def test_responses_that_fail_are_asked_for_once_more_and_then_end_the_call():
    class Broken:
        async def stream(self, messages: Any, tools: Any) -> AsyncIterator[TextDelta]:
            raise ProviderError("no model")
            yield TextDelta("")

    call = hold(Broken(), script((QUESTION, STARTS)))
    assert len(events(call, "llm", "failed")) == 2
    assert "2 responses in a row failed" in events(call, "transport", "failed")[0]["error"]


def test_the_sound_that_is_kept_for_the_next_connection_is_bounded_and_that_is_told():
    kept = Kept(2.0)
    for _ in range(50):
        kept.add(bytes(2 * RATE_HZ // 10))
    assert len(kept.resend()) == 2 * 2 * RATE_HZ
    assert kept.dropped_s == pytest.approx(3.0)
    way = in_memory(engines(EchoLLM()), None, Referee(dropping(1.0)))
    options = RealtimeOptions(greeting="", kept_s=2.0)
    agent = RealtimeAgent(failing(OSError("no network"), 1, way), options=options)
    call = play(script((QUESTION, STARTS)), agent)
    assert events(call, "transport", "overflow") == [{"kept_s": 2.0}]


# --- other ways to be told of turns, and to answer ------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("detection", [None, SemanticVAD(), ServerVAD(silence_s=0.3)])
def test_whoever_finds_the_turns_the_transcript_is_the_same(detection):
    referee = Referee()
    call = hold(
        EchoLLM(),
        script((QUESTION, STARTS), (SECOND, STOPS)),
        referee,
        settings=RealtimeSettings(turn_detection=detection),
        vad=LevelVAD(),
    )
    assert [text for who, text in told(call) if who == "agent"] == [
        "You said Where is it.",
        "You said And the other one.",
    ]
    assert len(events(call, "vad", "speech_stopped")) == 2
    assert not referee.errors()


def test_an_agent_that_writes_says_nothing_aloud_but_its_words_are_there():
    settings = RealtimeSettings(modality="text")
    lines = script((QUESTION, STARTS), until="3 s after line line0 ends")
    call = hold(EchoLLM(), lines, settings=settings)
    assert told(call) == [("user", "Where is it?"), ("agent", "You said Where is it.")]
    assert sounding_s(call) == 0


def test_settings_the_server_refuses_end_the_call_with_its_words():
    settings = RealtimeSettings(turn_detection=ServerVAD(threshold=7.0))
    call = hold(EchoLLM(), script((QUESTION, STARTS)), settings=settings)
    assert "threshold" in events(call, "transport", "failed")[0]["error"]


# --- a server with other habits -------------------------------------------------------------


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


# --- playback -------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.0, 0.6), st.floats(0.02, 0.5)), min_size=1, max_size=8),
    st.floats(0.0, 4.0),
)
def test_the_position_is_what_the_line_has_played(pieces, stop_s):
    """Whenever the pieces come: heard_s is the sound of the item up to now, its gaps left out."""

    async def main() -> tuple[list[Played], float, float]:
        line = Line()
        playback = Playback(line, *[lambda *_: None] * 3, in_samples=True)
        item = playback.open("item")
        spans: list[tuple[float, float]] = []

        async def feed() -> None:
            for wait_s, length_s in pieces:
                await asyncio.sleep(wait_s)
                samples = np.full(round(length_s * RATE_HZ), LEVEL, np.float32)
                playback.play(item, Audio(samples, RATE_HZ))
                start_s = max([line.now_s, *(end_s for _, end_s in spans[-1:])])
                spans.append((start_s, start_s + length_s))

        feeding = asyncio.create_task(feed())
        await asyncio.sleep(stop_s)
        feeding.cancel()
        cut = playback.stop()
        expected_s = sum(max(0.0, min(end_s, stop_s) - start_s) for start_s, end_s in spans)
        assert playback.idle
        return cut, expected_s, line.agent.end / line.rate_hz

    cut, expected_s, end_s = run_virtual(main())
    # what the resampler still holds back is not on the line, and so it is not heard
    assert cut[0].heard_s <= expected_s + 0.001 * len(pieces)
    assert cut[0].heard_s >= expected_s - 0.06 * len(pieces)
    assert end_s <= stop_s + 0.006


# --- over a socket --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_over_a_real_socket_with_the_openai_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    llm = ReadingLLM([asks("look"), "It is clear today, all day long."])
    until = '0.1 s after the agent says "clear"'
    short = script((QUESTION, "0.1 s after the call starts"), until=until)

    async def main() -> Call:
        options = ServerOptions(key="right")
        async with serving(lambda: engines(llm), options) as server:
            agent = RealtimeAgent(
                to_server(server.http_url),
                [tool("look", lambda city: f"clear in {city}", 0.05)],
                RealtimeSettings(turn_detection=ServerVAD(silence_s=0.2)),
                SILENT,
            )
            from voxlab.agents.callers.simulated import Caller

            call = await hold_call(agent, Caller(short), limit_s=20.0)
            async with asyncio.timeout(5):
                while server.connections:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.01)
            return call

    call = asyncio.run(main())
    assert events(call, "transport", "call_ended") == [{"reason": "the caller hung up"}]
    assert events(call, "tool", "finished")[0]["result"] == '"clear in Paris"'
    assert told(call)[-1][1].startswith("It is clear")
    models = server_models()
    received = events(call, "transport", "received")
    assert {data["event"]["type"] for data in received} <= set(models)


@pytest.mark.parametrize(
    ("key", "model", "said"),
    [("wrong", "gpt-realtime", "check OPENAI_API_KEY"), ("right", "gpt-4", "use a realtime model")],
)
def test_a_wrong_key_and_a_wrong_model_are_told_as_such(monkeypatch, key, model, said):
    monkeypatch.setenv("OPENAI_API_KEY", key)

    async def main() -> Call:
        options = ServerOptions(key="right")
        async with serving(lambda: engines(EchoLLM()), options) as server:
            agent = RealtimeAgent(to_server(server.http_url, model))

            class Waits:
                async def run(self, line: Line) -> None:
                    await line.closed.wait()

            return await hold_call(agent, Waits(), limit_s=10.0)

    call = asyncio.run(main())
    (failed,) = events(call, "transport", "failed")
    assert said in failed["error"]
    assert "ProviderError" in failed["error"]


def test_the_link_carries_what_the_sdk_accepts():
    """The in-memory socket is no looser than the real one: strict models on the raw frames."""

    async def main() -> list[str]:
        frames: list[str] = []
        async with in_memory(engines(EchoLLM()))() as connection:
            frames.append((await connection.recv_bytes()).decode())
            await connection.response.create()
            while '"response.done"' not in frames[-1]:
                frames.append((await connection.recv_bytes()).decode())
        return frames

    kinds = [validated(frame)["type"] for frame in run_virtual(main())]
    assert kinds[0] == "session.created"
    assert "response.output_audio.delta" in kinds


# --- the command ----------------------------------------------------------------------------

WITHOUT_SOUND = """
title: On paper
lines:
  - {text: "Where is my order, one two three four five?", lasts_s: 2.5}
"""


@pytest.mark.slow
def test_the_command_holds_a_call_with_the_realtime_agent(tmp_path, capsys):
    """A call without sound: the script says when somebody speaks, and no model is needed."""
    (tmp_path / "call.yaml").write_text(WITHOUT_SOUND)
    command = ["call", str(tmp_path / "call.yaml"), "--agent", "realtime", "--out", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert f"agent  {GREETING}" in out
    assert "One moment, let me look that up. Order 1 2 3 4 5 is shipped." in out
    assert "the caller hung up" in out
    assert Call.load(tmp_path).user is None


@pytest.mark.parametrize(
    ("extra", "said"), [([], "add --live"), (["--live"], "set OPENAI_API_KEY")]
)
def test_the_command_without_a_key_or_in_virtual_time_says_what_it_needs(
    tmp_path, monkeypatch, capsys, extra, said
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    (tmp_path / "call.yaml").write_text(WITHOUT_SOUND)
    command = ["call", str(tmp_path / "call.yaml"), "--agent", "realtime", "--providers", "openai"]
    assert main([*command, *extra]) == 2
    assert said in capsys.readouterr().err
