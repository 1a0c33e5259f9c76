"""From packets to sound: codecs, early and late packets, comfort noise, keys, other senders."""

import numpy as np
import pytest
from telephone_parties import level_of, tone

from voxlab.audio import Audio
from voxlab.errors import TelephonyError
from voxlab.telephony import dtmf
from voxlab.telephony.codecs import CODECS, available_codecs
from voxlab.telephony.rtp import PAYLOAD_TYPES, RtpPacket, RtpSender
from voxlab.telephony.rtp_playout import RtpPlayout
from voxlab.telephony.sdp import EVENTS

NAMES = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN", 101: EVENTS}
FRAME_S = 0.02
every_codec = pytest.mark.parametrize("name", available_codecs())


def packets(name, sound, frame_s=FRAME_S, ssrc=1):
    """Return (time it is sent, packet) of a sound in a codec."""
    codec, sender = CODECS[name], RtpSender(PAYLOAD_TYPES[name], ssrc, 65_530, 4_294_967_000)
    samples = sound.resample(codec.rate_hz).samples
    coder, size = codec.coder(), round(frame_s * codec.rate_hz)
    frames = samples[: samples.size // size * size].reshape(-1, size)
    return [
        (n * frame_s, sender.packet(coder.encode(frame), round(8000 * frame_s)))
        for n, frame in enumerate(frames)
    ]


def play(sent, until_s, playout=None):
    """Return what is heard when packets come as they were sent; the playout asks every 20 ms."""
    playout, sent, heard = playout or RtpPlayout(NAMES), list(sent), []
    for tick in range(round(until_s / FRAME_S)):
        while sent and sent[0][0] <= tick * FRAME_S + 1e-9:
            playout.put(sent[0][1], sent[0][0])
            del sent[0]
        heard.append(playout.play(tick * FRAME_S))
    return Audio(np.concatenate(heard), 16000)


def loud_s(sound):
    """Return when a sound is loud first and last, in seconds."""
    places = np.flatnonzero(np.abs(sound.samples) > 0.05) / sound.rate_hz
    return places[0], places[-1]


@every_codec
@pytest.mark.parametrize("frame_s", [0.01, 0.02, 0.03, 0.06])
def test_a_second_is_heard_as_a_second_whatever_its_packets_last(name, frame_s):
    quiet = np.zeros(round(0.3 * 16000), np.float32)
    sound = Audio(np.concatenate([tone(440, 1.02).samples, quiet]), 16000)
    heard = play(packets(name, sound, frame_s), 1.5)
    first, last = loud_s(heard)
    assert last - first == pytest.approx(1.02, abs=0.02)
    assert first < frame_s + 0.02  # the buffer holds a packet for so long, at least
    assert level_of(heard.between(0.2, 0.9), 440) == pytest.approx(-10.5, abs=0.5)


def test_before_the_first_packet_there_is_silence():
    assert not play([], 0.1).samples.any()


def test_one_lost_packet_in_twenty_is_hardly_heard():
    sent = packets("PCMU", tone(440, 2.0))
    heard = play([pair for n, pair in enumerate(sent) if n % 20 != 7], 2.0)
    envelope = np.abs(heard.between(0.2, 1.9).samples).reshape(-1, 160).max(axis=1)
    assert envelope.min() > 0.15


def test_a_codec_may_change_in_mid_call():
    first = packets("PCMU", tone(440, 0.5))
    second = [
        (
            at_s + 0.5,
            RtpPacket(8, p.sequence + 25 & 0xFFFF, p.timestamp + 4000 & 0xFFFFFFFF, 1, p.payload),
        )
        for at_s, p in packets("PCMA", tone(1000, 0.5))
    ]
    heard = play([*first, *second], 1.2)
    assert level_of(heard.between(0.1, 0.4), 440) > -12
    assert level_of(heard.between(0.65, 0.95), 1000) > -12
    assert level_of(heard.between(0.65, 0.95), 440) < -50


def test_another_sender_is_another_stream():
    other = [(at_s + 0.5, packet) for at_s, packet in packets("PCMU", tone(1000, 0.5), ssrc=2)]
    heard = play([*packets("PCMU", tone(440, 0.5)), *other], 1.2)
    assert level_of(heard.between(0.65, 0.95), 1000) > -12


def test_packets_of_another_length_begin_a_new_stream():
    longer = [(at_s + 0.4, p) for at_s, p in packets("PCMU", tone(1000, 0.6), 0.03)]
    heard = play([*packets("PCMU", tone(440, 0.4)), *longer], 1.2)
    assert level_of(heard.between(0.6, 0.9), 1000) > -12


def test_comfort_noise_is_heard_at_its_level_until_somebody_speaks():
    sent = packets("PCMU", tone(440, 0.2))
    last = sent[-1][1]
    noise = RtpPacket(13, last.sequence + 1 & 0xFFFF, last.timestamp + 160 & 0xFFFFFFFF, 1, b"\x28")
    speech = [
        (
            at_s + 1.0,
            RtpPacket(0, p.sequence + 11 & 0xFFFF, p.timestamp + 8000 & 0xFFFFFFFF, 1, p.payload),
        )
        for at_s, p in packets("PCMU", tone(440, 0.4))
    ]
    heard = play([*sent, (0.2, noise), *speech], 1.6)
    rms_db = 20 * np.log10(np.std(heard.between(0.3, 0.95).samples))
    assert rms_db == pytest.approx(-40 - 0.7, abs=1)  # the resampler keeps 85 % of the band
    assert level_of(heard.between(1.1, 1.3), 440) > -12


def test_a_key_is_told_once_and_is_not_heard():
    press = dtmf.event_packets("7", 0.1, payload_type=101, ssrc=1, sequence=5, timestamp=800)
    playout = RtpPlayout(NAMES)
    keys = [playout.put(packet, n * FRAME_S) for n, packet in enumerate(press)]
    assert [key for key in keys if key] == ["7"]
    assert not play([], 0.2, playout).samples.any()


@pytest.mark.parametrize(
    "packet", [RtpPacket(99, 1, 0, 1, b"\0" * 160), RtpPacket(0, 1, 0, 1, b"")]
)
def test_what_was_not_agreed_on_is_passed_over(packet):
    playout = RtpPlayout(NAMES)
    playout.put(packet, 0.0)
    assert playout.counts.received == 0


def test_an_event_that_is_none_is_refused():
    with pytest.raises(TelephonyError, match="needs 4"):
        RtpPlayout(NAMES).put(RtpPacket(101, 1, 0, 1, b"\0"), 0.0)
