"""The agent's mouth: which words sound when, and which have been heard."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.pipeline.playout import Playout, joined, split, words_of
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.providers.protocols import Speech, Word

TICK_S = 1 / 64  # a power of two: every time in these tests is exact
TICK = RATE_HZ // 64  # samples
FADE = RATE_HZ // 200


def speech(text, *ticks, value=0.5):
    """Speech whose words last the given numbers of ticks, a constant as its sound."""
    ends = np.cumsum(ticks) * TICK_S
    words = [
        Word(word, float(end - count * TICK_S), float(end))
        for word, end, count in zip(text.split(), ends, ticks, strict=True)
    ]
    audio = Audio(np.full(sum(ticks) * TICK, value, np.float32), RATE_HZ)
    return Speech(text, sum(ticks) * TICK_S, audio, tuple(words))


def mute(text, duration_s):
    return Speech(text, duration_s)


def on_a_playout(act, pause_s=0.0):
    """Run `await act(playout, line)`; return its result, the events and the agent's samples."""

    async def main():
        line = Line()
        playout = Playout(
            line,
            lambda: line.record("turn", "started"),
            lambda: line.record("turn", "drained"),
            pause_s,
        )
        result = await act(playout, line)
        return result, list(line.timeline), line.agent.between(0, 5 * RATE_HZ)

    return run_virtual(main())


def times(events, kind, source="agent"):
    return [event.at_s for event in events if (event.source, event.kind) == (source, kind)]


def sentences(events):
    return [(event.at_s, event.data["text"]) for event in events if event.kind == "sentence"]


# --- one piece after the other -------------------------------------------------------------


def test_pieces_follow_each_other_without_a_gap():
    async def act(playout, line):
        playout.play(mute("One.", 1.0))
        playout.play(mute("Two.", 0.5))
        await asyncio.sleep(1.25)
        playout.play(mute("Three.", 0.25))
        await asyncio.sleep(5)
        return playout.idle, playout.take_heard(), playout.take_heard()

    result, events, _ = on_a_playout(act)
    assert result == (True, "One. Two. Three.", "")
    assert sentences(events) == [(0.0, "One."), (1.0, "Two."), (1.5, "Three.")]
    assert times(events, "speech_started") == [0.0]
    assert times(events, "speech_stopped") == [1.75]
    assert times(events, "started", "turn") == [0.0]
    assert times(events, "drained", "turn") == [1.75]


def test_sentences_that_are_there_in_time_are_a_breath_apart_and_the_agent_stays_audible():
    async def act(playout, line):
        playout.play(mute("One.", 1.0))
        playout.play(mute("", 0.5))  # the rest of the same sentence
        playout.play(mute("Two.", 0.5))
        await asyncio.sleep(1.625)  # in the breath
        playout.pause()
        playout.resume()
        await asyncio.sleep(5)

    _, events, _ = on_a_playout(act, pause_s=0.25)
    assert sentences(events) == [(0.0, "One."), (1.625, "Two.")]

    async def undisturbed(playout, line):
        for text in ("One.", "Two.", "Three."):
            playout.play(mute(text, 0.5))
        await asyncio.sleep(5)

    _, events, _ = on_a_playout(undisturbed, pause_s=0.25)
    assert sentences(events) == [(0.0, "One."), (0.75, "Two."), (1.5, "Three.")]
    assert times(events, "speech_started") == [0.0]
    assert times(events, "speech_stopped") == [2.0]


def test_a_late_piece_makes_the_agent_audible_anew():
    async def act(playout, line):
        playout.play(mute("One.", 1.0))
        await asyncio.sleep(2)
        playout.play(mute("Two.", 1.0))
        await asyncio.sleep(2)

    _, events, _ = on_a_playout(act)
    assert times(events, "speech_started") == times(events, "started", "turn") == [0.0, 2.0]
    assert times(events, "speech_stopped") == times(events, "drained", "turn") == [1.0, 3.0]


def test_the_caller_can_read_when_each_word_sounds():
    async def act(playout, line):
        playout.play(speech("Good morning.", 2, 6))
        playout.play(mute("abc d", 1.5))
        await asyncio.sleep(3)

    _, events, _ = on_a_playout(act)
    timed, estimated = [event.data["words"] for event in events if event.kind == "sentence"]
    assert timed == [["Good", 0.0, 2 * TICK_S], ["morning.", 2 * TICK_S, 8 * TICK_S]]
    assert estimated == [["abc", 0.0, 1.0], ["d", 1.0, 1.5]]  # 4 and 2 characters with spaces


