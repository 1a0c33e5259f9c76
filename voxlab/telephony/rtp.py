"""RTP: the packets that carry the sound of a call, each with its number and its time.

The sequence number tells what is missing, the timestamp when a packet is due, the marker where a
talkspurt begins. Both counters begin anywhere and wrap, so they are compared by their distance.
Source: RFC 3550, section 5.1; RFC 3551 for the payload types and the marker of audio.
"""

import struct
from dataclasses import dataclass

from voxlab.errors import TelephonyError

VERSION = 2
HEADER = struct.Struct("!BBHII")
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "CN": 13}  # RFC 3551, table 4
SEQUENCES, TIMESTAMPS = 1 << 16, 1 << 32


@dataclass(frozen=True, slots=True)
class RtpPacket:
    r"""One packet. timestamp: in samples of the payload's clock (8,000 a second, also for G.722).

    >>> packet = RtpPacket(payload_type=0, sequence=7, timestamp=160, ssrc=1, payload=b"\xff" * 160)
    >>> RtpPacket.parse(packet.to_bytes()) == packet
    True
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def to_bytes(self) -> bytes:
        """Return the packet as it goes into a datagram."""
        kind = self.marker << 7 | self.payload_type
        head = HEADER.pack(VERSION << 6, kind, self.sequence, self.timestamp, self.ssrc)
        return head + self.payload

    @classmethod
    def parse(cls, datagram: bytes) -> "RtpPacket":
        """Read a datagram; sources, header extension and padding are passed over.

        Raises TelephonyError if it is too short, of another version, or its padding is impossible.
        """
        if len(datagram) < HEADER.size:
            raise TelephonyError(f"a datagram of {len(datagram)} bytes; RTP's header has 12")
        first, kind, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
        if first >> 6 != VERSION:
            raise TelephonyError(f"RTP of version {first >> 6}, needs 2: is this RTP at all?")
        start, end = HEADER.size + 4 * (first & 0x0F), len(datagram)
        if first & 0x10:  # an extension: two bytes of profile, two of length in words
            if end < start + 4:
                raise TelephonyError(
                    f"an RTP packet of {len(datagram)} bytes ends within its header extension"
                )
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
        if first & 0x20:  # padding: the last byte counts itself
            end -= datagram[-1]
        if start > end or (first & 0x20 and not datagram[-1]):
            raise TelephonyError(
                f"an RTP packet has {len(datagram)} bytes, its header promises more"
            )
        return cls(kind & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(kind >> 7))


def signed_distance(later: int, earlier: int, modulus: int) -> int:
    """Return how far a wrapping counter went: negative if `later` is the earlier one.

    >>> signed_distance(3, 65_534, SEQUENCES)
    5
    """
    return (later - earlier + modulus // 2) % modulus - modulus // 2


class RtpSender:
    """Number the packets of one stream; `packet` for sound, `skip` for silence that is not sent.

    The first packet, and the first after a pause, carries the marker. rng gives the beginnings, as
    the RFC asks for; a test passes fixed ones.
    """

    def __init__(self, payload_type: int, ssrc: int, sequence: int = 0, timestamp: int = 0) -> None:
        self._payload_type, self.ssrc = payload_type, ssrc
        self._sequence, self._timestamp = sequence, timestamp
        self._begins_talkspurt = True

    def packet(self, payload: bytes, samples: int) -> RtpPacket:
        """Return the next packet. samples: the time that it lasts, on the payload's clock."""
        packet = RtpPacket(
            self._payload_type,
            self._sequence,
            self._timestamp,
            self.ssrc,
            payload,
            self._begins_talkspurt,
        )
        self._sequence = (self._sequence + 1) % SEQUENCES
        self._timestamp = (self._timestamp + samples) % TIMESTAMPS
        self._begins_talkspurt = False
        return packet

    def reserve(self, packets: int, samples: int) -> tuple[int, int]:
        """Leave room for packets made elsewhere; return their first sequence number and timestamp.

        samples: the time that all of them last.
        """
        first = self._sequence, self._timestamp
        self._sequence = (self._sequence + packets) % SEQUENCES
        self.skip(samples)
        return first

    def skip(self, samples: int) -> None:
        """Let time pass without a packet: the next one begins a talkspurt."""
        self._timestamp = (self._timestamp + samples) % TIMESTAMPS
        self._begins_talkspurt = True
