"""Drawn turns through the real agent, in virtual time: they check what `latency.simulate` says.

The providers are scripted with the draws of the turn; everything between them is the pipeline
agent's own code. What the agent has no option for is scripted too, and only that: connections and
the way of the sound over the network are delays, and an answer that is not streamed is one text
without a full stop, by a voice that gives no sound before it has all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import HeadStart, PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.spoken_reply import SENTENCES_AHEAD
from voxlab.agents.tools import Tool
from voxlab.clock import run_virtual
from voxlab.errors import LatencyError
from voxlab.latency.random_turns import TurnDraws
from voxlab.latency.simulation import Techniques
from voxlab.providers.protocols import Providers, Speech, ToolCall, ToolSpec
from voxlab.providers.scripted import GuessingScriptedSTT, ScriptedLLM
from voxlab.sentences import SentenceChunker
from voxlab.timeline import Call
from voxlab.turn_taking.manager import TurnOptions
from voxlab.vad.endpointing import VADOptions

PATIENCE_S = 3600.0  # nobody gives up: a turn may take as long as its draws say
SCRIPT = parse_script(
    {
        "lines": [{"text": "What is new?", "at": "1 s after the call starts", "lasts_s": 2}],
        "hang_up": f"{PATIENCE_S} s after the call starts",
        "patience_s": PATIENCE_S,
        "limit_s": 2 * PATIENCE_S,
    }
)
FILLER = "One moment."
WORD, LAST_WORD = "I", "go"  # short; a full stop after the last leaves no doubt what it is
MOST_WORDS = SentenceChunker().max_chars // 2 - SENTENCES_AHEAD


def play_turns(
    draws: TurnDraws, turns: Iterable[int], techniques: Techniques | None = None
) -> list[Call]:
    """Hold a call of one turn for each of the given turns and return the calls.

    The caller hears the agent downlink_s later than the call's timeline says. With draws that are
    `quantised`, all times are equal to those of `latency.simulate`, bit for bit.
    Raises LatencyError if a turn has more sentences or words than the agent takes at once.
    """
    on = techniques or Techniques()

    async def hold_all() -> list[Call]:
        agents = [_agent(draws, turn, on) for turn in turns]
        calls = [hold_call(agent, Caller(SCRIPT), limit_s=SCRIPT.limit_s) for agent in agents]
        return await asyncio.gather(*calls)

    return run_virtual(hold_all())


def _agent(draws: TurnDraws, turn: int, on: Techniques) -> PipelineAgent:
    d: dict[str, Any] = {name: values[..., turn].tolist() for name, values in draws.named().items()}
    paused_s, quiet_s = (d["uplink_s"] + d[x] for x in ("vad_silence_s", "end_silence_s"))
    if not on.speculative_stt:
        paused_s = max(paused_s, quiet_s)  # the recogniser learns of the pause with the turn's end
    hears = GuessingScriptedSTT(["What is new?"], d["stt_s"], d["stt_s"])
    return PipelineAgent(
        Providers(hears, _model(d, on), _Voice(d, on)),
        [Tool(ToolSpec("look", "Look it up."), lambda: "found", d["tool_s"], only_reads=True)],
        PipelineOptions(
            vad=VADOptions(min_silence_s=paused_s, doubt_s=d["uplink_s"] + d["doubt_s"]),
            turns=TurnOptions(silence_s=quiet_s, user_idle_s=PATIENCE_S),
            reply=ReplyOptions(
                filler=FILLER if on.tool and on.filler else "",
                filler_after_s=d["filler_after_s"],
                apology="",
                sentence_pause_s=0.0,
                llm_timeout_s=PATIENCE_S,
                tts_timeout_s=PATIENCE_S,
                tool_timeout_s=PATIENCE_S,
            ),
            head_start=HeadStart(on.early_stt, on.preemptive, on.early_filler, prewarmed=False),
            stt_timeout_s=PATIENCE_S,
        ),
    )


def _model(d: dict[str, Any], on: Techniques) -> ScriptedLLM:
    counts = [int(count) for count in d["words"] if count]
    if max(counts if on.streaming else [sum(counts)]) > MOST_WORDS or len(counts) > SENTENCES_AHEAD:
        raise LatencyError(
            f"sentences of {counts} words: the agent takes {SENTENCES_AHEAD} sentences ahead, and "
            f"{MOST_WORDS} words in one piece; draw fewer"
        )
    stop = ". " if on.streaming else " "
    answer = stop.join(" ".join([*[WORD] * (count - 1), LAST_WORD]) for count in counts) + "."
    first_token_s = [d["llm_first_token_s"], d["llm_after_tool_s"]]
    if not on.prewarmed:
        first_token_s[0] += d["llm_connect_s"]
    asks = [ToolCall("1", "look", {})] if on.tool else []
    return ScriptedLLM([*asks, answer], first_token_s, d["word_s"])


class _Sound(NamedTuple):
    first_audio_s: float
    synthesis_s: float
    speech_s: float

    def kept_back(self) -> "_Sound":
        """Return it with no sound before the last is made."""
        return self._replace(first_audio_s=max(self.first_audio_s, self.synthesis_s))


class _Voice:
    """A synthesiser with the draws of one turn: a filler, and the pieces of the answer in order."""

    def __init__(self, d: dict[str, Any], on: Techniques) -> None:
        filler = _Sound(d["filler_first_audio_s"], d["filler_synthesis_s"], d["filler_speech_s"])
        names = ("tts_first_audio_s", "tts_synthesis_s", "speech_s")
        pieces = [_Sound(*sound) for sound in zip(*(d[name] for name in names), strict=True)]
        if not on.streaming:
            made_s, spoken_s = sum(p.synthesis_s for p in pieces), sum(p.speech_s for p in pieces)
            filler = filler.kept_back()
            pieces = [_Sound(pieces[0].first_audio_s, made_s, spoken_s).kept_back()]
        self._filler = filler
        self._pieces = iter(pieces)
        self._connect_s: float = 0.0 if on.prewarmed else d["tts_connect_s"]

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        sound = self._filler if text == FILLER else next(self._pieces)
        connect_s, self._connect_s = self._connect_s, 0.0
        await asyncio.sleep(connect_s + sound.first_audio_s)
        yield Speech(text, sound.speech_s)
        await asyncio.sleep(max(0.0, sound.synthesis_s - sound.first_audio_s))
