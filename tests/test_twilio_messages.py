"""The messages of Twilio's media streams."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telephone_parties import SID

from voxlab.errors import TelephonyError
from voxlab.telephony import twilio
from voxlab.telephony.twilio import (
    Clear,
    Connected,
    Dtmf,
    Mark,
    Media,
    Start,
    Stop,
    from_twilio,
    parse,
    parse_command,
    to_twilio,
)

names = st.text(min_size=1, max_size=20)
sids = st.from_regex(r"[A-Za-z0-9]{1,34}", fullmatch=True)
payloads = st.binary(max_size=200)


received = st.one_of(
    st.just(Connected()),
    st.just(Stop()),
    st.builds(Dtmf, st.sampled_from("0123456789*#")),
    st.builds(Mark, names),
    st.builds(
        Media,
        payloads,
        st.sampled_from(["inbound", "outbound"]),
        st.integers(0, 10**6),
        st.integers(0, 10**9),
    ),
    st.builds(Start, sids, sids, parameters=st.dictionaries(names, names, max_size=3)),
)


@given(received)
def test_what_twilio_says_is_read_as_it_was_meant(message):
    assert parse(from_twilio(message, 7, SID)) == message


@given(st.one_of(st.builds(Media, payloads), st.builds(Mark, names), st.just(Clear())))
def test_what_an_agent_says_is_read_as_it_was_meant(message):
    again = parse_command(to_twilio(message, SID), SID)
    assert (again.payload if isinstance(again, Media) else again) == (
        message.payload if isinstance(message, Media) else message
    )


def test_counters_are_written_as_strings():
    written = json.loads(from_twilio(Media(b"\xff", chunk=3, timestamp_ms=40), 5, SID))
    counters = (written["sequenceNumber"], written["media"]["chunk"], written["media"]["timestamp"])
    assert counters == ("5", "3", "40")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
fields = st.sampled_from(["media", "start", "mark", "dtmf", "payload", "mediaFormat", "tracks"])


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "x"]),
    st.dictionaries(fields, json_values, max_size=4),
)
def test_whatever_a_message_holds_it_is_read_or_refused(event, rest):
    with contextlib.suppress(TelephonyError):
        parse(json.dumps({"event": event, **rest}))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "no JSON"),
        ("[]", "text 'event'"),
        ('{"event": "media", "media": {"payload": "*"}}', "no base64"),
        ('{"event": "media", "media": {"payload": "", "chunk": "-1"}}', "needs digits"),
        ('{"event": "dtmf"}', "object 'dtmf'"),
        (from_twilio(Start(SID, "../call"), 1, SID), "letters and digits"),
        ('{"event": "' + "x" * twilio.LONGEST_MESSAGE + '"}', "characters"),
    ],
)
def test_a_message_that_breaks_the_protocol_is_refused(text, complaint):
    with pytest.raises(TelephonyError, match=complaint):
        parse(text)


@pytest.mark.parametrize(
    "shape", [{"sampleRate": 16000}, {"encoding": "audio/x-l16"}, {"channels": 2}]
)
def test_a_stream_of_another_shape_is_refused(shape):
    message = json.loads(from_twilio(Start(SID, "CA1"), 1, SID))
    message["start"]["mediaFormat"] |= shape
    with pytest.raises(TelephonyError, match="audio/x-mulaw"):
        parse(json.dumps(message))
