"""voxlab: hear, see and change a voice agent.

`from voxlab import play` loads the module that `NAMES` gives for it, and nothing else does: the
front door is light. docs/front_door.md is the same list as a page; packages offer the rest.

Floors (imports go down or stay level; tests/test_architecture.py reads this table):
1 `errors` `clock` `samples` `sound_headers` `audio` `timeline` `text` `sentences` `data` `models`
2 `vad` `turn_taking` `statistics` `latency` `telephony` `codec` `providers`
3 `agents` `speech_lm`
4 `evaluation` `observability` `serving` `frameworks`
5 `plots` `widgets` `notebook` `course` `grading` `cli` `__main__`
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

NAMES = {  # name: (module below voxlab, what it is); a module's own name stands for the module
    "data": ("data", "the recordings, call scripts and tables that come with voxlab"),
    "audio": ("audio", "read, write, cut, mix and measure recordings"),
    "Audio": ("audio", "a recording: mono samples in [-1, 1], their rate, a player in a notebook"),
    "load_script": ("agents", "read a call script: who says what, and when"),
    "play": ("agents", "hold the call of a script with an agent, in virtual time or live"),
    "run_virtual": ("clock", "run a coroutine in virtual time, where waiting takes no time"),
    "shop_agent": ("agents", "the shop's agent as a pipeline: recogniser, language model, voice"),
    "shop_realtime_agent": ("agents", "the shop's agent behind one Realtime connection"),
    "shop_tools": ("agents", "the shop's tools: orders, shipping, reservations, weather"),
    "PipelineAgent": ("agents", "an agent as a pipeline, with tools of your own"),
    "PipelineOptions": ("agents", "how a pipeline hears, takes turns and replies"),
    "TurnOptions": ("turn_taking", "when an agent takes the turn, and when it gives way"),
    "ReplyOptions": ("agents", "what an agent says while a tool works, and its time limits"),
    "in_memory": (
        "serving.realtime.transport.in_memory",
        "a Realtime connection to a server on voxlab's engines, without a socket",
    ),
    "to_server": (
        "agents.realtime.connection",
        "the Realtime connection to OpenAI, or to a server",
    ),
    "Providers": ("providers", "the engines of an agent: recogniser, language model, voice, VAD"),
    "offline": ("providers.offline", "the engines on this machine, loaded once"),
    "SileroVAD": ("vad", "voice activity detection, frame by frame"),
    "MoonshineSTT": ("providers", "speech to text, English"),
    "RuleLLM": ("providers", "a language model of rules, for a shop's calls"),
    "SmolLM": ("providers", "a small neural language model, SmolLM2, with a cache of what it read"),
    "HibariTTS": ("providers", "text to speech, English, with the time of each word"),
    "turn_times": ("evaluation.turn_times", "how long the caller waited for each answer of a call"),
    "interruptions": ("evaluation", "each barge-in: how soon the agent stopped, what was unheard"),
    "transcript": ("evaluation", "who said what in a call, and when"),
    "stage_times": ("evaluation.stage_times", "when each stage of a turn was reached"),
    "speech_probabilities": ("vad", "how likely each 32 ms of a recording is speech"),
    "MiniCodec": ("codec", "a small neural codec: speech to 8 codes a frame, and back"),
    "EnCodec": ("codec", "Meta's codec, behind the same protocol"),
    "ResidualQuantizer": ("codec", "residual vector quantization, the idea of both codecs"),
    "load_budgets": ("latency", "the chapter's latency budgets, such as figure-39-1-3"),
    "load_measurements": ("latency", "the latencies that others measured of providers"),
    "plot_call": ("plots", "a call as a picture: voices, turns and stages on one time axis"),
    "plot_budgets": ("plots", "latency budgets as waterfalls"),
    "plot_realtime_events": ("plots", "the events of a Realtime session on one time axis"),
    "show_source": ("notebook", "the live source of a function or class of voxlab"),
    "check": ("grading", "the score card of a part of an exercise"),
    "predict": ("widgets", "a question to answer before the next cell's result is shown"),
    "progress": ("course.progress", "your predictions and points over all lessons"),
}

if TYPE_CHECKING:  # for editors and type checkers, who run nothing; a test holds it equal to NAMES
    from voxlab import audio as audio
    from voxlab import data as data
    from voxlab.agents import PipelineAgent as PipelineAgent
    from voxlab.agents import PipelineOptions as PipelineOptions
    from voxlab.agents import ReplyOptions as ReplyOptions
    from voxlab.agents import load_script as load_script
    from voxlab.agents import play as play
    from voxlab.agents import shop_agent as shop_agent
    from voxlab.agents import shop_realtime_agent as shop_realtime_agent
    from voxlab.agents import shop_tools as shop_tools
    from voxlab.agents.realtime.connection import to_server as to_server
    from voxlab.audio import Audio as Audio
    from voxlab.clock import run_virtual as run_virtual
    from voxlab.codec import EnCodec as EnCodec
    from voxlab.codec import MiniCodec as MiniCodec
    from voxlab.codec import ResidualQuantizer as ResidualQuantizer
    from voxlab.course.progress import progress as progress
    from voxlab.evaluation import interruptions as interruptions
    from voxlab.evaluation import transcript as transcript
    from voxlab.evaluation.stage_times import stage_times as stage_times
    from voxlab.evaluation.turn_times import turn_times as turn_times
    from voxlab.grading import check as check
    from voxlab.latency import load_budgets as load_budgets
    from voxlab.latency import load_measurements as load_measurements
    from voxlab.notebook import show_source as show_source
    from voxlab.plots import plot_budgets as plot_budgets
    from voxlab.plots import plot_call as plot_call
    from voxlab.plots import plot_realtime_events as plot_realtime_events
    from voxlab.providers import HibariTTS as HibariTTS
    from voxlab.providers import MoonshineSTT as MoonshineSTT
    from voxlab.providers import Providers as Providers
    from voxlab.providers import RuleLLM as RuleLLM
    from voxlab.providers import SmolLM as SmolLM
    from voxlab.providers.offline import offline as offline
    from voxlab.serving.realtime.transport.in_memory import in_memory as in_memory
    from voxlab.turn_taking import TurnOptions as TurnOptions
    from voxlab.vad import SileroVAD as SileroVAD
    from voxlab.vad import speech_probabilities as speech_probabilities
    from voxlab.widgets import predict as predict

    __version__: str
else:  # not for them: to a type checker, __getattr__ would make any name right

    def __getattr__(name):
        """Load a name of the front door when it is first used (PEP 562)."""
        if name in NAMES:
            home = NAMES[name][0]
            module = import_module(f"voxlab.{home}")
            found = module if name == home else getattr(module, name)
        elif name == "__version__":
            found = import_module("importlib.metadata").version("voxlab")
        else:
            raise AttributeError(f"module 'voxlab' has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__():
        return sorted({*globals(), *NAMES, "__version__"})


if "IPython" in sys.modules:
    import_module("voxlab.notebook").show_calls_as_players()
