"""What a network does to packets: it loses, delays, reorders and repeats them, by a seed.

Losses come in bursts, so the network has two states, good and bad (Gilbert 1960). Delays have a
floor and a long tail. Nothing here is sent: packets go in with the time at which they leave, and
come out with the time at which they arrive.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from voxlab.errors import TelephonyError
from voxlab.telephony.rtp import RtpPacket


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """loss: the share of packets lost; burst: the mean number lost in a row, 1 for losses alone.

    delay_s: of every packet; jitter_s: the mean of what is added to it (exponential), so that
    packets overtake each other once it is longer than a packet. Raises TelephonyError if a share is
    not in [0, 1), a time is negative, or so much loss cannot come in such short bursts.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_s: float = 0.04
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1 or self.burst < 1 or min(self.delay_s, self.jitter_s) < 0:
            raise TelephonyError(
                f"{self}: needs a loss in [0, 1), a burst of at least 1, and times not negative"
            )
        if self._into_bad > 1:
            raise TelephonyError(
                f"a loss of {self.loss:.0%} in bursts of {self.burst:g} leaves no packet between "
                "them: lengthen the bursts"
            )

    @property
    def _into_bad(self) -> float:
        """The chance that a packet after a good one is lost: the share of loss follows from it."""
        return self.loss / (1 - self.loss) / self.burst


def travel(
    packets: Iterable[tuple[float, RtpPacket]],
    conditions: NetworkConditions,
    rng: np.random.Generator,
) -> list[tuple[float, RtpPacket]]:
    """Return the packets that arrive, with their times, in the order of arrival.

    packets: (seconds at which it leaves, packet). The same rng gives the same journey.
    """
    arrived: list[tuple[float, RtpPacket]] = []
    is_lost = False
    for leaves_s, packet in packets:
        chance = 1 - 1 / conditions.burst if is_lost else conditions._into_bad
        is_lost = bool(rng.random() < chance)
        delay_s = conditions.delay_s + conditions.jitter_s * float(rng.standard_exponential())
        if not is_lost:
            arrived.append((leaves_s + delay_s, packet))
    return sorted(arrived, key=lambda pair: pair[0])
