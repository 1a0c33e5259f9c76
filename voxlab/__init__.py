"""voxlab: hear, see and change a voice agent.

Floors (imports go down or stay level; tests/test_architecture.py reads this table):
1 `errors`, `clock`, `audio`, `timeline`, `data`, `models`, `wheels`, `conversions`,
  `repair_torchaudio`, `inference`, `weights`
2 `vad`, `endpointing`, `end_of_turn`, `interruptions`, `turns`, `turn_events`, `sentences`,
  `providers`, `budgets`, `profiles`, `turn_model`, `latency`, `intervals`, `codec`,
  `telephony`, `rooms`, `end_of_turn_curve`, `turn_map`, `words`, `paired`, `trials`
3 `agents`, `speech_lm`
4 `metrics`, `stages`, `quality`, `vad_costs`, `serving`
5 `plots`, `widgets`, `notebook`, `grading`, `cli`, `__main__`
"""

from importlib.metadata import version

__version__ = version("voxlab")
