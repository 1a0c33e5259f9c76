"""A latency budget: the stages of a turn, how long each takes and what it waits for.

A budget is a small graph. A stage starts when the stages it comes `after` are done, or as soon as
those it `overlaps` give their first output; what the caller waits for is the longest path.
Source: chapter 39.1.4 and Figure 39.1.3, and the chapter's two scenarios (`SCENARIOS`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from voxlab.errors import LatencyError


def _sum(*latencies_s: float) -> float:
    """Add decimal fractions without the dust of binary ones: 0.05 + 0.18 + 0.05 is 0.28."""
    return round(sum(latencies_s), 12)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a turn, such as the recogniser.

    latency_s: its work, from its start to its last output. first_s: from its start to its first
    output; None: it does not stream, and gives everything at the end.
    after: names of stages that must be done before it starts. overlaps: names of stages whose
    first output lets it start; it ends first_s after their last output, or later. With neither it
    comes after the stage listed before it.
    """

    name: str
    latency_s: float
    first_s: float | None = None
    after: tuple[str, ...] = ()
    overlaps: tuple[str, ...] = ()

    @property
    def output_s(self) -> float:
        """Seconds from its start to its first output."""
        return self.latency_s if self.first_s is None else self.first_s

    def slower(self, by_s: float) -> "Stage":
        """Return the stage with all its output by_s seconds later."""
        first_s = None if self.first_s is None else self.first_s + by_s
        return replace(self, latency_s=self.latency_s + by_s, first_s=first_s)


@dataclass(frozen=True, slots=True)
class Span:
    """A stage at work: its start, first output and end, in seconds from the caller's end."""

    name: str
    start_s: float
    first_s: float
    end_s: float


@dataclass(frozen=True)
class Budget:
    """A turn's stages and the time they have together.

    target_s: when the caller must hear something, at the latest. heard: the stage whose first
    output that is; "" for the last one listed.
    Raises LatencyError if there are no stages, a name is unknown or not unique, a latency is
    negative or not a number, or stages wait for each other in a circle.

    >>> stages = (Stage("STT", 0.15), Stage("LLM", 0.3, first_s=0.2), Stage("TTS", 0.1))
    >>> Budget("serial", 0.5, stages).broken_by
    'TTS'
    >>> streaming = replace(stages[2], overlaps=("LLM",))
    >>> Budget("streaming", 0.5, (*stages[:2], streaming)).slack_s
    0.05
    """

    name: str
    target_s: float
    stages: tuple[Stage, ...]
    heard: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        if not self.stages:
            raise LatencyError(f"the budget {self.name!r} has no stages: give it one at least")
        if not 0 < self.target_s < math.inf:
            raise LatencyError(
                f"the budget {self.name!r} has a target of {self.target_s} s, needs a positive "
                "number: the chapter's is 0.5"
            )
        names = [stage.name for stage in self.stages]
        for stage in self.stages:
            _check(stage, names)
        if self.heard and self.heard not in names:
            raise LatencyError(f"heard={self.heard!r} is no stage: there are {', '.join(names)}")
        _ = self._timing  # finds circles

    @cached_property
    def _timing(self) -> dict[str, tuple[Span, str]]:
        return _timing(self.stages)

    @property
    def spans(self) -> tuple[Span, ...]:
        """When each stage is at work, in the order of the stages."""
        return tuple(self._timing[stage.name][0] for stage in self.stages)

    @property
    def first_audio_s(self) -> float:
        """Seconds until the caller hears something: the longest path to the stage `heard`."""
        return self._timing[self.path[-1]][0].first_s

    @property
    def total_s(self) -> float:
        """Seconds until the last stage is done."""
        return max(span.end_s for span in self.spans)

    @property
    def slack_s(self) -> float:
        """Seconds between the first audio and its target; negative if it comes too late."""
        return _sum(self.target_s, -self.first_audio_s)

    @property
    def path(self) -> tuple[str, ...]:
        """The stages that the first audio really waits for, in order."""
        names = [self.heard or self.stages[-1].name]
        while cause := self._timing[names[0]][1]:
            names.insert(0, cause)
        return tuple(names)

    @property
    def broken_by(self) -> str | None:
        """The stage that was at work when the target passed; None if the budget is kept."""
        if self.slack_s >= 0:
            return None
        late = [name for name in self.path if self._timing[name][0].start_s <= self.target_s]
        return late[-1]

    def share(self, name: str) -> float:
        """Return which part of the wait for the first audio a stage makes, from 0 to 1."""
        if name not in self.path or not self.first_audio_s:
            return 0.0
        ends_s = [self._timing[each][0].start_s for each in self.path[1:]] + [self.first_audio_s]
        waited_s = ends_s[self.path.index(name)] - self._timing[name][0].start_s
        return waited_s / self.first_audio_s

    def room_s(self, name: str) -> float:
        """Return how much slower a stage may get.

        Until the first audio misses its target; for a stage that the first audio does not depend
        on: until the turn ends later. Negative: it must get so much faster.
        """
        long_s = self.total_s + self.target_s  # then the path through the stage is the longest
        stages = tuple(x.slower(long_s) if x.name == name else x for x in self.stages)
        late = replace(self, stages=stages)
        if late.first_audio_s > self.first_audio_s:
            return _sum(self.target_s, long_s, -late.first_audio_s)
        return _sum(self.total_s, long_s, -late.total_s)


