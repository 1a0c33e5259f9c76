"""The line: what sounds when, what is noted, and how it ends."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.agents.line import RATE_HZ, Line, Track
from voxlab.audio import Audio
from voxlab.clock import run_virtual

FADE = RATE_HZ // 200


def on_a_line(act, start_s=0.0, **options):
    """Run `await act(line)` in virtual time on a line that opens at start_s of the loop."""

    async def main():
        await asyncio.sleep(start_s)
        return await act(Line(**options))

    return run_virtual(main())


def tone(count, value=1.0):
    return Audio(np.full(count, value, np.float32), RATE_HZ)


# --- tracks --------------------------------------------------------------------------------

PIECES = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 300), st.sampled_from([0.25, -0.5, 0.125]))
)


@pytest.mark.slow
@given(PIECES)
def test_a_track_is_the_sum_of_its_pieces(pieces):
    track, expected = Track(100), np.zeros(2400, np.float32)
    for start, count, value in pieces:
        track.lay(start / 100, Audio(np.full(count, value, np.float32), 100))
        expected[start : start + count] += np.float32(value)
    assert track.end == max([0, *(start + count for start, count, _ in pieces)])
    np.testing.assert_array_equal(track.between(0, 2400), expected)
    np.testing.assert_array_equal(track.between(777, 901), expected[777:901])


@pytest.mark.slow
@given(PIECES, st.integers(0, 2380), PIECES)
def test_after_a_cut_only_the_fade_is_left_and_what_is_laid_later(before, cut, after):
    track, later = Track(4000), Track(4000)
    for start, count, value in before:
        track.lay(start / 4000, Audio(np.full(count, value, np.float32), 4000))
    uncut, end = track.between(0, 2400), track.end
    track.cut(cut / 4000)
    assert track.end == min(end, cut + 20)
    np.testing.assert_array_equal(track.between(0, cut), uncut[:cut])
    assert np.all(np.abs(track.between(cut, 2400)) <= np.abs(uncut[cut:]))
    np.testing.assert_array_equal(track.between(cut + 20, 2400), 0)
    kept = track.between(0, 2400)
    for start, count, value in after:
        for each in (track, later):
            each.lay(start / 4000, Audio(np.full(count, value, np.float32), 4000))
    np.testing.assert_allclose(track.between(0, 2400), kept + later.between(0, 2400), atol=1e-6)


def test_a_cut_fades_for_five_milliseconds():
    track = Track(RATE_HZ)
    track.lay(0.0, tone(1600))
    track.cut(0.05)
    expected = [*np.ones(800), *np.linspace(1, 0, FADE), *np.zeros(1600 - 800 - FADE)]
    np.testing.assert_allclose(track.between(0, 1600), expected, atol=1e-6)


def test_a_track_grows_past_its_first_minute():
    track = Track(100)
    track.lay(59.5, Audio(np.ones(100, np.float32), 100))
    track.lay(500.0, Audio(np.ones(1, np.float32), 100))
    assert track.between(0, 60_000).sum() == 101
    assert (track.end, track.between(90_000, 90_010).tolist()) == (50_001, [0.0] * 10)


@pytest.mark.slow  # loads torch
def test_sound_of_another_rate_is_resampled():
    track = Track(RATE_HZ)
    track.lay(1.0, Audio(np.full(24_000, 0.5, np.float32), 24_000))
    assert track.end == 2 * RATE_HZ
    np.testing.assert_allclose(track.between(20_000, 28_000), 0.5, atol=0.01)


# --- frames --------------------------------------------------------------------------------


@pytest.mark.parametrize("lag_s", [0.0, 0.125])
def test_each_frame_comes_when_its_last_sample_has_sounded(lag_s):
    async def act(line):
        line.user.lay(0.0, Audio(np.arange(1600, dtype=np.float32) / 1600, RATE_HZ))
        seen = []
        async for frame in line.frames(512):
            seen.append((line.now_s, frame))
            if len(seen) == 5:
                line.hang_up("enough")
        return seen

    seen = on_a_line(act, lag_s=lag_s)
    assert [at_s for at_s, _ in seen] == [(n + 1) * 512 / RATE_HZ + lag_s for n in range(5)]
    heard = np.concatenate([frame for _, frame in seen])
    np.testing.assert_array_equal(heard[:1600], np.arange(1600, dtype=np.float32) / 1600)
    np.testing.assert_array_equal(heard[1600:], 0)


def test_the_background_is_looped_under_the_user_only():
    async def act(line):
        line.user.lay(0.0, tone(4, 0.5))
        return line.heard(0, 8), line.heard(5, 10), line.agent.between(0, 8)

    background = Audio(np.array([0.1, 0.2, 0.3], np.float32), RATE_HZ)
    heard, later, agent = on_a_line(act, background=background)
    np.testing.assert_allclose(heard, [0.6, 0.7, 0.8, 0.6, 0.2, 0.3, 0.1, 0.2], atol=1e-6)
    np.testing.assert_allclose(later, [0.3, 0.1, 0.2, 0.3, 0.1], atol=1e-6)
    assert not agent.any()


# --- time ----------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.floats(0, 1e4), st.floats(0, 1e3))
def test_a_time_that_was_waited_for_is_reached_wherever_the_call_begins(start_s, at_s):
    async def act(line):
        before = line.reached(at_s)
        await line.wait_until(at_s)
        await asyncio.sleep(2e-9)  # the loop's clock may ring a nanosecond early
        return before, line.reached(at_s)

    assert on_a_line(act, start_s) in ((False, True), (True, True))


def test_a_time_that_is_past_is_not_waited_for():
    async def act(line):
        await asyncio.sleep(2.0)
        await line.wait_until(1.5)
        return line.now_s

    assert on_a_line(act, 10.0) == 2.0


def test_a_callback_comes_at_its_time_and_can_be_cancelled():
    async def act(line):
        seen = []
        line.call_at(1.5, lambda *what: seen.append((line.now_s, *what)), "a", 1)
        line.call_at(1.0, seen.append, "never").cancel()
        await asyncio.sleep(3)
        return seen

    assert on_a_line(act, 8.0) == [(1.5, "a", 1)]


# --- events --------------------------------------------------------------------------------


def test_events_are_noted_with_the_time_since_the_call_began_and_told_until_unsubscribed():
    async def act(line):
        told = []
        end = line.subscribe(told.append)
        await asyncio.sleep(0.5)
        line.record("agent", "sentence", text="Hello")
        end()
        line.record("agent", "speech_stopped")
        return told, [(e.at_s, e.source, e.kind, e.data) for e in line.timeline]

    told, noted = on_a_line(act, 3.0)
    assert [event.kind for event in told] == ["sentence"]
    assert noted == [
        (0.5, "agent", "sentence", {"text": "Hello"}),
        (0.5, "agent", "speech_stopped", {}),
    ]


def test_the_call_ends_once_with_its_first_reason_and_both_voices_fall_silent():
    async def act(line):
        line.user.lay(0.0, tone(RATE_HZ))
        line.agent.lay(0.0, tone(RATE_HZ))
        await asyncio.sleep(0.25)
        line.hang_up("first")
        line.hang_up("second")
        return line.call()

    call = on_a_line(act)
    assert [event.data for event in call.timeline] == [{"reason": "first"}]
    for voice in (call.user, call.agent):
        assert voice.samples.size == RATE_HZ // 4 + FADE
        assert voice.samples[: RATE_HZ // 4].sum() == RATE_HZ // 4


def test_a_call_without_sound_has_none():
    async def act(line):
        line.record("transport", "call_started")
        return line.call()

    call = on_a_line(act)
    assert (call.user, call.agent, len(call.timeline)) == (None, None, 1)


def test_a_call_in_which_nobody_spoke_has_the_sound_of_its_background():
    async def act(line):
        await line.wait_until(0.5)
        line.hang_up("enough")
        return line.call()

    call = on_a_line(act, background=tone(4))
    assert call.user == tone(RATE_HZ // 2)
    assert call.agent == tone(RATE_HZ // 2, 0.0)


def test_the_recording_lasts_until_the_last_event():
    async def act(line):
        line.agent.lay(0.0, tone(100))
        await asyncio.sleep(2)
        line.record("transport", "call_ended")
        return line.call()

    call = on_a_line(act)
    assert (call.user.duration_s, call.agent.duration_s) == (2.0, 2.0)


def test_a_callback_that_fails_ends_the_call_and_says_why():
    def break_down():
        raise ExceptionGroup("two", [KeyError("answer"), ValueError()])

    async def act(line):
        line.call_at(1.0, break_down)
        await line.closed.wait()
        return list(line.timeline)

    failed, ended = on_a_line(act)
    assert (failed.at_s, failed.kind, failed.data["who"]) == (1.0, "failed", "agent")
    assert failed.data["error"] == "KeyError: 'answer'"
    assert ended.data["reason"] == "the agent failed: KeyError: 'answer'"


def test_the_call_ends_even_if_a_listener_fails():
    async def act(line):
        def listener(event):
            raise BrokenPipeError("nobody reads")

        line.subscribe(listener)
        with pytest.raises(BrokenPipeError):
            line.fail("agent", ValueError("bug"))
        return line.closed.is_set(), [event.kind for event in line.timeline]

    assert on_a_line(act) == (True, ["failed", "call_ended"])
