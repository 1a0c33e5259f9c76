"""A token bucket: how often somebody may do something, with bursts that are bounded."""

from collections import OrderedDict
from dataclasses import dataclass

MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and a burst of so many at once."""

    per_s: float
    burst: float


class Bucket:
    """Counts what one client does; full at first. All times are on one clock of the caller's."""

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate = rate
        self._tokens, self._at_s = rate.burst, now_s

    def wait_s(self, now_s: float) -> float:
        """Take a token; return 0, or how long there is none yet, and then take none.

        >>> bucket = Bucket(Rate(per_s=2, burst=1), now_s=0.0)
        >>> [bucket.wait_s(0.0), bucket.wait_s(0.1), bucket.wait_s(0.5)]
        [0.0, 0.4, 0.0]
        """
        gained = (now_s - self._at_s) * self._rate.per_s
        self._tokens, self._at_s = min(self._rate.burst, self._tokens + gained), now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate.per_s
        self._tokens -= 1
        return 0.0


class Buckets:
    """A bucket for each client; of the least recent ones among very many it forgets."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._by_client: OrderedDict[str, Bucket] = OrderedDict()

    def wait_s(self, client: str, now_s: float) -> float:
        """Take a token of a client's; return 0, or how long they have to wait for one."""
        bucket = self._by_client.pop(client, None) or Bucket(self._rate, now_s)
        self._by_client[client] = bucket
        if len(self._by_client) > MOST_CLIENTS:
            self._by_client.popitem(last=False)
        return bucket.wait_s(now_s)
