"""Stage times: when each stage of a turn had its result, read off the timeline of any agent.

One function for all, so that two agents are measured with the same ruler. What an agent does not
tell stays None: a Realtime API gives no first token of its model, for the first text that comes is
the transcript of its sound. Source: exercise 19.7.2.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from voxlab.evaluation.stage_work import find_work
from voxlab.evaluation.turn_times import TurnTimes, turn_times
from voxlab.latency.budgets import Span
from voxlab.timeline import Event, Timeline

WORK = {"STT": "STT", "LLM": "LLM", "tool": "tools", "TTS": "TTS", "voice": "voice"}  # lane: stage


@dataclass(frozen=True, slots=True)
class StageTimes:
    """One turn at its stage boundaries, in seconds from the start of the call; None: not told.

    user_end_s: the caller's last sound. decided_s: the agent takes the turn as over. transcript_s:
    its final words. first_token_s: of the model. first_audio_s: of the synthesiser. audible_s:
    the first sound that the caller hears after their own last one, None if the agent has nothing to
    answer, or goes on after a backchannel; end_s: the last of the answer.
    cut_in: the agent began to answer before the caller was done. work: what ran when, in seconds
    from the caller's last sound, for a waterfall.
    """

    text: str
    user_end_s: float
    decided_s: float | None
    transcript_s: float | None
    first_token_s: float | None
    first_audio_s: float | None
    audible_s: float | None
    end_s: float | None
    cut_in: bool
    work: tuple[Span, ...] = ()

    @property
    def ttfb_s(self) -> float | None:
        """Seconds from the caller's last sound to the next that they hear; None for no answer.

        An agent that cut in and was interrupted answers once more.
        """
        return None if self.audible_s is None else self.audible_s - self.user_end_s

    @property
    def total_s(self) -> float | None:
        """Seconds from the caller's last sound to the last of the answer."""
        return None if self.end_s is None else self.end_s - self.user_end_s

    def since_user_s(self) -> dict[str, float | None]:
        """Return the boundaries in order, in seconds after the caller's last sound."""
        return {
            name: None if (at_s := getattr(self, f"{name}_s")) is None else at_s - self.user_end_s
            for name in BOUNDARIES
        }


BOUNDARIES = ("decided", "transcript", "first_token", "first_audio", "audible", "end")


def stage_table(turns: Mapping[str, StageTimes]) -> str:
    """Return one turn of several agents as a table: milliseconds after the caller's last sound."""
    width = max(map(len, turns))
    rows = [f"{'':{width}}" + "".join(f"{name.replace('_', ' '):>13}" for name in BOUNDARIES)]
    for agent, times in turns.items():
        told_s = times.since_user_s().values()
        cells = [f"{'-':>13}" if at_s is None else f"{1000 * at_s:13.0f}" for at_s in told_s]
        rows.append(f"{agent:{width}}{''.join(cells)}{'  cut in' * times.cut_in}")
    return "\n".join(rows)


def stage_times(timeline: Timeline) -> list[StageTimes]:
    """Return the stage boundaries of each thing that the caller said, in order."""
    turns = turn_times(timeline)
    until_s = [*(turn.start_s for turn in turns[1:]), math.inf]
    return [_of_turn(timeline, *pair) for pair in zip(turns, until_s, strict=False)]


def _of_turn(timeline: Timeline, turn: TurnTimes, until_s: float) -> StageTimes:
    heard = [event for event in timeline if turn.start_s <= event.at_s < until_s]
    after = [event for event in heard if event.at_s >= turn.end_s]
    audible_s = None if turn.resumed else _first(after, "agent", "speech_started")
    end_s = max(_times(after, "agent", "speech_stopped"), default=None) if audible_s else None
    commits = [
        event
        for event in heard
        if (event.source, event.kind) == ("turn", "commit")
        and (audible_s is None or event.at_s <= audible_s)
    ]
    decided = commits[-1] if commits and audible_s is not None else None
    since_s = _begun_s(decided) if decided else turn.end_s
    making = [event for event in after if event.at_s >= since_s]
    told = StageTimes(
        text=turn.text,
        user_end_s=turn.end_s,
        decided_s=decided.at_s if decided else None,
        transcript_s=_transcript_s(heard, decided),
        first_token_s=_first_token_s(making),
        first_audio_s=_first(making, "tts", "first_audio"),
        audible_s=audible_s,
        end_s=end_s,
        cut_in=turn.cut_off,
    )
    return replace(told, work=_work(heard, told, since_s))


def _begun_s(commit: Event) -> float:
    """Return when the answer to a turn was begun, which may be before it was committed."""
    return float(commit.data.get("begun_s", commit.at_s))


def _times(events: Iterable[Event], source: str, kind: str) -> list[float]:
    return [event.at_s for event in events if (event.source, event.kind) == (source, kind)]


def _first(events: Iterable[Event], source: str, kind: str) -> float | None:
    return min(_times(events, source, kind), default=None)


def _transcript_s(heard: Iterable[Event], decided: Event | None) -> float | None:
    """Return when the last words of a turn were known; with a Realtime API maybe after its end."""
    words = str(decided.data["text"]) if decided else ""
    finals = [event for event in heard if (event.source, event.kind) == ("stt", "final")]
    texts = [(str(event.data["text"]), event.at_s) for event in finals]
    return max((at_s for text, at_s in texts if text and words.endswith(text)), default=None)


def _first_token_s(making: Iterable[Event]) -> float | None:
    """Return when the model's first token came, unless a voice was at work before it.

    Then what came is the text of that voice's sound.
    """
    for event in making:
        if (event.source, event.kind) == ("tts", "request"):
            return None
        if (event.source, event.kind) == ("llm", "first_token"):
            return event.at_s
    return None


def _work(heard: Sequence[Event], told: StageTimes, since_s: float) -> tuple[Span, ...]:
    """Return what was at work for the answer, from the caller's last sound on.

    A response that does not tell its first token is one piece of work, whatever is inside.
    """
    zero_s = told.user_end_s
    silence_s = (told.decided_s or since_s) - zero_s
    spans = [Span("silence", 0.0, silence_s, silence_s)] if silence_s > 0 else []
    is_one = told.first_token_s is None
    for lane, stage in WORK.items():
        if is_one and lane == "TTS":
            continue
        name = "response" if is_one and lane == "LLM" else lane
        for each in find_work(Timeline(heard), stage):
            is_late = each.end_s >= (zero_s if lane == "STT" else since_s)
            if each.last is not None and is_late:
                first = each.last if lane == "STT" else each.first or each.last
                moments_s = (each.begun.at_s, first.at_s, each.end_s)
                spans.append(Span(name, *(max(at_s, zero_s) - zero_s for at_s in moments_s)))
    return tuple(spans)
