"""voxlab: hear, see and change a voice agent.

Floors (imports go down or stay level; tests/test_architecture.py reads this table):
1 `errors` `clock` `sound_headers` `audio` `timeline` `sentences` `data` `models`
2 `vad` `turn_taking` `statistics` `latency` `telephony` `codec` `providers`
3 `agents` `speech_lm`
4 `evaluation` `serving`
5 `plots` `widgets` `notebook` `grading` `cli` `__main__`
"""

from importlib.metadata import version

__version__ = version("voxlab")
