"""Calls over Twilio's media streams from the command line and through real sockets."""

import asyncio
import base64
import itertools
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telephone_parties import Silent, Speaker, tone
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from voxlab import data
from voxlab.agents.calls import hold_call
from voxlab.agents.sockets import socket_pair
from voxlab.agents.telephone.twilio_phone import StreamOptions, TwilioPhone
from voxlab.cli import main
from voxlab.clock import run_real, run_virtual
from voxlab.serving.sockets import WebSocket
from voxlab.serving.twilio import TwilioOptions, serving_twilio, sign
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.twilio import Media, to_twilio

# --- from the command line ------------------------------------------------------------------


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


# --- real sockets ---------------------------------------------------------------------------


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
    assert '<Connect><Stream url="wss://example.com/media"></Stream></Connect>' in body


def test_the_language_of_a_web_hook_becomes_a_parameter_and_nothing_else_does():
    _, body = get("/voice?language=es-MX&From=%2B15550100&x=%22%3E", public_url="wss://example.com")
    assert '<Parameter name="language" value="es-MX"/></Stream>' in body
    assert body.count("<Parameter") == 1
    assert "15550100" not in body


def test_with_a_token_only_signed_requests_are_answered(caplog):
    with caplog.at_level(logging.CRITICAL):
        assert get("/voice", token="secret")[0] == 200
        assert get("/voice", token="secret", signature="wrong")[0] == 403
        assert get("/voice", token="secret", signature="")[0] == 403


def test_with_a_token_a_stream_needs_the_signature_of_its_own_address():
    async def main():
        options = TwilioOptions(auth_token="secret")
        async with serving_twilio(lambda start: Silent(), options) as server:
            for signature in ("", "wrong", sign(server.voice_url, "secret")):
                with pytest.raises(InvalidStatus, match="403"):
                    await connect(server.url, additional_headers={"X-Twilio-Signature": signature})
            right = {"X-Twilio-Signature": sign(server.url, "secret")}
            async with connect(server.url, additional_headers=right):
                pass

    run_real(main())


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
    expected = LowDelayResampler(8000, 16000).feed(MULAW.decode(whole))
    start = 640 - LowDelayResampler(8000, 16000).feed(np.zeros(160, np.float32)).size  # second tick
    np.testing.assert_allclose(
        call.agent.samples[start : start + expected.size], expected, atol=1e-6
    )
