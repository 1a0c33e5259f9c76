"""The agent's ear: what the recogniser gets to hear, and when the turn manager is told."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from voxlab.agents.calls import hold_call
from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.listening import AudioEar, EdgeEar
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Transcript
from voxlab.providers.scripted import ScriptedLLM, ScriptedTTS
from voxlab.turn_taking.events import UserStarted, UserStopped
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions

OPTIONS = VADOptions(min_speech_s=0.064, min_silence_s=0.192, padding_s=0.32)
ANY_ROOM = replace(OPTIONS, start_over_floor_db=0.0, stop_over_floor_db=0.0)
FRAME_S = 0.032


class LoudnessVAD:
    """Takes every frame with a sound in it for speech."""

    rate_hz = RATE_HZ
    frame_size = 512

    def stream(self):
        return self

    def probability(self, frame):
        return float(np.abs(frame).max() > 0.1)


def heard(ear, *sounds, until_s=5.0):
    """Lay (at_s, audio) on a line and return what the ear tells: (now_s, UserStarted | ...)."""

    async def main():
        line, found = Line(), []
        for at_s, sound in sounds:
            line.user.lay(at_s, sound)

        async def listen():
            async for each in ear.listen(line):
                found.append((line.now_s, each))

        task = asyncio.create_task(listen())
        await asyncio.sleep(until_s)
        line.hang_up("enough")
        await task
        return found

    return run_virtual(main())


def ramp(duration_s):
    """Every sample is different, so that each can be recognised."""
    count = round(duration_s * RATE_HZ)
    return Audio(np.linspace(0.2, 0.9, count, dtype=np.float32), RATE_HZ)


def segments(found):
    """The sound of each segment, between its start and its stop."""
    pieces = []
    for _, each in found:
        if isinstance(each, UserStarted):
            pieces.append([])
        elif isinstance(each, Audio):
            pieces[-1].append(each.samples)
    return [np.concatenate(piece) for piece in pieces]


def test_speech_is_told_when_the_vad_is_sure_and_starts_with_the_preroll():
    speech = ramp(0.64)
    found = heard(AudioEar(LoudnessVAD(), OPTIONS), (0.96, speech))
    edges = [(at_s, each) for at_s, each in found if not isinstance(each, Audio)]
    assert [type(each) for _, each in edges] == [UserStarted, UserStopped]
    assert edges[0][0] == pytest.approx(0.96 + 0.064)
    assert edges[1][0] == pytest.approx(1.6 + 0.192)
    assert edges[1][1].silent_s == pytest.approx(0.192)
    (sound,) = segments(found)
    onset = np.flatnonzero(sound)[0]
    assert onset == pytest.approx(0.32 * RATE_HZ, abs=512)  # padding_s before the speech
    np.testing.assert_array_equal(sound[onset : onset + speech.samples.size], speech.samples)
    assert not sound[onset + speech.samples.size :].any()


def test_speech_at_the_very_start_of_the_call_is_heard_in_full():
    speech = ramp(0.64)
    (sound,) = segments(heard(AudioEar(LoudnessVAD(), OPTIONS), (0.0, speech)))
    np.testing.assert_array_equal(sound[: speech.samples.size], speech.samples)


def test_no_sample_is_given_twice_when_two_segments_are_close():
    speech = ramp(0.64)
    first, second = segments(
        heard(AudioEar(LoudnessVAD(), OPTIONS), (0.96, speech), (1.92, speech))
    )
    end = round((0.96 + 0.64 + 0.192 - 0.96) * RATE_HZ)
    assert np.count_nonzero(first) == np.count_nonzero(second) == speech.samples.size
    assert first.size >= end


def test_a_short_noise_is_no_speech():
    found = heard(AudioEar(LoudnessVAD(), OPTIONS), (0.96, ramp(0.03)))
    assert found == []


def test_in_a_room_that_talks_the_ear_hears_who_is_louder():
    class Talkative(LoudnessVAD):
        def probability(self, frame):
            return 0.9

    rng = np.random.default_rng(0)
    cafe = Audio(0.01 * rng.standard_normal(10 * RATE_HZ).astype(np.float32), RATE_HZ)
    found = heard(AudioEar(Talkative(), OPTIONS), (0.0, cafe), (6.4, ramp(0.64)), until_s=10.0)
    starts = [at_s for at_s, each in found if isinstance(each, UserStarted)]
    assert [at_s for at_s in starts if at_s > 3] == [pytest.approx(6.4 + 0.064)]
    stops = [at_s for at_s, each in found if isinstance(each, UserStopped)]
    assert stops[-1] == pytest.approx(7.04 + 0.192)


def test_a_vad_of_another_rate_is_refused():
    class Telephone(LoudnessVAD):
        rate_hz = 8000

    with pytest.raises(ProviderError, match="the VAD hears 8000 Hz and the line carries 16000 Hz"):
        heard(AudioEar(Telephone(), OPTIONS))


# --- without sound -------------------------------------------------------------------------


def edges_of(*stretches):
    """What the ear tells of a caller who speaks in these stretches (start_s, end_s)."""

    async def main():
        line, found = Line(), []
        for start_s, end_s in stretches:
            line.call_at(start_s, line.record, "caller", "speech_started")
            line.call_at(end_s, line.record, "caller", "speech_stopped")

        async def listen():
            async for each in EdgeEar(VADOptions(min_speech_s=0.0625, min_silence_s=0.25)).listen(
                line
            ):
                found.append((line.now_s, type(each).__name__))

        task = asyncio.create_task(listen())
        await asyncio.sleep(20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        line.record("caller", "speech_started")  # nobody listens any more
        assert line._listeners == []
        return found

    return run_virtual(main())


@pytest.mark.parametrize(
    ("stretches", "edges"),
    [
        ([(1, 2)], [(1.0625, "UserStarted"), (2.25, "UserStopped")]),
        (
            [(1, 2), (3, 4)],
            [
                (1.0625, "UserStarted"),
                (2.25, "UserStopped"),
                (3.0625, "UserStarted"),
                (4.25, "UserStopped"),
            ],
        ),
        ([(1, 2), (2.125, 3)], [(1.0625, "UserStarted"), (3.25, "UserStopped")]),
        (
            [(1, 2), (2.03125, 2.0625), (2.125, 2.1875)],
            [(1.0625, "UserStarted"), (2.4375, "UserStopped")],
        ),
        ([(1, 1.03125)], [(1.0625, "UserStarted"), (1.28125, "UserStopped")]),
    ],
)
def test_edges_are_noticed_as_late_as_a_vad_would_and_short_pauses_not_at_all(stretches, edges):
    assert edges_of(*stretches) == edges


# --- with an agent -------------------------------------------------------------------------


class Deaf:
    """A recogniser that fails at once, or has its result before the speech is over."""

    def __init__(self, early=None):
        self.early = early

    async def transcribe(self, audio):
        if self.early is None:
            raise RuntimeError("no model")
        async for _ in audio:
            yield Transcript(self.early, is_final=True)


def call_with(stt, duration_s, vad=OPTIONS, silence_s=20.0):
    class Whistler:
        async def run(self, line):
            line.user.lay(1.0, Audio(np.full(round(duration_s * RATE_HZ), 0.5), RATE_HZ))
            await asyncio.sleep(1.0 + duration_s + silence_s)

    options = PipelineOptions(
        vad=vad,
        turns=TurnOptions(not_heard="Sorry?", user_idle_s=99),
        reply=ReplyOptions(apology=""),
    )
    providers = Providers(stt, ScriptedLLM(["Good."]), ScriptedTTS(), LoudnessVAD())
    agent = PipelineAgent(providers, (), options)
    return run_virtual(hold_call(agent, Whistler(), limit_s=1000.0))


@pytest.mark.parametrize(("early", "said"), [(None, "Sorry?"), ("Hello", "Good."), ("", None)])
def test_a_recogniser_that_is_done_before_the_speech_is_heard_when_it_ends(early, said):
    call = call_with(Deaf(early), 3.0)
    assert [e.data["text"] for e in call.timeline.select("agent", "said")] == (
        [said] if said else []
    )
    if said:
        (stopped,) = call.timeline.select("vad", "speech_stopped")
        assert call.timeline.select("agent", "speech_started")[0].at_s > stopped.at_s


@pytest.mark.slow
def test_six_minutes_of_music_on_the_line_do_no_harm():
    call = call_with(Deaf(), 360.0, ANY_ROOM)
    assert not call.timeline.select("transport", "failed")
    assert [e.data["text"] for e in call.timeline.select("agent", "said")] == ["Sorry?"]
