"""Telephone keys: each press counted once, in RTP events and in tones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.errors import TelephonyError
from voxlab.telephony.dtmf import KEYS, EventReceiver, ToneReceiver, event_packets, tone
from voxlab.telephony.g711 import ALAW, MULAW
from voxlab.telephony.rtp import RtpPacket

dialled = st.text(st.sampled_from(KEYS), min_size=1, max_size=8)


def events(keys):
    """Return the packets of keys pressed one after the other."""
    packets = []
    for n, key in enumerate(keys):
        packets += event_packets(
            key, 0.1, payload_type=101, ssrc=1, sequence=n * 20, timestamp=4800 * n
        )
    return packets


def told(packets):
    receiver = EventReceiver()
    return "".join(filter(None, map(receiver.key, packets)))


def tones(keys, on_s=0.05, off_s=0.05, rate_hz=8000, level_db=-9.0):
    pause = np.zeros(round(off_s * rate_hz), np.float32)
    return np.concatenate(
        [pause, *(piece for key in keys for piece in (tone(key, on_s, rate_hz, level_db), pause))]
    )


def heard(samples, chunk=160, rate_hz=8000):
    receiver = ToneReceiver(rate_hz)
    return "".join(receiver.feed(samples[i : i + chunk]) for i in range(0, len(samples), chunk))


@given(dialled)
def test_each_press_is_told_once_also_the_same_key_twice(keys):
    assert told(events(keys)) == keys


@given(dialled, st.data())
def test_a_press_is_told_while_one_of_its_packets_arrives(keys, drawn):
    packets = events(keys)
    per_key = len(packets) // len(keys)
    kept = [drawn.draw(st.integers(0, per_key - 1)) for _ in keys]
    assert told([packets[n * per_key + i] for n, i in enumerate(kept)]) == keys


def test_an_event_has_the_bytes_of_the_rfc():
    first, *_, last = event_packets(
        "5", 0.06, payload_type=101, ssrc=7, sequence=65_534, timestamp=800
    )
    assert first.payload == bytes([5, 10, 0, 160])
    assert last.payload == bytes([5, 0x80 | 10, 480 >> 8, 480 & 0xFF])
    assert (first.marker, last.marker, first.timestamp, last.timestamp) == (True, False, 800, 800)
    assert last.sequence == 2


@pytest.mark.parametrize("payload", [b"", b"\x05\x0a", bytes([200, 0, 0, 160])])
def test_a_payload_that_is_no_key_is_refused(payload):
    with pytest.raises(TelephonyError, match="RTP event"):
        EventReceiver().key(RtpPacket(101, 0, 0, 0, payload))


def test_a_key_that_no_telephone_has_is_refused():
    with pytest.raises(TelephonyError, match="no key of a telephone"):
        tone("x", 0.1)


@given(dialled, st.integers(1, 400), st.floats(-30, -7))
def test_tones_are_heard_as_they_were_dialled(keys, chunk, level_db):
    assert heard(tones(keys, level_db=level_db), chunk) == keys


@pytest.mark.parametrize("law", [MULAW, ALAW], ids=lambda law: law.name)
def test_tones_survive_the_telephone_s_companding_and_noise(law):
    rng = np.random.default_rng(0)
    clean = tones(KEYS, 0.08, 0.06)
    noisy = clean + rng.normal(0, 0.01, clean.size).astype(np.float32)
    assert heard(law.decode(law.encode(noisy))) == KEYS


def test_forty_milliseconds_of_tone_and_pause_are_enough():
    assert heard(tones("5577", 0.04, 0.04)) == "5577"


def test_a_tone_shorter_than_twenty_milliseconds_is_no_press():
    assert heard(tones("5", 0.018, 0.1)) == ""


@pytest.mark.slow
def test_speech_presses_no_key():
    for prompt in data.prompts("en"):
        recording = prompt.audio.resample(8000)
        assert heard(recording.samples) == "", prompt.text
