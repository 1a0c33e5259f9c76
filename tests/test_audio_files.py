"""Files of every kind, read and written."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from sounds import RATE_HZ, recordings, rng, tone

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import AudioError


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
