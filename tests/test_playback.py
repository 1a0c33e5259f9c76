"""Playback of the agent's voice: which words sound when, and which have been heard."""

import asyncio

import numpy as np
import pytest
from playback_line import FADE, TICK, TICK_S, mute, on_a_line, speech

from voxlab.agents.line import RATE_HZ
from voxlab.audio import Audio
from voxlab.providers.protocols import Speech, Word


def times(events, kind, source="agent"):
    return [event.at_s for event in events if (event.source, event.kind) == (source, kind)]


def sentences(events):
    return [(event.at_s, event.data["text"]) for event in events if event.kind == "sentence"]


# --- one piece after the other --------------------------------------------------------------


def test_pieces_follow_each_other_without_a_gap():
    async def act(mouth, line):
        mouth.play(mute("One.", 1.0))
        mouth.play(mute("Two.", 0.5))
        await asyncio.sleep(1.25)
        mouth.play(mute("Three.", 0.25))
        await asyncio.sleep(5)
        return mouth.playback.idle, mouth.take_heard(), mouth.take_heard()

    result, events, _ = on_a_line(act)
    assert result == (True, "One. Two. Three.", "")
    assert sentences(events) == [(0.0, "One."), (1.0, "Two."), (1.5, "Three.")]
    assert times(events, "speech_started") == [0.0]
    assert times(events, "speech_stopped") == [1.75]
    assert times(events, "started", "turn") == [0.0]
    assert times(events, "drained", "turn") == [1.75]


def test_sentences_that_are_there_in_time_are_a_breath_apart_and_the_agent_stays_audible():
    async def act(mouth, line):
        mouth.play(mute("One.", 1.0), more=True)
        mouth.play(mute("", 0.5))  # the rest of the same sentence
        mouth.play(mute("Two.", 0.5))
        await asyncio.sleep(1.625)  # in the breath
        mouth.pause()
        mouth.resume()
        await asyncio.sleep(5)

    _, events, _ = on_a_line(act, pause_s=0.25)
    assert sentences(events) == [(0.0, "One."), (1.625, "Two.")]

    async def undisturbed(mouth, line):
        for text in ("One.", "Two.", "Three."):
            mouth.play(mute(text, 0.5))
        await asyncio.sleep(5)

    _, events, _ = on_a_line(undisturbed, pause_s=0.25)
    assert sentences(events) == [(0.0, "One."), (0.75, "Two."), (1.5, "Three.")]
    assert times(events, "speech_started") == [0.0]
    assert times(events, "speech_stopped") == [2.0]


def test_a_late_piece_makes_the_agent_audible_anew():
    async def act(mouth, line):
        mouth.play(mute("One.", 1.0))
        await asyncio.sleep(2)
        mouth.play(mute("Two.", 1.0))
        await asyncio.sleep(2)

    _, events, _ = on_a_line(act)
    assert times(events, "speech_started") == times(events, "started", "turn") == [0.0, 2.0]
    assert times(events, "speech_stopped") == times(events, "drained", "turn") == [1.0, 3.0]


def test_the_caller_can_read_when_each_word_sounds():
    async def act(mouth, line):
        mouth.play(speech("Good morning.", 2, 6))
        mouth.play(mute("abc d", 1.5))
        await asyncio.sleep(3)

    _, events, _ = on_a_line(act)
    timed, estimated = [event.data["words"] for event in events if event.kind == "sentence"]
    assert timed == [["Good", 0.0, 2 * TICK_S], ["morning.", 2 * TICK_S, 8 * TICK_S]]
    assert estimated == [["abc", 0.0, 1.0], ["d", 1.0, 1.5]]  # 4 and 2 characters with spaces


def test_a_piece_without_duration_is_said_at_once():
    async def act(mouth, line):
        mouth.play(mute("One.", 1.0))
        mouth.play(mute("(silence)", 0.0))
        mouth.play(mute("Two.", 1.0))
        await asyncio.sleep(0.5)
        mouth.pause()
        mouth.resume()
        await asyncio.sleep(3)
        mouth.play(mute("(alone)", 0.0))
        await asyncio.sleep(1)
        return mouth.take_heard()

    result, events, _ = on_a_line(act)
    assert result == "One. (silence) Two. (alone)"
    assert len(times(events, "speech_started")) == len(times(events, "speech_stopped")) == 3


# --- interrupted ----------------------------------------------------------------------------


