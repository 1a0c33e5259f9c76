"""Measures of quality, the older codecs to compare with, and the command that prints both."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.cli import main
from voxlab.codec.classical_codecs import Peer, align, find_peers
from voxlab.codec.perceptual_metrics import mean_quality, pesq, si_sdr_db, stoi
from voxlab.errors import AudioError, VoxlabError

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def speech():
    return data.prompts("en")[0].audio.between(0.0, 2.5)


def noisy(speech, snr_db):
    hiss = audio.noise("white", speech.duration_s, RATE_HZ, np.random.default_rng(0))
    return audio.mix(speech, hiss, snr_db)


@pytest.mark.slow
def test_the_original_is_perfect_and_noise_makes_it_worse(speech):
    pytest.importorskip("pystoi")
    pytest.importorskip("pesq")
    assert stoi(speech, speech) == pytest.approx(1, abs=1e-5)
    assert pesq(speech, speech) == pytest.approx(4.64, abs=0.01)
    good, bad = noisy(speech, 20), noisy(speech, 0)
    assert stoi(speech, bad) < stoi(speech, good) < 1
    assert pesq(speech, bad) < pesq(speech, good) < 4.64
    mean = mean_quality([speech, speech], lambda x: noisy(x, 20))
    assert (mean.stoi, mean.pesq) == pytest.approx((stoi(speech, good), pesq(speech, good)))


@given(st.floats(-20, 40), st.floats(0.01, 100))
@settings(max_examples=30)
def test_si_sdr_is_the_ratio_of_orthogonal_parts_at_any_loudness(ratio_db, gain):
    time_s = np.arange(RATE_HZ) / RATE_HZ
    target, error = np.sin(2 * np.pi * 200 * time_s), np.sin(2 * np.pi * 300 * time_s)
    made = 0.01 * gain * (target + 10 ** (-ratio_db / 20) * error)
    value = si_sdr_db(Audio(target, RATE_HZ), Audio(made, RATE_HZ))
    assert value == pytest.approx(ratio_db, abs=0.05)


@pytest.mark.parametrize("measure", [stoi, pesq])
@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [(8000, 8000, "compare equals"), (15_999, RATE_HZ, "compare equals")],
)
def test_recordings_that_do_not_line_up_are_refused(measure, samples, rate_hz, reason):
    pytest.importorskip("pystoi")
    pytest.importorskip("pesq")
    with pytest.raises(AudioError, match=reason):
        measure(audio.silence(1, RATE_HZ), Audio(np.zeros(samples, np.float32), rate_hz))


@pytest.mark.parametrize("measure", [stoi, pesq])
def test_silence_has_no_quality(measure, speech):
    pytest.importorskip("pystoi")
    pytest.importorskip("pesq")
    nothing = audio.silence(speech.duration_s, RATE_HZ)
    with pytest.raises(AudioError):
        measure(nothing, nothing)


@pytest.mark.parametrize("package", ["pystoi", "pesq"])
def test_a_missing_package_names_its_extra(package, speech, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VoxlabError, match=r"\[bench\]"):
        {"pystoi": stoi, "pesq": pesq}[package](speech, speech)


@given(st.integers(0, 2000), st.sampled_from([1.0, -0.4]))
@settings(max_examples=20)
def test_a_late_copy_is_moved_back_to_the_original(lag, gain):
    original = audio.noise("pink", 0.5, RATE_HZ, np.random.default_rng(lag))
    late = Audio(np.concatenate([np.zeros(lag), gain * original.samples]), RATE_HZ)
    assert np.allclose(align(original, late).samples, gain * original.samples, atol=1e-6)


@pytest.mark.slow
def test_older_codecs_give_the_sound_back_in_place(speech):
    pytest.importorskip("pystoi")
    if not find_peers():
        pytest.skip("no opus-tools and no codec2 here")
    for peer in find_peers():
        made = peer.round_trip(speech)
        assert made.samples.size == speech.samples.size
        assert stoi(speech, made) > 0.6, peer.name


def test_without_the_tools_the_error_names_their_packages(speech, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_peers() == ()
    with pytest.raises(VoxlabError, match="apt-get install opus-tools codec2"):
        Peer("opus", 6000).round_trip(speech)


# --- voxlab codec --------------------------------------------------------------------------

PROMPT = str(data.path("prompts/en/vm-sorry.flac"))


@pytest.mark.slow
def test_the_command_writes_the_sound_and_prints_bitrate_and_quality(tmp_path, capsys):
    pytest.importorskip("pystoi")
    pytest.importorskip("pesq")
    out = tmp_path / "coded.wav"
    assert main(["codec", PROMPT, "--stages", "4", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "4 of 8 stages, 50 frames/s, 2 kbps" in told
    assert float(told.partition("STOI ")[2].split()[0]) > 0.7
    assert float(told.partition("PESQ ")[2].split()[0]) > 1.0
    assert audio.read(out).duration_s == pytest.approx(audio.read(PROMPT).duration_s)


def test_the_command_works_on_silence_and_says_what_it_could_not_measure(tmp_path, capsys):
    audio.write(tmp_path / "still.wav", audio.silence(0.2, 8000))
    out = tmp_path / "coded.wav"
    assert main(["codec", str(tmp_path / "still.wav"), "--out", str(out)]) == 0
    assert "STOI not measured" in capsys.readouterr().out
    assert audio.read(out).rate_hz == 8000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing.wav", "--out", "x.wav"], "no recording at nothing.wav"),
        ([PROMPT, "--stages", "9", "--out", "x.wav"], "9 stages asked for, the codec has 1 to 8"),
        ([PROMPT, "--stages", "0", "--out", "x.wav"], "0 stages asked for"),
        ([PROMPT, "--out", str(Path("no", "such", "folder.wav"))], "cannot write"),
        (["nothing.wav", "--out", "x.mp3"], "cannot write x.mp3: "),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(arguments, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["codec", *arguments]) == 2
    told = capsys.readouterr().err
    assert reason in told
    assert len(told.strip().splitlines()) == 1
