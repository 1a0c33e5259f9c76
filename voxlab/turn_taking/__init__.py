"""Whose turn it is: the turn manager, the end of a turn, and what an interruption means."""

from voxlab.turn_taking.end_of_turn import silence_needed_s
from voxlab.turn_taking.end_of_turn_tradeoff import (
    POLICIES,
    PauseJudges,
    find_pauses,
    measure_tradeoff,
)
from voxlab.turn_taking.events import AgentFinished, AgentStarted, SilenceElapsed, UserStarted
from voxlab.turn_taking.interruptions import Meaning, classify, count_confusions
from voxlab.turn_taking.manager import State, Turn, TurnOptions

__all__ = [
    "POLICIES",
    "AgentFinished",
    "AgentStarted",
    "Meaning",
    "PauseJudges",
    "SilenceElapsed",
    "State",
    "Turn",
    "TurnOptions",
    "UserStarted",
    "classify",
    "count_confusions",
    "find_pauses",
    "measure_tradeoff",
    "silence_needed_s",
]