def test_a_pause_cuts_at_the_sample_and_resumes_at_the_word():
    async def act(mouth, line):
        mouth.play(speech("one two three", 4, 4, 4))
        await asyncio.sleep(6 * TICK_S)
        mouth.pause()
        unheard = mouth.playback.unheard
        await asyncio.sleep(10 * TICK_S)
        mouth.resume()
        await asyncio.sleep(1)
        return unheard, mouth.take_heard()

    result, events, samples = on_a_line(act)
    assert result == ("two three", "one two three")
    assert sentences(events) == [(0.0, "one two three"), (16 * TICK_S, "two three")]
    assert times(events, "speech_stopped") == [6 * TICK_S, 24 * TICK_S]
    np.testing.assert_array_equal(samples[: 6 * TICK], 0.5)
    np.testing.assert_allclose(samples[6 * TICK :][:FADE], np.linspace(0.5, 0, FADE), atol=1e-6)
    np.testing.assert_array_equal(samples[6 * TICK + FADE : 16 * TICK], 0)
    np.testing.assert_array_equal(samples[16 * TICK : 24 * TICK], 0.5)
    assert not samples[24 * TICK :].any()


@pytest.mark.parametrize(
    ("at_tick", "heard", "unheard"),
    [
        (0, "", "one two three"),
        (3, "", "one two three"),
        (4, "one", "two three"),  # exactly at a word's end it has been heard
        (11, "one two", "three"),
        (12, "one two three", ""),
    ],
)
def test_a_word_is_heard_when_it_has_sounded_to_its_end(at_tick, heard, unheard):
    async def act(mouth, line):
        mouth.play(speech("one two", 4, 4))
        mouth.play(speech("three", 4))
        await asyncio.sleep(at_tick * TICK_S)
        return mouth.clear()

    assert on_a_line(act)[0] == (heard, unheard)


def test_what_comes_while_paused_waits_its_turn():
    async def act(mouth, line):
        mouth.play(mute("one two", 2.0))
        await asyncio.sleep(1.5)
        mouth.pause()
        mouth.play(mute("three", 1.0))
        mouth.pause()
        idle = mouth.playback.idle
        await asyncio.sleep(10)
        mouth.resume()
        await asyncio.sleep(10)
        return idle, mouth.take_heard()

    result, events, _ = on_a_line(act)
    assert result == (False, "one two three")
    assert sentences(events) == [(0.0, "one two"), (11.5, "two"), (12.5, "three")]


def test_resuming_with_nothing_left_tells_that_all_is_played():
    async def act(mouth, line):
        mouth.pause()
        await asyncio.sleep(1)
        mouth.resume()
        mouth.play(mute("More.", 1.0))
        mouth.resume()  # it was not paused: nothing happens
        await asyncio.sleep(0.5)

    _, events, _ = on_a_line(act)
    assert times(events, "drained", "turn") == [1.0]


def test_after_clearing_everything_can_be_played_again():
    async def act(mouth, line):
        mouth.play(mute("Forget this.", 1.0))
        mouth.pause()
        mouth.clear()
        mouth.play(mute("Say this.", 1.0))
        await asyncio.sleep(2)
        return mouth.clear()

    result, events, _ = on_a_line(act)
    assert result == ("Say this.", "")
    assert times(events, "speech_stopped") == [0.0, 1.0]


# --- pieces that continue the one before ----------------------------------------------------


def test_a_continuation_is_part_of_the_piece_before():
    async def act(mouth, line):
        mouth.play(Speech("one two", TICK_S, speech("x", 1, value=0.25).audio), more=True)
        mouth.play(Speech("", 3 * TICK_S, speech("x", 3, value=0.5).audio), more=True)
        await asyncio.sleep(3 * TICK_S)
        mouth.play(Speech("", 4 * TICK_S, speech("x", 4, value=0.75).audio))
        await asyncio.sleep(2 * TICK_S)
        return mouth.clear()

    result, events, samples = on_a_line(act)
    assert result == ("one", "two")  # five ticks of eight: half of the text is over
    assert len(sentences(events)) == 1
    expected = np.repeat([0.25, 0.5, 0.75], [TICK, 3 * TICK, TICK])
    np.testing.assert_array_equal(samples[: 5 * TICK], expected)
    assert times(events, "speech_stopped") == [5 * TICK_S]


def test_a_continuation_of_a_piece_that_has_not_begun_only_makes_it_longer():
    async def act(mouth, line):
        mouth.play(mute("one", 1.0))
        mouth.play(mute("two", 1.0), more=True)
        mouth.play(mute("", 0.5))
        mouth.play(mute("three", 1.0))
        await asyncio.sleep(5)
        return mouth.take_heard()

    result, events, _ = on_a_line(act)
    assert result == "one two three"
    assert sentences(events) == [(0.0, "one"), (1.0, "two"), (2.5, "three")]
    assert times(events, "speech_stopped") == [3.5]


