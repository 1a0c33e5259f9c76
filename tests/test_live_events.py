"""What is told of calls while they are on: times and states, and no word of what was said."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed_calls import KEY, OUTCOMES, WORDS, any_timeline
from realtime_agent_calls import (
    LONG,
    QUESTION,
    SECOND,
    STARTS,
    STOPS,
    ReadingLLM,
    Referee,
    asks,
    engines,
    hold,
    script,
    the_city,
    tool,
)
from realtime_client import TURN, session

from voxlab.clock import run_virtual
from voxlab.errors import ProviderError, VoxlabError
from voxlab.observability import measure_session
from voxlab.observability.live_events import (
    TOLD,
    describe_call,
    read_event,
    strip_event,
    write_event,
)
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.session_events import SessionEvents
from voxlab.serving.workers import watching
from voxlab.serving.workers.watching import LiveCalls, NewsReader
from voxlab.timeline import SOURCES, Event, Timeline


def sent(timeline):
    """Return the events of a call as they come out of the wire."""
    told = filter(None, map(strip_event, timeline))
    return [read_event(json.loads(json.dumps(write_event(event)))) for event in told]


# --- without words ---------------------------------------------------------------------------

SECRETS = ("my card number", KEY, "listening to it", ["a"], {"text": "a"}, None)
secret_data = st.dictionaries(
    st.sampled_from(["speech_at_s", "was", "now", "why", "text", "heard", "error", "arguments"]),
    st.sampled_from(SECRETS),
)


@pytest.mark.slow
@given(
    st.one_of(
        st.sampled_from(sorted(TOLD)), st.tuples(st.sampled_from(SOURCES), st.just("whatever"))
    ),
    secret_data,
)
def test_whatever_an_event_holds_only_numbers_and_states_go_out(name, data):
    told = strip_event(Event(1.0, *name, data))
    assert told is None or told.data == {}
    assert (told is None) == (name not in TOLD)


def test_nothing_that_was_said_and_no_error_is_told_of_a_call():
    text = json.dumps([write_event(event) for event in sent(OUTCOMES)])
    assert [word for word in WORDS if word in text] == []
    assert sent(OUTCOMES)


@pytest.mark.parametrize("given", [[], [1.0, "vad"], [None, "vad", "speech_started", {}], "abcd"])
def test_what_is_no_event_is_refused(given):
    with pytest.raises(VoxlabError, match="not an event of a live call"):
        read_event(given)


# --- a row of the dashboard ------------------------------------------------------------------


def as_heard(timeline):
    """Return a call as its agent knows it: without the caller's script."""
    return Timeline([event for event in timeline if event.source != "caller"])


@pytest.mark.slow
@given(any_timeline)
def test_a_row_shows_the_figures_that_the_metrics_of_the_call_have(timeline):
    timeline.add(Event(100.0, "transport", "call_ended", {"reason": "the caller hung up"}))
    row, metrics = describe_call(Timeline(sent(timeline))), measure_session(as_heard(timeline))
    assert tuple(row["ttfb_s"]) == metrics.ttfb_s
    assert row["ttfb_p50_s"] == metrics.ttfb_p50_s
    assert len(row["cuts_s"]) == metrics.interruptions
    assert sum(row["turns"].values()) == metrics.turns
    assert (row["tool_calls"], row["failures"]) == (metrics.tool_calls, metrics.errors)


def test_speech_that_goes_on_has_no_end():
    events = [Event(1.0, "vad", "speech_started", {"speech_at_s": 0.9})]
    assert describe_call(Timeline(events))["user"] == [[0.9, None]]
    events.append(Event(2.0, "vad", "speech_stopped", {"speech_at_s": 1.8}))
    assert describe_call(Timeline(events))["user"] == [[0.9, 1.8]]


# --- a Realtime session, which has no line ---------------------------------------------------

LINES = [(QUESTION, STARTS), (SECOND, "1.5 s after the agent starts to speak"), (QUESTION, STOPS)]


@pytest.mark.slow
@pytest.mark.parametrize("answers", [[LONG, "Yes.", "Bye."], [LONG, asks("city"), "Bye.", "Bye."]])
def test_a_session_tells_what_the_agent_at_its_other_end_notes(answers):
    told = []
    call = hold(
        ReadingLLM(answers),
        script(*LINES),
        Referee(),
        [tool("city", the_city)],
        SessionOptions(on_event=told.append),
    )
    here, there = describe_call(Timeline(told)), describe_call(Timeline(sent(call.timeline)))
    assert len(here["ttfb_s"]) >= 2
    assert here["ttfb_s"] == pytest.approx(there["ttfb_s"], abs=0.1)  # and the way there
    assert (len(here["cuts_s"]), here["tool_calls"]) == (1, there["tool_calls"])
    assert len(there["cuts_s"]) == 1
    assert len(here["agent"]) == len(there["agent"])
    for ours, theirs in zip(here["agent"], there["agent"], strict=True):
        assert ours == pytest.approx(theirs, abs=0.1)
    assert (told[0].kind, told[-1].kind) == ("call_started", "call_ended")


