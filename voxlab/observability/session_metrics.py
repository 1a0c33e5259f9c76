"""The metrics of a voice session, computed from its finished timeline.

Waits are one thing, and what is no wait is counted beside them: turns in which the agent cut in,
turns that it took for a backchannel, turns without an answer. Averaged in, a cut-in of -0.5 s would
make a slow agent look quick. Source: fragment 39.1.6, mended; solutions/ex12_session_metrics.py
shows its faults.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from statistics import fmean
from typing import Any

import numpy as np

from voxlab.errors import VoxlabError
from voxlab.evaluation.panel import FEWEST_FOR_P95
from voxlab.evaluation.stage_times import StageTimes, stage_times
from voxlab.evaluation.stage_work import find_work
from voxlab.evaluation.turn_times import TurnTimes, interruptions, turn_times
from voxlab.observability import conventions as names
from voxlab.timeline import Timeline

OUTCOMES = ("answered", "cut_in", "resumed", "unanswered")


@dataclass(frozen=True, slots=True)
class VoiceSessionMetrics:
    """What monitoring keeps of a call; times in seconds.

    ttfb_s: of each answered turn, from the caller's last sound to the agent's first. cut_in_s: of
    each turn in which the agent began before that, by how much. resumed: turns after which the
    agent went on with what it was saying. unanswered: turns after which it said nothing.
    stage_s: by stage, each time to a result: "turn" from the caller's last sound until the turn is
    taken as over, "STT" from there to the final words, "LLM" and "TTS" from a request to the first
    output, "tools" to the result. They overlap, and their sum is no wait.
    dropped_*: of replies begun too early and thrown away. unheard_words: of replies that the caller
    stopped, before or after their first sound.
    """

    session_id: str
    duration_s: float
    ttfb_s: tuple[float, ...]
    cut_in_s: tuple[float, ...]
    resumed: int
    unanswered: int
    stage_s: Mapping[str, tuple[float, ...]]
    interruptions: int
    tool_calls: int
    tool_failures: int
    errors: int
    dropped_replies: int
    dropped_tokens: int
    dropped_voice_s: float
    unheard_words: int

    @property
    def turns(self) -> int:
        """How many things the caller said, whatever became of them."""
        return len(self.ttfb_s) + len(self.cut_in_s) + self.resumed + self.unanswered

    @property
    def ttfb_p50_s(self) -> float | None:
        """The median TTFB of the answered turns; None without one."""
        return float(np.median(self.ttfb_s)) if self.ttfb_s else None

    @property
    def ttfb_p95_s(self) -> float | None:
        """The 95th percentile of TTFB; None of fewer than twenty answered turns.

        Of fewer it is the slowest turn by another name. Percentiles of many calls come from all
        their turns, never from the percentiles of each.
        """
        few = len(self.ttfb_s) < FEWEST_FOR_P95
        return None if few else float(np.percentile(self.ttfb_s, 95))

    @property
    def average_ttfb_s(self) -> float | None:
        """The mean TTFB of the answered turns, as the chapter exports it; None without one."""
        return fmean(self.ttfb_s) if self.ttfb_s else None

    def to_otel_attributes(self) -> dict[str, str | int | float]:
        """Return the metrics as attributes of a span; what does not exist is left out."""
        average_s = self.average_ttfb_s
        values: dict[names.Name, str | int | float | None] = {
            names.SESSION_ID: self.session_id,
            names.TURNS: self.turns,
            names.AVERAGE_MS: None if average_s is None else 1000 * average_s,
            names.INTERRUPTIONS: self.interruptions,
            names.TOOL_CALLS: self.tool_calls,
            names.ERRORS: self.errors,
            names.DURATION_S: self.duration_s,
            names.ANSWERED: len(self.ttfb_s),
            names.CUT_IN: len(self.cut_in_s),
            names.RESUMED: self.resumed,
            names.UNANSWERED: self.unanswered,
            names.DROPPED_REPLIES: self.dropped_replies,
            names.DROPPED_TOKENS: self.dropped_tokens,
            names.DROPPED_VOICE_S: self.dropped_voice_s,
            names.UNHEARD_WORDS: self.unheard_words,
        }
        return {name: value for name, value in values.items() if value is not None}


def measure_session(timeline: Timeline, session_id: str = "") -> VoiceSessionMetrics:
    """Return the metrics of a finished call.

    session_id: the caller of a call gives one, such as a call SID; else it is made of the timeline,
    and the same call has the same.
    """
    turns = turn_times(timeline)
    outcomes = [turn_outcome(turn) for turn in turns]
    waits_s = [turn.ttfb_s or 0.0 for turn in turns]
    cuts = [cut for cut in interruptions(timeline) if not cut.resumed]
    dropped = [event.data for event in timeline.select("turn", "dropped")]
    return VoiceSessionMetrics(
        session_id=session_id or timeline_digest(timeline),
        duration_s=float(timeline.duration_s),
        ttfb_s=_of("answered", outcomes, waits_s),
        cut_in_s=tuple(-wait_s for wait_s in _of("cut_in", outcomes, waits_s)),
        resumed=outcomes.count("resumed"),
        unanswered=outcomes.count("unanswered"),
        stage_s=_stage_latencies(timeline),
        interruptions=len(cuts),
        tool_calls=len(timeline.select("tool", "started")),
        tool_failures=len(timeline.select("tool", "failed")),
        errors=len(timeline.failures),
        dropped_replies=len(dropped),
        dropped_tokens=sum(int(made.get("tokens", 0)) for made in dropped),
        dropped_voice_s=float(sum(made.get("voice_s", 0) for made in dropped)),
        unheard_words=sum(
            len(str(event.data.get("unheard", "")).split())
            for event in timeline.select("agent", "interrupted")
        ),
    )


def pool_sessions(sessions: Sequence[VoiceSessionMetrics]) -> VoiceSessionMetrics:
    """Return the metrics of many calls as if they were one: of all their turns together.

    Percentiles come from all the turns, and a long call weighs more than a short one. Raises
    VoxlabError if there is no call.
    """
    if not sessions:
        raise VoxlabError("no sessions: what is pooled is of one call or more")
    pooled: dict[str, Any] = {}
    for each in fields(VoiceSessionMetrics):
        values = [getattr(session, each.name) for session in sessions]
        if each.name == "stage_s":
            stages = dict.fromkeys(stage for stage_s in values for stage in stage_s)
            pooled[each.name] = {
                stage: tuple(chain.from_iterable(stage_s.get(stage, ()) for stage_s in values))
                for stage in stages
            }
        elif isinstance(values[0], tuple):
            pooled[each.name] = tuple(chain.from_iterable(values))
        elif each.name != "session_id":
            pooled[each.name] = sum(values)
    return VoiceSessionMetrics(session_id=f"{len(sessions)} calls", **pooled)


def turn_outcome(turn: TurnTimes) -> str:
    """Return what became of a turn: one of OUTCOMES."""
    if turn.resumed:
        return "resumed"
    if turn.reply_s is None:
        return "unanswered"
    return "cut_in" if turn.cut_off else "answered"


def timeline_digest(timeline: Timeline, salt: str = "") -> str:
    """Return 32 hexadecimal digits that stand for a timeline, the same for the same events."""
    return hashlib.sha256((salt + timeline.to_json()).encode(errors="replace")).hexdigest()[:32]


def _of(outcome: str, outcomes: Sequence[str], values: Sequence[float]) -> tuple[float, ...]:
    pairs = zip(outcomes, values, strict=True)
    return tuple(float(value) for each, value in pairs if each == outcome)


def _stage_latencies(timeline: Timeline) -> dict[str, tuple[float, ...]]:
    """Return the times to a result by stage.

    A voice that comes at the moment in which it is asked for is no work: it was made before, as a
    filler is, or inside the response of a Realtime API.
    """
    answered = [turn for turn in stage_times(timeline) if not turn.cut_in]
    found: dict[str, tuple[float, ...]] = {
        "turn": _since_user(answered, "decided"),
        "STT": _since_user(answered, "transcript"),
    }
    for stage in ("LLM", "tools", "TTS"):
        work = (each for each in find_work(timeline, stage) if each.outcome != "failed")
        found[stage] = tuple(float(s) for each in work if (s := each.first_output_s))
    return found


def _since_user(turns: Sequence[StageTimes], boundary: str) -> tuple[float, ...]:
    times_s = (turn.since_user_s()[boundary] for turn in turns)
    return tuple(float(time_s) for time_s in times_s if time_s is not None)
