"""Connections that break: the realtime agent goes on in a new one, or says why it cannot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from realtime_agent_calls import (
    GOODBYE,
    LONG,
    QUESTION,
    SECOND,
    STARTS,
    STOPS,
    TEXTS,
    EchoLLM,
    ReadingLLM,
    Referee,
    asks,
    engines,
    events,
    hold,
    script,
    the_city,
    told,
    tool,
)
from realtime_client import RATE_HZ

from voxlab.agents.calls import play
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.connection import Connect
from voxlab.agents.realtime.resumption import UntranscribedAudio
from voxlab.agents.realtime.settings import RealtimeOptions
from voxlab.errors import ProviderError
from voxlab.providers.protocols import TextDelta
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.in_memory import Link, in_memory


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
    kept = UntranscribedAudio(2.0)
    for _ in range(50):
        kept.add(bytes(2 * RATE_HZ // 10))
    assert len(kept.resend()) == 2 * 2 * RATE_HZ
    assert kept.dropped_s == pytest.approx(3.0)
    way = in_memory(engines(EchoLLM()), None, Referee(dropping(1.0)))
    options = RealtimeOptions(greeting="", kept_s=2.0)
    agent = RealtimeAgent(failing(OSError("no network"), 1, way), options=options)
    call = play(script((QUESTION, STARTS)), agent)
    assert events(call, "transport", "overflow") == [{"kept_s": 2.0}]
