"""The report of a suite: its figures with how sure we are of them, as JSON and as JUnit's XML."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from voxlab.errors import DataError
from voxlab.evaluation.call_result import CallResult, Level
from voxlab.evaluation.panel import FEWEST, Figure, pass_rate, summarise
from voxlab.statistics.intervals import Array, bootstrap_interval, wilson_interval
from voxlab.timeline import to_plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT_VERSION = 1


@dataclass(frozen=True)
class SuiteReport:
    """All calls of a suite with one agent. repeats: of each script, at each level."""

    agent: str
    suite: str
    seed: int
    repeats: int
    calls: tuple[CallResult, ...]
    version: int = FORMAT_VERSION

    def at(self, level: Level) -> tuple[CallResult, ...]:
        """Return the calls of a level, in the order in which they were asked for."""
        return tuple(call for call in self.calls if call.script.level is level)

    @property
    def levels(self) -> list[Level]:
        """The levels that were tested."""
        return [level for level in Level if self.at(level)]

    @property
    def failed(self) -> list[CallResult]:
        """Calls that failed, and nobody knows why."""
        return [call for call in self.calls if call.fails]

    @cached_property
    def figures(self) -> dict[Level, tuple[Figure, ...]]:
        """The figures of each level."""
        return {level: suite_figures(self.at(level), self.repeats) for level in self.levels}

    def by_condition(self) -> dict[str, list[CallResult]]:
        """Return the calls by what is special about their caller."""
        found: defaultdict[str, list[CallResult]] = defaultdict(list)
        for call in self.calls:
            for condition in call.script.conditions:
                found[condition].append(call)
        return dict(sorted(found.items()))

    def to_json(self, **more: Any) -> str:
        """Return the report as JSON: its calls, the figures that were made of them, and more."""
        plain = _report().dump_python(self, mode="json")
        return json.dumps(to_plain({**plain, "figures": self.figures, **more}), indent=1) + "\n"

    def to_junit(self, worse: Mapping[str, bool] | None = None) -> str:
        """Return the report as CI servers read it: a test case for each call.

        A failure that is known is a test that was skipped. worse: see `regression_gate.Gate.told`.
        """
        root = ElementTree.Element("testsuites")
        for level in self.levels:
            calls = self.at(level)
            count = {
                "tests": len(calls),
                "failures": sum(call.fails for call in calls),
                "skipped": sum(not call.holds and not call.fails for call in calls),
                "errors": 0,
                "time": f"{sum(call.took_s for call in calls):.3f}",
            }
            suite = ElementTree.SubElement(root, "testsuite", name=f"{self.agent}.{level}")
            suite.attrib |= {key: str(value) for key, value in count.items()}
            for call in calls:
                case = ElementTree.SubElement(
                    suite,
                    "testcase",
                    classname=f"{self.agent}.{level}",
                    name=f"{call.script.name}, seed {call.script.seed}",
                    time=f"{call.took_s:.3f}",
                )
                if call.fails:
                    failure = ElementTree.SubElement(case, "failure", message=call.unmet[0])
                    failure.text = "\n".join(call.unmet)
                elif not call.holds:
                    ElementTree.SubElement(case, "skipped", message=call.script.known)
        if worse:
            suite = ElementTree.SubElement(root, "testsuite", name=f"{self.agent}.baseline")
            suite.attrib |= {"tests": str(len(worse)), "failures": str(sum(worse.values()))}
            for told, is_worse in worse.items():
                case = ElementTree.SubElement(suite, "testcase", name=told.split(":")[0])
                if is_worse:
                    ElementTree.SubElement(case, "failure", message=told)
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


@cache
def _report() -> "TypeAdapter[SuiteReport]":
    from pydantic import TypeAdapter

    return TypeAdapter(SuiteReport)


def read_report(path: Path) -> SuiteReport:
    """Read what `to_json` wrote. Raises DataError if it is something else."""
    try:
        return _report().validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(
            f"{path} is no report of this voxlab: name a report.json that voxlab evaluate wrote"
        ) from error


def suite_figures(calls: Sequence[CallResult], repeats: int, seed: int = 0) -> tuple[Figure, ...]:
    """Return the figures of calls: tasks, words, tools, and what their recordings tell.

    seed: of the bootstrap. Pooled figures redraw whole calls: the words of a call go together.
    """
    rng = np.random.default_rng(seed)
    recordings = [call.recording for call in calls if call.recording is not None]
    heard = [call.heard for call in calls if call.heard is not None]
    kept = [call.kept for call in calls if call.kept is not None]
    done = [call.holds for call in calls]
    tools = [(call.tools.met, call.tools.expected) for call in calls if call.tools is not None]
    figures = [
        _share("tasks done", done),
        *_pass_figures(calls, repeats),
        _pooled("tool calls as expected", tools, rng, is_better="higher"),
    ]
    if heard:
        values = [each.values for each in heard]
        right = [sum(value.is_heard for value in each) for each in values]
        figures += [
            _pooled("word error rate", [each.errors for each in heard], rng),
            _pooled(
                "values heard right",
                list(zip(right, map(len, values), strict=True)),
                rng,
                is_better="higher",
            ),
            _pooled(
                "words invented, of those heard",
                [(each.invented, each.errors.words + each.invented) for each in heard],
                rng,
            ),
            _pooled("history words wrong", kept, rng),
            _pooled(
                "dead air",
                [
                    (len(each.dead_air), sum(t.takes_the_floor for t in each.turns))
                    for each in recordings
                ],
                rng,
            ),
        ]
    return (*figures, *(summarise(recordings, seed).figures if recordings else ()))


def _share(name: str, outcomes: Sequence[bool]) -> Figure:
    count, hits = len(outcomes), sum(outcomes)
    if count < FEWEST:
        return Figure(name, "", "higher", count)
    return Figure(name, "", "higher", count, hits / count, *wilson_interval(hits, count))


def _pass_figures(calls: Sequence[CallResult], repeats: int) -> list[Figure]:
    """Return pass^k for k = repeats, if there are repeats: all of a script's calls succeed."""
    if repeats < 2:
        return []
    successes: defaultdict[str, int] = defaultdict(int)
    for call in calls:
        successes[call.script.name] += call.holds
    name, counts = f"pass^{repeats}", [*successes.values()]
    if len(counts) < FEWEST:
        return [Figure(name, "", "higher", len(counts))]
    value = pass_rate(counts, repeats, repeats)
    low, high = wilson_interval(value * len(counts), len(counts))
    return [Figure(name, "", "higher", len(counts), value, low, high)]


def _pooled(
    name: str,
    each: Sequence[tuple[int, int]],
    rng: np.random.Generator,
    is_better: str = "lower",
) -> Figure:
    """Return a share over all words or values of the calls. each: hits, and of how many.

    Calls are redrawn whole; where nothing or everything is a hit, the interval is Wilson's.
    """
    hits, counts = np.array(each, np.float64).reshape(-1, 2).T
    count = int(counts.sum())
    if count < FEWEST or len(each) < 2:
        return Figure(name, "", is_better, count)

    def share(drawn: Array) -> Array:
        index = drawn.astype(int)
        return np.asarray(hits[index].sum(-1) / np.maximum(counts[index].sum(-1), 1))

    if 0 < hits.sum() < count:
        low, high = bootstrap_interval(np.arange(len(each)), share, rng)
    else:  # all redrawn calls are the same: that nothing was seen does not mean that nothing is
        low, high = wilson_interval(min(hits.sum(), count), count)
    return Figure(name, "", is_better, count, hits.sum() / count, low, high)
