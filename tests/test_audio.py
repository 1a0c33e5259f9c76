"""Sound as a value: files of every kind, resampling against the exact tone, noises and mixtures."""

import base64
import copy
import io
import itertools
import math
import pickle
import re

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.errors import AudioError

RATE_HZ = 16_000


def sixteen_bit(content):
    """Return the samples in raw bytes, float32 (samples,): bytes are quick to draw, to shrink."""
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.float32) / 32768


recordings = st.binary(min_size=2, max_size=300).map(sixteen_bit)


def tone(frequency_hz=440.0, duration_s=0.5, rate_hz=RATE_HZ, level=0.5):
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio(level * np.sin(2 * np.pi * frequency_hz * time_s), rate_hz)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- the value -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((2, 10)), RATE_HZ, r"shape \(2, 10\), needs one channel"),
        (np.float32(0.5), RATE_HZ, r"shape \(\), needs one channel"),
        (np.array([1, 32767], np.int16), RATE_HZ, "samples are int16, need floats"),
        (np.array([0, 0, np.nan, np.inf]), 2, "2 of 4 samples are NaN or infinite.* 1.000 s"),
        (np.array([1e300]), RATE_HZ, "1 of 1 samples are NaN or infinite"),
        (np.zeros(10), 0, "rate of 0 Hz"),
        (np.zeros(10), 16_000.0, "rate of 16000.0 Hz"),
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


# --- files ---------------------------------------------------------------------------------


@pytest.mark.slow
@given(recordings)
def test_what_is_written_is_read_again_and_16_bits_stay_as_they_were(tmp_path_factory, samples):
    path = tmp_path_factory.getbasetemp() / "round_trip.wav"
    audio.write(path, Audio(samples, 8000))
    assert np.array_equal(audio.read(path).samples, samples)
    audio.write(path, Audio(samples * 0.7, 8000))
    assert audio.read(path).rate_hz == 8000
    np.testing.assert_allclose(audio.read(path).samples, samples * 0.7, rtol=0, atol=1.01 / 32768)


def test_a_stereo_file_keeps_left_and_right_and_pads_the_shorter(tmp_path):
    left, right = tone(300, 0.2), tone(700, 0.1)
    audio.write(tmp_path / "two.wav", left, right)
    found = audio.read_channels(tmp_path / "two.wav")
    assert [channel.duration_s for channel in found] == [0.2, 0.2]
    np.testing.assert_allclose(found[0].samples, left.samples, atol=1e-4)
    np.testing.assert_allclose(found[1].between(0, 0.1).samples, right.samples, atol=1e-4)
    assert not found[1].between(0.1, 0.2).samples.any()


def test_a_stereo_file_is_averaged_to_mono(tmp_path):
    left, right = tone(300), tone(700)
    audio.write(tmp_path / "two.wav", left, right)
    mean = (left.samples + right.samples) / 2
    np.testing.assert_allclose(audio.read(tmp_path / "two.wav").samples, mean, atol=1e-4)


def test_samples_beyond_full_scale_are_clipped_and_never_wrap_around(tmp_path):
    audio.write(tmp_path / "loud.wav", Audio([2.0, -2.0, 0.5], RATE_HZ))
    found = audio.read(tmp_path / "loud.wav").samples
    np.testing.assert_allclose(found, [1, -1, 0.5], atol=1e-4)


def test_it_writes_the_format_that_the_name_says_and_no_other(tmp_path):
    for name in ("a.wav", "a.WAV", "a.flac"):
        audio.write(tmp_path / name, tone())
        info = soundfile.info(tmp_path / name)
        assert (info.format, info.subtype) == (name[2:].upper(), "PCM_16")
        np.testing.assert_allclose(audio.read(tmp_path / name).samples, tone().samples, atol=1e-4)
    for name in ("without_ending", "song.mp3", "a.wav.tmp"):
        with pytest.raises(AudioError, match=rf"cannot write .*{name}: .*use \.wav or \.flac"):
            audio.write(tmp_path / name, tone())
        assert not (tmp_path / name).exists()


