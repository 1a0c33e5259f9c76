"""RTP: packets, their journey through a bad network, and the buffer that evens them out."""

import contextlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voxlab.errors import TelephonyError
from voxlab.telephony.jitter_buffer import FrameSource, JitterBuffer, find_quantile
from voxlab.telephony.network_conditions import NetworkConditions, travel
from voxlab.telephony.rtp import SEQUENCES, TIMESTAMPS, RtpPacket, RtpSender, signed_distance

FRAME_S = 0.02


def stream(frames, first=0, pauses=()):
    """Return (time it leaves, packet) of a talker; after frames in pauses it is silent."""
    sender = RtpSender(0, 99, sequence=(SEQUENCES - 3), timestamp=(TIMESTAMPS - 500 + first))
    sent, now_s = [], 0.0
    for n in range(frames):
        sent.append((now_s, sender.packet(n.to_bytes(2, "big"), 160)))
        now_s += FRAME_S
        if n in pauses:
            sender.skip(8000)
            now_s += 1.0
    return sent


def play(arrivals, until_s, buffer=None):
    """Return what the buffer plays, a frame every 20 ms."""
    buffer = buffer or JitterBuffer()
    arrivals, played = list(arrivals), []
    for tick in range(int(until_s / FRAME_S)):
        while arrivals and arrivals[0][0] <= tick * FRAME_S:
            buffer.put(arrivals[0][1], arrivals[0][0])
            del arrivals[0]
        played.append(buffer.get(tick * FRAME_S))
    return played, buffer


def numbers(played):
    return [int.from_bytes(frame.packet.payload, "big") for frame in played if frame.packet]


packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, SEQUENCES - 1),
    st.integers(0, TIMESTAMPS - 1),
    st.integers(0, TIMESTAMPS - 1),
    st.binary(max_size=200),
    st.booleans(),
)


@given(packets)
def test_a_packet_comes_out_of_its_bytes_as_it_went_in(packet):
    assert RtpPacket.parse(packet.to_bytes()) == packet


@given(st.binary(max_size=60))
def test_whatever_a_datagram_holds_it_is_a_packet_or_a_clear_error(datagram):
    with contextlib.suppress(TelephonyError):
        assert len(RtpPacket.parse(datagram).payload) <= len(datagram) - 12


def test_sources_extension_and_padding_are_passed_over():
    head = bytes([0b10110010, 0x80 | 8]) + bytes([0, 5]) + bytes(3) + b"\xa0" + bytes(4)
    sources, extension = bytes(8), b"\xbe\xde\x00\x01" + b"abcd"
    packet = RtpPacket.parse(head + sources + extension + b"sound" + b"\x00\x00\x03")
    assert (packet.payload, packet.payload_type, packet.sequence) == (b"sound", 8, 5)
    assert packet.marker
    assert packet.timestamp == 160


@pytest.mark.parametrize(
    ("datagram", "complaint"),
    [
        (b"\x80\x00", "12"),
        (bytes(12), "version 0"),
        (b"\xa0" + bytes(10) + b"\xff", "promises more"),
    ],
)
def test_a_datagram_that_is_no_rtp_is_refused(datagram, complaint):
    with pytest.raises(TelephonyError, match=complaint):
        RtpPacket.parse(datagram)


def test_the_marker_stands_where_a_talkspurt_begins():
    marked = [n for n, (_, packet) in enumerate(stream(10, pauses=(3, 6))) if packet.marker]
    assert marked == [0, 4, 7]


