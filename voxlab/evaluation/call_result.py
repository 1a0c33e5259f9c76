"""What came of one call of a suite, judged: all that its report is made of, as plain data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest

from voxlab.data.expectations import HeldScript, Kind
from voxlab.evaluation.expected_outcome import ToolCalls, count_calls, find_unmet
from voxlab.evaluation.heard_words import HeardWords, find_heard
from voxlab.evaluation.recording_judge import ExpectedLine, JudgedRecording, judge_recording
from voxlab.evaluation.stack_figures import kept_errors
from voxlab.evaluation.word_errors import WordErrors
from voxlab.timeline import Call


class Level(StrEnum):
    """What is tested: the whole agent by its sound, or the agent without ears and voice."""

    SPOKEN = "spoken"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class PlayedScript:
    """Which script was played: its name and title, its caller's conditions, and how.

    seed: of what the caller does otherwise than the script says. known: why this agent fails, if
    that is known.
    """

    name: str
    title: str
    conditions: tuple[str, ...]
    level: Level
    seed: int
    known: str = ""

    @property
    def id(self) -> str:
        """Its place in a report."""
        return f"{self.level}-{self.name}-{self.seed}"


@dataclass(frozen=True, slots=True)
class CallResult:
    """A call, judged.

    unmet: in words, what failed; nothing if all held. ended: why the call did. took_s: of this
    machine, to hold and judge it. tools: None if it could not be held. At the text level there is
    no recording, nothing heard of the caller's words, and no error in the words that were kept.
    """

    script: PlayedScript
    unmet: tuple[str, ...]
    ended: str = ""
    duration_s: float = 0.0
    took_s: float = 0.0
    recording: JudgedRecording | None = None
    tools: ToolCalls | None = None
    heard: HeardWords | None = None
    kept: WordErrors | None = None

    @property
    def holds(self) -> bool:
        """Whether all came of the call that should."""
        return not self.unmet

    @property
    def fails(self) -> bool:
        """Whether it did not, and nobody knows why."""
        return bool(self.unmet) and not self.script.known


def judge_call(script: PlayedScript, held: HeldScript) -> CallResult:
    """Judge a call by what was expected of it, and at the spoken level by its recording.

    Raises VoxlabError if a recording is needed and cannot be judged.
    """
    timeline, kinds = held.call.timeline, held.expect.kinds
    result = CallResult(
        script,
        find_unmet(held, by_text=script.level is Level.TEXT),
        timeline.end_reason,
        timeline.duration_s,
        tools=count_calls(held),
    )
    if script.level is Level.TEXT:
        return result
    recording = judge_recording(held.call, _expected_lines(held.call, kinds))
    return replace(
        result,
        recording=recording,
        heard=find_heard(timeline, kinds),
        kept=kept_errors(timeline),
    )


def _expected_lines(call: Call, kinds: Mapping[str, Kind]) -> list[ExpectedLine]:
    """Return what each line was that the caller said; an answer that used a tool needed it."""
    said = call.timeline.select("caller", "speech_started")
    tools_s = [event.at_s for event in call.timeline.select("tool", "started")]
    return [
        ExpectedLine(
            kinds.get(str(line.data["line"]), Kind.REQUEST),
            any(line.at_s <= at_s < (after.at_s if after else math.inf) for at_s in tools_s),
        )
        for line, after in zip_longest(said, said[1:])
    ]
