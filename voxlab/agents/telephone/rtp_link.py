"""The sound of a call between a line and an RTP socket, both ways: a packet every 20 ms.

What sounded on the line in the last 20 ms goes out as one packet, so nothing that was cut is ever
sent. What comes in waits in the jitter buffer and is laid on the line frame by frame. Keys go out
and come in as telephone events, or as tones where the other side knows no events.
"""

import asyncio
import logging
from collections import deque
from typing import Protocol

import numpy as np

from voxlab.agents.datagrams import Address, DatagramSocket
from voxlab.agents.line import Line
from voxlab.agents.rates import Bucket, Rate
from voxlab.audio import Samples
from voxlab.errors import TelephonyError
from voxlab.telephony import dtmf
from voxlab.telephony.codecs import CODECS
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.rtp import PAYLOAD_TYPES, SEQUENCES, TIMESTAMPS, RtpPacket, RtpSender
from voxlab.telephony.rtp_playout import FRAME_S, RtpPlayout
from voxlab.telephony.sdp import CLOCK_HZ, EVENTS, Description, Direction
from voxlab.timeline import Event

FRAME = CLOCK_HZ // 50  # ticks of the clock a packet
PRESS_S = 0.1  # how long a key is held down, and the pause after it
LOST_S = 20.0  # without a packet from a peer who is not on hold, the call ends
PACKETS = Rate(per_s=200, burst=1000)  # of a call, more are lost: its sound is fifty a second
log = logging.getLogger(__name__)


class LineEnd(Protocol):
    """One party's end of a line: whose sound goes out, and where the other's is laid.

    we, they: the sources in the timeline of the keys that go out, and of those that come.
    """

    line: Line
    we: str
    they: str

    def said(self, start: int, end: int) -> Samples:
        """Return what sounded between two samples of the line, to be sent."""
        ...

    def hear(self, at_s: float, sound: Samples) -> None:
        """Lay 20 ms that came on the line, at its rate."""
        ...


