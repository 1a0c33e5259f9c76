"""The same agent on other people's frameworks: LiveKit Agents and Pipecat, offline, in real time.

Their packages and ours cannot share an environment, so a worker process holds the call there.
"""

from voxlab.frameworks.processes import HeldCall, hold_in_process
from voxlab.frameworks.recorded import (
    adapter_source,
    hold_or_recall,
    recorded_drain,
    recorded_echo,
    recorded_figures,
    recorded_reactions,
    recorded_requests,
    run_or_recall_texts,
)

__all__ = [
    "HeldCall",
    "adapter_source",
    "hold_in_process",
    "hold_or_recall",
    "recorded_drain",
    "recorded_echo",
    "recorded_figures",
    "recorded_reactions",
    "recorded_requests",
    "run_or_recall_texts",
]
