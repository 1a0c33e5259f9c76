"""What `voxlab compare` tells of two calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from voxlab.errors import VoxlabError

if TYPE_CHECKING:
    from voxlab.evaluation.stage_times import StageTimes
    from voxlab.statistics.paired import PairedComparison
    from voxlab.timeline import Call


@dataclass(frozen=True)
class CallComparison:
    """The same call with two agents: each turn at its stage boundaries, and what is quicker.

    turns: the boundaries of a turn by agent; an agent that fails leaves the last lines unsaid.
    differences: of TTFB and total, the paired comparison, or why there is none.
    """

    turns: "Sequence[Mapping[str, StageTimes]]"
    differences: "Mapping[str, PairedComparison | VoxlabError]"

    @classmethod
    def of(cls, calls: "Mapping[str, Call]") -> Self:
        """Compare two calls. calls: by the agent's name."""
        import numpy as np

        from voxlab.evaluation.stage_times import stage_times
        from voxlab.statistics.paired import compare_pairs

        both = [stage_times(call.timeline) for call in calls.values()]
        turns = [dict(zip(calls, pair, strict=True)) for pair in zip(*both, strict=False)]
        differences: dict[str, PairedComparison | VoxlabError] = {}
        for what in ("ttfb_s", "total_s"):
            first_s, second_s = ([getattr(turn[name], what) for turn in turns] for name in calls)
            try:
                differences[what] = compare_pairs(first_s, second_s, np.random.default_rng(0))
            except VoxlabError as error:
                differences[what] = error
        return cls(turns, differences)

    def report(self) -> None:
        """Print it."""
        from voxlab.evaluation.stage_times import stage_table

        print(
            "\nmilliseconds after the caller's last sound; - for what an agent does not tell or do"
        )
        for turn in self.turns:
            first, *_ = turn.values()
            print(f"\n{first.text}\n{stage_table(turn)}")
        names = [*self.turns[0]] if self.turns else []
        for what, title in (("ttfb_s", "TTFB"), ("total_s", "total")):
            found = self.differences[what]
            told = found if isinstance(found, VoxlabError) else found.in_words(*names)
            print(f"\n{title}: {told}")

    @property
    def figures(self) -> dict[str, Any]:
        """Its figures as plain values, in seconds after the caller's last sound.

        differences: the second agent's times less the first's.
        """
        return {
            "turns": [
                {name: _in_seconds(times) for name, times in turn.items()} for turn in self.turns
            ],
            "differences": {
                what: str(found)
                if isinstance(found, VoxlabError)
                else {"median_s": found.median, "low_s": found.low, "high_s": found.high}
                for what, found in self.differences.items()
            },
        }


def _in_seconds(times: "StageTimes") -> dict[str, float | None]:
    return {f"{name}_s": at_s for name, at_s in times.since_user_s().items()}