def _check(stage: Stage, names: Sequence[str]) -> None:
    for what, value in (("latency_s", stage.latency_s), ("first_s", stage.output_s)):
        if not 0 <= value < math.inf:
            raise LatencyError(f"stage {stage.name!r}: {what} is {value}, needs seconds, 0 or more")
    if stage.output_s > stage.latency_s:
        raise LatencyError(
            f"stage {stage.name!r}: its first output after {stage.output_s} s comes later than its "
            f"last, after {stage.latency_s} s"
        )
    if names.count(stage.name) > 1:
        raise LatencyError(f"two stages are named {stage.name!r}: give each a name of its own")
    for other in (*stage.after, *stage.overlaps):
        if other not in names:
            raise LatencyError(
                f"stage {stage.name!r} waits for {other!r}: there are {', '.join(names)}"
            )


def _timing(stages: Sequence[Stage]) -> dict[str, tuple[Span, str]]:
    """Return each stage's span, and the stage that it waited for last ("" for none)."""
    known = {stage.name: stage for stage in stages}
    listed_before = dict(zip(list(known)[1:], known, strict=False))
    done: dict[str, tuple[Span, str]] = {}

    def visit(name: str, waiting: tuple[str, ...]) -> Span:
        if name in waiting:
            circle = " -> ".join((*waiting[waiting.index(name) :], name))
            raise LatencyError(f"stages wait for each other: {circle}; take one of these out")
        if name in done:
            return done[name][0]
        stage, waiting = known[name], (*waiting, name)
        after = stage.after
        if not stage.after and not stage.overlaps and name in listed_before:
            after = (listed_before[name],)
        outputs = [(visit(each, waiting).end_s, each) for each in after]
        overlapped = [visit(each, waiting) for each in stage.overlaps]
        outputs += [(span.first_s, span.name) for span in overlapped]
        start_s, cause = max(outputs, default=(0.0, ""))
        ends_s = [_sum(span.end_s, stage.output_s) for span in overlapped]
        end_s = max([_sum(start_s, stage.latency_s), *ends_s])
        done[name] = Span(name, start_s, _sum(start_s, stage.output_s), end_s), cause
        return done[name][0]

    for name in known:
        visit(name, ())
    return done


