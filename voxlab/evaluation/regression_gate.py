"""Is an agent worse than it was? A gate on two reports, paired by script, level and seed.

What both have in common, such as hard scripts, cancels out in the differences. A figure counts as
worse only if the interval of its mean difference excludes zero; the intervals are so wide that all
figures together are wrong in 5% of the runs at most, so an agent that did not change passes.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxlab.errors import DataError, VoxlabError
from voxlab.evaluation.call_result import CallResult, Level
from voxlab.evaluation.suite_report import SuiteReport
from voxlab.statistics.intervals import Array, bootstrap_interval
from voxlab.statistics.paired import FEWEST, NOTHING

Measure = Callable[[CallResult], float | None]
ERROR_RATE = 0.05  # of the whole gate


def _share(hits: int, of: int) -> float | None:
    return hits / of if of else None


def _wait_s(call: CallResult) -> float | None:
    """Return the median wait for an answer in a call."""
    turns = call.recording.turns if call.recording else ()
    waits_s = [t.ttfb_s for t in turns if t.takes_the_floor and t.ttfb_s is not None]
    return float(np.median(waits_s)) if waits_s else None


def _turns(call: CallResult, counts: str) -> float | None:
    """Return the share of the turns that take the floor of which an attribute is true."""
    asked = [t for t in (call.recording.turns if call.recording else ()) if t.takes_the_floor]
    return _share(sum(bool(getattr(turn, counts)) for turn in asked), len(asked))


MEASURES: Mapping[str, tuple[str, str, Measure]] = {  # of a call: its unit, what is better
    "tasks done": ("", "higher", lambda call: float(call.holds)),
    "tool calls as expected": (
        *("", "higher"),
        lambda call: _share(call.tools.met, call.tools.expected) if call.tools else 0.0,
    ),
    "word error rate": (
        *("", "lower"),
        lambda call: _share(*call.heard.errors) if call.heard else None,
    ),
    "values heard right": (
        *("", "higher"),
        lambda call: (
            _share(sum(v.is_heard for v in call.heard.values), len(call.heard.values))
            if call.heard
            else None
        ),
    ),
    "history words wrong": (
        *("", "lower"),
        lambda call: _share(*call.kept) if call.kept else None,
    ),
    "response latency": ("s", "lower", _wait_s),
    "response rate": ("", "higher", lambda call: _turns(call, "is_answered")),
    "agent cuts in": ("", "lower", lambda call: _turns(call, "cut_in")),
}


@dataclass(frozen=True, slots=True)
class GatedFigure:
    """The mean difference of a figure: now less the baseline, over so many scripts.

    value, low and high are None where fewer than two scripts have the figure in both reports.
    differ: in how many of them there is a difference.
    """

    level: Level
    name: str
    unit: str
    is_better: str
    scripts: int
    differ: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether it is worse beyond doubt; five scripts of five may fail by chance."""
        return self._excludes_zero(self.is_better == "lower")

    @property
    def is_better_now(self) -> bool:
        """Whether it is better beyond doubt."""
        return self._excludes_zero(self.is_better == "higher")

    def _excludes_zero(self, above: bool) -> bool:
        if self.low is None or self.high is None or self.differ < FEWEST:
            return False
        return self.low > 0 if above else self.high < 0

    def __str__(self) -> str:
        name = f"{self.name}, {self.level}"
        if self.value is None or self.low is None or self.high is None:
            return f"{name}: N/A ({self.scripts})"
        scale, unit = (1000, " ms") if self.unit else (100, " points")
        value, low, high = (f"{scale * each:+z.1f}" for each in (self.value, self.low, self.high))
        told = "no difference shown"
        if self.is_worse or self.is_better_now:
            told = "worse" if self.is_worse else "better"
        return f"{name}: {value}{unit} ({low} to {high}; {self.scripts} scripts): {told}"


@dataclass(frozen=True, slots=True)
class Gate:
    """A comparison with a baseline. pairs: of calls. unpaired: calls that only one of them has."""

    figures: tuple[GatedFigure, ...]
    pairs: int
    unpaired: int

    @property
    def worse(self) -> list[GatedFigure]:
        """What is worse beyond doubt."""
        return [figure for figure in self.figures if figure.is_worse]

    def told(self) -> dict[str, bool]:
        """Return each figure in words, and whether it is worse."""
        return {str(figure): figure.is_worse for figure in self.figures}


def check_pairs(ids: Collection[str], baseline: SuiteReport) -> None:
    """Raise DataError if none of some calls is one of a baseline."""
    if not {*ids} & {call.script.id for call in baseline.calls}:
        raise DataError(
            f"the baseline is of {baseline.suite} with seeds from {baseline.seed} on, and has none "
            "of these calls: name the same suite, --level and --seed"
        )


def compare_reports(now: SuiteReport, baseline: SuiteReport, seed: int = 0) -> Gate:
    """Compare a report with an earlier one, call by call. seed: of the bootstrap.

    Calls of one script are not independent: their mean is one difference. Raises DataError if none
    has a pair.
    """
    calls, before = ({call.script.id: call for call in each.calls} for each in (now, baseline))
    check_pairs(calls, baseline)
    pairs = [(call, before[id]) for id, call in calls.items() if id in before]
    wanted = [(level, name) for level in now.levels for name in MEASURES]
    measured = {key: _differences(pairs, *key) for key in wanted}
    testable = {key: each for key, each in measured.items() if each.size}
    rng = np.random.default_rng(seed)
    figures = tuple(
        _gated(*key, differences, 1 - ERROR_RATE / len(testable), rng)
        for key, differences in testable.items()
    )
    return Gate(figures, len(pairs), len(calls.keys() ^ before.keys()))


def _differences(pairs: Sequence[tuple[CallResult, CallResult]], level: Level, name: str) -> Array:
    """Return the mean difference of each script that has the figure in both reports."""
    measure = MEASURES[name][2]
    of_script: defaultdict[str, list[float]] = defaultdict(list)
    for now, before in pairs:
        if now.script.level is level:
            value, was = measure(now), measure(before)
            if value is not None and was is not None:
                of_script[now.script.name].append(value - was)
    return np.array([np.mean(each) for each in of_script.values()], np.float64)


def _gated(
    level: Level,
    name: str,
    differences: Array,
    confidence: float,
    rng: np.random.Generator,
) -> GatedFigure:
    unit, is_better, _ = MEASURES[name]
    differ = int(np.count_nonzero(np.abs(differences) > NOTHING))
    figure = GatedFigure(level, name, unit, is_better, differences.size, differ)
    try:
        low, high = bootstrap_interval(
            differences, lambda drawn: drawn.mean(axis=-1), rng, confidence
        )
    except VoxlabError:  # one script
        return figure
    return replace(figure, value=float(differences.mean()), low=low, high=high)
