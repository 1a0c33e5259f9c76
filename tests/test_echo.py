"""The agent's voice on its way from the loudspeaker to the microphone, and the canceller there."""

import asyncio

import numpy as np
import pytest
from sounds import rng, tone

from voxlab import data
from voxlab.agents.callers import microphone
from voxlab.agents.calls import hold_call
from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio, audible_span
from voxlab.clock import run_virtual
from voxlab.errors import AudioError
from voxlab.evaluation.false_interruptions import count_false_interruptions
from voxlab.evaluation.turn_times import speech_spans
from voxlab.telephony.echo import DELAY_S, Echo, EchoCanceller, has_echo_canceller, measure_erle_db
from voxlab.timeline import Event, Timeline

SPEECH = data.utterance("book_table").audio.samples  # 3 s
needs_canceller = pytest.mark.skipif(not has_echo_canceller(), reason="pip install livekit")


def cancel(echo, speech):
    """Return the echo of speech, and what the canceller leaves of it, in blocks of 20 ms."""
    back = echo.reflect(Audio(speech, RATE_HZ)).samples
    canceller, cleaned = EchoCanceller(RATE_HZ), []
    for start in range(0, speech.size, 320):
        now = slice(start, start + 320)
        cleaned.append(canceller.process(back[now], speech[now]))
    return back, np.concatenate(cleaned)


# --- the room -------------------------------------------------------------------------------


@pytest.mark.parametrize("decay_s", [0.0, 0.02, 0.2])
def test_a_room_takes_as_much_of_a_voice_as_it_says(decay_s):
    response = Echo(0.1, -12.0, decay_s).impulse_response(RATE_HZ)
    assert response.size == 1 + round(decay_s * RATE_HZ)
    assert 10 * np.log10(np.sum(response.astype(np.float64) ** 2)) == pytest.approx(-12, abs=1e-3)


def test_a_line_brings_the_same_echo_whatever_its_frames_are():
    echo = Echo(0.03, -10.0, 0.02)
    voice = tone(300.0, 0.3)

    async def hear(size):
        line = Line(echo=echo)
        line.agent.lay(0.0, voice)
        return np.concatenate([line.heard(k, k + size) for k in range(0, 4480, size)])

    wanted = np.zeros(4480, np.float32)
    for tap, level in enumerate(echo.impulse_response(RATE_HZ)):  # the sum of its copies
        room = wanted[480 + tap :]
        room += level * np.pad(voice.samples, (0, 4480))[: room.size]
    for size in (160, 320, 448, 4480):
        np.testing.assert_allclose(run_virtual(hear(size)), wanted, atol=1e-6)
    whole = Audio(np.pad(voice.samples, (0, 8000)), RATE_HZ)
    np.testing.assert_allclose(echo.reflect(whole).samples[:4480], wanted, atol=1e-6)


# --- the canceller --------------------------------------------------------------------------


