"""The jitter buffer: packets arrive unevenly, out of order or not at all; sound must play evenly.

Every packet waits a little, so that a late one is still in time. How little is the art: the buffer
measures how unevenly packets come and waits as long as most of them need. It is a state machine
without a clock: the times come in with the calls.
Source: RFC 3550, section 6.4.1 (transit times); Ramjee et al. 1994, Adaptive Playout Mechanisms for
Packetized Audio Applications, for the idea to adapt where a talkspurt begins.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from voxlab.telephony.rtp import SEQUENCES, TIMESTAMPS, RtpPacket, signed_distance

COVERED = 0.97  # the share of recent packets that the delay is long enough for
RECENT = 150  # packets, three seconds of 20 ms
UNEVEN_S = 1e-6  # arrivals closer than this count as the same moment
SURPLUS_FRAMES = 3  # held beyond the delay aimed at, before a frame is skipped
FRAMES_BETWEEN_CHANGES = 5  # of the delay within a talkspurt: one is hardly heard, a row is
FRAMES_CONCEALED = 5  # of an empty buffer, before the talkspurt counts as over


class FrameSource(Enum):
    """What one frame of the line was made of."""

    PACKET = "packet"
    LOST = "lost"  # a hole: later packets are there
    LATE = "late"  # what is due may still come: the delay grows by a frame
    SILENCE = "silence"  # nobody speaks


@dataclass(frozen=True, slots=True)
class Frame:
    """What to play for one frame: a packet, or None with the reason."""

    kind: FrameSource
    packet: RtpPacket | None = None


@dataclass
class Counts:
    """What became of the packets of a stream."""

    received: int = 0
    duplicates: int = 0
    too_late: int = 0
    lost: int = 0
    reordered: int = 0
    skipped: int = 0


def find_quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, between two values by a straight line: np.quantile for few values.

    It is asked for with every packet; for 150 values numpy takes more than three times as long.

    >>> find_quantile([3.0, 1.0, 2.0], 0.25)
    1.5
    """
    ordered, place = sorted(values), share * (len(values) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    part = place - math.floor(place)
    step = above - below
    return above - step * (1 - part) if part >= 0.5 else below + step * part


@dataclass
class JitterBuffer:
    """Hold packets back until their turn: `put` each as it comes, `get` one a frame.

    frame_samples: of one packet, on the payload's clock; rate_hz: that clock. shortest_s and
    longest_s: bounds of the delay. counts says what happened; delay_s is the delay aimed at now.
    """

    frame_samples: int = 160
    rate_hz: int = 8_000
    shortest_s: float = 0.02
    longest_s: float = 0.3
    counts: Counts = field(default_factory=Counts)
    _held: dict[int, RtpPacket] = field(default_factory=dict)  # by timestamp
    _transits_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _first_timestamp: int | None = None
    _newest: RtpPacket | None = None
    _next: int | None = None  # the timestamp due; None before the first
    _is_idle: bool = True  # between talkspurts: what comes is held until _plays_from_s
    _plays_from_s: float = 0.0
    _starving: int = 0
    _since_change: int = 0

    @property
    def frame_s(self) -> float:
        """How long one frame lasts."""
        return self.frame_samples / self.rate_hz

    @property
    def delay_s(self) -> float:
        """How long a packet is held: what the given share of recent packets would have needed."""
        if not self._transits_s:
            return self.shortest_s
        earliest_s = min(self._transits_s)
        late_s = find_quantile([each - earliest_s for each in self._transits_s], COVERED)
        return min(max(late_s, self.shortest_s), self.longest_s)

    @property
    def is_holding(self) -> bool:
        """Whether a packet waits for its turn."""
        return bool(self._held)

    @property
    def following(self) -> RtpPacket | None:
        """The packet that is due next, if it is here: some carry a copy of the one before."""
        return None if self._next is None else self._held.get(self._next)

    def put(self, packet: RtpPacket, at_s: float) -> None:
        """Take a packet that arrived at at_s; one that comes twice or too late is counted only."""
        self.counts.received += 1
        if self._first_timestamp is None:
            self._first_timestamp = packet.timestamp
        self._transits_s.append(at_s - self._sent_s(packet.timestamp))
        if self._newest is not None:
            ahead = signed_distance(packet.sequence, self._newest.sequence, SEQUENCES)
            self.counts.reordered += ahead < 0
        if packet.timestamp in self._held:
            self.counts.duplicates += 1
        elif self._next is not None and self._distance(packet.timestamp, self._next) < 0:
            self.counts.too_late += 1
        else:
            if self._is_idle and not self._held:
                self._plays_from_s = at_s + self.delay_s
            self._held[packet.timestamp] = packet
            if self._newest is None or ahead > 0:
                self._newest = packet

    def get(self, at_s: float) -> Frame:
        """Return what to play for the frame that begins at at_s; call it once every frame_s."""
        if self._is_idle or self._next is None:
            if not self._held or at_s < self._plays_from_s - UNEVEN_S:
                return Frame(FrameSource.SILENCE)
            self._is_idle, self._next = False, self._earliest()
        if self._changes_delay(at_s):
            return Frame(FrameSource.LATE)
        packet = self._held.pop(self._next, None)
        if packet is not None:
            self._starving = 0
            self._advance()
            return Frame(FrameSource.PACKET, packet)
        if self._held:
            return self._over_a_hole(at_s)
        self._starving += 1  # wait where we are: what is late may still be played
        if self._starving > FRAMES_CONCEALED:
            self._starving, self._is_idle = 0, True
            return Frame(FrameSource.SILENCE)
        return Frame(FrameSource.LATE)

    def _over_a_hole(self, at_s: float) -> Frame:
        """Play for a timestamp that is missing while later packets are there: lost, or a pause."""
        earliest = self._earliest()
        gap_frames = self._distance(earliest, self._next or 0) // self.frame_samples
        if self._held[earliest].marker or gap_frames > FRAMES_CONCEALED:
            self._is_idle, self._plays_from_s = True, at_s + self.delay_s  # a new talkspurt
            self._starving = 0
            return Frame(FrameSource.SILENCE)
        self.counts.lost += 1
        self._advance()
        return Frame(FrameSource.LOST)

    def _changes_delay(self, at_s: float) -> bool:
        """Bring the delay nearer to its aim: drop a frame, or tell that one is to be put in."""
        self._since_change += 1
        if self._since_change <= FRAMES_BETWEEN_CHANGES or self._next is None:
            return False
        surplus_s = at_s - min(self._transits_s) - self._sent_s(self._next) - self.delay_s
        if surplus_s > SURPLUS_FRAMES * self.frame_s:
            self.counts.skipped += self._held.pop(self._next, None) is not None
            self._advance()
        elif surplus_s > -self.frame_s:
            return False
        self._since_change = 0
        return surplus_s < 0

    def _sent_s(self, timestamp: int) -> float:
        """Return when a packet was due to leave, in seconds since the first one."""
        return self._distance(timestamp, self._first_timestamp or 0) / self.rate_hz

    def _advance(self) -> None:
        self._next = ((self._next or 0) + self.frame_samples) % TIMESTAMPS

    def _earliest(self) -> int:
        """Return the timestamp that is due first among the packets held."""
        some = next(iter(self._held))
        return min(self._held, key=lambda timestamp: self._distance(timestamp, some))

    def _distance(self, later: int, earlier: int) -> int:
        return signed_distance(later, earlier, TIMESTAMPS)