def test_a_word_whose_sound_comes_in_two_pieces_is_torn_by_a_cut_in_either_and_said_again():
    tone = Audio(np.linspace(0.1, 0.9, 10 * TICK, dtype=np.float32), RATE_HZ)

    async def act(mouth, line):
        mouth.play(Speech("one", 2 * TICK_S, tone.between(0, 2 * TICK_S)), more=True)
        await asyncio.sleep(4 * TICK_S)
        mouth.play(Speech("", 8 * TICK_S, tone.between(2 * TICK_S, 1)))
        await asyncio.sleep(3 * TICK_S)
        mouth.pause()
        await asyncio.sleep(TICK_S)
        mouth.resume()
        await asyncio.sleep(1)
        return mouth.clear()

    result, events, samples = on_a_line(act)
    assert result == ("one", "")
    np.testing.assert_array_equal(samples[: 2 * TICK], tone.samples[: 2 * TICK])
    np.testing.assert_array_equal(samples[4 * TICK : 7 * TICK], tone.samples[2 * TICK : 5 * TICK])
    np.testing.assert_array_equal(samples[8 * TICK : 18 * TICK], tone.samples)
    assert times(events, "speech_stopped") == [2 * TICK_S, 7 * TICK_S, 18 * TICK_S]


def test_what_sounds_after_the_last_word_is_not_taken_up_again():
    async def act(mouth, line):
        mouth.play(Speech("one", 8 * TICK_S, words=(Word("one", 0.0, 2 * TICK_S),)))
        await asyncio.sleep(4 * TICK_S)
        mouth.pause()
        idle = mouth.playback.idle
        mouth.resume()
        await asyncio.sleep(1)
        return idle, mouth.take_heard()

    result, events, _ = on_a_line(act)
    assert result == (True, "one")
    assert times(events, "speech_stopped") == [4 * TICK_S]


def test_a_continuation_that_comes_while_paused_belongs_to_the_rest():
    async def act(mouth, line):
        mouth.play(mute("one two", 2.0), more=True)
        mouth.play(mute("", 2.0), more=True)
        await asyncio.sleep(2.5)
        mouth.pause()
        mouth.play(mute("", 1.0), more=True)
        mouth.resume()
        await asyncio.sleep(2.25)
        return mouth.clear()

    result, events, _ = on_a_line(act)
    assert result == ("one", "two")
    assert sentences(events) == [(0.0, "one two"), (2.5, "two")]  # half of the 5.0 s


# --- on hold --------------------------------------------------------------------------------


def hold(line, is_over=False):
    line.record("transport", "resumed" if is_over else "held")


def test_on_hold_nothing_is_said_and_afterwards_the_agent_goes_on_from_the_word_that_was_cut():
    async def act(mouth, line):
        mouth.play(speech("One two three.", 32, 32, 32))
        await asyncio.sleep(0.75)  # within "two"
        hold(line)
        await asyncio.sleep(0.25)
        mouth.play(mute("Four.", 0.5))  # made meanwhile
        await asyncio.sleep(1.0)
        heard = mouth.playback.heard
        hold(line, is_over=True)
        await asyncio.sleep(5)
        return heard, mouth.take_heard()

    result, events, sound = on_a_line(act)
    assert result == ("One", "One two three. Four.")
    assert times(events, "speech_started") == [0.0, 2.0]
    assert times(events, "speech_stopped") == [0.75, 3.5]  # one more second, and "Four."
    assert not sound[round(0.75 * RATE_HZ) + FADE : 2 * RATE_HZ].any()


@pytest.mark.parametrize("held_first", [True, False])
@pytest.mark.parametrize("over_first", [True, False])
def test_an_agent_that_is_interrupted_and_on_hold_speaks_once_both_are_over(held_first, over_first):
    async def act(mouth, line):
        begins, ends = [mouth.pause, lambda: hold(line)], [mouth.resume, lambda: hold(line, True)]
        mouth.play(speech("One two three.", 32, 32, 32))
        for change in (*begins[:: -1 if held_first else 1], *ends[:: -1 if over_first else 1]):
            await asyncio.sleep(0.25)
            change()
        await asyncio.sleep(5)
        return mouth.take_heard()

    heard, events, _ = on_a_line(act)
    assert heard == "One two three."
    assert times(events, "speech_started") == [0.0, 1.0]


def test_a_new_reply_waits_for_the_end_of_the_hold_too():
    async def act(mouth, line):
        mouth.play(mute("One.", 1.0))
        hold(line)
        mouth.clear()
        mouth.play(mute("Two.", 0.5))
        await asyncio.sleep(3)
        hold(line, is_over=True)
        await asyncio.sleep(3)
        return mouth.take_heard()

    heard, events, _ = on_a_line(act)
    assert heard == "Two."
    assert sentences(events)[-1] == (3.0, "Two.")
