"""How the pipeline agent behaves, and what it does before it must."""

from collections.abc import Callable
from dataclasses import dataclass, field

from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.turn_taking.interruptions import Meaning, classify
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions

INSTRUCTIONS = (
    "You are the voice agent of Acme Corp, which runs a shop and a restaurant. You look up orders "
    "and shipping, take back delivered orders, book, change and cancel tables, and tell the "
    "weather. Answer in one or two short spoken sentences, without lists or symbols."
)
GREETING = "Hello, this is Acme. How can I help you?"


@dataclass(frozen=True, slots=True)
class HeadStart:
    """What the agent does before it must, one switch each. Source: chapter 39.1.4.

    speculative_stt: the recogniser is asked at the first silence, long before it is a pause.
    preemptive: model, voice and tools that only read begin on words that look finished; what they
    make is kept back until the turn is committed, and thrown away if it is another one.
    early_filler: words over a tool that is known to be slow come at once, from a cache.
    prewarmed: engines run once, and connections are opened, while the call begins.
    reads_ahead: a model that can reads the conversation, and the user's words as they are heard,
    before it has to answer (speculative prefill).
    """

    speculative_stt: bool = True
    preemptive: bool = True
    early_filler: bool = True
    prewarmed: bool = True
    reads_ahead: bool = True


NO_HEAD_START = HeadStart(False, False, False, False, False)


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the agent behaves; each part has its own options.

    classify: what words over the agent mean, see `interruptions.classify`.
    stt_timeout_s: longest wait for a final transcript after the end of a segment.
    """

    instructions: str = INSTRUCTIONS
    vad: VADOptions = field(default_factory=VADOptions)
    turns: TurnOptions = field(default_factory=lambda: TurnOptions(greeting=GREETING))
    reply: ReplyOptions = field(default_factory=ReplyOptions)
    head_start: HeadStart = field(default_factory=HeadStart)
    classify: Callable[[str, str, float], Meaning] = classify
    stt_timeout_s: float = 4.0