def budget_table(budget: Budget) -> str:
    """Return a budget as a table in milliseconds.

    share: of the wait for the first audio. room: how much slower the stage may get (`room_s`).
    """
    width = max(len(stage.name) for stage in budget.stages)
    rows = [f"{'stage':{width}}  latency  starts   first    ends  share    room"]
    for stage, span in zip(budget.stages, budget.spans, strict=True):
        times_s = (stage.latency_s, span.start_s, span.first_s, span.end_s)
        cells = "".join(f"{1000 * time_s:z7.0f} " for time_s in times_s)
        share = f"{budget.share(stage.name):5.0%}" if stage.name in budget.path else "    -"
        rows.append(
            f"{stage.name:{width}}  {cells} {share} {1000 * budget.room_s(stage.name):z7.0f}"
        )
    verdict = f"slack {1000 * budget.slack_s:.0f} ms"
    if budget.broken_by:
        verdict = f"{-1000 * budget.slack_s:.0f} ms too late: {budget.broken_by} breaks it"
    head = (
        f"{budget.name}: first audio after {1000 * budget.first_audio_s:.0f} of "
        f"{1000 * budget.target_s:.0f} ms, {verdict}; all done after {1000 * budget.total_s:.0f} ms"
    )
    return "\n".join([head, *([budget.about] if budget.about else []), "", *rows])


# --- the chapter's scenarios ---------------------------------------------------------------

# Figure 39.1.3 gives totals only. Its 900 ms are the upper ends of the ranges in the text (STT
# 50-200, LLM 100-500, TTS 50-200 ms). With the lower ends as the first outputs of STT and TTS,
# 280 ms leave 180 for the LLM's first sentence, and the total is 600 as printed.
_SERIAL = (Stage("STT", 0.2), Stage("LLM", 0.5), Stage("TTS", 0.2))
_STREAMING = (
    Stage("STT", 0.2, first_s=0.05),
    Stage("LLM", 0.5, first_s=0.18, overlaps=("STT",)),
    Stage("TTS", 0.2, first_s=0.05, overlaps=("LLM",)),
)
_YUKI = (Stage("network", 0.05), Stage("STT", 0.15), Stage("LLM", 0.2), Stage("TTS", 0.13))
_YUKI_TOOL = (
    *_YUKI[:3],
    Stage("filler TTS", 0.13, after=("LLM",)),
    Stage("filler speech", 1.5, first_s=0.0, after=("filler TTS",)),
    Stage("tool", 0.5, after=("LLM",)),
    Stage("LLM again", 0.2, after=("tool",)),
    Stage("TTS", 0.13, after=("LLM again",)),
    Stage("answer starts", 0.0, after=("filler speech", "TTS")),
)

SCENARIOS: Mapping[str, tuple[Budget, ...]] = {
    "figure-39-1-3": (
        Budget("sequential", 0.5, _SERIAL, about="Upper ends of the chapter's ranges, in a row."),
        Budget("streaming", 0.5, _STREAMING, about="The same work, each stage on first output."),
    ),
    "yuki": (
        Budget("yuki", 0.8, _YUKI, about="A restaurant's reservations: each stage's first output."),
    ),
    "yuki-tool": (
        Budget(
            "yuki-tool",
            0.8,
            _YUKI_TOOL,
            heard="filler TTS",
            about="The filler is heard on time and outlasts the tool: no gap before the answer. The"
            "\nchapter's 2 seconds are these 530 ms and the filler's 1.5 s.",
        ),
    ),
    "carlos": (
        Budget(
            "realtime",
            0.5,
            (Stage("Realtime API", 0.4),),
            about="A dental clinic. The chapter says under 400 ms: the worst case of that.",
        ),
        Budget(
            "pipeline",
            0.5,
            (Stage("as the Realtime API", 0.4), Stage("three services, not one", 0.08)),
            about="The chapter gives the 80 ms that the pipeline adds, and no stages.",
        ),
    ),
}


def load_budgets(name: str) -> tuple[Budget, ...]:
    """Return the budgets of one of the chapter's scenarios; LatencyError with the names if none."""
    if name not in SCENARIOS:
        raise LatencyError(f"no budget {name!r}: there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
