"""What `voxlab compare` tells of the same call with several agents."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from voxlab.errors import VoxlabError

if TYPE_CHECKING:
    from voxlab.evaluation.line_reactions import Reaction
    from voxlab.evaluation.stack_figures import StackFigures
    from voxlab.evaluation.stage_times import StageTimes
    from voxlab.statistics.paired import PairedComparison
    from voxlab.timeline import Call


@dataclass(frozen=True)
class CallComparison:
    """The same call with several agents: each turn at its stage boundaries, and what is quicker.

    turns: the boundaries of a turn by agent; an agent that fails leaves the last lines unsaid.
    differences: of TTFB and total, between the first agent and each other one by its name: the
    paired comparison, or why there is none. stacks: the figures of each call. reactions: what each
    agent did at each line.
    """

    turns: "Sequence[Mapping[str, StageTimes]]"
    differences: "Mapping[str, Mapping[str, PairedComparison | VoxlabError]]"
    stacks: "Mapping[str, StackFigures]"
    reactions: "Mapping[str, Sequence[Reaction]]"

    @classmethod
    def of(cls, calls: "Mapping[str, Call]") -> Self:
        """Compare calls, two at least. calls: by the agent's name."""
        import numpy as np

        from voxlab.evaluation.line_reactions import find_reactions
        from voxlab.evaluation.stack_figures import measure_stack
        from voxlab.evaluation.stage_times import stage_times
        from voxlab.statistics.paired import compare_pairs

        each = [stage_times(call.timeline) for call in calls.values()]
        turns = [dict(zip(calls, times, strict=True)) for times in zip(*each, strict=False)]
        first, *others = calls

        def compare(other: str, what: str) -> "PairedComparison | VoxlabError":
            first_s, other_s = (
                [getattr(turn[name], what) for turn in turns] for name in (first, other)
            )
            try:
                return compare_pairs(first_s, other_s, np.random.default_rng(0))
            except VoxlabError as error:
                return error

        differences = {
            what: {other: compare(other, what) for other in others}
            for what in ("ttfb_s", "total_s")
        }
        return cls(
            turns,
            differences,
            {name: measure_stack(call.timeline) for name, call in calls.items()},
            {name: find_reactions(call.timeline) for name, call in calls.items()},
        )

    def report(self) -> None:
        """Print it."""
        from voxlab.evaluation.line_reactions import reaction_table
        from voxlab.evaluation.stack_figures import stack_table
        from voxlab.evaluation.stage_times import stage_table

        print(
            "\nmilliseconds after the caller's last sound; - for what an agent does not tell or do"
        )
        for turn in self.turns:
            first, *_ = turn.values()
            print(f"\n{first.text}\n{stage_table(turn)}")
        first_name, *_ = self.stacks
        for what, title in (("ttfb_s", "TTFB"), ("total_s", "total")):
            for name, found in self.differences[what].items():
                told = found if isinstance(found, VoxlabError) else found.in_words(first_name, name)
                print(f"\n{title}: {told}")
        print(f"\nwhat each did from one line to the next\n\n{reaction_table(self.reactions)}")
        print(f"\n{stack_table(self.stacks)}")

    @property
    def figures(self) -> dict[str, Any]:
        """Its figures as plain values, in seconds after the caller's last sound.

        differences: an agent's times less the first's; by its name, if there are more than two.
        """
        told = {what: _in_words(found) for what, found in self.differences.items()}
        return {
            "turns": [
                {name: _in_seconds(times) for name, times in turn.items()} for turn in self.turns
            ],
            "differences": {
                what: found if len(self.stacks) > 2 else next(iter(found.values()))
                for what, found in told.items()
            },
            "stacks": {name: asdict(each) for name, each in self.stacks.items()},
            "reactions": {name: list(map(asdict, each)) for name, each in self.reactions.items()},
        }


def _in_words(differences: "Mapping[str, PairedComparison | VoxlabError]") -> dict[str, Any]:
    return {
        name: str(found)
        if isinstance(found, VoxlabError)
        else {"median_s": found.median, "low_s": found.low, "high_s": found.high}
        for name, found in differences.items()
    }


def _in_seconds(times: "StageTimes") -> dict[str, float | None]:
    return {f"{name}_s": at_s for name, at_s in times.since_user_s().items()}