def test_what_cannot_be_written_is_refused_with_a_reason(tmp_path):
    with pytest.raises(AudioError, match=r"rates \[8000, 16000\] Hz, need one"):
        audio.write(tmp_path / "two.wav", tone(), tone(rate_hz=8000))
    with pytest.raises(AudioError, match=r"rates \[\] Hz, need one"):
        audio.write(tmp_path / "none.wav")
    with pytest.raises(AudioError, match=r"cannot write .*one\.wav: System error\."):
        audio.write(tmp_path / "no_such_folder" / "one.wav", tone())


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [
        ("a.wav", "PCM_U8", 1 / 128),
        ("a.wav", "PCM_24", 1 / 2**23),
        ("a.wav", "PCM_32", 1e-7),
        ("a.wav", "FLOAT", 1e-7),
        ("a.wav", "ULAW", 1 / 32),
        ("a.flac", "PCM_16", 1 / 32768),
        ("a.aiff", "PCM_16", 1 / 32768),
    ],
)
@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
def test_every_bit_depth_and_rate_is_read(tmp_path, name, subtype, step, rate_hz):
    sound = tone(rate_hz=rate_hz)
    soundfile.write(tmp_path / name, sound.samples, rate_hz, subtype=subtype)
    found = audio.read(tmp_path / name)
    assert (found.rate_hz, found.duration_s) == (rate_hz, 0.5)
    np.testing.assert_allclose(found.samples, sound.samples, rtol=0, atol=1.5 * step)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_files_are_read(tmp_path, name):
    soundfile.write(tmp_path / name, tone().samples, RATE_HZ)
    found = audio.read(tmp_path / name)
    assert found.duration_s == pytest.approx(0.5, abs=0.05)
    assert audio.level_db(found) == pytest.approx(audio.level_db(tone()), abs=0.5)


def test_a_missing_file_and_a_folder_are_no_recordings(tmp_path):
    for path in (tmp_path / "nothing.wav", tmp_path):
        with pytest.raises(AudioError, match=r"no recording at .*check the name"):
            audio.read(path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.raw", "a.txt", "a"])
@pytest.mark.parametrize("content", [b"", b"RIFF", b"Dear Sir or Madam,\n" * 30])
def test_a_file_that_is_no_audio_is_refused_with_its_size(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=rf"\({len(content)} bytes\) is not a recording"):
        audio.read(tmp_path / name)


def test_a_recording_of_no_samples_is_refused(tmp_path):
    audio.write(tmp_path / "empty.wav", Audio([], RATE_HZ))
    with pytest.raises(AudioError, match=r"empty\.wav: it holds no samples"):
        audio.read(tmp_path / "empty.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, name, kept):
    noise = audio.noise("white", 0.5, RATE_HZ, rng())
    soundfile.write(tmp_path / name, noise.samples, RATE_HZ)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: round(kept * len(content))])
    with pytest.raises(AudioError, match="truncated"):
        audio.read(tmp_path / name)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF024, 0x80000024])
def test_a_wav_from_a_pipe_does_not_know_its_length_and_is_read(tmp_path, length):
    audio.write(tmp_path / "pipe.wav", tone())
    content = bytearray((tmp_path / "pipe.wav").read_bytes())
    content[4:8] = length.to_bytes(4, "little")
    content[40:44] = (length - 36 & 0xFFFFFFFF).to_bytes(4, "little")
    (tmp_path / "pipe.wav").write_bytes(content)
    assert audio.read(tmp_path / "pipe.wav").duration_s == 0.5


def test_a_file_with_nan_is_refused_by_name(tmp_path):
    samples = np.zeros(100, np.float32)
    samples[40] = np.nan
    soundfile.write(tmp_path / "broken.wav", samples, 100, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"broken\.wav: 1 of 100 samples are NaN.* 0\.400 s"):
        audio.read(tmp_path / "broken.wav")


def test_an_hour_is_refused_before_it_is_read_unless_asked_for(tmp_path):
    hour_s = 3600
    soundfile.write(tmp_path / "hour.wav", np.zeros(hour_s * 10, np.int16), 10)
    with pytest.raises(AudioError, match="lasts 3600 s, the limit is 1800 s: cut it, or pass"):
        audio.read(tmp_path / "hour.wav")
    assert audio.read(tmp_path / "hour.wav", limit_s=hour_s).duration_s == hour_s


# --- resampling ----------------------------------------------------------------------------


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


# --- silence and sound ---------------------------------------------------------------------


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


# --- noises and mixtures -------------------------------------------------------------------


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
        (audio.silence(1, RATE_HZ), tone(), "speech -inf dB"),
        (tone(), Audio([], RATE_HZ), "noise -inf dB"),
        (Audio([], RATE_HZ), tone(), "speech -inf dB"),
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


# --- the player in a notebook --------------------------------------------------------------


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
