"""Concealment: no click, no buzz, and better than silence by the measures of intelligibility."""

import numpy as np
import pytest

from voxlab import data
from voxlab.telephony.concealment import FADED_AFTER_S, Concealer

FRAME = 160


def concealed(samples, lost):
    concealer = Concealer()
    frames = samples[: samples.size // FRAME * FRAME].reshape(-1, FRAME)
    return np.concatenate(
        [concealer.conceal(FRAME) if n in lost else concealer.play(f) for n, f in enumerate(frames)]
    )


def voiced(frequency_hz=130, duration_s=0.6):
    time_s = np.arange(round(8000 * duration_s)) / 8000
    harmonics = (np.sin(2 * np.pi * k * frequency_hz * time_s) / k for k in range(1, 12))
    return (0.2 * sum(harmonics)).astype(np.float32)


def error_db(out, samples, part=slice(None)):
    error = (out - samples[: out.size])[part]
    return 10 * np.log10(np.mean(error**2) / np.mean(samples[part] ** 2) + 1e-12)


def test_what_arrives_complete_is_played_as_it_came():
    samples = voiced()
    np.testing.assert_array_equal(concealed(samples, ()), samples)


@pytest.mark.parametrize("frequency_hz", [85, 130, 210, 320])
def test_a_lost_frame_of_a_voice_is_the_voice_going_on(frequency_hz):
    samples = voiced(frequency_hz)
    lost = slice(10 * FRAME, 10 * FRAME + FRAME // 2)  # later the fade takes over
    assert error_db(concealed(samples, {10}), samples, lost) < -10


def test_a_long_loss_fades_to_silence():
    out = concealed(voiced(), set(range(10, 20)))
    assert np.abs(out[10 * FRAME + round(FADED_AFTER_S * 8000) : 20 * FRAME]).max() == 0


def test_there_is_no_click_where_a_loss_begins_or_ends():
    samples = voiced()
    steepest = np.abs(np.diff(samples)).max()
    assert np.abs(np.diff(concealed(samples, {10, 11, 17}))).max() < 1.5 * steepest


def test_silence_stays_silent_and_the_first_frame_may_be_lost():
    assert not concealed(np.zeros(8000, np.float32), {0, 1, 5}).any()


@pytest.mark.slow
def test_it_is_more_intelligible_than_silence():
    stoi = pytest.importorskip("pystoi").stoi
    rng = np.random.default_rng(5)
    scores = {"silence": [], "concealed": []}
    for prompt in data.prompts("en")[:6]:
        samples = prompt.audio.resample(8000).samples
        lost = set(np.flatnonzero(rng.random(samples.size // FRAME) < 0.1).tolist())
        out = concealed(samples, lost)
        holes = samples[: out.size].copy().reshape(-1, FRAME)
        holes[sorted(lost)] = 0
        for name, heard in (("silence", holes.ravel()), ("concealed", out)):
            scores[name].append(stoi(samples[: out.size], heard, 8000))
    assert np.mean(scores["concealed"]) > np.mean(scores["silence"]) + 0.02
