"""The simulated user: says each line at its moment, bears silence for a while, and hangs up."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call, play
from voxlab.agents.playback import Playback
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Speech

START = "0 s after the call starts"


class Puppet:
    """An agent on strings: begins to say each text at its time, and falls silent when told."""

    def __init__(self, *says, cuts=()):
        self.says = says  # (at_s, text, lasts_s)
        self.cuts = cuts

    async def run(self, line):
        playback = Playback(line, *[lambda *_: None] * 3)

        def begin(text, lasts_s):
            speech = playback.open()
            playback.play(speech, Speech(text, lasts_s))
            playback.complete(speech)

        for at_s, text, lasts_s in self.says:
            line.call_at(at_s, begin, text, lasts_s)
        for at_s in self.cuts:
            line.call_at(at_s, playback.stop)
        await asyncio.Event().wait()


def say(at, lasts_s=1.0, **more):
    return {"text": "Hello.", "lasts_s": lasts_s, "at": at, **more}


def script(*lines, **more):
    return parse_script({"lines": list(lines), **more})


def held(agent, *lines, start_s=0.0, **more):
    """Hold the call; return when each line began, the end of the call, and its reason."""

    async def main():
        await asyncio.sleep(start_s)
        return await hold_call(agent, Caller(script(*lines, **more)))

    timeline = run_virtual(main()).timeline
    (end,) = timeline.select("transport", "call_ended")
    begun = [event.at_s for event in timeline.select("caller", "speech_started")]
    return begun, end.at_s, end.data["reason"]


# --- moments -------------------------------------------------------------------------------

AGENT = Puppet((1.0, "Good day to you", 2.0), (4.0, "It comes on Friday", 2.0))


@pytest.mark.parametrize(
    ("at", "begins_s"),
    [
        ("0 s after the call starts", 0.0),
        ("2.5 s after the call starts", 2.5),
        ("0 s after the agent starts to speak", 1.0),
        ("0.5 s after the agent starts to speak", 1.5),
        ("3.5 s after the agent starts to speak", 4.5),
        ("0.5 s after the agent stops", 3.5),
        ("1.25 s after the agent stops", 7.25),  # the gap after its first sentence is shorter
        ('0 s after the agent says "day"', 1.0 + 2.0 * 9 / 16),
        ('0.25 s after the agent says "good DAY"', 1.25 + 2.0 * 9 / 16),
        ('0.25 s after the agent says "on Friday."', 6.25),
    ],
)
def test_a_line_is_said_at_its_moment(at, begins_s):
    assert held(AGENT, say(at))[0] == [begins_s]


def test_a_line_comes_after_the_end_of_another():
    lines = [
        say(START, 1.5, id="a"),
        say("2 s after line a ends", 1.0, id="b"),
        say("5 s after line a ends", 1.0),
        say("1 s after line a ends", 1.0),  # that is past: it follows at once
    ]
    assert held(AGENT, *lines)[0] == [0.0, 3.5, 6.5, 7.5]


def test_the_start_that_a_line_waits_for_is_one_after_the_line_before():
    again = say("0.5 s after the agent starts to speak", 0.25)
    assert held(AGENT, again, again, again)[0][:2] == [1.5, 4.5]
    now = say("0 s after the agent starts to speak", 0.25)
    assert held(AGENT, now, now)[0] == [1.0, 4.0]


def test_the_first_start_counts_even_if_a_gap_follows():
    agent = Puppet((1.0, "Sure.", 0.5), (2.0, "What is the number?", 3.0))
    assert held(agent, say("1.75 s after the agent starts to speak"))[0] == [2.75]


def test_an_agent_that_begins_while_the_caller_speaks_has_begun():
    lines = [say(START, 3.0), say("0.5 s after the agent starts to speak")]
    assert held(AGENT, *lines)[0] == [0.0, 3.0]


def test_a_stop_during_the_callers_own_line_is_not_the_stop_that_he_waits_for():
    agent = Puppet((0.5, "Good day", 5.0), (4.0, "Sorry?", 1.0), cuts=[1.5])
    lines = [say("1 s after the call starts", 2.0), say("0.5 s after the agent stops")]
    assert held(agent, *lines)[0] == [1.0, 5.5]


def test_a_word_counts_only_if_it_is_said_and_after_the_line_before():
    agent = Puppet((0.0, "one two one", 3.0), (5.0, "one more", 2.0), cuts=[2.5])
    lines = [say('0 s after the agent says "one"', 0.5), say('0 s after the agent says "one"')]
    first_s, second_s = held(agent, *lines)[0]
    assert first_s == pytest.approx(3.0 * 4 / 12)
    assert second_s == pytest.approx(5.0 + 2.0 * 4 / 9)  # the cut came before the second "one"


def test_the_moment_moves_if_the_agent_falls_silent_before_the_word():
    agent = Puppet((0.0, "it comes on Friday", 4.0), (4.0, "it comes on Friday", 4.0), cuts=[1.0])
    assert held(agent, say('0.5 s after the agent says "Friday"'))[0] == [8.5]


def test_lines_are_said_in_the_order_of_what_they_wait_for():
    lines = [
        say(START, id="a"),
        say("1 s after line c ends", id="b"),
        say("1 s after line a ends", id="c"),
    ]
    timeline = play(script(*lines), AGENT).timeline
    begun = [(e.at_s, e.data["line"]) for e in timeline.select("caller", "speech_started")]
    assert begun == [(0.0, "a"), (2.0, "c"), (4.0, "b")]


@pytest.mark.parametrize("start_s", [0.1, 7.77, 1000.1, 123456.789])
@pytest.mark.parametrize("at", ["0.3 s after the agent stops", "3.3 s after the call starts"])
def test_a_call_may_begin_at_any_time_of_the_loop(start_s, at):
    # the times are not exact then: what must not happen is that the caller waits for ever
    begun, end_s, reason = held(AGENT, say(at, 0.7), start_s=start_s)
    assert begun == pytest.approx([3.3])
    assert (end_s, reason) == (pytest.approx(7.0), "the caller hung up")


# --- patience ------------------------------------------------------------------------------


def test_who_hears_nothing_gives_up_after_eight_seconds():
    never = say('0 s after the agent says "never"')
    assert held(Puppet(), never) == ([], 8.0, "the caller gave up after 8 s of silence")


def test_the_silence_counts_from_who_spoke_last():
    never = say('0 s after the agent says "never"')
    assert held(AGENT, never)[1] == 14.0  # the agent, until 6.0
    assert held(AGENT, say("10 s after the call starts", 2.0), never)[1] == 20.0


def test_while_the_agent_speaks_nobody_gives_up():
    agent = Puppet((1.0, "And so on", 60.0))
    assert held(agent, say('0 s after the agent says "never"'))[1] == 69.0


def test_a_moment_that_is_known_is_waited_for_however_long():
    assert held(Puppet(), say("60 s after the call starts"), hang_up="30 s after line 1 ends") == (
        [60.0],
        91.0,
        "the caller hung up",
    )


def test_patience_is_given_by_the_script_and_told_when_it_is_over():
    timeline = play(script(say("1 s after the agent stops"), patience_s=2.5), Puppet()).timeline
    (gave_up,) = timeline.select("caller", "gave_up")
    assert (gave_up.at_s, gave_up.data) == (2.5, {"line": "1", "patience_s": 2.5})


def waits(timeline):
    return [dict(event.data) for event in timeline.select("caller", "waited")]


NEVER = '1 s after the agent says "shipped"'


def test_a_line_that_waits_for_a_word_never_said_tells_what_was_said_instead():
    lines = [say(START, 1.0), say(NEVER, id="thanks")]
    timeline = play(script(*lines), Puppet((0.2, "Well.", 0.2), (2.0, "It is sent.", 1.0))).timeline
    assert waits(timeline) == [{"line": "thanks", "moment": NEVER, "said": "it is sent"}]


def test_it_tells_that_also_if_somebody_else_ends_the_call():
    class Leaves(Puppet):
        async def run(self, line):
            async with asyncio.timeout(2.0):
                await super().run(line)

    lines, left_out = [say(NEVER, id="thanks")], {"line": "thanks", "moment": NEVER}
    timeline = play(script(*lines), Leaves((1.0, "I leave in a while", 2.0))).timeline
    assert waits(timeline) == [{**left_out, "said": "i leave"}]
    timeline = play(script(*lines, limit_s=3), AGENT).timeline
    assert waits(timeline) == [{**left_out, "said": "good day to you"}]


def test_who_cannot_hang_up_tells_what_for_and_who_can_does_not():
    lines = [say(START, 1.0)]
    (wait,) = waits(play(script(*lines, hang_up=NEVER), Puppet((2.0, "Sent.", 1.0))).timeline)
    assert (wait["line"], wait["said"]) == ("hang_up", "sent")
    assert waits(play(script(*lines), AGENT).timeline) == []
    assert waits(play(script(say("9 s after the call starts"), limit_s=3), AGENT).timeline) == []


def test_patience_ends_as_the_agent_begins():
    begun, end_s, _ = held(Puppet((8.0, "Hello?", 1.0)), say("0.5 s after the agent stops"))
    assert (begun, end_s) in (([], 8.0), ([9.5], 18.5))  # an exact tie may go either way


# --- hanging up ----------------------------------------------------------------------------


def test_the_caller_hangs_up_at_its_moment_after_the_last_line():
    begun, end_s, reason = held(AGENT, say(START), hang_up="0.5 s after the agent stops")
    assert (begun, end_s, reason) == ([0.0], 3.5, "the caller hung up")


def test_who_cannot_even_hang_up_gives_up():
    timeline = play(script(say(START, 1.0), patience_s=3), Puppet()).timeline
    (gave_up,) = timeline.select("caller", "gave_up")
    assert (gave_up.at_s, gave_up.data["line"]) == (4.0, "hang_up")


def test_the_call_ends_at_its_limit_in_mid_word():
    timeline = play(script(say("3 s after the call starts", 9.0), limit_s=5), AGENT).timeline
    (end,) = timeline.select("transport", "call_ended")
    assert (end.at_s, end.data["reason"]) == (5.0, "the call reached its limit of 5 s")
    assert not timeline.select("caller", "speech_stopped")


def test_a_caller_who_fails_ends_the_call():
    class Broken:
        async def run(self, line):
            await asyncio.sleep(1.5)
            raise RuntimeError("no voice")

    failed, ended = run_virtual(hold_call(AGENT, Broken())).timeline.select("transport")[1:]
    assert (failed.data["who"], failed.data["error"]) == ("caller", "RuntimeError: no voice")
    assert (ended.at_s, ended.data["reason"]) == (1.5, "the caller failed: RuntimeError: no voice")


def test_an_agent_that_leaves_ends_the_call():
    class Short:
        async def run(self, line):
            await asyncio.sleep(0.5)

    call = run_virtual(hold_call(Short(), Caller(script(say("9 s after the call starts")))))
    (end,) = call.timeline.select("transport", "call_ended")
    assert (end.at_s, end.data["reason"]) == (0.5, "the agent left")


# --- sound ---------------------------------------------------------------------------------


def test_a_recording_is_laid_on_the_line_and_its_audible_part_is_noted(tmp_path):
    samples = np.zeros(16_000, np.float32)
    samples[3200:9600] = 0.5
    audio.write(tmp_path / "hello.wav", Audio(samples, 16_000))
    lines = [
        {"say": "hello.wav", "text": "Hello.", "at": "0.5 s after the call starts", "id": "a"},
        {"say": "hello.wav", "at": "0.25 s after line a ends"},
    ]
    call = play(parse_script({"lines": lines, "hang_up": "1 s after line a ends"}, tmp_path), AGENT)
    times = [(e.at_s, e.kind) for e in call.timeline.select("caller")]
    assert times == [
        (pytest.approx(0.7), "speech_started"),
        (pytest.approx(1.1), "speech_stopped"),
        (pytest.approx(1.55), "speech_started"),
        (pytest.approx(1.95), "speech_stopped"),
        (pytest.approx(2.1), "hung_up"),
    ]
    heard = call.user.samples
    np.testing.assert_allclose(heard[8_000:24_000][:12_000], samples[:12_000], atol=1e-4)
    assert call.user.duration_s == pytest.approx(2.105, abs=0.001)


def test_a_silent_recording_is_said_in_no_time(tmp_path):
    audio.write(tmp_path / "hello.wav", audio.silence(1.0, 16_000))
    one = parse_script({"lines": [{"say": "hello.wav", "at": START}]}, tmp_path)
    times = [e.at_s for e in play(one, AGENT).timeline.select("caller")]
    assert times[:2] == [0.0, 0.0]


# --- whatever happens ----------------------------------------------------------------------

QUARTERS = st.integers(0, 20).map(lambda n: n / 4)
MOMENTS = st.builds(
    lambda delay_s, event: f"{delay_s} s after {event}",
    QUARTERS,
    st.sampled_from(
        [
            "the call starts",
            "the agent starts to speak",
            "the agent stops",
            'the agent says "yes"',
            "line 1 ends",
        ]
    ),
)


@pytest.mark.slow
@given(
    st.lists(st.tuples(QUARTERS, st.sampled_from(["yes", "no yes", "no"]), QUARTERS), max_size=5),
    st.lists(MOMENTS, min_size=1, max_size=5),
)
def test_every_call_ends_by_itself_and_its_lines_do_not_overlap(says, moments):
    lines = [say(START), *(say(moment, 0.5) for moment in moments)]
    timeline = play(script(*lines), Puppet(*says)).timeline
    caller = [(e.at_s, e.kind) for e in timeline.select("caller") if e.kind.startswith("speech")]
    assert [kind for _, kind in caller] == ["speech_started", "speech_stopped"] * (len(caller) // 2)
    assert caller == sorted(caller, key=lambda event: event[0])
    (end,) = timeline.select("transport", "call_ended")
    assert end.data["reason"].startswith(("the caller hung up", "the caller gave up"))
    if end.data["reason"] == "the caller hung up":
        assert len(caller) == 2 * len(lines)
