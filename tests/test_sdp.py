"""SDP: reading and writing descriptions, the choice of a codec, and who may speak."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import TelephonyError
from voxlab.telephony import sdp
from voxlab.telephony.sdp import EVENTS, Description, Direction

OURS = ("G722", "PCMU", "PCMA")
codecs = st.lists(st.sampled_from(OURS), min_size=1, unique=True)
directions = st.sampled_from(Direction)

BARESIP = """v=0
o=- 3973 1216 IN IP4 192.0.2.2
s=-
c=IN IP4 192.0.2.2
t=0 0
a=tool:baresip 1.0.0
m=audio 24910 RTP/AVP 9 0 8 96
b=AS:125
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-15
a=rtcp:24911
a=sendrecv
a=label:1
a=rtcp-rsize
a=ptime:20
"""


@given(codecs, directions, st.integers(1, 65535), st.integers(96, 127))
def test_what_is_written_is_read_as_it_was_meant(names, direction, port, events):
    offered = sdp.offer("192.0.2.1", port, names, events)
    described = Description(offered.host, port, offered.codecs, direction)
    assert sdp.parse(sdp.write(described)) == described


@given(codecs, codecs, directions)
def test_the_answer_is_the_offers_first_codec_that_is_ours_in_the_mirrored_direction(
    theirs, ours, direction
):
    offered = Description("192.0.2.1", 4000, sdp.offer("x", 1, theirs).codecs, direction)
    common = [name for name in theirs if name in ours]
    if not common:
        with pytest.raises(TelephonyError, match="no codec of the offer"):
            sdp.answer(offered, "192.0.2.2", 5000, ours)
        return
    answered = sdp.answer(offered, "192.0.2.2", 5000, ours)
    assert [name for _, name in answered.codecs] == [common[0], EVENTS]
    assert answered.direction.sends == direction.receives
    assert answered.direction.receives == direction.sends
    assert (answered.host, answered.port) == ("192.0.2.2", 5000)


def test_an_offer_of_baresip_is_answered_with_its_own_payload_types():
    answered = sdp.answer(sdp.parse(BARESIP), "192.0.2.9", 5000, ("PCMA",))
    assert answered.codecs == ((8, "PCMA"), (96, EVENTS))
    assert "m=audio 5000 RTP/AVP 8 96\r\n" in sdp.write(answered)


def test_other_media_are_refused_in_their_places():
    video = "m=video 5004 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
    head, sound = BARESIP.split("m=audio")
    answered = sdp.answer(sdp.parse(f"{head}{video}m=audio{sound}{video}"), "x", 5000, OURS)
    media = [line for line in sdp.write(answered).splitlines() if line.startswith("m=")]
    assert [line.split()[:2] for line in media] == [
        ["m=video", "0"],
        ["m=audio", "5000"],
        ["m=video", "0"],
    ]


@pytest.mark.parametrize("change", [("a=sendrecv", "a=sendonly"), ("192.0.2.2", "0.0.0.0")])
def test_both_signs_of_hold_are_understood(change):
    offered = sdp.parse(BARESIP.replace(*change))
    answered = sdp.answer(offered, "192.0.2.9", 5000, OURS)
    assert (answered.direction, answered.direction.sends) == (Direction.RECEIVE, False)


def test_a_direction_of_the_whole_session_counts_where_the_sound_has_none():
    whole = BARESIP.replace("a=sendrecv\n", "").replace("t=0 0", "t=0 0\na=inactive")
    assert sdp.parse(whole).direction is Direction.NEITHER


def test_a_codec_with_another_clock_is_another_codec():
    wide = sdp.parse(BARESIP.replace("96 telephone-event/8000", "96 telephone-event/48000"))
    assert wide.payload_type(EVENTS) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "without a stream of sound"),
        ("v=0\nm=video 4000 RTP/AVP 0\n", "without a stream of sound"),
        ("v=0\nm=audio 4000 RTP/SAVP 0\n", "without a stream of sound"),
        ("v=0\nm=audio 0 RTP/AVP 0\n", "without a stream of sound"),
        ("v=0\nm=audio 4000 RTP/AVP 0\n", "without an address"),
        ("v=0\nc=IN IP4\nm=audio 4000 RTP/AVP 0\n", "cannot be read: c=, of 8 characters"),
        ("v=0\nm=audio 70000 RTP/AVP 0\n", "not a port"),
        ("v=0\nm=audio 4000 RTP/AVP x\n", "not a port and payload types"),
        ("hello", "needs a letter and ="),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(text, complaint):
    with pytest.raises(TelephonyError, match=complaint):
        sdp.parse(text)


lines = st.sampled_from(BARESIP.splitlines())


@given(st.lists(st.tuples(lines, st.integers(0, 40), st.text(max_size=4)), max_size=20))
def test_whatever_an_offer_holds_it_is_answered_or_refused(damaged):
    text = "\n".join(line[:cut] + put + line[cut:] for line, cut, put in damaged)
    with contextlib.suppress(TelephonyError):
        sdp.answer(sdp.parse(text), "192.0.2.9", 5000, OURS)
