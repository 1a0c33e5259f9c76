"""voxlab: hear, see and change a voice agent.

Floors (imports go down only):
1 `timeline`, `clock`, `audio`, `data`, `models`, `errors`
2 `vad`, `turns`, `providers`
3 `agents`
4 `metrics`
5 `plots`, `cli`
"""

from importlib.metadata import version

__version__ = version("voxlab")
