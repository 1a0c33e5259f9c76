"""Resampling a stream: nothing lost, nothing shifted, little held back, no aliases."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from voxlab.errors import AudioError
from voxlab.telephony.resampling import PASSBAND, LowDelayResampler

PAIRS = [(8000, 16000), (16000, 8000), (8000, 24000), (24000, 8000), (24000, 16000), (16000, 24000)]
PAIRS += [(48000, 16000), (16000, 48000), (44100, 16000), (8000, 8000)]
both_rates = pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)


def resampled(samples, from_hz, to_hz, chunk=None):
    resampler = LowDelayResampler(from_hz, to_hz)
    chunk = chunk or from_hz // 50
    pieces = [resampler.feed(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    return np.concatenate([*pieces, resampler.flush()])


def tone(frequency_hz, rate_hz, duration_s=0.5):
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return np.cos(2 * np.pi * frequency_hz * time_s + 0.7).astype(np.float32)


def power_db(samples):
    """Return the level beside that of a tone at full scale."""
    return 10 * np.log10(2 * np.mean(samples.astype(float) ** 2) + 1e-20)


@both_rates
def test_a_second_in_is_a_second_out(from_hz, to_hz):
    assert resampled(np.zeros(from_hz, np.float32), from_hz, to_hz).size == to_hz


@both_rates
def test_the_last_sound_is_not_lost(from_hz, to_hz):
    samples = np.zeros(from_hz // 2, np.float32)
    samples[-from_hz // 50 :] = tone(500, from_hz, 0.02)
    out = resampled(samples, from_hz, to_hz)
    lost_db = 10 * np.log10(
        np.mean(out[-to_hz // 50 :] ** 2) / np.mean(samples[-from_hz // 50 :] ** 2)
    )
    assert abs(lost_db) < 0.5


@both_rates
def test_a_tone_of_the_pass_band_comes_out_in_its_place(from_hz, to_hz):
    frequency_hz = 0.8 * PASSBAND * min(from_hz, to_hz) / 2
    out = resampled(tone(frequency_hz, from_hz), from_hz, to_hz)
    inside = slice(to_hz // 50, -to_hz // 50)  # the ends of a cut-off tone ring
    error = out[inside] - tone(frequency_hz, to_hz)[inside]
    assert power_db(error) < -60


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] > pair[1]])
@pytest.mark.parametrize("place", [1.0, 1.1, 1.5, 1.9])
def test_what_the_new_rate_cannot_carry_does_not_come_back_as_an_alias(from_hz, to_hz, place):
    frequency_hz = place * to_hz / 2
    if frequency_hz > from_hz / 2:
        pytest.skip("the old rate cannot carry it either")
    out = resampled(tone(frequency_hz, from_hz), from_hz, to_hz)[to_hz // 50 : -to_hz // 50]
    assert power_db(out) < -60


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_no_image_of_the_old_band_is_heard_in_the_new_one(from_hz, to_hz):
    out = resampled(tone(0.4 * from_hz, from_hz), from_hz, to_hz)
    spectrum_db = 20 * np.log10(np.abs(np.fft.rfft(out * np.blackman(out.size))) + 1e-9)
    frequency_hz = np.fft.rfftfreq(out.size, 1 / to_hz)
    assert spectrum_db[frequency_hz > from_hz / 2].max() < spectrum_db.max() - 60


@both_rates
def test_at_most_five_milliseconds_are_held_back(from_hz, to_hz):
    resampler = LowDelayResampler(from_hz, to_hz)
    assert resampler.held_back_s <= 0.005
    fed, made = 0, 0
    for _ in range(20):
        fed += from_hz // 50
        made += resampler.feed(np.zeros(from_hz // 50, np.float32)).size
        assert fed / from_hz - made / to_hz <= resampler.held_back_s + 1 / to_hz


@given(st.lists(st.integers(0, 700), min_size=1, max_size=12), st.sampled_from(PAIRS))
def test_how_a_stream_is_cut_into_chunks_changes_no_sample(sizes, pair):
    rng = np.random.default_rng(sum(sizes))
    samples = rng.uniform(-1, 1, sum(sizes)).astype(np.float32)
    whole, cut = LowDelayResampler(*pair), LowDelayResampler(*pair)
    edges = np.cumsum([0, *sizes])
    pieces = [cut.feed(samples[a:b]) for a, b in itertools.pairwise(edges)]
    expected = np.concatenate([whole.feed(samples), whole.flush()])
    np.testing.assert_allclose(np.concatenate([*pieces, cut.flush()]), expected, atol=1e-6)


def test_after_a_flush_a_new_stream_begins():
    resampler = LowDelayResampler(16000, 8000)
    first = np.concatenate([resampler.feed(tone(440, 16000)), resampler.flush()])
    second = np.concatenate([resampler.feed(tone(440, 16000)), resampler.flush()])
    np.testing.assert_array_equal(first, second)


def test_it_agrees_with_a_filter_of_scipy_where_both_pass():
    ours = resampled(tone(1000, 8000), 8000, 16000)
    theirs = resample_poly(tone(1000, 8000), 2, 1)
    assert np.abs(ours - theirs)[800:-800].max() < 2e-3


@pytest.mark.parametrize("rate_hz", [0, -8000, 8000.5])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(AudioError, match="use a whole number, 8000 to 48000"):
        LowDelayResampler(rate_hz, 16000)
