"""A SIP peer that says what it is told to, word for word."""

import asyncio
import re

from telephone_parties import Silent

from voxlab.agents.datagrams import MemoryNetwork
from voxlab.clock import run_virtual
from voxlab.serving.sip import SipOptions, serving_sip
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.rtp import RtpSender

SOUND_PORT = 4000
OFFER = f"v=0\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {SOUND_PORT} RTP/AVP 0\r\n"


class RawPeer:
    """A peer that says what it is told to, word for word; `got` has all that came back."""

    def __init__(self, network, server_url):
        self._network = network
        host, _, port = server_url.partition("@")[2].partition(":")
        self.server = host, int(port)
        self.got = []

    async def open(self):
        self._sip = await self._network.open("127.0.0.1", 6000)
        self._sip.on_datagram = lambda data, sender: self.got.append(data.decode())
        self.sound = await self._network.open("127.0.0.1", SOUND_PORT)
        return self

    def say(self, method, body="", number=1, branch="", to_tag=""):
        """Send a request."""
        self.send(self.request(method, body, number, branch, to_tag))

    def request(self, method, body="", number=1, branch="", to_tag=""):
        """Return a request."""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        branch = branch or f"{method}{number}"
        return (
            f"{method} sip:agent@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK{branch}\r\n"
            "From: <sip:raw@127.0.0.1:6000>;tag=1\r\n"
            f"To: <sip:agent@127.0.0.1>{f';tag={to_tag}' if to_tag else ''}\r\n"
            f"Call-ID: raw\r\nCSeq: {number} {method}\r\nContact: <sip:raw@127.0.0.1:6000>\r\n"
            f"Max-Forwards: 70\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def send(self, text):
        """Send a datagram."""
        self._sip.send(text.encode(), self.server)

    @property
    def statuses(self):
        """The status of each response that came, in order."""
        return [int(text.split()[1]) for text in self.got if text.startswith("SIP/2.0")]

    async def answered(self, offer=OFFER):
        """Call and be answered; return the tag of the other side and the port for our sound."""
        self.say("INVITE", offer)
        await asyncio.sleep(0.1)
        answer = next(text for text in self.got if text.startswith("SIP/2.0 200"))
        tag = re.search(r"To: .*;tag=(\w+)", answer)[1]
        self.say("ACK", to_tag=tag)
        return tag, int(re.search(r"m=audio (\d+)", answer)[1])

    async def play(self, port, sound, socket=None, ssrc=7):
        """Send a sound in PCMU, in real pace."""
        sender = RtpSender(0, ssrc)
        samples = sound.resample(8000).samples
        for frame in samples[: samples.size // 160 * 160].reshape(-1, 160):
            packet = sender.packet(MULAW.encode(frame), 160).to_bytes()
            (socket or self.sound).send(packet, ("127.0.0.1", port))
            await asyncio.sleep(0.02)


def with_peer(act, agent=None, **options):
    """Let a peer act on a server in virtual time; return (what it returns, the peer, calls)."""
    calls = []

    async def main():
        network = MemoryNetwork(0.001)
        serving = serving_sip(
            lambda start: agent or Silent(),
            SipOptions(**options),
            lambda start, call: calls.append(call),
            network,
        )
        async with serving as server:
            peer = await RawPeer(network, server.url).open()
            result = await act(peer, network)
            await asyncio.sleep(0.2)
            return result, peer

    return *run_virtual(main()), calls
