"""Calls over Twilio's media streams: the messages, both ends in virtual time, and real sockets."""

import asyncio
import base64
import contextlib
import itertools
import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from voxlab import data
from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import hold_call, play
from voxlab.agents.shop import shop_agent
from voxlab.agents.sockets import socket_pair
from voxlab.agents.telephone.twilio_caller import TwilioCaller
from voxlab.agents.telephone.twilio_phone import OverTwilio, StreamOptions, TwilioPhone
from voxlab.audio import Audio
from voxlab.cli import main
from voxlab.clock import run_real, run_virtual
from voxlab.errors import TelephonyError
from voxlab.evaluation.turn_times import interruptions, transcript
from voxlab.serving.sockets import WebSocket
from voxlab.serving.twilio import TwilioOptions, serving_twilio, sign
from voxlab.telephony import twilio
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.resampling import Resampler
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

SID = "MZ1"
names = st.text(min_size=1, max_size=20)
sids = st.from_regex(r"[A-Za-z0-9]{1,34}", fullmatch=True)
payloads = st.binary(max_size=200)


# --- messages ------------------------------------------------------------------------------


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


# --- both ends, in virtual time ------------------------------------------------------------


class Speaker:
    """An agent that plays given sounds at given moments; None falls silent."""

    def __init__(self, *pieces, until_s=4.0):
        self._pieces, self._until_s = pieces, until_s

    async def run(self, line):
        for at_s, sound in self._pieces:
            await line.wait_until(at_s)
            if sound is None:
                line.agent.cut(line.now_s)
                line.record("agent", "speech_stopped")
            else:
                line.agent.lay(line.now_s, sound)
                line.record("agent", "speech_started")
        await line.wait_until(self._until_s)
        line.hang_up("the agent is done")


class Silent:
    """A caller who says nothing."""

    async def run(self, line):
        await line.closed.wait()


def tone(frequency_hz, duration_s=1.0):
    time_s = np.arange(round(16000 * duration_s)) / 16000
    return Audio((0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32), 16000)


def level_at(call, frequency_hz, start_s, end_s):
    """Return how strong one frequency is in what the caller hears, in dB of full scale."""
    heard = call.agent.between(start_s, end_s).samples
    probe = np.exp(-2j * np.pi * frequency_hz * np.arange(heard.size) / 16000)
    return 20 * np.log10(2 * abs(probe @ heard) / heard.size + 1e-9)


def hold(agent, caller=None, **options):
    return run_virtual(hold_call(OverTwilio(agent, **options), caller or Silent()))


def test_the_caller_hears_a_second_of_the_agent_as_a_second():
    call = hold(Speaker((1.0, tone(440))))
    envelope = np.abs(call.agent.samples) > 0.05
    loud_s = np.flatnonzero(envelope) / 16000
    assert loud_s[-1] - loud_s[0] == pytest.approx(1.0, abs=0.01)
    assert 1.0 < loud_s[0] < 1.0 + 0.03 + 0.06  # the network's way, and frames
    assert level_at(call, 440, 1.2, 1.9) == pytest.approx(20 * np.log10(0.3), abs=0.5)


def test_after_a_clear_not_one_sample_of_the_old_reply_is_heard_again():
    call = hold(Speaker((1.0, tone(440, 3.0)), (1.5, None), (1.8, tone(1000)), until_s=4.0))
    assert level_at(call, 440, 1.2, 1.45) > -15
    assert level_at(call, 440, 1.65, 1.8) < -80  # silence
    assert level_at(call, 440, 1.95, 2.8) < -70  # the new reply alone
    assert level_at(call, 1000, 1.95, 2.8) > -15


def test_the_last_sound_comes_through_though_it_fills_no_message():
    call = hold(Speaker((1.0, tone(440, 0.333))))
    loud_s = np.flatnonzero(np.abs(call.agent.samples) > 0.05) / 16000
    assert loud_s[-1] - loud_s[0] == pytest.approx(0.333, abs=0.01)


def test_marks_tell_how_far_behind_the_caller_hears():
    call = hold(Speaker((1.0, tone(440, 2.0))), delay_s=0.1)
    behind_s = [event.data["behind_s"] for event in call.timeline.select("transport", "played")]
    assert len(behind_s) > 10
    assert all(0.2 <= each <= 0.26 for each in behind_s)  # there and back, and frames


