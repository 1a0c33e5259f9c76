"""Latency distributions of providers, fitted to measured percentiles, each with a source.

A latency is a floor that nothing beats plus a lognormal, and now and then an incident: a slow
spell, a timeout, a second try. Over ten sets of raw voice-to-voice times a shifted lognormal
fitted best six times; a plain one understates P99. The rows are in provider_latencies.toml.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import LatencyError

Array = NDArray[np.float64]
LEVELS = (0.50, 0.95, 0.99)
_NORMAL = NormalDist()

TOLERANCE = 0.01  # a fit is at most so far from the percentiles that it is made from
# Ours, where three percentiles do not settle the shape of a mixture:
FLOOR = 0.6  # the fastest answer, as a part of the median
QUIET_SIGMA = 0.25  # between slow spells (ElevenLabs' quiet day: P95/P50 = 229/187)
INCIDENT_SIGMA = 0.5  # of incidents beyond P95
SPELL = 0.05  # incidents more frequent than this hold the P95 themselves
MOST_SIGMA = 1.0  # a wider lognormal has its median near its floor, and no end to its tail
ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Profile:
    """A random latency: floor_s + scale_s * exp(sigma * normal), sometimes with another scale.

    incident_share: how often it is an incident, with incident_scale_s and incident_sigma instead.
    """

    floor_s: float
    scale_s: float
    sigma: float
    incident_share: float = 0.0
    incident_scale_s: float = 1.0
    incident_sigma: float = 0.0

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
        """Return random latencies in seconds.

        Every profile takes the same numbers from rng, so that two profiles drawn with equal
        generators have equal luck (common random numbers).
        """
        logs = rng.standard_normal(shape)
        unlucky = rng.random(shape, dtype=np.float32) < self.incident_share
        if self.incident_share:
            incidents = math.log(self.incident_scale_s) + self.incident_sigma * logs[unlucky]
        logs *= self.sigma
        logs += math.log(self.scale_s)
        if self.incident_share:
            logs[unlucky] = incidents
        np.exp(logs, out=logs)
        logs += self.floor_s
        return logs

    def cdf(self, latency_s: float) -> float:
        """Return how likely it takes at most latency_s seconds."""
        share = self.incident_share
        incident = _cdf(latency_s - self.floor_s, self.incident_scale_s, self.incident_sigma)
        return (1 - share) * _cdf(latency_s - self.floor_s, self.scale_s, self.sigma) + (
            share * incident
        )

    def percentile(self, percent: float) -> float:
        """Return the latency in seconds that is not exceeded percent times in a hundred."""
        low, high = self.floor_s, self.floor_s + max(self.scale_s, self.incident_scale_s)
        while self.cdf(high) < percent / 100:
            high *= 2
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.cdf(middle) < percent / 100 else (low, middle)
        return high

    def scaled(self, p50_s: float) -> "Profile":
        """Return the same shape with another median."""
        ratio = p50_s / self.percentile(50)
        return replace(
            self,
            floor_s=ratio * self.floor_s,
            scale_s=ratio * self.scale_s,
            incident_scale_s=ratio * self.incident_scale_s,
        )


def _cdf(above_floor_s: float, scale_s: float, sigma: float) -> float:
    if above_floor_s <= 0:
        return 0.0
    if not sigma:
        return float(above_floor_s >= scale_s)
    return _NORMAL.cdf(math.log(above_floor_s / scale_s) / sigma)


# --- fitting -------------------------------------------------------------------------------


def fit_profile(p50_s: float, p95_s: float, p99_s: float, incident_share: float = 0.0) -> Profile:
    """Return the profile that passes three percentiles.

    incident_share: 0 for one shifted lognormal; up to 0.05 for a tail that is long beyond P95
    only; above it for slow spells, in which P95 and P99 lie both.
    Raises LatencyError if the percentiles are out of order, or the shape cannot pass them.

    >>> profile = fit_profile(0.275, 0.382, 0.447)
    >>> [round(profile.percentile(percent), 3) for percent in (50, 95, 99)]
    [0.275, 0.382, 0.447]
    """
    cited_s = (p50_s, p95_s, p99_s)
    if not 0 < p50_s < p95_s < p99_s < math.inf:
        raise LatencyError(f"percentiles {_list(cited_s)} s, need 0 < P50 < P95 < P99")
    if not (incident_share == 0 or 0.01 < incident_share < 0.5):
        raise LatencyError(f"incident_share is {incident_share}, needs 0, or 0.01 to 0.5")
    try:
        profile = _mixture(cited_s, incident_share) if incident_share else _plain(cited_s)
    except ValueError:  # a percentile that no lognormal of this kind can have
        profile = None
    fitted_s = [profile.percentile(100 * level) for level in LEVELS] if profile else []
    wrong = [abs(x / y - 1) > TOLERANCE for x, y in zip(fitted_s, cited_s, strict=False)]
    if profile is None or any(wrong):
        kind = f"incident_share {incident_share}" if incident_share else "one shifted lognormal"
        raise LatencyError(
            f"{kind} cannot pass {_list(cited_s)} s: try incident_share 0.02 if the tail is long "
            "beyond P95 only, 0.08 if P99 is close to a far P95"
        )
    return profile


def _list(values_s: tuple[float, ...]) -> str:
    return ", ".join(f"P{100 * q:.0f} {x:g}" for q, x in zip(LEVELS, values_s, strict=False))


def _plain(cited_s: tuple[float, float, float]) -> Profile:
    """Solve for sigma by halving: the longer the tail beyond P95, the larger it is."""
    p50_s, p95_s, p99_s = cited_s
    z95, z99 = (_NORMAL.inv_cdf(level) for level in LEVELS[1:])
    low, high = 1e-3, MOST_SIGMA
    for _ in range(ROUNDS):
        sigma = (low + high) / 2
        ratio = math.expm1(sigma * z99) / math.expm1(sigma * z95)
        low, high = (sigma, high) if ratio < (p99_s - p50_s) / (p95_s - p50_s) else (low, sigma)
    scale_s = (p95_s - p50_s) / math.expm1(sigma * z95)
    if scale_s > p50_s:
        raise ValueError("a floor below zero")
    return Profile(p50_s - scale_s, scale_s, sigma)


def _mixture(cited_s: tuple[float, float, float], share: float) -> Profile:
    """Fit the usual answers and the incidents in turn, each to what the other leaves."""
    floor_s = FLOOR * cited_s[0]
    x50, x95, x99 = (math.log(cited - floor_s) for cited in cited_s)
    slow = Profile(floor_s, math.exp(x50), QUIET_SIGMA, share, math.exp(x99), INCIDENT_SIGMA)
    for _ in range(ROUNDS):
        q50, q95, _ = _levels_left(slow, cited_s, of_incidents=False)
        if share <= SPELL:
            sigma = (x95 - x50) / (_NORMAL.inv_cdf(q95) - _NORMAL.inv_cdf(q50))
            slow = replace(slow, sigma=sigma)
        scale_s = math.exp(x50 - slow.sigma * _NORMAL.inv_cdf(q50))
        slow = replace(slow, scale_s=scale_s)
        _, i95, i99 = _levels_left(slow, cited_s, of_incidents=True)
        if share > SPELL:
            sigma = (x99 - x95) / (_NORMAL.inv_cdf(i99) - _NORMAL.inv_cdf(i95))
            slow = replace(slow, incident_sigma=sigma)
        scale_s = math.exp(x99 - slow.incident_sigma * _NORMAL.inv_cdf(i99))
        slow = replace(slow, incident_scale_s=scale_s)
    return slow


def _levels_left(
    profile: Profile, cited_s: tuple[float, ...], of_incidents: bool
) -> tuple[float, ...]:
    """Return which levels one part must have at the cited latencies, given the other part."""
    if of_incidents:
        share, scale_s, sigma = profile.incident_share, profile.scale_s, profile.sigma
    else:
        share = 1 - profile.incident_share
        scale_s, sigma = profile.incident_scale_s, profile.incident_sigma
    other = [_cdf(cited - profile.floor_s, scale_s, sigma) for cited in cited_s]
    pairs = zip(LEVELS, other, strict=True)
    return tuple((level - (1 - share) * cdf) / share for level, cdf in pairs)


# --- the measured providers ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """A row of provider_latencies.toml: what was measured, by whom, and the profile fitted to it.

    definition: from when to when; the file says which there are. note: what else to know.
    """

    name: str
    provider: str
    definition: str
    p50_s: float
    p95_s: float
    p99_s: float
    source: str
    profile: Profile
    note: str = ""


@cache
def load_measurements() -> Mapping[str, MeasuredLatency]:
    """Return the measured providers by name, such as "stt/nova-3"."""
    table = tomllib.loads(
        files("voxlab.latency").joinpath("provider_latencies.toml").read_text("utf-8")
    )
    sources = table.pop("sources")
    return {name: _row(name, row, sources) for name, row in table.items()}


def _row(name: str, row: Mapping[str, Any], sources: Mapping[str, str]) -> MeasuredLatency:
    p50_s, p95_s, p99_s = (row[f"p{level}_ms"] / 1000 for level in (50, 95, 99))
    try:
        profile = fit_profile(p50_s, p95_s, p99_s, row.get("incident_share", 0.0))
    except LatencyError as error:
        raise LatencyError(f"{name}: {error}") from error
    return MeasuredLatency(
        name=name,
        provider=row["provider"],
        definition=row["definition"],
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        source=sources[row["source"]],
        profile=profile,
        note=row.get("note", ""),
    )


def find_profile(name: str, definition: str) -> Profile:
    """Return the profile of a measured provider.

    definition: what the caller of this needs. Raises LatencyError if the row measured something
    else, or there is no such row.
    """
    if name not in load_measurements():
        raise LatencyError(f"no profile {name!r}: there are {', '.join(load_measurements())}")
    row = load_measurements()[name]
    if row.definition != definition:
        raise LatencyError(
            f"{name} measured {row.definition}, and {definition} is needed: the two never mix"
        )
    return row.profile
