"""Where the time goes: budgets, providers' measured latencies, turns drawn and simulated."""

from voxlab.latency.budgets import Span, budget_table, load_budgets
from voxlab.latency.provider_latencies import find_profile, fit_profile, load_measurements
from voxlab.latency.random_turns import draw_turns, fit_turn_model
from voxlab.latency.simulation import NAIVE, Techniques, monte_carlo, simulate

__all__ = [
    "NAIVE",
    "Span",
    "Techniques",
    "budget_table",
    "draw_turns",
    "find_profile",
    "fit_profile",
    "fit_turn_model",
    "load_budgets",
    "load_measurements",
    "monte_carlo",
    "simulate",
]