def test_a_mark_that_comes_back_from_a_clear_counts_as_not_heard():
    call = hold(Speaker((1.0, tone(440, 3.0)), (1.5, None), until_s=3.0))
    played = call.timeline.select("transport", "played")
    assert max(event.at_s for event in played) < 1.5 + 0.15


@pytest.mark.slow
def test_a_caller_on_the_telephone_is_understood_and_may_interrupt():
    call = play(load_script(data.path("calls/barge_in.yaml")), OverTwilio(shop_agent()))
    ended = call.timeline.select("transport", "call_ended")[-1].data["reason"]
    assert ended == "the caller hung up"
    said = " ".join(text for _, who, text in transcript(call.timeline) if who == "agent")
    assert "on Tuesday" in said
    (cut,) = interruptions(call.timeline)
    assert cut.yield_s < 0.5
    assert "See you then" in cut.unheard


def test_a_call_over_twilio_repeats_to_the_sample():
    one, other = (hold(Speaker((0.5, tone(440)), (1.0, None), (1.3, tone(660)))) for _ in range(2))
    assert one.timeline.to_json() == other.timeline.to_json()
    np.testing.assert_array_equal(one.agent.samples, other.agent.samples)


def test_with_both_tracks_the_agent_does_not_hear_itself():
    heard = []

    class Listener(Speaker):
        async def run(self, line):
            await super().run(line)
            heard.append(line.heard(0, round(3 * line.rate_hz)))

    hold(Listener((0.5, tone(440, 2.0))), options=StreamOptions(both_tracks=True))
    assert np.abs(heard[0]).max() < 1e-3


# --- a peer that misbehaves ----------------------------------------------------------------


def end_of(*messages, then_silent=False):
    """Return why a call ends whose Twilio sends these messages after `start`."""

    async def main():
        near, far = socket_pair()
        for number, message in enumerate([Connected(), Start(SID, "CA1"), *messages]):
            text = message if isinstance(message, str) else from_twilio(message, number, SID)
            await near.send(text)
        if not then_silent:
            near.close()
        caller = TwilioCaller(far)
        await caller.start()
        call = await hold_call(Speaker(until_s=60.0), caller, lag_s=LAG_S)
        return call, call.timeline.select("transport", "call_ended")[-1].data["reason"]

    return run_virtual(main())


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((Stop(),), "the caller hung up"),
        ((), "connection to Twilio closed"),
        (("{",), "no JSON"),
        ((Start(SID, "CA2"),), "a second start"),
        (("x" * 10_000_000,), "10000000 characters"),
        (('{"event": "media", "media": {"payload": "!"}}',), "no base64"),
    ],
)
def test_a_stream_that_breaks_ends_its_call_with_the_reason(messages, reason):
    assert reason in end_of(*messages)[1]


def test_a_stop_that_never_comes_ends_the_call_after_a_while():
    call, reason = end_of(then_silent=True)
    assert "no sound came from Twilio for 5 s" in reason
    assert call.timeline.duration_s == pytest.approx(5.0, abs=0.5)


def test_a_jump_of_the_counter_is_noted_and_the_call_goes_on():
    sound = MULAW.encode(np.zeros(160, np.float32))
    call, reason = end_of(Media(sound, chunk=1), Media(sound, chunk=4), Stop())
    (gap,) = call.timeline.select("transport", "gap")
    assert (gap.data, reason) == ({"expected": 2, "got": 4}, "the caller hung up")


def test_a_key_is_told_once():
    call, _ = end_of(Dtmf("5"), Stop())
    assert [event.data for event in call.timeline.select("caller", "key")] == [{"digit": "5"}]


@pytest.mark.parametrize(
    ("first", "complaint"),
    [(Media(b""), "media before start"), (Stop(), "stop before start"), ("[1]", "text 'event'")],
)
def test_a_stream_that_does_not_begin_with_start_is_refused(first, complaint):
    async def main():
        near, far = socket_pair()
        await near.send(first if isinstance(first, str) else from_twilio(first, 1, SID))
        await TwilioCaller(far).start()

    with pytest.raises(TelephonyError, match=complaint):
        run_virtual(main())


def test_a_peer_that_says_nothing_is_not_waited_for_for_ever():
    async def main():
        await TwilioCaller(socket_pair()[1]).start()

    with pytest.raises(TelephonyError, match="no start within 5 s"):
        run_virtual(main())


