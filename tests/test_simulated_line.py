"""A voice over a simulated line: what is played, what is missing, and what conceals it."""

import numpy as np
import pytest

from voxlab import data
from voxlab.codec.classical_codecs import align
from voxlab.codec.perceptual_metrics import stoi
from voxlab.errors import DataError, TelephonyError
from voxlab.telephony.g711 import ALAW, MULAW
from voxlab.telephony.jitter_buffer import FrameSource
from voxlab.telephony.measured_lines import FILE, load_measured_lines
from voxlab.telephony.network_conditions import NetworkConditions
from voxlab.telephony.opus import Opus, has_opus
from voxlab.telephony.simulated_line import TelephoneCoder, carry, conceal_losses

needs_opus = pytest.mark.skipif(not has_opus(), reason="no libopus on this machine")
PERFECT = NetworkConditions(delay_s=0.0)


def voice(duration_s=2.0):
    return data.prompts("en")[3].audio.between(0, duration_s).resample(8_000)


def draw_losses(share, frames=100, seed=1):
    return set(np.flatnonzero(np.random.default_rng(seed).random(frames) < share).tolist())


@pytest.mark.parametrize(("name", "law"), [("PCMU", MULAW), ("PCMA", ALAW)])
def test_a_perfect_line_plays_what_the_codec_leaves_of_the_voice(name, law):
    sound = voice()
    heard = carry(sound, TelephoneCoder(name), PERFECT, np.random.default_rng(0))
    np.testing.assert_array_equal(heard.audio.samples, law.decode(law.encode(sound.samples)))
    assert heard.missing == 0
    assert {packet.arrived_s - packet.sent_s for packet in heard.packets} == {0.0}


def test_each_packet_is_played_after_it_arrived_and_in_order():
    network = NetworkConditions(loss=0.1, jitter_s=0.02)
    heard = carry(voice(), TelephoneCoder(), network, np.random.default_rng(3))
    played = [packet for packet in heard.packets if packet.played_s is not None]
    assert all(packet.sent_s < packet.arrived_s <= packet.played_s + 1e-6 for packet in played)
    assert np.all(np.diff([packet.played_s for packet in played]) > 0.019)
    assert len(played) == sum(kind is FrameSource.PACKET for kind in heard.frames)
    lost = [packet for packet in heard.packets if packet.arrived_s is None]
    assert len(lost) > 3
    assert heard.missing > len(lost) / len(heard.packets) / 2


def test_a_network_that_loses_everything_plays_nothing():
    heard = carry(
        voice(0.1), TelephoneCoder(), NetworkConditions(0.999, 1000), np.random.default_rng()
    )
    assert heard.audio.samples.size == 0
    assert [packet.played_s for packet in heard.packets] == [None] * 5


def test_without_concealment_a_lost_packet_is_silence():
    heard = conceal_losses(voice(), TelephoneCoder(is_concealed=False), {40, 41}).samples
    assert not heard[40 * 160 : 42 * 160].any()
    assert (
        np.abs(conceal_losses(voice(), TelephoneCoder(), {40, 41}).samples[6400:6720]).max() > 0.01
    )


@needs_opus
@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_opus_carries_a_voice_at_each_of_its_rates(rate_hz):
    pytest.importorskip("pystoi")
    original = voice().resample(rate_hz)
    heard = conceal_losses(original, Opus(rate_hz), ())
    assert stoi(original, align(original, heard)) > 0.95


@needs_opus
@pytest.mark.slow
def test_what_opus_makes_up_is_nearer_to_the_voice_than_silence_and_a_copy_is_nearer_still():
    original, lost = data.prompts("en")[3].audio.resample(16_000), draw_losses(0.1)
    error = {}
    for name, expected_loss in (("guessed", 0.0), ("copied", 0.1)):
        whole, heard = (
            conceal_losses(original, Opus(expected_loss=expected_loss), missing).samples
            for missing in ((), lost)
        )
        made_up = np.repeat(np.isin(np.arange(whole.size // 320), sorted(lost)), 320)
        error[name] = np.mean((heard - whole)[made_up] ** 2) / np.mean(whole[made_up] ** 2)
    assert error["guessed"] < 1  # that of silence
    assert error["copied"] < error["guessed"] / 2


@needs_opus
def test_what_opus_cannot_do_is_refused_in_words():
    with pytest.raises(TelephonyError, match="48000 Hz, not 44100"):
        Opus(44_100)
    with pytest.raises(TelephonyError, match="refuses bitrate: invalid argument"):
        Opus(bitrate_bps=-5)
    with pytest.raises(TelephonyError, match="refuses the sound or a packet: invalid argument"):
        Opus().encode(np.zeros(333, np.float32))


def test_without_the_library_a_sentence_says_how_to_get_it(monkeypatch):
    from voxlab.telephony import opus

    monkeypatch.setattr(opus.ctypes.util, "find_library", lambda name: None)
    opus._library.cache_clear()
    with pytest.raises(TelephonyError, match="apt-get install libopus0"):
        Opus()
    opus._library.cache_clear()


def test_the_measured_lines_hold_every_codec_at_every_loss():
    measured = {(each.line, each.loss): each for each in load_measured_lines()}
    assert {loss for line, loss in measured if line.startswith("G.711")} == {
        0,
        0.02,
        0.05,
        0.1,
        0.2,
    }
    assert all(0 <= each.wer < 0.5 for each in measured.values())
    assert all((each.stoi is None) == (each.loss == 0) for each in measured.values())


def test_a_damaged_file_of_measured_lines_is_told(monkeypatch, tmp_path):
    (tmp_path / FILE).write_text('{"sound": [{"line": "x"}]}')
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path))
    with pytest.raises(DataError, match="damaged"):
        load_measured_lines()
