"""The figures of many judged calls, each with how sure we are of it, and never one score.

A figure over too few events is not shown: it has no value, and says of how many events it would
be. Two panels are compared figure by figure, and only what the intervals support is called worse.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from voxlab.data.expectations import Kind
from voxlab.errors import VoxlabError
from voxlab.evaluation.recording_judge import JudgedRecording, JudgedTurn
from voxlab.statistics.intervals import bootstrap_interval, wilson_interval

FEWEST = 10  # events, for a share or a median
FEWEST_FOR_P95 = 20  # below it, the 95th percentile is the slowest event by another name


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95% interval; value, low and high are None over too few events.

    unit: "s", or "" for a share. is_better: "lower" or "higher".
    """

    name: str
    unit: str
    is_better: str
    events: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return f"N/A ({self.events})"
        if self.unit:
            return f"{self.value:.2f} s ({self.low:.2f} to {self.high:.2f}; {self.events})"
        shares = (f"{100 * share:.0f}%" for share in (self.value, self.low, self.high))
        return "{} ({} to {}; {})".format(*shares, self.events)

    def is_worse_than(self, other: "Figure") -> bool:
        """Tell whether this is worse, and the intervals do not touch."""
        mine, theirs = (self.low, self.high), (other.low, other.high)
        if None in mine or None in theirs:
            return False
        return mine[0] > theirs[1] if self.is_better == "lower" else mine[1] < theirs[0]  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Panel:
    """All figures of a set of calls, in the order in which they are shown."""

    figures: tuple[Figure, ...]

    def __getitem__(self, name: str) -> Figure:
        return next(figure for figure in self.figures if figure.name == name)

    def worse_than(self, baseline: "Panel") -> list[str]:
        """Return the names of the figures that are worse than a baseline's beyond doubt."""
        known = {figure.name: figure for figure in baseline.figures}
        return [
            figure.name
            for figure in self.figures
            if figure.name in known and figure.is_worse_than(known[figure.name])
        ]


def summarise(calls: Iterable[JudgedRecording], seed: int = 0) -> Panel:
    """Return the figures of calls that were judged by their recordings.

    seed: of the bootstrap.
    """
    turns = [turn for call in calls for turn in call.turns]
    asked = [turn for turn in turns if turn.takes_the_floor]
    over = [turn for turn in asked if turn.over_agent]
    told = [turn for turn in turns if turn.line.kind is Kind.BACKCHANNEL and turn.over_agent]
    noises = [turn for turn in turns if turn.line.kind is Kind.NOISE and turn.over_agent]
    rng = np.random.default_rng(seed)

    def time(name: str, of: Sequence[float | None], percent: float = 50) -> Figure:
        return _time(name, [each for each in of if each is not None], percent, rng)

    return Panel(
        (
            _share("response rate", asked, lambda turn: turn.is_answered),
            time("response latency, P50", [turn.ttfb_s for turn in asked]),
            time("response latency, P95", [turn.ttfb_s for turn in asked], 95),
            time("total turn, P50", [turn.total_s for turn in asked]),
            _share("agent cuts in", asked, lambda turn: turn.cut_in, is_better="lower"),
            _share("yield rate", over, lambda turn: turn.yielded),
            time("yield latency, P50", [turn.yield_s for turn in over]),
            _share("recovery from interruptions", over, lambda turn: turn.recovered),
            _share("backchannels ignored", told, lambda turn: turn.ignored),
            _share("noises ignored", noises, lambda turn: turn.ignored),
        )
    )


def _share(
    name: str,
    turns: Sequence[JudgedTurn],
    is_so: Callable[[JudgedTurn], bool],
    is_better: str = "higher",
) -> Figure:
    if len(turns) < FEWEST:
        return Figure(name, "", is_better, len(turns))
    hits = sum(map(is_so, turns))
    return Figure(
        name, "", is_better, len(turns), hits / len(turns), *wilson_interval(hits, len(turns))
    )


def _time(name: str, times_s: Sequence[float], percent: float, rng: np.random.Generator) -> Figure:
    if len(times_s) < (FEWEST if percent == 50 else FEWEST_FOR_P95):
        return Figure(name, "s", "lower", len(times_s))

    value = float(np.percentile(times_s, percent))
    low, high = bootstrap_interval(
        times_s, lambda sample: np.asarray(np.percentile(sample, percent, axis=-1)), rng
    )
    return Figure(name, "s", "lower", len(times_s), value, low, high)


def pass_rate(successes: Sequence[int], trials: int, k: int) -> float:
    """Return pass^k: how likely k repeats of a task all succeed, as the mean over the tasks.

    successes: of each task, out of so many trials. Raises VoxlabError if k is none of 1 to trials.
    Source: tau-bench (arXiv 2406.12045), section 4:
    the share of the sets of k trials in which all are successes.

    >>> pass_rate([4, 2], trials=4, k=1), pass_rate([4, 2], trials=4, k=4)
    (0.75, 0.5)
    """
    if not 1 <= k <= trials or not successes:
        raise VoxlabError(
            f"pass^{k}, {trials} trials, {len(successes)} tasks: needs k trials of one"
        )
    return sum(comb(count, k) / comb(trials, k) for count in successes) / len(successes)