@given(st.integers(0, SEQUENCES - 1), st.integers(-SEQUENCES // 2, SEQUENCES // 2 - 1))
def test_a_counter_that_wraps_is_compared_by_its_distance(start, step):
    assert signed_distance((start + step) % SEQUENCES, start, SEQUENCES) == step


def test_an_even_line_plays_every_packet_after_the_shortest_delay():
    played, buffer = play(travel(stream(50), NetworkConditions(), np.random.default_rng(0)), 1.5)
    assert numbers(played) == list(range(50))
    first = next(n for n, frame in enumerate(played) if frame.packet)
    assert first * FRAME_S == pytest.approx(0.04 + buffer.shortest_s, abs=FRAME_S)
    assert {frame.kind for frame in played[first : first + 50]} == {FrameSource.PACKET}


@given(st.integers(0, 2**32), st.floats(0, 0.06), st.floats(0, 0.3))
@example(29_011, 0.046875, 0.0)  # a packet comes when its talkspurt counts as over
def test_packets_play_in_order_and_each_once_whatever_the_network_does(seed, jitter_s, loss):
    conditions = NetworkConditions(loss=loss, jitter_s=jitter_s)
    arrivals = travel(stream(60), conditions, np.random.default_rng(seed))
    played, buffer = play(arrivals, 2.5)
    order = numbers(played)
    assert order == sorted(set(order))
    counts = buffer.counts
    assert counts.received == len(order) + counts.too_late + counts.duplicates + counts.skipped


def test_a_packet_that_comes_twice_plays_once():
    sent = stream(20)
    played, buffer = play(sorted([*sent, *sent], key=lambda pair: pair[0]), 1.0)
    assert numbers(played) == list(range(20))
    assert buffer.counts.duplicates + buffer.counts.too_late == 20


def test_the_delay_grows_with_the_jitter_and_most_packets_are_in_time():
    rng = np.random.default_rng(1)
    calm, nervous = (
        play(travel(stream(500), NetworkConditions(jitter_s=jitter_s), rng), 12)[1]
        for jitter_s in (0.002, 0.03)
    )
    assert nervous.delay_s > calm.delay_s + 0.05
    assert nervous.counts.too_late < 0.05 * 500


def test_between_talkspurts_the_line_is_silent_and_the_delay_is_taken_anew():
    sent = stream(40, pauses=(19,))
    played, _ = play(sent, 2.5)
    assert numbers(played) == list(range(40))
    second = next(n for n, frame in enumerate(played) if numbers([frame]) == [20])
    assert played[second - 1].kind is FrameSource.SILENCE
    assert second * FRAME_S - sent[20][0] <= 0.06


def test_a_hole_is_told_from_an_empty_buffer():
    sent = stream(20)
    kinds = [f.kind for f in play([p for n, p in enumerate(sent) if n != 7], 0.5)[0] if f.kind]
    assert kinds.count(FrameSource.LOST) == 1
    assert kinds.index(FrameSource.LOST) == kinds.index(FrameSource.PACKET) + 7


def test_after_a_stall_the_surplus_is_played_off():
    """A plain queue would keep the delay of the stall for the rest of the call."""
    sent = [(leaves_s if leaves_s < 1 else max(leaves_s, 2.0), p) for leaves_s, p in stream(500)]
    played, _ = play(sent, 11.0)
    last = next(n for n, frame in enumerate(played) if numbers([frame]) == [498])
    assert last * FRAME_S - sent[498][0] < 0.45


@given(st.floats(0, 0.4), st.floats(1.5, 4), st.integers(0, 2**32))
def test_the_network_loses_the_share_it_was_told_to(loss, burst, seed):
    conditions = NetworkConditions(loss=loss, burst=burst)
    rng = np.random.default_rng(seed)
    arrived = len(travel(stream(3000), conditions, rng))
    deviation = np.sqrt(loss * (1 - loss) * 2 * burst / 3000)
    assert abs(1 - arrived / 3000 - loss) < 5 * deviation + 1e-9


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"loss": -0.1}, {"burst": 0.5}, {"jitter_s": -1}, {"loss": 0.9}]
)
def test_conditions_that_no_network_has_are_refused(wrong):
    with pytest.raises(TelephonyError, match="loss"):
        NetworkConditions(**wrong)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=200), st.floats(0, 1))
def test_the_quantile_is_numpys_to_the_bit(values, share):
    assert find_quantile(values, share) == np.quantile(values, share)
