"""The same calls with four stacks, in real time: ours, the Realtime session, LiveKit, Pipecat.

    python benchmarks/frameworks.py [--json] [SCRIPT ...]

Every stack runs the same engines in a process of its own, one after the other; the two frameworks
at their defaults and at the settings that come closest to ours (voxlab/frameworks/settings.py).
Needs `make frameworks`. Without scripts: first_call and barge_in of data/calls, in which the caller
speaks over the agent once each. Times are medians on the line's own clock, from the caller's sound
to the agent's; the words are those in which the history differs from what was heard. The engines
take processor time, so a busy machine makes every stack slower: the figures are for side by side.

Measured in November 2026 on two cores under a load of 8 to 13: first audio, barge-in, the history
and processor time were ours, against both frameworks. End of turn was not: the Realtime session
ends a turn after a fixed silence, before it has the words (0.65 s); LiveKit took 1.02 s and our
pipeline 1.17 s, whose recogniser and judge of turns wanted the same busy cores. The table is in
data/frameworks.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tqdm import tqdm

from voxlab import data
from voxlab.errors import VoxlabError
from voxlab.evaluation.stack_figures import StackFigures, measure_stack
from voxlab.frameworks.processes import HeldCall, hold_in_process

SCRIPTS = ("calls/first_call.yaml", "calls/barge_in.yaml")
STACKS = (
    ("voxlab", "voxlab", "defaults"),
    ("realtime", "realtime", "defaults"),
    ("livekit", "livekit", "defaults"),
    ("pipecat", "pipecat", "defaults"),
    ("livekit_closest", "livekit", "closest"),
    ("pipecat_closest", "pipecat", "closest"),
)
TIMES = ("end_of_turn_s", "first_audio_s", "barge_in_s")


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    named = [Path(name) for name in sys.argv[1:] if name != "--json"]
    scripts = named or [data.path(name) for name in SCRIPTS]
    figures = {}
    bar = tqdm(total=len(STACKS) * len(scripts), desc="calls", unit=" calls", disable=None)
    for name, agent, settings in STACKS:
        held = []
        for script in scripts:
            with TemporaryDirectory() as folder:
                held.append(hold_in_process(script, agent, folder, settings=settings))
            bar.update()
        figures[name] = pooled(held)
    bar.close()
    keys = [*TIMES, "text_kept_error_words", "cpu_s_per_call_s", "memory_mb"]
    print(f"{'':17}" + "".join(f"{key.removesuffix('_words'):>19}" for key in keys))
    for name, row in figures.items():
        print(f"{name:17}" + "".join(f"{told(row[key]):>19}" for key in keys))
    if "--json" in sys.argv:
        print(json.dumps(figures))


def pooled(held: Sequence[HeldCall]) -> dict[str, float | None]:
    """Return the figures of a stack over its calls. Raises VoxlabError if a process died."""
    for each in held:
        if each.cpu_s_per_call_s is None:
            raise VoxlabError(each.call.timeline.failures[-1].failure)
    calls = [measure_stack(each.call.timeline) for each in held]
    return {
        **{name: middle(calls, name) for name in TIMES},
        "text_kept_error_words": sum(each.kept_errors for each in calls),
        "cpu_s_per_call_s": median(each.cpu_s_per_call_s for each in held),
        "memory_mb": max(each.memory_mb for each in held),
    }


def middle(calls: Sequence[StackFigures], name: str) -> float | None:
    known = [value for each in calls if (value := getattr(each, name)) is not None]
    return median(known) if known else None


def told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