def test_a_piece_without_duration_is_said_at_once():
    async def act(playout, line):
        playout.play(mute("One.", 1.0))
        playout.play(mute("(silence)", 0.0))
        playout.play(mute("Two.", 1.0))
        await asyncio.sleep(0.5)
        playout.pause()
        playout.resume()
        await asyncio.sleep(3)
        playout.play(mute("(alone)", 0.0))
        await asyncio.sleep(1)
        return playout.take_heard()

    result, events, _ = on_a_playout(act)
    assert result == "One. (silence) Two. (alone)"
    assert len(times(events, "speech_started")) == len(times(events, "speech_stopped")) == 3


# --- interrupted ---------------------------------------------------------------------------


def test_a_pause_cuts_at_the_sample_and_resumes_at_the_word():
    async def act(playout, line):
        playout.play(speech("one two three", 4, 4, 4))
        await asyncio.sleep(6 * TICK_S)
        playout.pause()
        heard = playout.take_heard()
        await asyncio.sleep(10 * TICK_S)
        playout.resume()
        await asyncio.sleep(1)
        return heard, playout.take_heard()

    result, events, samples = on_a_playout(act)
    assert result == ("one", "two three")
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
    async def act(playout, line):
        playout.play(speech("one two", 4, 4))
        playout.play(speech("three", 4))
        await asyncio.sleep(at_tick * TICK_S)
        return playout.clear()

    assert on_a_playout(act)[0] == (heard, unheard)


def test_what_comes_while_paused_waits_its_turn():
    async def act(playout, line):
        playout.play(mute("one two", 2.0))
        await asyncio.sleep(1.5)
        playout.pause()
        playout.play(mute("three", 1.0))
        playout.pause()
        idle = playout.idle
        await asyncio.sleep(10)
        playout.resume()
        await asyncio.sleep(10)
        return idle, playout.take_heard()

    result, events, _ = on_a_playout(act)
    assert result == (False, "one two three")
    assert sentences(events) == [(0.0, "one two"), (11.5, "two"), (12.5, "three")]


def test_resuming_with_nothing_left_tells_that_all_is_played():
    async def act(playout, line):
        playout.pause()
        await asyncio.sleep(1)
        playout.resume()
        playout.play(mute("More.", 1.0))
        playout.resume()  # it was not paused: nothing happens
        await asyncio.sleep(0.5)

    _, events, _ = on_a_playout(act)
    assert times(events, "drained", "turn") == [1.0]


def test_after_clearing_everything_can_be_played_again():
    async def act(playout, line):
        playout.play(mute("Forget this.", 1.0))
        playout.pause()
        playout.clear()
        playout.play(mute("Say this.", 1.0))
        await asyncio.sleep(2)
        return playout.clear()

    result, events, _ = on_a_playout(act)
    assert result == ("Say this.", "")
    assert times(events, "speech_stopped") == [0.0, 1.0]


# --- pieces that continue the one before ---------------------------------------------------


def test_a_continuation_is_part_of_the_piece_before():
    async def act(playout, line):
        playout.play(Speech("one two", TICK_S, speech("x", 1, value=0.25).audio))
        playout.play(Speech("", 3 * TICK_S, speech("x", 3, value=0.5).audio))
        await asyncio.sleep(3 * TICK_S)
        playout.play(Speech("", 4 * TICK_S, speech("x", 4, value=0.75).audio))
        await asyncio.sleep(2 * TICK_S)
        return playout.clear()

    result, events, samples = on_a_playout(act)
    assert result == ("one", "two")  # five ticks of eight: half of the text is over
    assert len(sentences(events)) == 1
    expected = np.repeat([0.25, 0.5, 0.75], [TICK, 3 * TICK, TICK])
    np.testing.assert_array_equal(samples[: 5 * TICK], expected)
    assert times(events, "speech_stopped") == [5 * TICK_S]


