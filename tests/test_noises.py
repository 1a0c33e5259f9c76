"""Noises have the spectrum of their name, mixtures the ratio that was asked for."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from sounds import RATE_HZ, rng, tone

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import AudioError


@pytest.mark.slow
@given(st.floats(-20, 60), st.floats(1e-3, 1), st.integers(1, 3000), st.integers(0, 9))
def test_a_mixture_has_the_ratio_that_was_asked_for(snr_db, level, noise_size, seed):
    speech = tone(level=level, duration_s=0.1)
    room = Audio(rng(seed).standard_normal(noise_size) + 0.1, RATE_HZ)
    mixed = audio.mix(speech, room, snr_db)
    added = Audio(mixed.samples - speech.samples, RATE_HZ)
    assert mixed.samples.size == speech.samples.size
    found_db = audio.level_db(speech) - audio.level_db(added)
    assert found_db == pytest.approx(snr_db, abs=0.05)


@pytest.mark.parametrize(
    ("speech", "noise", "message"),
    [
        (tone(), audio.silence(1, RATE_HZ), "noise -inf dB"),
        (audio.silence(1, RATE_HZ), tone(), "speech has -inf dB"),
        (tone(), Audio([], RATE_HZ), "noise -inf dB"),
        (Audio([], RATE_HZ), tone(), "speech has -inf dB"),
        (tone(), tone(rate_hz=8000), "speech is at 16000 Hz, noise at 8000: resample"),
    ],
)
def test_a_mixture_without_a_ratio_is_refused(speech, noise, message):
    with pytest.raises(AudioError, match=message):
        audio.mix(speech, noise, 10)


@pytest.mark.parametrize("kind", [*audio.NOISE_SLOPES, "clicks"])
def test_noise_is_the_same_for_the_same_seed_and_has_its_level(kind):
    first, again, other = (audio.noise(kind, 1.0, RATE_HZ, rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert audio.level_db(first) == pytest.approx(-20, abs=0.01)
    assert first.duration_s == 1.0


@pytest.mark.parametrize(("kind", "db_per_octave"), [("white", 0), ("pink", -3.01), ("car", -6.02)])
def test_noise_has_the_spectrum_that_its_name_claims(kind, db_per_octave):
    sound = audio.noise(kind, 10.0, RATE_HZ, rng())
    frequency_hz, density = scipy.signal.welch(sound.samples, RATE_HZ, nperseg=4096)
    speech_band = (frequency_hz > 60) & (frequency_hz < 7_000)
    octaves = np.log2(frequency_hz[speech_band])
    slope = np.polyfit(octaves, 10 * np.log10(density[speech_band]), 1)[0]
    assert slope == pytest.approx(db_per_octave, abs=0.15)


def test_clicks_are_short_and_come_six_a_second():
    duration_s = 60
    sound = audio.noise("clicks", duration_s, 8_000, rng())
    on = np.flatnonzero(sound.samples)
    starts = on[np.diff(on, prepend=-100) > 8]  # bursts of 4 ms are 32 samples, without a gap
    assert len(starts) / duration_s == pytest.approx(6, abs=0.6)
    assert on.size <= 33 * 6.6 * duration_s


@pytest.mark.parametrize("kind", [*audio.NOISE_SLOPES, "clicks"])
@pytest.mark.parametrize("samples", [0, 1, 2, 30])
def test_noise_can_be_as_short_as_one_likes(kind, samples):
    assert audio.noise(kind, samples / 8_000, 8_000, rng()).samples.size == samples


def test_an_unknown_noise_names_those_there_are():
    with pytest.raises(AudioError, match=r"no noise 'blue': use one of .*white.*clicks"):
        audio.noise("blue", 0.0, RATE_HZ, rng())


def test_babble_loops_its_voices_to_the_asked_length_and_level():
    voices = [tone(300, 0.3), tone(700, 0.7)]
    first, again = (audio.babble(voices, 2.0, rng(1)) for _ in range(2))
    assert np.array_equal(first.samples, again.samples)
    assert (first.duration_s, first.rate_hz) == (2.0, RATE_HZ)
    assert audio.level_db(first) == pytest.approx(-20, abs=0.01)
    spectrum = np.abs(np.fft.rfft(first.samples))
    assert set(np.argsort(spectrum)[-2:] / 2.0) == {300, 700}


def test_babble_needs_voices_with_sound():
    for voices in ([], [Audio([], RATE_HZ)]):
        with pytest.raises(AudioError, match="at least one voice"):
            audio.babble(voices, 1.0, rng())
    assert audio.babble([tone()], 0.0, rng()).duration_s == 0
