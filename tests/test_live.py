"""The live cell without a browser: messages in, messages out, and nothing left running."""

import asyncio
import re

import numpy as np
import pytest
from comm.base_comm import BaseComm
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.callers.remote import LAG_S, LOST_S, RemoteCaller, place
from voxlab.agents.calls import hold_call
from voxlab.agents.line import RATE_HZ
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.audio import Audio, noise
from voxlab.clock import run_virtual
from voxlab.plots.palette import LIGHT_AND_DARK
from voxlab.providers.protocols import Providers, Speech
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.silero import SileroVAD
from voxlab.widgets import live_call
from voxlab.widgets.live import LiveCall, round_trips, transcribe

BLOCK = 256
BLOCK_S = BLOCK / RATE_HZ


def hiss(duration_s, seed=0):
    """Sound in which every sample is different."""
    return noise("white", duration_s, RATE_HZ, np.random.default_rng(seed))


class Browser:
    """Sends what a person says, block by block, and plays what comes back, as live.js does.

    up_s: how long a block is on its way. played: the agent's sound, with the time of each piece.
    """

    def __init__(self, said=None, *, rate_hz=RATE_HZ, up_s=0.0, leaves_s=None):
        self.said = said.samples if said else np.zeros(0, np.float32)
        self.rate_hz, self.up_s, self.leaves_s = rate_hz, up_s, leaves_s
        self.caller = RemoteCaller(self.receive, rate_hz)
        self.messages = []

    def receive(self, kind, samples):
        self.messages.append((asyncio.get_running_loop().time(), kind, samples))
        if kind == "cut":
            self.caller.silenced()

    async def run(self, line):
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(self.speak(line))
            await self.caller.run(line)
            speaking.cancel()

    async def speak(self, line):
        size = round(BLOCK_S * self.rate_hz)
        for start in range(0, 10**9, size):
            end_s = (start + size) / self.rate_hz
            if self.leaves_s is not None and end_s > self.leaves_s:
                return
            await line.wait_until(end_s + self.up_s)
            piece = self.said[start : start + size]
            self.caller.hear(np.pad(piece, (0, size - piece.size)))

    def of(self, kind):
        return [(at_s, samples) for at_s, what, samples in self.messages if what == kind]

    @property
    def played(self):
        return np.concatenate([samples for _, samples in self.of("sound")])


class Talker:
    """An agent that says given sounds at given times and is cut at others."""

    def __init__(self, *deeds, until_s=3.0):
        self.deeds, self.until_s = deeds, until_s

    async def run(self, line):
        for at_s, sound in self.deeds:
            await line.wait_until(at_s)
            if sound is None:
                line.agent.cut(line.now_s)
            else:
                line.agent.lay(line.now_s, sound)
            line.record("agent", "speech_stopped" if sound is None else "speech_started")
        await line.wait_until(self.until_s)


def hold(agent, browser):
    return run_virtual(hold_call(agent, browser, lag_s=LAG_S))


def end_of(call):
    return call.timeline.select("transport", "call_ended")[0]


# --- where a block goes ---------------------------------------------------------------------


ARRIVALS = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 4000), st.booleans()))


@pytest.mark.slow
@given(ARRIVALS)
def test_no_block_covers_another_or_comes_where_the_ear_has_been(arrivals):
    filled = now = 0
    for waited, count, quiet in arrivals:
        now += waited
        start = place(count, filled, now, quiet=quiet)
        if start is not None:
            assert start >= filled
            assert start >= now - LAG_S * RATE_HZ
            filled = start + count


@given(st.lists(st.floats(0, LAG_S - BLOCK_S), min_size=1, max_size=50))
def test_blocks_that_come_within_the_lag_are_laid_end_to_end(delays_s):
    starts, filled = [], 0
    arrived_s = 0.0
    for index, delay_s in enumerate(delays_s):
        arrived_s = max(arrived_s, (index + 1) * BLOCK_S + delay_s)  # they cannot overtake
        starts.append(place(BLOCK, filled, round(arrived_s * RATE_HZ), quiet=False))
        filled = starts[-1] + BLOCK
    assert np.all(np.diff(starts) == BLOCK)


def test_after_a_jam_nothing_of_the_speech_is_lost_and_silence_makes_up_for_it():
    filled, now = 16000, 24000  # half a second of messages was held up, and comes at once
    for _ in range(24):
        start = place(BLOCK, filled, now, quiet=False)
        assert start is not None
        filled = start + BLOCK
    assert filled > now + LAG_S * RATE_HZ
    for _ in range(24):  # then the person is silent, and all is as it should be
        now += BLOCK
        start = place(BLOCK, filled, now, quiet=True)
        filled = filled if start is None else start + BLOCK
    assert now - BLOCK <= filled <= now + LAG_S / 2 * RATE_HZ