def test_a_continuation_of_a_piece_that_has_not_begun_only_makes_it_longer():
    async def act(playout, line):
        playout.play(mute("one", 1.0))
        playout.play(mute("two", 1.0))
        playout.play(mute("", 0.5))
        playout.play(mute("three", 1.0))
        await asyncio.sleep(5)
        return playout.take_heard()

    result, events, _ = on_a_playout(act)
    assert result == "one two three"
    assert sentences(events) == [(0.0, "one"), (1.0, "two"), (2.5, "three")]
    assert times(events, "speech_stopped") == [3.5]


def test_a_continuation_that_comes_late_is_played_alone_and_cut_where_it_is():
    tone = Audio(np.linspace(0.1, 0.9, 8 * TICK, dtype=np.float32), RATE_HZ)

    async def act(playout, line):
        playout.play(speech("one", 2))
        await asyncio.sleep(4 * TICK_S)
        playout.play(Speech("", 8 * TICK_S, tone))
        await asyncio.sleep(3 * TICK_S)
        playout.pause()
        await asyncio.sleep(TICK_S)
        playout.resume()
        await asyncio.sleep(1)
        return playout.clear()

    result, events, samples = on_a_playout(act)
    assert result == ("one", "")
    np.testing.assert_array_equal(samples[4 * TICK : 7 * TICK], tone.samples[: 3 * TICK])
    np.testing.assert_array_equal(samples[8 * TICK : 13 * TICK], tone.samples[3 * TICK :])
    assert times(events, "speech_stopped") == [2 * TICK_S, 7 * TICK_S, 13 * TICK_S]


def test_a_continuation_that_comes_while_paused_belongs_to_the_rest():
    async def act(playout, line):
        playout.play(mute("one two", 2.0))
        playout.play(mute("", 2.0))
        await asyncio.sleep(2.5)
        playout.pause()
        playout.play(mute("", 1.0))
        playout.resume()
        await asyncio.sleep(2.75)
        return playout.clear()

    result, events, _ = on_a_playout(act)
    assert result == ("one", "two")
    assert sentences(events) == [(0.0, "one two"), (2.5, "two")]  # it has 2.0 + 1.0 s now


# --- whatever happens ----------------------------------------------------------------------

PLAY = st.tuples(st.just("play"), st.lists(st.integers(1, 6), min_size=1, max_size=4))
OPERATIONS = st.lists(
    st.tuples(
        st.integers(0, 9),
        PLAY | st.sampled_from([("pause",), ("resume",), ("clear",)]),
    ),
    max_size=14,
)


class Model:
    """The same mouth as simple as can be: it says its words tick by tick."""

    def __init__(self):
        self.words = []  # [name, ticks in all, ticks left]
        self.paused = False
        self.heard = []
        self.samples = []

    def tick(self):
        if self.paused or not self.words:
            self.samples.append(0.0)
            return
        name, _, _ = word = self.words[0]
        word[2] -= 1
        self.samples.append(value_of(name))
        if not word[2]:
            self.words.pop(0)
            self.heard.append(name)

    def play(self, names, ticks):
        self.words += [[name, count, count] for name, count in zip(names, ticks, strict=True)]

    def pause(self):
        self.paused = True
        if self.words:
            self.words[0][2] = self.words[0][1]

    def clear(self):
        heard, unheard = " ".join(self.heard), " ".join(name for name, _, _ in self.words)
        self.words, self.heard, self.paused = [], [], False
        return heard, unheard


def value_of(name):
    return np.float32(int(name[1:]) / 128)


def spoken(names, ticks):
    made = speech(" ".join(names), *ticks)
    values = np.repeat([value_of(name) for name in names], [count * TICK for count in ticks])
    return Speech(made.text, made.duration_s, Audio(values, RATE_HZ), made.words)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(OPERATIONS)