@needs_canceller
@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.04, 0.3])
def test_of_an_echo_little_is_left_at_once_and_next_to_nothing_after_a_second(delay_s):
    speech = np.tile(SPEECH, 2)
    speech = speech[: speech.size // 320 * 320]
    echo, residual = cancel(Echo(delay_s, -15.0, 0.05), speech)
    first, later = slice(0, RATE_HZ), slice(2 * RATE_HZ, None)
    assert measure_erle_db(echo[first], residual[first]) > 10
    assert measure_erle_db(echo[later], residual[later]) > 25


@needs_canceller
def test_where_nothing_is_played_the_canceller_changes_next_to_nothing():
    voice = data.utterance("goodbye").audio.samples[: RATE_HZ // 320 * 320]
    heard = EchoCanceller(RATE_HZ).process(voice, np.zeros_like(voice))
    gain_db = 10 * np.log10(np.sum(heard**2) / np.sum(voice**2))
    assert gain_db == pytest.approx(0, abs=0.5)


@needs_canceller
def test_the_canceller_repeats_itself_to_the_bit():
    speech = SPEECH[:RATE_HZ]
    runs = [cancel(Echo(0.05, -15.0), speech)[1] for _ in range(2)]
    np.testing.assert_array_equal(*runs)


@needs_canceller
def test_a_canceller_refuses_broken_blocks_and_odd_rates():
    with pytest.raises(AudioError, match="8 samples heard and 160 played"):
        EchoCanceller(RATE_HZ).process(np.zeros(8, np.float32), np.zeros(160, np.float32))
    with pytest.raises(AudioError, match="at 44100 Hz: it needs one of 8000, 16000"):
        EchoCanceller(44_100)


def test_erle_is_the_ratio_of_the_energies():
    echo = rng().standard_normal(1000).astype(np.float32)
    assert measure_erle_db(echo, echo / 10) == pytest.approx(20, abs=1e-4)
    assert measure_erle_db(echo, 0 * echo) == np.inf
    with pytest.raises(AudioError, match="an echo that can be heard"):
        measure_erle_db(0 * echo, echo)


# --- a line with a canceller at the caller's end --------------------------------------------

ROOM = Echo(0.05, -12.0, 0.02, cancelled=True)


async def hear_line(listens, *, looks=False):
    """Return what the agent hears in frames of 32 ms; the agent is cut off at 1.6 s.

    looks: somebody asks for the call's record while more of the agent's voice lies ahead.
    """
    line = Line(echo=ROOM)
    line.agent.lay(0.0, Audio(SPEECH, RATE_HZ))
    line.user.lay(2.0, Audio(listens, RATE_HZ))
    heard, size = [], 512
    async for frame in line.frames(size):
        heard.append(frame)
        if len(heard) == 50:
            if looks:
                line.call()
            line.agent.cut(line.now_s)
        if len(heard) == 100:
            line.hang_up("enough")
    return np.concatenate(heard), line.call()


@needs_canceller
@pytest.mark.slow
def test_the_agent_hears_the_caller_and_hardly_itself():
    caller = data.utterance("goodbye").audio.samples[:RATE_HZ]
    heard, call = run_virtual(hear_line(caller))
    echo = ROOM.reflect(Audio(SPEECH, RATE_HZ)).samples
    own = slice(RATE_HZ // 2, 3 * RATE_HZ // 2)
    assert measure_erle_db(echo[own], heard[own]) > 15
    said, after = Audio(caller, RATE_HZ), Audio(heard[2 * RATE_HZ :], RATE_HZ)
    late_s = audible_span(after)[0] - audible_span(said)[0]
    assert late_s == pytest.approx(0.01 + DELAY_S, abs=0.005)
    gain_db = 10 * np.log10(np.sum(after.samples**2) / np.sum(caller**2))
    assert gain_db == pytest.approx(0, abs=2)
    np.testing.assert_array_equal(call.user.samples[: heard.size], heard)  # the record is the same


@needs_canceller
@pytest.mark.slow
def test_a_look_at_the_record_changes_nothing_that_is_heard_later():
    silence = np.zeros(10, np.float32)
    plain, looked_at = (run_virtual(hear_line(silence, looks=each))[0] for each in (False, True))
    np.testing.assert_array_equal(plain, looked_at)


# --- a call on a loudspeaker ----------------------------------------------------------------


class Room:
    """A sound device in a room: its microphone hears a person, and later its loudspeaker.

    said: (at_s, Audio) of what the person says.
    """

    def __init__(self, said, echo):
        self._voice = np.zeros(round(25 * RATE_HZ), np.float32)
        for at_s, sound in said:
            start = round(at_s * RATE_HZ)
            self._voice[start : start + sound.samples.size] += sound.samples
        self._echo = echo

    def open_stream(self, exchange, size, _on_stop):
        self._exchange, self._size = exchange, size
        return self

    def __enter__(self):
        self._task = asyncio.create_task(self._run())

    def __exit__(self, *_):
        self._task.cancel()

    async def _run(self):
        response, size = self._echo.impulse_response(RATE_HZ), self._size
        before = round(self._echo.delay_s * RATE_HZ) + response.size - 1
        played = np.zeros(before + self._voice.size, np.float32)
        for start in range(0, self._voice.size - size, size):
            await asyncio.sleep(size / RATE_HZ)
            back = np.convolve(played[start : start + size + response.size - 1], response, "valid")
            to_play = np.zeros((size, 1), np.float32)
            said = self._voice[start : start + size] + back
            self._exchange(said[:, None], to_play, size, None, None)
            played[before + start : before + start + size] = to_play[:, 0]


def call_in_room(monkeypatch, canceller, max_s):
    """Hold a call at a microphone: a question at 4 s, and another over the answer at 10 s."""
    said = [(at_s, data.utterance(name).audio) for at_s, name in QUESTIONS.items()]
    room = Room(said, Echo(0.12, -15.0, 0.05))
    monkeypatch.setattr(microphone, "_open_stream", room.open_stream)
    caller = microphone.Microphone(max_s, canceller)
    return run_virtual(hold_call(shop_agent(), caller, lag_s=microphone.LAG_S)).timeline


QUESTIONS = {4.0: "order_where", 10.0: "weather_friday"}


@needs_canceller
@pytest.mark.slow
def test_with_the_canceller_a_person_at_a_loudspeaker_is_heard_and_the_agent_is_not(monkeypatch):
    timeline = call_in_room(monkeypatch, EchoCanceller(RATE_HZ), 16.0)
    turns = [str(event.data["text"]) for event in timeline.select("turn", "commit")]
    assert len(turns) == 2
    assert "order" in turns[0]
    assert "London" in turns[1]
    stops_s = [stop_s for _, stop_s in speech_spans(timeline, "agent")]
    assert any(10.0 < stop_s < 10.6 for stop_s in stops_s)


@pytest.mark.slow
def test_without_it_the_agent_hears_itself_and_greets_for_ever(monkeypatch):
    timeline = call_in_room(monkeypatch, None, 5.0)
    assert len(timeline.select("agent", "interrupted")) > 3


def test_who_is_silent_interrupts_nobody():
    timeline = Timeline(
        [
            Event(0.0, "agent", "speech_started"),
            Event(0.3, "agent", "speech_stopped"),  # for its own echo
            Event(0.8, "agent", "interrupted", {"heard": "", "unheard": "Hello"}),
            Event(1.0, "agent", "speech_started"),
            Event(1.5, "caller", "speech_started", {"line": "1", "text": "Stop."}),
            Event(1.7, "agent", "speech_stopped"),
            Event(1.9, "caller", "speech_stopped", {"line": "1"}),
            Event(2.2, "agent", "interrupted", {"heard": "", "unheard": "Hello"}),
            Event(2.5, "agent", "speech_started"),
            Event(3.0, "agent", "speech_stopped"),
            Event(9.0, "transport", "call_ended", {"reason": "the caller hung up"}),
        ]
    )
    assert count_false_interruptions(timeline) == 1
