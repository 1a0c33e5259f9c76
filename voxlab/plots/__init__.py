"""Results as pictures. A plot computes nothing: it draws what it is given and returns its axes."""

from voxlab.plots.call import plot_call, plot_calls
from voxlab.plots.codec import plot_code_use, plot_ladder, plot_spectrogram, plot_spectrograms
from voxlab.plots.comparison import plot_paired, plot_stages
from voxlab.plots.endpointing import plot_end_of_turn
from voxlab.plots.judged import plot_judged
from voxlab.plots.latency import (
    plot_budget_bar,
    plot_budgets,
    plot_profiles,
    plot_turns,
    plot_waits,
)
from voxlab.plots.latency_lab import plot_latency_lab
from voxlab.plots.palette import AGENT, ERROR, INK, STAGE, USER, WAITING, use_theme
from voxlab.plots.realtime import plot_realtime_events
from voxlab.plots.residual_stages import plot_cells, plot_residual_stages
from voxlab.plots.speech_lm import (
    plot_comparison,
    plot_joint_tokens,
    plot_learning,
    plot_patterns,
    plot_votes,
)
from voxlab.plots.telephony import plot_measured_lines, plot_packets
from voxlab.plots.turns import plot_confusions, plot_transitions
from voxlab.plots.vad import plot_vad

__all__ = [
    "AGENT",
    "ERROR",
    "INK",
    "STAGE",
    "USER",
    "WAITING",
    "plot_budget_bar",
    "plot_budgets",
    "plot_call",
    "plot_calls",
    "plot_cells",
    "plot_code_use",
    "plot_comparison",
    "plot_confusions",
    "plot_end_of_turn",
    "plot_joint_tokens",
    "plot_judged",
    "plot_ladder",
    "plot_latency_lab",
    "plot_learning",
    "plot_measured_lines",
    "plot_packets",
    "plot_paired",
    "plot_patterns",
    "plot_profiles",
    "plot_realtime_events",
    "plot_residual_stages",
    "plot_spectrogram",
    "plot_spectrograms",
    "plot_stages",
    "plot_transitions",
    "plot_turns",
    "plot_vad",
    "plot_votes",
    "plot_waits",
    "use_theme",
]