# --- both voices ----------------------------------------------------------------------------


def test_what_is_said_into_the_browser_is_on_the_line_sample_for_sample():
    said = hiss(0.5)
    call = hold(Talker(until_s=1.0), Browser(said, up_s=0.03))
    np.testing.assert_array_equal(call.user.samples[: said.samples.size], said.samples)
    assert not call.user.samples[said.samples.size :].any()


def test_a_microphone_at_another_rate_is_resampled_on_the_way():
    said = hiss(0.5).resample(48_000)
    heard = hold(Talker(until_s=1.0), Browser(said, rate_hz=48_000)).user.between(0.0, 0.5)
    expected = hiss(0.5).samples
    lags = range(-600, 600)
    best = max(lags, key=lambda lag: float(np.dot(np.roll(heard.samples, -lag), expected)))
    likeness = np.corrcoef(np.roll(heard.samples, -best), expected)[0, 1]
    assert likeness > 0.9
    assert 0 <= best / RATE_HZ < 0.025


def test_the_browser_gets_the_agents_voice_whole_and_a_little_ahead_of_time():
    sound = hiss(1.0)
    browser = Browser()
    hold(Talker((0.5, sound)), browser)
    np.testing.assert_array_equal(browser.played, sound.samples)
    had_s = 0.0
    for at_s, samples in browser.of("sound"):
        assert 0.0 <= 0.5 + had_s - at_s <= 0.3, "neither late nor far ahead"
        had_s += samples.size / RATE_HZ
    assert not browser.of("cut")


def test_a_second_reply_is_played_at_once_and_not_after_the_silence_before_it():
    first, second = hiss(0.3, 1), hiss(0.3, 2)
    browser = Browser()
    hold(Talker((0.5, first), (2.0, second)), browser)
    np.testing.assert_array_equal(browser.played, np.concatenate([first.samples, second.samples]))
    assert next(at_s for at_s, _ in browser.of("sound") if at_s > 1.0) == 2.0


def test_a_cut_reaches_the_browser_in_the_same_moment_and_nothing_follows():
    browser = Browser()
    call = hold(Talker((0.5, hiss(2.0)), (1.1, None)), browser)
    assert [at_s for at_s, _ in browser.of("cut")] == [1.1]
    assert max(at_s for at_s, _ in browser.of("sound")) <= 1.1
    assert [event.at_s for event in call.timeline.select("transport", "silenced")] == [1.1]


def test_sound_that_is_changed_on_the_line_is_changed_in_the_browser():
    class Ducker(Talker):
        async def run(self, line):
            line.agent.lay(0.0, hiss(1.0))
            await line.wait_until(0.5)
            line.agent.lay(0.5, Audio(-0.9 * hiss(1.0).samples[8000:], RATE_HZ))
            await line.wait_until(1.5)

    browser = Browser()
    hold(Ducker(), browser)
    ((cut_s, _),) = browser.of("cut")
    assert 0.5 <= cut_s <= 0.54
    after = np.concatenate([samples for at_s, samples in browser.of("sound") if at_s >= cut_s])
    ducked = 0.1 * hiss(1.0).samples[-after.size :]
    np.testing.assert_allclose(after, ducked, atol=1e-6)


# --- how it ends ----------------------------------------------------------------------------


def test_a_browser_that_is_gone_ends_the_call():
    call = hold(Talker(until_s=60.0), Browser(leaves_s=1.0))
    assert end_of(call).at_s == pytest.approx(1.0 + LOST_S, abs=BLOCK_S)
    assert "no sound came from the browser for 5 s" in end_of(call).data["reason"]


def test_who_leaves_before_the_call_has_begun_ends_it_too():
    browser = Browser()
    browser.caller.leave("you pressed Stop")
    call = hold(Talker(until_s=60.0), browser)
    assert end_of(call).data["reason"] == "you pressed Stop"
    assert end_of(call).at_s == 0.0


def test_a_block_that_is_no_sound_ends_the_call_with_the_reason():
    call = hold(Talker(until_s=60.0), Browser(Audio(hiss(1.0).samples, RATE_HZ), leaves_s=0.5))
    assert "no sound came" in end_of(call).data["reason"]
    browser = Browser()
    browser.said = np.full(100, np.nan, np.float32)
    assert "NaN" in end_of(hold(Talker(until_s=60.0), browser)).data["reason"]


# --- with an agent --------------------------------------------------------------------------


class HissingTTS:
    """Speaks hiss: half a second a word."""

    async def synthesize(self, text):
        sound = Audio(0.3 * hiss(0.5 * len(text.split())).samples, RATE_HZ)
        yield Speech(text, sound.duration_s, sound)


