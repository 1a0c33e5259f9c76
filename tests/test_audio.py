"""Sound as a value: cut, joined, resampled against the exact tone, played in a notebook."""

import base64
import copy
import io
import itertools
import math
import pickle
import re

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from sounds import RATE_HZ, recordings, rng, tone

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.errors import AudioError

# --- the value ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((2, 10)), RATE_HZ, r"shape \(2, 10\), needs one channel"),
        (np.float32(0.5), RATE_HZ, r"shape \(\), needs one channel"),
        (np.array([1, 32767], np.int16), RATE_HZ, "samples are int16, need floats"),
        (np.array([0, 0, np.nan, np.inf]), 2, "2 of 4 samples are NaN or infinite.* 1.000 s"),
        (np.array([1e300]), RATE_HZ, "1 of 1 samples are NaN or infinite"),
        (np.zeros(10), 0, "0 Hz is no sampling rate"),
        (np.zeros(10), 16_000.0, "16000.0 Hz is no sampling rate"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(samples, rate_hz, message):
    with pytest.raises(AudioError, match=message):
        Audio(samples, rate_hz)


def test_samples_become_contiguous_float32():
    stereo = np.zeros((10, 2))
    left = Audio(stereo[:, 0], RATE_HZ).samples
    assert left.dtype == np.float32
    assert left.flags.c_contiguous


@given(recordings, st.integers(0, 300))
def test_whoever_keeps_the_array_cannot_change_the_recording(samples, at):
    given_array = np.concatenate([samples, samples])[: samples.size].copy()
    sound = Audio(given_array, RATE_HZ)
    given_array[at % samples.size] += 1
    assert np.array_equal(sound.samples, samples)
    for value in (sound, sound.between(0, 1), pickle.loads(pickle.dumps(sound))):
        with pytest.raises(ValueError, match="WRITEABLE"):
            value.samples.flags.writeable = True
        with pytest.raises(ValueError, match="read-only"):
            value.samples[0] = 0


@given(recordings)
def test_recordings_of_the_same_sound_are_equal_and_have_one_hash(samples):
    sound = Audio(samples, RATE_HZ)
    same = [Audio(samples.astype(float), RATE_HZ), sound.between(0, 1), copy.deepcopy(sound)]
    same.append(Audio(np.where(samples == 0, np.float32(-0.0), samples), RATE_HZ))
    assert {sound, *same} == {sound}
    assert all(other == sound for other in same)
    louder = Audio(np.append(samples[:-1], samples[-1] + np.float32(0.5)), RATE_HZ)
    assert sound not in (Audio(samples, 8000), louder, Audio(samples[1:], RATE_HZ), samples.size)


def test_a_part_of_a_recording_copies_no_sound():
    whole = tone()
    assert np.shares_memory(whole.between(0.1, 0.2).samples, whole.samples)
    assert np.shares_memory(whole.resample(RATE_HZ).samples, whole.samples)


def test_between_is_clipped_to_the_recording():
    ramp = Audio(np.arange(8) / 8, rate_hz=8)
    assert ramp.between(0.25, 0.5).samples.tolist() == [0.25, 0.375]
    assert ramp.between(-5, 0.25).samples.tolist() == [0, 0.125]
    assert ramp.between(0.75, 99).samples.tolist() == [0.75, 0.875]
    assert ramp.between(0.5, 0.25).duration_s == ramp.between(9, 10).duration_s == 0


@pytest.mark.slow
@given(recordings, st.lists(st.floats(0, 200 / 8000), max_size=4))
def test_a_recording_cut_anywhere_joins_to_itself(samples, cuts_s):
    whole = Audio(samples, 8000)
    edges_s = [0.0, *sorted(cuts_s), 1.0]
    pieces = [whole.between(a, b) for a, b in itertools.pairwise(edges_s)]
    assert np.array_equal(audio.concatenate(pieces).samples, samples)


def test_pieces_of_different_rates_do_not_join():
    with pytest.raises(AudioError, match=r"rates \[8000, 16000\] Hz"):
        audio.concatenate([tone(), tone(rate_hz=8000)])
    with pytest.raises(AudioError, match="need exactly one"):
        audio.concatenate([])


@pytest.mark.slow
@given(recordings, st.integers(1, 50))
def test_frames_hold_the_recording_and_then_silence(samples, size):
    cut = audio.frames(Audio(samples, 8000), size)
    assert cut.shape == (math.ceil(samples.size / size), size)
    assert cut.dtype == np.float32
    assert np.array_equal(cut.ravel()[: samples.size], samples)
    assert not cut.ravel()[samples.size :].any()


def test_silence_has_no_level_and_full_scale_has_0_db():
    assert audio.level_db(audio.silence(1.0, RATE_HZ)) == -math.inf
    assert audio.level_db(Audio([], RATE_HZ)) == -math.inf
    assert audio.level_db(Audio([1.0, -1.0], RATE_HZ)) == 0
    assert audio.level_db(tone(level=1.0)) == pytest.approx(-3.01, abs=0.01)


# --- resampling -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate_hz", "new_rate_hz"),
    [(8_000, 16_000), (16_000, 8_000), (44_100, 16_000), (24_000, 16_000), (16_000, 24_000)],
)
@pytest.mark.parametrize("frequency_hz", [200, 1_000, 3_000])
def test_a_resampled_tone_is_the_tone_sampled_at_the_new_rate(rate_hz, new_rate_hz, frequency_hz):
    sound = tone(frequency_hz, rate_hz=rate_hz)
    exact = tone(frequency_hz, rate_hz=new_rate_hz).samples
    found = sound.resample(new_rate_hz)
    assert found.rate_hz == new_rate_hz
    assert found.samples.size == pytest.approx(exact.size, abs=1)
    inner = slice(500, 3500)  # the filter rings at the edges
    error = Audio(found.samples[inner] - exact[inner], new_rate_hz)
    assert audio.level_db(error) < audio.level_db(sound) - 80


