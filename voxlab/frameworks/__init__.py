"""The same agent on other people's frameworks: LiveKit Agents and Pipecat, offline, in real time.

Their packages and ours cannot share an environment, so a worker process holds the call there:
`processes` starts it, `recorded` gives what one has recorded before.
"""

from importlib import import_module
from typing import TYPE_CHECKING

FRAMEWORKS = ("livekit", "pipecat")

if TYPE_CHECKING:
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
else:  # `voxlab --help` needs the names of the frameworks, and not what a lesson recalls

    def __getattr__(name):
        if name in __all__:
            return getattr(import_module("voxlab.frameworks.recorded"), name)
        raise AttributeError(f"module 'voxlab.frameworks' has no attribute {name!r}")


__all__ = [
    "FRAMEWORKS",
    "adapter_source",
    "hold_or_recall",
    "recorded_drain",
    "recorded_echo",
    "recorded_figures",
    "recorded_reactions",
    "recorded_requests",
    "run_or_recall_texts",
]