def test_a_session_tells_that_its_model_failed_and_of_no_response_out_of_band():
    told = []

    async def main():
        class Broken:
            async def stream(self, messages, tools):
                raise ProviderError(f"Incorrect API key: {KEY}")
                yield

        async with session(engines(Broken()), SessionOptions(on_event=told.append)) as client:
            await client.send("response.create", response={"conversation": "none"})
            await client.until("response.done")
            assert [event.kind for event in told] == ["call_started"]
            await client.append(TURN)
            await client.until("response.done")

    run_virtual(main())
    row = describe_call(Timeline(told))
    assert (row["failures"], row["turns"]["unanswered"], row["state"]) == (1, 1, "listening")


# --- news --------------------------------------------------------------------------------------


def state(at_s, now="speaking"):
    return Event(at_s, "turn", "state", {"was": "listening", "now": now, "why": "my card number"})


def read_all(reader):
    """Return all that a reader has not read yet."""
    found = []
    while (news := reader.read()) is not None:
        found.append(json.loads(json.dumps(news)))
    return found


def test_a_watcher_who_comes_late_reads_everything_and_a_slow_one_how_much_they_missed(monkeypatch):
    monkeypatch.setattr(watching, "MOST_EVENTS", 50)
    monkeypatch.setattr(watching, "MOST_AT_ONCE", 20)

    async def main():
        live = LiveCalls()
        number, tell = live.begin("call-1")
        slow, behind, at_front = NewsReader(live), NewsReader(live), LiveCalls()
        for count in range(50):
            tell(state(count / 8))
        first = slow.read()
        for news in read_all(behind):
            at_front.follow(news)
        assert len(first["calls"][0]["events"]) == 20
        for count in range(50, 100):
            tell(state(count / 8))
        rest, late = read_all(slow), read_all(NewsReader(live))
        assert sum(call["lost"] for news in rest for call in news["calls"]) == 30
        assert sum(call["lost"] for news in late for call in news["calls"]) == 50
        events = [event for news in rest for call in news["calls"] for event in call["events"]]
        assert events == [event for news in late for event in news["calls"][0]["events"]]
        assert [at_s for at_s, *_ in events] == [count / 8 for count in range(50, 100)]
        for news in read_all(behind):
            at_front.follow(news)
        assert list(at_front.calls[number].events) == list(live.calls[number].events)
        assert at_front.calls[number].count == 100

    run_virtual(main())


def test_the_last_event_of_a_call_is_read_before_its_end_and_what_is_long_over_is_gone():
    async def main():
        live = LiveCalls()
        reader, front = NewsReader(live), LiveCalls()
        for _ in range(watching.MOST_OVER + 2):
            number, tell = live.begin("call-1")
            tell(Event(0.0, "transport", "call_started"))
            for news in read_all(reader):
                front.follow(news)
            tell(Event(1.0, "transport", "call_ended", {"reason": "my card number"}))
            live.end(number)
        (news,) = read_all(reader)
        front.follow(news)
        assert news["gone"] == [2]
        assert {call["is_over"] for call in news["calls"]} == {True}
        assert {call["events"][-1][2] for call in news["calls"]} == {"call_ended"}
        assert front.calls.keys() == live.calls.keys()
        assert reader.read() is None

    run_virtual(main())


def test_a_long_call_that_ends_after_many_short_ones_is_told_of():
    async def main():
        live = LiveCalls()
        long, _ = live.begin("long")
        for _ in range(watching.MOST_OVER):
            live.end(live.begin("short")[0])
        live.end(long)
        assert live.calls[long].is_over
        assert len(live.calls) == watching.MOST_OVER

    run_virtual(main())


def test_a_call_runs_on_its_lines_clock():
    async def main():
        live = LiveCalls()
        _, tell = live.begin("call-1")
        await asyncio.sleep(0.5)  # until Twilio's start
        tell(Event(0.0, "transport", "call_started"))
        await asyncio.sleep(2.0)
        assert NewsReader(live).read()["calls"][0]["now_s"] == pytest.approx(2.0)

    run_virtual(main())


@pytest.mark.parametrize("given", [{}, {"calls": [{"number": 1}], "gone": []}, {"calls": 1}])
def test_what_is_no_news_is_refused(given):
    async def main():
        with pytest.raises(VoxlabError, match="not news of a worker's calls"):
            LiveCalls().follow(given)

    run_virtual(main())


def test_an_answer_that_goes_on_from_the_words_before_a_tool_is_spoken():
    async def main():
        told = []
        events = SessionEvents(told.append)
        wire = {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}
        for name, items in (("filler", [{"type": "function_call"}]), ("answer", [])):
            response = {"id": name, "conversation_id": "conv", "audio": wire, "output": items}
            events.note("response.created", {"response": response})
            sound = {"response_id": name, "delta": "A" * 64_000}
            events.note("response.output_audio.delta", sound)
            events.note("response.done", {"response": {**response, "status": "completed"}})
        await asyncio.sleep(3.0)
        return [event.data["now"] for event in told if event.source == "turn"]

    states = run_virtual(main())
    assert states == ["thinking", "speaking", "thinking", "speaking", "listening"]