@pytest.mark.slow
def test_what_the_new_rate_cannot_hold_is_filtered_out_and_does_not_alias():
    assert audio.level_db(tone(6_000).resample(8_000)) < audio.level_db(tone(6_000)) - 25


def test_the_same_rate_and_no_samples_need_no_resampling():
    assert np.array_equal(tone().resample(RATE_HZ).samples, tone().samples)
    assert Audio([], 8_000).resample(RATE_HZ).rate_hz == RATE_HZ


@pytest.mark.parametrize("rate_hz", [0, -8_000, 8_000.0])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(AudioError, match="sampling rate"):
        tone().resample(rate_hz)


# --- silence and sound ----------------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40))
def test_the_audible_span_is_where_the_sound_is(before, during, after):
    sound = audio.concatenate(
        [
            audio.silence(before / 100, RATE_HZ),
            tone(duration_s=during / 100),
            audio.silence(after / 100, RATE_HZ),
        ]
    )
    span_s = audio.audible_span(sound)
    assert span_s == pytest.approx((before / 100, (before + during) / 100), abs=1e-9)
    assert audio.trim(sound).samples.size == during * RATE_HZ // 100


def test_soft_noise_is_silence_by_its_threshold():
    room = Audio(audio.noise("white", 1.0, RATE_HZ, rng()).samples * 0.01, RATE_HZ)  # -60 dB
    assert audio.audible_span(room) == (0.0, 0.0)
    assert audio.audible_span(room, threshold_db=-65) == (0.0, 1.0)
    assert audio.trim(room).duration_s == 0


def test_the_audible_span_of_nothing_is_nothing():
    assert audio.audible_span(Audio([], RATE_HZ)) == (0.0, 0.0)


def test_a_last_hop_that_is_not_whole_ends_with_the_recording():
    sound = Audio(np.full(1_650, 0.5), RATE_HZ)
    assert audio.audible_span(sound) == (0.0, sound.duration_s)


# --- the player in a notebook ---------------------------------------------------------------


def played(html):
    """Return the samples (samples, channels) and the rate inside a player's HTML."""
    content = re.search(r'src="data:audio/ogg;base64,([^"]+)"', html)[1]
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(content))) as file:
        assert file.subtype == "OPUS"
        return file.read(always_2d=True), file.samplerate


def tone_level(samples, frequency_hz, rate_hz=RATE_HZ):
    """Return the amplitude of a tone in samples: the projection on it, at any phase."""
    turns = np.exp(-2j * np.pi * frequency_hz / rate_hz * np.arange(samples.size))
    return 2 * abs(np.mean(samples * turns))


def test_the_player_plays_the_recording_at_its_own_level():
    soft = tone(level=0.01)
    samples, rate_hz = played(soft._repr_html_())
    assert (samples.shape, rate_hz) == ((soft.samples.size, 1), RATE_HZ)
    assert tone_level(samples[:, 0], 440) == pytest.approx(0.01, rel=0.05)


def test_the_player_clips_what_is_beyond_full_scale():
    loud = 3 * tone().samples
    clipped, _ = played(Audio(np.clip(loud, -1, 1), RATE_HZ)._repr_html_())
    np.testing.assert_array_equal(played(Audio(loud, RATE_HZ)._repr_html_())[0], clipped)


def test_the_player_of_two_has_the_first_on_the_left():
    samples, _ = played(audio.player_html(tone(300), tone(700, 0.1)))
    assert tone_level(samples[:, 0], 300) == pytest.approx(0.5, rel=0.05)
    assert tone_level(samples[:1600, 1], 700) == pytest.approx(0.5, rel=0.05)
    assert np.abs(samples[2400:, 1]).max() < 0.01


@pytest.mark.parametrize(
    ("rate_hz", "plays_at_hz"), [(6000, 8000), (11_025, 12_000), (44_100, 48_000), (96_000, 48_000)]
)
def test_a_rate_that_opus_does_not_have_is_played_at_the_next(rate_hz, plays_at_hz):
    samples, played_hz = played(tone(440, rate_hz=rate_hz)._repr_html_())
    assert (played_hz, samples.shape[0]) == (plays_at_hz, pytest.approx(plays_at_hz / 2, abs=1))
    assert tone_level(samples[:, 0], 440, played_hz) == pytest.approx(0.5, rel=0.05)


def test_a_player_is_a_fifth_of_the_file_that_it_plays():
    voice = data.utterance("order_where").audio
    assert len(audio.data_uri(voice)) < 0.2 * 2 * voice.samples.size  # of 16 bits, in base64


def test_a_recording_of_nothing_is_shown_as_that():
    assert Audio([], RATE_HZ)._repr_html_() == "<p>a recording of 0 s</p>"
