"""How much one client may take of a server: calls, sizes and rates, over three protocols."""

import asyncio

import pytest
import websockets
from raw_sip_peer import OFFER, RawPeer, with_peer
from realtime_sockets import KEY, MODEL, PATIENCE_S, scripted
from telephone_parties import Silent
from websockets.exceptions import InvalidStatus

from voxlab.agents.datagrams import MemoryNetwork
from voxlab.agents.rates import Rate
from voxlab.agents.telephone import rtp_link
from voxlab.agents.telephone.sip_transport import LARGEST_MESSAGE, MESSAGES
from voxlab.clock import run_real, run_virtual
from voxlab.errors import missing_extra
from voxlab.serving.realtime.transport.authentication import (
    MOST_SECRETS,
    Authenticator,
    NotAdmitted,
)
from voxlab.serving.realtime.transport.server import ServerOptions, serving
from voxlab.serving.sip import serving_sip
from voxlab.serving.sockets import listen
from voxlab.serving.twilio import TwilioOptions, serving_twilio
from voxlab.telephony.rtp import RtpSender
from voxlab.telephony.twilio import LONGEST_MESSAGE

# --- WebSockets -----------------------------------------------------------------------------


def test_who_floods_a_server_is_heard_at_its_rate_and_loses_nothing():
    async def repeat(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        server = await listen(repeat, "127.0.0.1", 0, messages=Rate(per_s=100, burst=5))
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with websockets.connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
                began_s = asyncio.get_running_loop().time()
                for number in range(20):
                    await socket.send(str(number))
                heard = [await socket.recv() for _ in range(20)]
                return heard, asyncio.get_running_loop().time() - began_s

    heard, took_s = run_real(main())
    assert heard == [str(number) for number in range(20)]
    assert took_s >= 0.149


def test_a_session_too_many_is_refused_until_another_one_ends():
    async def main():
        async with serving(scripted(), ServerOptions(most_sessions=1)) as server:
            url = server.url + MODEL
            async with websockets.connect(url, additional_headers=KEY) as first:
                await first.recv()
                with pytest.raises(InvalidStatus, match="503"):
                    await websockets.connect(url, additional_headers=KEY)
            async with asyncio.timeout(PATIENCE_S):
                while server.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            async with websockets.connect(url, additional_headers=KEY) as second:
                return await second.recv()

    assert "session.created" in run_real(main())


def test_of_too_many_client_secrets_the_oldest_opens_nothing():
    door, key = Authenticator(), {"Authorization": "Bearer any"}
    first, *_, last = [door.issue(key, {}, 0.0)["value"] for _ in range(MOST_SECRETS + 1)]
    with pytest.raises(NotAdmitted):
        door.admit("/v1/realtime", {"Authorization": f"Bearer {first}"}, (), 0.0)
    assert door.admit("/v1/realtime", {"Authorization": f"Bearer {last}"}, (), 0.0)


def test_a_stream_whose_message_is_too_long_is_closed():
    async def main():
        async with (
            serving_twilio(lambda start: Silent(), TwilioOptions()) as server,
            websockets.connect(server.url) as socket,
        ):
            await socket.send("x" * (LONGEST_MESSAGE + 1))
            await socket.wait_closed()
            return socket.close_code

    assert run_real(main()) == 1009


# --- SIP ------------------------------------------------------------------------------------

needs_sip = pytest.mark.usefixtures("aiosipua")


@pytest.fixture
def aiosipua():
    pytest.importorskip("aiosipua", reason=missing_extra("sip"))


@needs_sip
def test_who_floods_sip_is_not_heard_meanwhile_and_others_are():
    async def main():
        network = MemoryNetwork(0.001)
        async with serving_sip(lambda start: Silent(), network=network) as server:
            peer = await RawPeer(network, server.url).open()
            for _ in range(int(MESSAGES.burst)):
                peer.send("\r\n")
            await asyncio.sleep(0.002)
            peer.say("INVITE", OFFER)
            await asyncio.sleep(0.1)
            heard = [list(peer.statuses)]
            other = await network.open("127.0.0.9", 6000)
            answered = []
            other.on_datagram = lambda data, sender: answered.append(data)
            other.send(peer.request("OPTIONS").encode(), peer.server)
            await asyncio.sleep(1.0)
            peer.say("INVITE", OFFER)
            await asyncio.sleep(0.1)
            return [*heard, list(peer.statuses)], answered

    (during, after), answered = run_virtual(main())
    assert during == []
    assert 200 in after
    assert answered


@needs_sip
def test_a_sip_message_too_long_is_passed_over(caplog):
    async def act(peer, network):
        peer.say("INVITE", OFFER + "a=x\r\n" * LARGEST_MESSAGE)
        await asyncio.sleep(0.1)

    _, peer, calls = with_peer(act)
    assert (peer.statuses, calls) == ([], [])
    assert "too many" in caplog.text


@needs_sip
def test_of_a_flood_of_sound_a_call_takes_its_rate(monkeypatch):
    monkeypatch.setattr(rtp_link, "PACKETS", Rate(per_s=50, burst=10))

    async def act(peer, network):
        tag, port = await peer.answered()
        sender = RtpSender(0, 7)
        for _ in range(500):
            peer.sound.send(sender.packet(b"\x00" * 160, 160).to_bytes(), ("127.0.0.1", port))
        await asyncio.sleep(0.5)
        peer.say("BYE", number=2, to_tag=tag)

    _, _, (call,) = with_peer(act)
    media = call.timeline.select("transport", "media")[0].data
    assert 0 < media["received"] <= 10
