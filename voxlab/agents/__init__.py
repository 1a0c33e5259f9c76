"""Agents that hold a call, their tools, and the caller who tests them.

`calls` holds a call: two parties on a `line`. The agents are `pipeline` and `realtime`, and
`telephone` carries either; `callers` are scripts, microphones and browsers. Both agents share
`spoken_reply` (a model's text into a voice), `playback` (that voice on the line, what of it was
heard) and `tools`; `shop` has the tools of the lessons.
"""

from voxlab.agents.callers.interruption_scenarios import load_scenarios, read_outcome
from voxlab.agents.callers.script import load_script, parse_moment, parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call, play
from voxlab.agents.comparison import hold_trial, hold_trials
from voxlab.agents.line import Line
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import GREETING, NO_HEAD_START, HeadStart, PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.playback import Playback
from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings, SemanticVAD
from voxlab.agents.replayed_draws import play_turns
from voxlab.agents.shop import (
    Shop,
    fixed_silence_agent,
    shop_agent,
    shop_realtime_agent,
    shop_tools,
)
from voxlab.agents.suite import hold_script, load_suite
from voxlab.agents.tools import Toolbox

__all__ = [
    "GREETING",
    "NO_HEAD_START",
    "Caller",
    "HeadStart",
    "Line",
    "PipelineAgent",
    "PipelineOptions",
    "Playback",
    "RealtimeOptions",
    "RealtimeSettings",
    "ReplyOptions",
    "SemanticVAD",
    "Shop",
    "Toolbox",
    "fixed_silence_agent",
    "hold_call",
    "hold_script",
    "hold_trial",
    "hold_trials",
    "load_scenarios",
    "load_script",
    "load_suite",
    "parse_moment",
    "parse_script",
    "play",
    "play_turns",
    "read_outcome",
    "shop_agent",
    "shop_realtime_agent",
    "shop_tools",
]
