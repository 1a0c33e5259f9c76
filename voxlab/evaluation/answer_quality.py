"""Answer quality: a proxy made of parts, never added up to one number.

Nobody has rated these conversations: "perceived quality" (exercise 19.7.2) is replaced by what can
be checked on a recording. Each part says what it measures, and no more.
"""

from collections.abc import Callable
from dataclasses import dataclass

from voxlab.audio import Audio
from voxlab.data.comparison import HeldTrial, Trial
from voxlab.data.expectations import says
from voxlab.errors import VoxlabError
from voxlab.evaluation.kept_text import MARGIN_S
from voxlab.evaluation.recording_judge import DEAD_AIR_S
from voxlab.evaluation.stage_times import StageTimes, stage_times
from voxlab.evaluation.word_errors import WordErrors, word_errors
from voxlab.timeline import Call, Timeline


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """What can be said about one trial, part by part.

    right_answer: it says what it must. right_state: the shop is as it should be, and a person has
    the call if one must. understood: words of the caller that the agent got wrong. spoken: words of
    the agent that a recogniser gets wrong. longest_silence_s: from the caller's last sound to the
    last of the answer. cut_in: it began to answer before the caller was done.
    """

    right_answer: bool
    right_state: bool
    understood: WordErrors
    spoken: WordErrors
    longest_silence_s: float
    cut_in: bool

    @property
    def dead_air(self) -> bool:
        """Whether a silence was so long that the caller wonders; no answer counts as one."""
        return self.longest_silence_s > DEAD_AIR_S


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """A trial, when its stages had their results, and how good the answer was."""

    held: HeldTrial
    times: StageTimes
    quality: AnswerQuality


def judge(held: HeldTrial, recognise: Callable[[Audio], str]) -> JudgedTrial:
    """Measure one trial. recognise: hears the agent's voice, such as MoonshineSTT().recognize.

    Raises VoxlabError unless the caller spoke once.
    """
    timeline = held.call.timeline
    turns = stage_times(timeline)
    if len(turns) != 1:
        raise VoxlabError(
            f"the caller spoke {len(turns)} times in {timeline.duration_s:.1f} s, a trial is one "
            "question: hold it again"
        )
    times = turns[0]
    said = " ".join(str(event.data["text"]) for event in timeline.select("agent", "said"))
    words = " ".join(str(event.data["text"]) for event in timeline.select("turn", "commit"))
    voice = _voice(held.call)
    quality = AnswerQuality(
        right_answer=answers(held.trial, said),
        right_state=held.shop == held.wanted_shop
        and held.trial.hands_over == _handed_over(timeline),
        understood=word_errors(held.trial.utterance.text, words),
        spoken=word_errors(said, recognise(voice) if voice else ""),
        longest_silence_s=longest_silence_s(timeline, times),
        cut_in=times.cut_in,
    )
    return JudgedTrial(held, times, quality)


def answers(trial: Trial, said: str) -> bool:
    """Tell whether everything that a right answer must say is in it, in one of its wordings."""
    return all(says(said, wordings) for wordings in trial.answer)


def longest_silence_s(timeline: Timeline, times: StageTimes) -> float:
    """Return the longest time without a sound of the agent, up to the end of its answer.

    To the end of the call, if there is no answer.
    """
    edges_s, silent_s = [], times.user_end_s
    for event in timeline.select("agent"):
        if event.at_s < times.user_end_s:
            continue
        if event.kind == "speech_started":
            edges_s.append(event.at_s - silent_s)
        elif event.kind == "speech_stopped":
            silent_s = event.at_s
    return max(edges_s, default=timeline.duration_s - times.user_end_s)


def _handed_over(timeline: Timeline) -> bool:
    ends = timeline.select("transport", "call_ended")
    return bool(ends) and "handed" in ends[-1].data["reason"]


def _voice(call: Call) -> Audio | None:
    """Return what the agent said, without the silence before and after it."""
    at_s = [e.at_s for e in call.timeline.select("agent") if e.kind.startswith("speech_")]
    if call.agent is None or not at_s:
        return None
    return call.agent.between(max(0.0, at_s[0] - MARGIN_S), at_s[-1] + MARGIN_S)