# --- from the command line -----------------------------------------------------------------


@pytest.mark.slow
def test_the_command_holds_a_call_over_twilio(tmp_path, capsys):
    script = data.path("calls/cafe.yaml")
    assert main(["call", str(script), "--over", "twilio", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "call.png").is_file()
    assert "the caller hung up" in capsys.readouterr().out


def test_a_script_without_sound_is_not_carried_over_a_telephone(capsys):
    script = data.path("calls/minute_without_sound.yaml")
    assert main(["call", str(script), "--over", "twilio"]) == 2
    assert "carries sound" in capsys.readouterr().err


# --- real sockets --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_through_a_real_socket_is_heard_by_both_and_told_when_it_is_over():
    calls = []

    async def main():
        agent = Speaker((0.2, tone(440, 0.3)), until_s=0.9)
        options = TwilioOptions()
        async with (
            serving_twilio(
                lambda start: agent, options, lambda start, call: calls.append((start, call))
            ) as server,
            connect(server.url) as connection,
        ):
            options = StreamOptions(parameters=(("language", "es"),))
            return await hold_call(TwilioPhone(WebSocket(connection), options), Silent())

    call = run_real(main())
    assert np.abs(call.agent.samples).max() > 0.2
    ((start, _),) = calls
    assert start.parameters == {"language": "es"}


def get(path, token=None, signature=None, public_url=""):
    """Return (status, body) of a request to a server."""

    async def main():
        options = TwilioOptions(auth_token=token, public_url=public_url, most_calls=0)
        async with serving_twilio(lambda start: Silent(), options) as server:
            host = server._server.sockets[0].getsockname()
            signed = sign(server.voice_url, token) if signature is None and token else signature
            reader, writer = await asyncio.open_connection(*host[:2])
            header = f"X-Twilio-Signature: {signed}\r\n" if signed else ""
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
            status, _, rest = (await reader.read()).decode().partition("\r\n")
            writer.close()
            return int(status.split()[1]), rest.partition("\r\n\r\n")[2]

    return run_real(main())


def test_the_web_hook_answers_with_the_stream_to_open():
    status, body = get("/voice", public_url="wss://example.com")
    assert status == 200
    assert '<Connect><Stream url="wss://example.com/media"/></Connect>' in body


def test_with_a_token_only_signed_requests_are_answered(caplog):
    with caplog.at_level(logging.CRITICAL):
        assert get("/voice", token="secret")[0] == 200
        assert get("/voice", token="secret", signature="wrong")[0] == 403
        assert get("/voice", token="secret", signature="")[0] == 403


def test_a_signature_is_twilios():
    """HMAC-SHA1 over the URL with the token as key (by openssl), in base64."""
    assert base64.b64decode(sign("https://example.com/voice?a=1", "12345")).hex() == (
        "67d5df8d792b7a47dc724130671500ee16b0247e"
    )


def test_a_path_that_does_not_exist_says_which_do():
    status, body = get("/elsewhere")
    assert status == 404
    assert "/voice" in body


def test_a_call_too_many_is_refused_at_once():
    async def main():
        options = TwilioOptions(most_calls=0)
        async with serving_twilio(lambda start: Silent(), options) as server:
            with pytest.raises(InvalidStatus, match="503"):
                await connect(server.url)

    run_real(main())


@settings(max_examples=10)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_media_may_come_in_pieces_of_any_size(sizes):
    """Not every sender keeps to 20 ms; the phone plays what it got, in order."""
    sound = np.random.default_rng(0).integers(0, 256, sum(sizes), np.uint8)

    async def main():
        near, far = socket_pair()

        async def send():
            for a, b in itertools.pairwise(np.cumsum([0, *sizes])):
                await far.send(to_twilio(Media(sound[a:b].tobytes()), StreamOptions().stream_sid))
            await asyncio.sleep(sound.size / 8000 + 0.1)
            far.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            return await hold_call(TwilioPhone(near), Silent())

    call = run_virtual(main())
    whole = sound[: sound.size // 160 * 160].tobytes()
    expected = Resampler(8000, 16000).feed(MULAW.decode(whole))
    start = 640 - Resampler(8000, 16000).feed(np.zeros(160, np.float32)).size  # second tick
    np.testing.assert_allclose(
        call.agent.samples[start : start + expected.size], expected, atol=1e-6
    )