class RtpLink:
    """The media of one call at one end; `agree` when offer and answer are there, `run` on a line.

    lost_s: without a packet for so long the call ends. rng: for the numbers that RTP begins with.
    Sound is taken from the host that was agreed on and from the one that signals (a telephone
    behind a NAT knows its own address only); the first port it comes from counts.
    """

    def __init__(
        self, socket: DatagramSocket, rng: np.random.Generator, *, lost_s: float = LOST_S
    ) -> None:
        self.socket = socket
        self._rng = rng
        self._lost_s = lost_s
        self._playout = RtpPlayout({PAYLOAD_TYPES["CN"]: "CN"})
        self._bucket: Bucket | None = None
        self._tones: dtmf.ToneReceiver | None = None
        self._remote: Description | None = None
        self._direction = Direction.BOTH  # ours
        self._hosts: set[str] = set()  # where sound may come from
        self._source: Address | None = None  # where it comes from
        self._heard_s: float | None = None  # when the last packet came, by the loop's clock
        self._has_warned = False
        self.sent_to_s = 0.0  # up to where the line's sound has been sent; on hold it stands still
        self._waiting: deque[str] = deque()  # keys to press
        self._press: deque[bytes | Samples] = deque()  # what is left of the press that goes on
        self._end: LineEnd | None = None
        socket.on_datagram = self._take

    @property
    def codec(self) -> str:
        """The name of the codec that we send; empty before there is one."""
        return self._remote.sound[0][1] if self._remote else ""

    def expect(self, offered: Description) -> None:
        """Hear what may come as soon as an offer of ours is out: early media."""
        self._playout.names |= dict(offered.codecs)

    def agree(self, remote: Description, direction: Direction, signals_from: str) -> None:
        """Send where the other side listens, with its first codec; again with each new offer.

        direction: ours, as our last offer or answer says it. signals_from: the host that signals.
        """
        before, was_held = self._remote, not self._direction.sends
        self._remote, self._direction = remote, direction
        self._playout.names |= dict(remote.codecs)
        if before is None or before.codecs != remote.codecs:
            self._begin_stream(remote)
        if before is None or (before.host, before.port) != (remote.host, remote.port):
            self._source, self._hosts = None, {remote.host, signals_from}
        if self._end is not None and was_held == direction.sends:
            self._end.line.record("transport", "resumed" if was_held else "held")

    def _begin_stream(self, remote: Description) -> None:
        """Begin to send with a codec, and to hear keys as tones if they do not come as events."""
        payload_type, name = remote.sound[0]
        ssrc, sequence, timestamp = (
            int(self._rng.integers(limit)) for limit in (TIMESTAMPS, SEQUENCES, TIMESTAMPS)
        )
        self._sender = RtpSender(payload_type, ssrc, sequence, timestamp)
        self._coder = CODECS[name].coder()
        self._to_codec = LowDelayResampler(self._playout.rate_hz, CODECS[name].rate_hz)
        frame = np.zeros(round(FRAME_S * self._playout.rate_hz), np.float32)
        self._to_codec.feed(frame)  # so that each frame gives a frame, 4 ms later
        has_events = remote.payload_type(EVENTS) is not None
        self._tones = None if has_events else dtmf.ToneReceiver(self._playout.rate_hz)

    async def run(self, end: LineEnd) -> None:
        """Carry both voices until the line closes, also because the other side is lost.

        Keys that this end's party presses on the line are sent.
        """
        line, self._end = end.line, end
        self._playout = RtpPlayout(self._playout.names, line.rate_hz)
        if self._remote is not None:
            self._begin_stream(self._remote)
        unsubscribe = line.subscribe(self._follow)
        self._heard_s = asyncio.get_running_loop().time()
        size, tick = round(FRAME_S * line.rate_hz), 0
        try:
            while not line.closed.is_set():
                await line.wait_until(tick * FRAME_S)
                sound = self._playout.play(line.loop_time(tick * FRAME_S))
                if self._direction is not Direction.BOTH:  # music on hold is not the caller
                    sound = np.zeros_like(sound)
                end.hear(tick * FRAME_S, sound)
                self._hear_tones(sound)
                if tick and self._remote is not None:
                    self._say(end.said((tick - 1) * size, tick * size), self._remote)
                if self._direction.sends:
                    self.sent_to_s = tick * FRAME_S
                self._refuse_silence(line)
                tick += 1
        finally:
            unsubscribe()
            counts, delay_s = self._playout.counts, self._playout.delay_s
            line.record("transport", "media", codec=self.codec, delay_s=delay_s, **vars(counts))

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    # --- in ------------------------------------------------------------------------------------

    def _take(self, datagram: bytes, sender: Address) -> None:
        if not self._is_from_peer(sender):
            return
        now_s = asyncio.get_running_loop().time()
        self._bucket = self._bucket or Bucket(PACKETS, now_s)
        if self._bucket.wait_s(now_s):
            return
        try:
            key = self._playout.put(RtpPacket.parse(datagram), now_s)
        except TelephonyError as error:
            log.info("passed over a packet from %s:%d: %s", *sender, error)
            return
        self._heard_s = now_s
        if key is not None:
            self._tell_key(key)

    def _is_from_peer(self, sender: Address) -> bool:
        """Tell whether a packet comes from the other side; before the answer, all are (early)."""
        if self._remote is None:
            return True
        if self._source is None and sender[0] in self._hosts:
            self._source = sender
        if sender != self._source and not self._has_warned:
            self._has_warned = True
            log.warning("passed over RTP from %s:%d, which is not the peer's address", *sender)
        return sender == self._source

    def _hear_tones(self, sound: Samples) -> None:
        if self._tones is not None:
            for key in self._tones.feed(sound):
                self._tell_key(key)

    def _tell_key(self, key: str) -> None:
        if self._end is not None:
            self._end.line.record(self._end.they, "key", digit=key)

    def _refuse_silence(self, line: Line) -> None:
        if self._remote is None or self._direction is not Direction.BOTH or self._heard_s is None:
            self._heard_s = asyncio.get_running_loop().time()
        elif line.reached(self._heard_s - line.loop_time(0) + self._lost_s):
            line.hang_up(f"no packet came from the other side for {self._lost_s:g} s")

    # --- out -----------------------------------------------------------------------------------

    def _follow(self, event: Event) -> None:
        """Send the keys that this end's party presses."""
        if self._end is not None and (event.source, event.kind) == (self._end.we, "key"):
            self._waiting.append(event.data["digit"])

    def _say(self, samples: Samples, remote: Description) -> None:
        """Send a frame: of a key that is pressed, else of the line."""
        frame = self._to_codec.feed(samples)
        if not self._direction.sends:
            self._sender.skip(FRAME)
            return
        if self._waiting and not self._press:
            self._begin_press(self._waiting.popleft(), remote)
        pressed = self._press.popleft() if self._press else frame
        if isinstance(pressed, bytes):
            data = pressed
        else:
            data = self._sender.packet(self._coder.encode(pressed), FRAME).to_bytes()
        if data:
            self.socket.send(data, self._destination(remote))

    def _destination(self, remote: Description) -> Address:
        """Return where to send: back to where the sound comes from if that is another host."""
        if self._source is not None and self._source[0] != remote.host:
            return self._source
        return remote.host, remote.port

    def _begin_press(self, key: str, remote: Description) -> None:
        events = remote.payload_type(EVENTS)
        pause = [b""] * round(PRESS_S / FRAME_S)
        if events is None:
            rate_hz = CODECS[self.codec].rate_hz
            sound = dtmf.tone(key, PRESS_S, rate_hz)
            frames = sound.reshape(-1, round(FRAME_S * rate_hz))
            self._press += [*frames, *(np.zeros_like(frames[0]) for _ in frames)]
            return
        count = round(PRESS_S / FRAME_S) + dtmf.ENDS_SENT - 1
        sequence, timestamp = self._sender.reserve(count, (count + len(pause)) * FRAME)
        packets = dtmf.event_packets(
            key,
            PRESS_S,
            payload_type=events,
            ssrc=self._sender.ssrc,
            sequence=sequence,
            timestamp=timestamp,
        )
        self._press += [*(packet.to_bytes() for packet in packets), *pause]
