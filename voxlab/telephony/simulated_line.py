"""A voice on its way: coded, packed, sent over a bad network, buffered, decoded, concealed.

    heard = carry(data.prompts()[0].audio, TelephoneCoder(), NetworkConditions(loss=0.05), rng)
    heard.audio, heard.packets

All of it in no time, by a seed: each packet has the moments at which it was sent, arrived and was
played, for a picture.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voxlab.audio import Audio
from voxlab.samples import Samples
from voxlab.telephony.codecs import CODECS
from voxlab.telephony.concealment import Concealer
from voxlab.telephony.jitter_buffer import UNEVEN_S, Frame, FrameSource, JitterBuffer
from voxlab.telephony.network_conditions import NetworkConditions, travel
from voxlab.telephony.rtp import RtpPacket, RtpSender

FRAME_S = 0.02
CLOCK_HZ = 8_000  # of the timestamps here, whatever the codec
FRAME_TICKS = round(FRAME_S * CLOCK_HZ)


class PacketCoder(Protocol):
    """A codec that a voice travels in, 20 ms a packet."""

    rate_hz: int

    def encode(self, frame: Samples) -> bytes:
        """Return the packet of a frame, float32 (rate_hz // 50,)."""
        ...

    def decode(self, packet: bytes) -> Samples:
        """Return the frame of a packet."""
        ...

    def conceal(self, following: bytes | None = None) -> Samples:
        """Return a frame in place of a packet that is missing. following: the one after it."""
        ...


class TelephoneCoder:
    """A telephone's codec, and a lost packet's place taken by the last period of the voice, fading.

    name: "PCMU", "PCMA" or "G722". is_concealed: False for silence in place of lost packets.
    """

    def __init__(self, name: str = "PCMU", *, is_concealed: bool = True) -> None:
        self.rate_hz = CODECS[name].rate_hz
        self._coder, self._is_concealed = CODECS[name].coder(), is_concealed
        self._concealer = Concealer(self.rate_hz)

    def encode(self, frame: Samples) -> bytes:
        """Return the 160 bytes of a frame."""
        return self._coder.encode(frame)

    def decode(self, packet: bytes) -> Samples:
        """Return the samples, faded in over what was made up before them."""
        frame = self._coder.decode(packet)
        return self._concealer.play(frame) if self._is_concealed else frame

    def conceal(self, following: bytes | None = None) -> Samples:
        """Return the voice's last period once more, softer each time; or silence."""
        size = round(FRAME_S * self.rate_hz)
        return self._concealer.conceal(size) if self._is_concealed else np.zeros(size, np.float32)


@dataclass(frozen=True, slots=True)
class PacketTrace:
    """What became of one packet, in seconds; None: it never arrived, it was never played."""

    sequence: int
    sent_s: float
    arrived_s: float | None
    played_s: float | None


@dataclass(frozen=True, eq=False, slots=True)
class Carried:
    """What a listener hears of a voice, from its first frame on.

    frames: what each 20 ms was made of.
    """

    audio: Audio
    packets: tuple[PacketTrace, ...]
    frames: tuple[FrameSource, ...]

    @property
    def missing(self) -> float:
        """The share of frames that had to be made up."""
        return float(np.mean([kind is not FrameSource.PACKET for kind in self.frames]))


def carry(
    sound: Audio, coder: PacketCoder, conditions: NetworkConditions, rng: np.random.Generator
) -> Carried:
    """Return a voice as it is heard at the other end of a line.

    The same rng gives the same journey. What is heard has the coder's rate; it may be longer or
    shorter than the voice by the frames that an adaptive buffer puts in or leaves out.
    """
    sender = RtpSender(payload_type=96, ssrc=1)
    sent = [  # a packet leaves when its frame has been spoken
        ((n + 1) * FRAME_S, sender.packet(coder.encode(frame), FRAME_TICKS))
        for n, frame in enumerate(_frames(sound, coder.rate_hz))
    ]
    arrived = travel(sent, conditions, rng)
    pieces, kinds, played_s = [], [], {}
    for at_s, frame, following in _play(arrived):
        kinds.append(frame.kind)
        if frame.packet is not None:
            played_s[frame.packet.sequence] = at_s
            pieces.append(coder.decode(frame.packet.payload))
        else:
            pieces.append(coder.conceal(following))
    arrived_s = {packet.sequence: at_s for at_s, packet in arrived}
    traces = tuple(
        PacketTrace(n, sent_s, arrived_s.get(n), played_s.get(n))
        for n, (sent_s, _) in enumerate(sent)
    )
    heard = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Carried(Audio(heard, coder.rate_hz), traces, tuple(kinds))


def conceal_losses(sound: Audio, coder: PacketCoder, lost: Collection[int]) -> Audio:
    """Return a voice whose packets with these numbers are lost; all others are there in time.

    It has the coder's rate and lines up with the sound, up to the coder's own delay.
    """
    packets = [coder.encode(frame) for frame in _frames(sound, coder.rate_hz)]
    there = [None if n in lost else packet for n, packet in enumerate(packets)]
    pieces = [
        coder.conceal(following) if packet is None else coder.decode(packet)
        for packet, following in zip(there, [*there[1:], None], strict=True)
    ]
    return Audio(np.concatenate(pieces), coder.rate_hz)


def _frames(sound: Audio, rate_hz: int) -> NDArray[np.float32]:
    """Return the frames of a sound, float32 (frames, rate_hz // 50), the last one filled up."""
    samples, size = sound.resample(rate_hz).samples, round(FRAME_S * rate_hz)
    return np.pad(samples, (0, -samples.size % size)).reshape(-1, size)


def _play(
    arrived: Sequence[tuple[float, RtpPacket]],
) -> Iterator[tuple[float, Frame, bytes | None]]:
    """Yield (at_s, frame, payload of the packet after it) from the first packet to the last."""
    buffer, waiting = JitterBuffer(FRAME_TICKS, CLOCK_HZ), deque(arrived)
    made_up: list[tuple[float, Frame, bytes | None]] = []  # of use only if a packet follows
    at_s = arrived[0][0] if arrived else 0.0
    has_begun = False
    while waiting or buffer.is_holding:
        while waiting and waiting[0][0] <= at_s + UNEVEN_S:
            arrives_s, packet = waiting.popleft()
            buffer.put(packet, arrives_s)
        frame = buffer.get(at_s)
        if frame.packet is not None:
            has_begun = True
            yield from made_up
            yield at_s, frame, None
            made_up.clear()
        elif has_begun:
            following = buffer.following if frame.kind is FrameSource.LOST else None
            made_up.append((at_s, frame, following.payload if following else None))
        at_s += FRAME_S
