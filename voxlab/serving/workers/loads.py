"""Load reports: what a worker tells its front, and which worker gets the next call."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from voxlab.errors import VoxlabError


@dataclass(frozen=True, slots=True)
class Load:
    """One worker's report. url: where its calls are; refuses: why it takes none, "" if it does.

    active: calls that are on; placed: calls that may still open; lag_s: of its event loop.
    """

    url: str
    protocol: str
    pid: int
    status: str
    refuses: str
    active: int
    placed: int
    most_calls: int
    lag_s: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as it is sent."""
        return asdict(self)


def read_load(given: Mapping[str, Any]) -> Load:
    """Return a report that was sent. Raises VoxlabError if it is none."""
    try:
        load = Load(**given)
    except TypeError as error:
        raise VoxlabError(f"no load report: {error}") from None
    numbers = (load.pid, load.active, load.placed, load.most_calls, load.lag_s)
    texts = (load.url, load.protocol, load.status, load.refuses)
    if not all(isinstance(text, str) for text in texts):
        raise VoxlabError("a load report whose url, protocol, status or reason is no text")
    if not all(isinstance(n, int | float) and math.isfinite(n) and n >= 0 for n in numbers):
        raise VoxlabError("a load report with a number that is none, or is negative")
    return load


def in_order(loads: Iterable[tuple[Load, int]]) -> list[Load]:
    """Return the workers that may take a call, the least busy first.

    loads: each with the number of calls that were asked of it and are not in its report yet.
    """

    def share(load: Load, asked: int) -> float:
        return (load.active + load.placed + asked) / load.most_calls

    ready = [
        (share(load, asked), load.lag_s, load.url, load)
        for load, asked in loads
        if not load.refuses and load.most_calls and share(load, asked) < 1
    ]
    return [load for *_, load in sorted(ready, key=lambda entry: entry[:3])]
