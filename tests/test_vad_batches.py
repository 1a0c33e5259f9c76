"""Silero over several calls in one run: what each hears, how long it waits, what goes wrong."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import audio, data, models
from voxlab.audio import Samples
from voxlab.clock import run_virtual
from voxlab.errors import AudioError, ModelError, ProviderError
from voxlab.serving.realtime.batched_vad import WAIT_S, BatchedVAD
from voxlab.vad.silero import FRAME_SIZE, GRAPH_FILE, RATE_HZ, SileroVAD
from voxlab.vad.silero_batches import SharedSilero, SharedStream

CALLS = 3
SILENT = np.zeros(FRAME_SIZE, np.float32)


@pytest.fixture(scope="module")
def spoken() -> list[Samples]:
    """A question for each call: float32 (frames, 512)."""
    names = ("how_much", "joke", "order_check")
    sounds = [data.utterance(name, data.VOICES[0]).audio.resample(RATE_HZ) for name in names]
    return [audio.frames(sound, FRAME_SIZE)[:40] for sound in sounds]


@pytest.fixture(scope="module")
def network() -> SharedSilero:
    return SharedSilero()


class CountedSilero(SharedSilero):
    """Notes how many frames each run hears; fails while it is broken."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[int] = []
        self.is_broken = False

    def hear_checked(
        self, streams: Sequence[SharedStream], frames: Sequence[Samples]
    ) -> list[float]:
        self.runs.append(len(streams))
        if self.is_broken:
            raise RuntimeError("out of memory")
        return super().hear_checked(streams, frames)


@pytest.mark.slow
def test_a_shared_stream_hears_what_the_single_network_hears(
    network: SharedSilero, spoken: list[Samples]
):
    single = SileroVAD()
    for frames in spoken:
        alone, shared = single.stream(), network.stream()
        expected = [alone.probability(frame) for frame in frames]
        assert max(expected) > 0.9
        given = [shared.probability(frame) for frame in frames]
        assert given == pytest.approx(expected, rel=0, abs=3e-5)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.lists(st.sets(st.integers(0, CALLS - 1), min_size=1), min_size=30, max_size=40))
def test_who_else_is_in_a_run_changes_no_probability(spoken: list[Samples], runs: list[set[int]]):
    network = SharedSilero()
    together = [network.stream() for _ in range(CALLS)]
    alone = [network.stream() for _ in range(CALLS)]
    at = [0] * CALLS
    for run in runs:
        calls = sorted(run)
        frames = [spoken[call][at[call]] for call in calls]
        probabilities = network.probabilities([together[call] for call in calls], frames)
        expected = [alone[c].probability(f) for c, f in zip(calls, frames, strict=True)]
        assert probabilities == pytest.approx(expected, rel=0, abs=1e-6)
        for call in calls:
            at[call] += 1


def test_a_bad_frame_is_refused_and_nothing_is_forgotten(
    network: SharedSilero, spoken: list[Samples]
):
    one, other, undisturbed = (network.stream() for _ in range(3))
    for frame in spoken[0][:20]:
        with pytest.raises(AudioError, match="NaN"):
            network.probabilities([one, other], [frame, np.full_like(SILENT, np.nan)])
        assert one.probability(frame) == undisturbed.probability(frame)


@pytest.mark.parametrize("kept", [0, 1000, -10])
def test_a_network_that_is_cut_short_is_refused_by_its_name(tmp_path, monkeypatch, kept: int):
    file = tmp_path / GRAPH_FILE
    file.write_bytes(models.path("silero", GRAPH_FILE).read_bytes()[:kept])
    monkeypatch.setattr(models, "path", lambda *_: file)
    with pytest.raises(ModelError, match=GRAPH_FILE):
        SharedSilero()


def test_frames_that_come_at_nearly_one_time_are_heard_in_one_run():
    network = CountedSilero()
    vad = BatchedVAD(network)

    async def listen(delay_s: float) -> float:
        stream, loop = vad.stream(), asyncio.get_running_loop()
        await stream.hear(SILENT, is_ahead=True)  # it has come
        await asyncio.sleep(1.0 + delay_s - loop.time())
        begun_s = loop.time()
        await stream.hear(SILENT, is_ahead=False)
        return loop.time() - begun_s

    async def calls() -> list[float]:
        delays_s = (0.0, WAIT_S / 2, 2 * WAIT_S)
        return list(await asyncio.gather(*map(listen, delays_s)))

    waited_s = run_virtual(calls())
    assert network.runs == [1, 1, 1, 2, 1]
    assert waited_s[:2] == pytest.approx([WAIT_S, WAIT_S / 2])


def test_a_call_alone_and_a_call_that_is_ahead_wait_for_nobody(network: SharedSilero):
    vad = BatchedVAD(network)

    async def calls() -> None:
        loop, first = asyncio.get_running_loop(), vad.stream()
        await first.hear(SILENT, is_ahead=False)
        second = vad.stream()
        await second.hear(SILENT, is_ahead=True)
        assert loop.time() == 0.0
        await second.hear(SILENT, is_ahead=False)
        assert loop.time() == WAIT_S

    run_virtual(calls())


def test_a_call_that_ends_while_it_waits_holds_up_nobody(network: SharedSilero):
    vad = BatchedVAD(network)

    async def calls() -> None:
        one, other = vad.stream(), vad.stream()
        await one.hear(SILENT, is_ahead=True)
        await other.hear(SILENT, is_ahead=True)
        leaving = asyncio.create_task(one.hear(SILENT, is_ahead=False))
        await asyncio.sleep(WAIT_S / 2)
        leaving.cancel()
        await other.hear(SILENT, is_ahead=False)
        assert asyncio.get_running_loop().time() <= WAIT_S

    run_virtual(calls())


def test_a_run_that_fails_fails_for_those_in_it_and_not_for_the_next():
    network = CountedSilero()
    vad = BatchedVAD(network)

    async def calls() -> None:
        streams = [vad.stream(), vad.stream()]
        for stream in streams:
            await stream.hear(SILENT, is_ahead=True)
        network.is_broken = True
        heard = (stream.hear(SILENT, is_ahead=False) for stream in streams)
        failures = await asyncio.gather(*heard, return_exceptions=True)
        assert [type(each) for each in failures] == [ProviderError, ProviderError]
        network.is_broken = False
        assert 0 <= await streams[0].hear(SILENT, is_ahead=True) <= 1

    run_virtual(calls())


def test_a_bad_frame_is_its_own_calls_alone(network: SharedSilero):
    vad = BatchedVAD(network)

    async def calls() -> None:
        one, other = vad.stream(), vad.stream()
        await one.hear(SILENT, is_ahead=True)
        waiting = asyncio.create_task(one.hear(SILENT, is_ahead=False))
        await asyncio.sleep(0)
        with pytest.raises(AudioError, match="need a numpy array"):
            await other.hear(SILENT[1:], is_ahead=False)
        assert 0 <= await waiting <= 1

    run_virtual(calls())
