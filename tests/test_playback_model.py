"""Playback after any sequence of operations is as in a model that goes tick by tick."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playback_line import FADE, TICK, TICK_S, mute, on_a_line, speech

from voxlab.agents.line import RATE_HZ
from voxlab.audio import Audio
from voxlab.providers.protocols import Speech

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
@settings(max_examples=100)
@given(OPERATIONS)
def test_any_sequence_sounds_and_is_heard_as_in_the_tick_by_tick_model(operations):
    model, counted = Model(), iter(range(1, 128))
    expected, cuts = [], []

    async def act(mouth, line):
        results = []
        for wait, (name, *arguments) in [*operations, (40, ("clear",))]:
            await asyncio.sleep(wait * TICK_S)
            for _ in range(wait):
                model.tick()
            if name == "play":
                words = [f"w{next(counted):03d}" for _ in arguments[0]]
                mouth.play(spoken(words, arguments[0]))
                model.play(words, arguments[0])
            elif name == "resume":
                mouth.resume()
                model.paused = False
            else:
                cuts.append(len(model.samples) * TICK)
                result = getattr(mouth, name)()
                expected.append(getattr(model, name)())
                results.append(result)
        return results

    results, events, samples = on_a_line(act)
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
@settings(max_examples=100)
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
    async def act(mouth, line):
        texts, told, counted, silent_until = [], [], iter(range(1000)), []
        paused_s = None
        last = [(0, ("finish",)), (0, ("resume",)), (200, ("clear",))]
        for wait, (name, *arguments) in [*operations, *last]:
            await asyncio.sleep(wait * TICK_S)
            if name == "play":
                words = [f"w{next(counted):03d}" for _ in arguments[0]]
                texts += words
                mouth.play(mute(" ".join(words), sum(arguments[0]) * TICK_S), more=True)
            elif name == "continue":
                mouth.play(mute("", arguments[0][0] * TICK_S), more=True)
            elif name == "clear":
                heard, unheard = mouth.clear()
                told += [*heard.split(), *unheard.split()]
                assert told == texts
            else:
                getattr(mouth, name)()
            if paused_s is not None:
                silent_until.append((paused_s, line.now_s))
            paused_s = line.now_s if mouth.playback._is_paused else None
        assert mouth.playback.idle
        return unheard, silent_until

    (unheard, silences), events, _ = on_a_line(act)
    assert unheard == ""  # there was time enough to say it all
    assert_alternating(events)
    for start_s, end_s in silences:
        begun = [e for e in events if e.source == "agent" and start_s < e.at_s < end_s]
        assert not begun
