"""Results as pictures. A plot computes nothing: it draws what it is given and returns its axes."""

from voxlab.plots.call import plot_call
from voxlab.plots.latency import (
    plot_budget_bar,
    plot_budgets,
    plot_profiles,
    plot_turns,
    plot_waits,
)
from voxlab.plots.latency_lab import plot_latency_lab

__all__ = [
    "plot_budget_bar",
    "plot_budgets",
    "plot_call",
    "plot_latency_lab",
    "plot_profiles",
    "plot_turns",
    "plot_waits",
]