@pytest.mark.slow
def test_a_barge_in_silences_the_browser_and_is_told_by_the_call():
    question = data.utterance("order_where").audio.resample(RATE_HZ)
    more = data.utterance("weather_friday").audio.resample(RATE_HZ)
    pause = np.zeros(round(3.0 * RATE_HZ), np.float32)
    said = Audio(np.concatenate([pause, question.samples, pause, more.samples]), RATE_HZ)
    answers = ScriptedLLM(["It is on its way and will be there tomorrow or on Friday.", "Yes."])
    heard = ScriptedSTT(["Where is it?", "Will it rain?"])
    agent = PipelineAgent(
        Providers(heard, answers, HissingTTS(), SileroVAD()),
        (),
        PipelineOptions(turns=TurnOptions()),
    )
    browser = Browser(said, up_s=0.01, leaves_s=said.duration_s + 3.0)
    call = hold(agent, browser)
    onset_s = (2 * pause.size + question.samples.size) / RATE_HZ
    (trip,) = round_trips(call.timeline)
    assert trip.at_s == pytest.approx(onset_s, abs=0.1)
    assert 0 < trip.heard_s <= trip.stopped_s <= trip.silent_s < 0.3
    rows = ()
    for event in call.timeline:
        rows = transcribe(rows, event)
    cut = [row for row in rows if row.cut]
    assert [row.who for row in cut] == ["agent"]
    assert cut[0].text.startswith("It is on")
    assert cut[0].cut.endswith("Friday.")
    assert [row.text for row in rows if row.who == "user"] == ["Where is it?", "Will it rain?"]


# --- the widget -----------------------------------------------------------------------------


class Kernel(BaseComm):
    """The other end of the widget's messages, in place of a notebook."""

    def __init__(self, widget):
        self.told = []
        super().__init__(target_name="jupyter.widget")
        self.widget = widget
        widget.comm = self

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.told.append(data or {})

    def custom(self, kind):
        contents = [each.get("content", {}) for each in self.told]
        return [content for content in contents if content.get("kind") == kind]

    def send_in(self, content, *buffers):
        inner = {"method": "custom", "content": content}
        self.handle_msg({"content": {"data": inner}, "buffers": [memoryview(b) for b in buffers]})

    def start(self, page="a"):
        self.send_in({"kind": "start", "rate_hz": RATE_HZ, "page": page})


class Listener:
    """An agent that only listens, until the other side hangs up; or fails at once."""

    def __init__(self, error=None):
        self.error = error

    async def run(self, line):
        if self.error:
            raise self.error
        await line.closed.wait()


@pytest.fixture
def kernel():
    kernel = Kernel(live_call(Listener()))
    yield kernel
    kernel.widget.stop()


def test_nothing_happens_before_start(kernel):
    assert kernel.widget.call is None
    assert not kernel.widget.running
    kernel.widget.stop()
    kernel.send_in({"kind": "sound"}, hiss(0.1).samples.tobytes())
    kernel.send_in({"kind": "stop", "why": "twice"})
    assert kernel.widget.call is None


def test_stop_ends_the_call_and_keeps_it(kernel):
    kernel.start()
    assert kernel.widget.running
    kernel.send_in({"kind": "stop", "why": "you pressed Stop"})
    kernel.widget.stop()
    assert not kernel.widget.running
    assert end_of(kernel.widget.call).data["reason"] == "you pressed Stop"
    assert kernel.widget.message.startswith("The call is over: you pressed Stop")
    assert len(kernel.custom("end")) == 1


def test_a_start_while_a_call_is_held_is_refused_and_harms_nothing(kernel):
    kernel.start("a")
    kernel.start("b")
    assert kernel.custom("refused") == [{"kind": "refused", "page": "b"}]
    assert kernel.widget.running
    kernel.widget.stop()
    kernel.start("b")
    assert kernel.widget.running, "after the call another one can be held"


def test_closing_the_widget_ends_the_call(kernel):
    kernel.start()
    kernel.widget.close()
    assert end_of(kernel.widget.call).data["reason"] == "the widget was closed"


def test_an_agent_that_fails_ends_the_call_with_a_message():
    kernel = Kernel(live_call(Listener(RuntimeError("no voice today"))))
    kernel.start()
    kernel.widget.stop()
    assert "the agent failed: RuntimeError: no voice today" in kernel.widget.message
    assert not kernel.widget.running


def test_the_page_asks_nobody_else_for_anything():
    for text in (LiveCall._esm, LiveCall._css):
        assert not re.search(r"https?:/|^import |import\(|@import|url\(", text, re.MULTILINE)


def test_the_style_has_the_colours_of_the_figures():
    light, dark = LIGHT_AND_DARK["user"]
    assert f"border-color: light-dark({light}, {dark})" in LiveCall._css
    assert "$" not in LiveCall._css
