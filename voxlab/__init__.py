"""voxlab: hear, see and change a voice agent.

Floors (imports go down or stay level; tests/test_architecture.py reads this table):
1 `errors`, `clock`, `audio`, `timeline`, `data`, `models`, `wheels`, `conversions`,
  `repair_torchaudio`
2 `vad`, `endpointing`, `turns`, `sentences`, `providers`
3 `agents`
4 `metrics`
5 `plots`, `widgets`, `notebook`, `grading`, `cli`, `__main__`
"""

from importlib.metadata import version

__version__ = version("voxlab")