def test_any_sequence_sounds_and_is_heard_as_in_the_tick_by_tick_model(operations):
    model, counted = Model(), iter(range(1, 128))
    expected, cuts = [], []

    async def act(playout, line):
        results = []
        for wait, (name, *arguments) in [*operations, (40, ("clear",))]:
            await asyncio.sleep(wait * TICK_S)
            for _ in range(wait):
                model.tick()
            if name == "play":
                words = [f"w{next(counted):03d}" for _ in arguments[0]]
                playout.play(spoken(words, arguments[0]))
                model.play(words, arguments[0])
            elif name == "resume":
                playout.resume()
                model.paused = False
            else:
                cuts.append(len(model.samples) * TICK)
                result = getattr(playout, name)()
                expected.append(getattr(model, name)())
                results.append(result)
        return results

    results, events, samples = on_a_playout(act)
    assert results == expected
    wanted = np.repeat(np.array(model.samples, np.float32), TICK)
    fading = np.zeros(samples.size, bool)
    for cut in cuts:
        fading[cut : cut + FADE] = True
    checked = ~fading[: wanted.size]
    np.testing.assert_array_equal(samples[: wanted.size][checked], wanted[checked])
    assert not samples[wanted.size :][~fading[wanted.size :]].any()
    assert_alternating(events)


def assert_alternating(events):
    kinds = [event.kind for event in events if event.kind.startswith("speech_")]
    assert kinds == ["speech_started", "speech_stopped"] * (len(kinds) // 2)


CONTINUED = st.tuples(st.just("continue"), st.lists(st.integers(1, 6), min_size=1, max_size=1))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            PLAY | CONTINUED | st.sampled_from([("pause",), ("resume",), ("clear",)]),
        ),
        max_size=14,
    )
)
def test_with_continuations_no_word_is_lost_doubled_or_out_of_order(operations):
    async def act(playout, line):
        texts, told, counted, silent_until = [], [], iter(range(1000)), []
        paused_s = None
        for wait, (name, *arguments) in [*operations, (0, ("resume",)), (200, ("clear",))]:
            await asyncio.sleep(wait * TICK_S)
            if name == "play":
                words = [f"w{next(counted):03d}" for _ in arguments[0]]
                texts += words
                playout.play(mute(" ".join(words), sum(arguments[0]) * TICK_S))
            elif name == "continue":
                playout.play(mute("", arguments[0][0] * TICK_S))
            elif name == "clear":
                heard, unheard = playout.clear()
                told += [*heard.split(), *unheard.split()]
                assert told == texts
            else:
                getattr(playout, name)()
            if paused_s is not None:
                silent_until.append((paused_s, line.now_s))
            paused_s = line.now_s if playout._paused else None
        assert playout.idle
        return unheard, silent_until

    (unheard, silences), events, _ = on_a_playout(act)
    assert unheard == ""  # there was time enough to say it all
    assert_alternating(events)
    for start_s, end_s in silences:
        begun = [e for e in events if e.source == "agent" and start_s < e.at_s < end_s]
        assert not begun


@pytest.mark.slow
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=5).map(
        lambda ticks: speech(" ".join(f"w{n}" for n in range(len(ticks))), *ticks)
    ),
    st.integers(-1, 60),
)
def test_a_cut_keeps_every_word_on_one_side(whole, at_tick):
    heard, rest = split(whole, at_tick * TICK_S)
    rest_text = rest.text if rest else ""
    assert f"{heard} {rest_text}".split() == whole.text.split()
    for word in whole.words[: len(heard.split())]:
        assert word.end_s <= at_tick * TICK_S
    if rest:
        start_s = whole.duration_s - rest.duration_s
        assert rest.audio.duration_s == rest.duration_s
        late = [Word(w.text, w.start_s + start_s, w.end_s + start_s) for w in rest.words]
        assert late == list(whole.words[len(heard.split()) :])
        assert late[0].end_s > at_tick * TICK_S


@pytest.mark.slow
@given(st.text(max_size=60), st.floats(0.001, 20))
def test_estimated_word_times_fill_the_speech(text, duration_s):
    words = words_of(mute(text, duration_s))
    assert [word.text for word in words] == text.split()
    if words:
        assert words[0].start_s == 0
        assert words[-1].end_s == pytest.approx(duration_s)
        assert all(a.end_s == b.start_s and a.start_s < a.end_s for a, b in pairwise(words))


def test_joining_adds_sound_to_sound_and_keeps_the_words():
    first, more = speech("one two", 2, 3, value=0.25), speech("x", 4)
    whole = joined(first, Speech("", more.duration_s, more.audio))
    assert (whole.text, whole.words, whole.duration_s) == ("one two", first.words, 9 * TICK_S)
    np.testing.assert_array_equal(whole.audio.samples, [*first.audio.samples, *more.audio.samples])
