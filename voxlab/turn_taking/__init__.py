"""Whose turn it is: the turn manager, the end of a turn, and what an interruption means.

`manager` decides, from `events` to actions; `end_of_turn` says how much silence is enough,
`interruptions` what words over the agent mean. `transitions` draws the manager's table by running
it, `end_of_turn_tradeoff` what each way to wait costs in cut-offs and in seconds.
"""

from voxlab.turn_taking.end_of_turn import EndOfTurnOptions, silence_needed_s
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
    "EndOfTurnOptions",
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
