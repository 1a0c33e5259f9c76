"""From RTP packets to a steady sound: jitter buffer, decoder, concealment, comfort noise and keys.

    playout.put(packet, arrives_s)   # as they come
    sound = playout.play(at_s)       # every 20 ms

A pure state machine: times come in with the calls. A packet is decoded by its own payload type, so
sound that arrives before the answer does (early media) is heard, and so is a change of codec.
Source: RFC 3550 (a new SSRC is a new stream), RFC 3389 (comfort noise), RFC 4733 (keys).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from voxlab.samples import Samples
from voxlab.telephony.codecs import CODECS, Coder
from voxlab.telephony.concealment import Concealer
from voxlab.telephony.dtmf import EventReceiver
from voxlab.telephony.jitter_buffer import Counts, FrameSource, JitterBuffer
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.rtp import RtpPacket
from voxlab.telephony.sdp import CLOCK_HZ, EVENTS

FRAME_S = 0.02
SHORTEST = CLOCK_HZ // 200  # samples of a packet; a shorter one is no packet of sound
NOISE = "CN"


@dataclass
class _Stream:
    """The sound of one sender, from its first packet on."""

    ssrc: int
    frame_samples: int  # of its packets, on the clock of 8 kHz
    to_hz: int
    buffer: JitterBuffer = field(init=False)
    codec: str = ""
    noise: float = 0.0  # the level of comfort noise; 0 while there is none

    def __post_init__(self) -> None:
        self.buffer = JitterBuffer(self.frame_samples)
        self._rng = np.random.default_rng(self.ssrc)

    def _use(self, name: str) -> None:
        self.codec, rate_hz = name, CODECS[name].rate_hz
        self._coder: Coder = CODECS[name].coder()
        self._concealer = Concealer(rate_hz)
        self._size = self.frame_samples * rate_hz // CLOCK_HZ
        self._resampler = LowDelayResampler(rate_hz, self.to_hz)
        self._resampler.feed(np.zeros(self._size, np.float32))  # so that each frame gives a frame

    def next_frame(self, at_s: float, names: Mapping[int, str]) -> Samples:
        """Return the next frame at to_hz."""
        frame = self.buffer.get(at_s)
        packet = frame.packet
        name = names[packet.payload_type] if packet is not None else self.codec
        if packet is not None and name == NOISE:
            level = packet.payload[0] & 0x7F if packet.payload else 0x7F
            self.noise = 10 ** (-level / 20)
        elif name != self.codec:
            self._use(name)
        if not self.codec:  # comfort noise came first, or nothing has come
            return np.zeros(self.frame_samples * self.to_hz // CLOCK_HZ, np.float32)
        return self._resampler.feed(self._sound(packet, name, frame.kind))

    def _sound(self, packet: RtpPacket | None, name: str, kind: FrameSource) -> Samples:
        if packet is not None and name != NOISE:
            self.noise = 0.0
            return self._concealer.play(self._whole(self._coder.decode(packet.payload)))
        if self.noise:
            return (self.noise * self._rng.standard_normal(self._size)).astype(np.float32)
        if kind is FrameSource.SILENCE:
            return self._concealer.play(np.zeros(self._size, np.float32))
        return self._concealer.conceal(self._size)

    def _whole(self, decoded: Samples) -> Samples:
        """Return a frame of the stream's size: a shorter packet is followed by silence."""
        return np.concatenate([decoded, np.zeros(self._size, np.float32)])[: self._size]


class RtpPlayout:
    """Receive one direction of a call: `put` packets as they come, `play` a frame every 20 ms.

    names: of the codecs by payload type, as agreed on, in capitals; may be replaced in the call.
    rate_hz: of the sound that comes out.
    """

    def __init__(self, names: Mapping[int, str], rate_hz: int = 16_000) -> None:
        self.names = dict(names)
        self.rate_hz = rate_hz
        self._keys = EventReceiver()
        self._stream: _Stream | None = None
        self._last_size = 0
        self._left: Samples = np.zeros(0, np.float32)

    @property
    def counts(self) -> Counts:
        """What became of the packets of the stream that is heard now."""
        return self._stream.buffer.counts if self._stream else Counts()

    @property
    def delay_s(self) -> float:
        """How long the jitter buffer holds a packet now."""
        return self._stream.buffer.delay_s if self._stream else 0.0

    def put(self, packet: RtpPacket, at_s: float) -> str | None:
        """Take a packet that arrived at at_s; return the key that it tells of, if it is a new one.

        A payload type that was not agreed on is passed over. Two packets in a row of another length
        begin a new stream, as a new sender does: one alone may be the end of a recording. Raises
        TelephonyError if the packet is a telephone event that is none.
        """
        name = self.names.get(packet.payload_type)
        if name == EVENTS:
            return self._keys.key(packet)
        stream = self._stream
        size = len(packet.payload)  # one byte is a tick of the clock, in all codecs here
        if name == NOISE:
            size = stream.frame_samples if stream else CLOCK_HZ // 50
        elif name not in CODECS or size < SHORTEST:
            return None
        twice = size == self._last_size  # one odd packet is no new length
        if stream is None or packet.ssrc != stream.ssrc or (twice and size != stream.frame_samples):
            self._stream = stream = _Stream(packet.ssrc, size, self.rate_hz)
        self._last_size = size
        stream.buffer.put(packet, at_s)
        return None

    def play(self, at_s: float) -> Samples:
        """Return the 20 ms that begin at at_s, float32 at rate_hz; silence before the first packet.

        Sound comes 4 ms later than the buffer gives it: the resampler holds back so much.
        """
        size = round(FRAME_S * self.rate_hz)
        while self._left.size < size:
            if self._stream is None:
                return np.zeros(size, np.float32)
            fresh = self._stream.next_frame(at_s, self.names)
            self._left = np.concatenate([self._left, fresh])
        played, self._left = self._left[:size], self._left[size:]
        return played
