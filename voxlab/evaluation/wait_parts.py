"""What a caller waited for: the wait for an answer, divided among the stages of the agent."""

from collections.abc import Iterable
from itertools import pairwise

from voxlab.evaluation.stage_times import StageTimes
from voxlab.evaluation.stage_work import STAGES, StageWork

DECIDING = "end of turn"  # until the agent takes the turn as over, whatever else is at work
LINE = "line"  # its first sound is ready, and on its way
NOBODY = "nothing"  # no stage is at work


def divide_wait(turn: StageTimes, work: Iterable[StageWork]) -> dict[str, float]:
    """Divide the wait for an answer: seconds by what it waited for; nothing if there was no wait.

    Until the agent takes the turn as over, it waits for that. From then on each moment belongs to
    the last stage in the chain that is at work, for without it the ones before have been in vain,
    until the first sound of the answer is ready: the rest is the line's. The parts add up to the
    turn's ttfb_s.
    """
    if turn.audible_s is None or turn.audible_s <= turn.user_end_s:
        return {}
    start_s, end_s = turn.user_end_s, turn.audible_s
    decided_s = min(end_s, max(start_s, start_s if turn.decided_s is None else turn.decided_s))
    ready_s = min(
        end_s, max(decided_s, end_s if turn.first_audio_s is None else turn.first_audio_s)
    )
    at_work = [each for each in work if each.begun.at_s < ready_s and each.end_s > decided_s]
    edges_s = [at_s for each in at_work for at_s in (each.begun.at_s, each.end_s)]
    moments_s = [decided_s, *sorted(s for s in edges_s if decided_s < s < ready_s), ready_s]
    parts = {DECIDING: decided_s - start_s} if decided_s > start_s else {}
    for from_s, to_s in pairwise(moments_s):
        middle_s = (from_s + to_s) / 2
        busy = [each.stage for each in at_work if each.begun.at_s <= middle_s < each.end_s]
        stage = max(busy, key=tuple(STAGES).index, default=NOBODY)
        if to_s > from_s:
            parts[stage] = parts.get(stage, 0.0) + to_s - from_s
    return parts | ({LINE: end_s - ready_s} if end_s > ready_s else {})
