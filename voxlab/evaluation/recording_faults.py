"""What is wrong with a recording, before anybody judges the call in it."""

import math
from collections.abc import Sequence

import numpy as np

from voxlab.audio import Audio
from voxlab.timeline import Call
from voxlab.vad.endpointing import SpeechSegment

CLIPPED = 0.999  # of full scale
CLIPPED_SHARE = 1e-3  # of the samples, from which on it is heard
TRUNCATED_S = 0.5  # a recording that is so much shorter than its timeline
DRIFT_S = 0.1  # so much later are the caller's last lines than the first, against the timeline
NEAR_S = 1.0  # a line whose sound begins further away follows another without a pause
FEWEST_LINES = 2


def recording_faults(
    call: Call, user: Sequence[SpeechSegment], agent: Sequence[SpeechSegment]
) -> tuple[str, ...]:
    """Return what is wrong with a call's recording, in words; nothing if all is well.

    user, agent: their stretches of speech.
    """
    if call.user is None or call.agent is None:
        return ("there is no recording",)
    faults = [
        f"the {who}'s channel is clipped in {100 * share:.1f}% of its samples: record it softer"
        for who, audio in (("caller", call.user), ("agent", call.agent))
        if (share := _clipped_share(audio)) > CLIPPED_SHARE
    ]
    if _is_same(call.user, call.agent):
        faults.append("both channels are the same: a mono recording cannot be judged")
    if not agent:
        faults.append("the agent never speaks")
    if not user:
        faults.append("the caller never speaks")
    spoken = [event.at_s for event in call.timeline.select("caller", "speech_started")]
    if spoken and _fits(spoken, agent) > _fits(spoken, user):
        faults.append("the channels look swapped: the caller's lines are in the agent's channel")
    elif (drift_s := _drift_s(spoken, user)) is not None and abs(drift_s) > DRIFT_S:
        faults.append(
            f"the clocks drift: over the call the caller's lines move by {drift_s:+.2f} s"
        )
    short_s = call.timeline.duration_s - call.user.duration_s
    if short_s > TRUNCATED_S:
        faults.append(f"the recording ends {short_s:.1f} s before the call does")
    return tuple(faults)


def _clipped_share(audio: Audio) -> float:
    return float(np.mean(np.abs(audio.samples) >= CLIPPED)) if audio.samples.size else 0.0


def _is_same(user: Audio, agent: Audio) -> bool:
    same = user.samples.shape == agent.samples.shape
    return same and bool(user.samples.any()) and np.array_equal(user.samples, agent.samples)


def _fits(starts_s: Sequence[float], stretches: Sequence[SpeechSegment]) -> int:
    """Return how many of the moments lie at the start of a stretch."""
    return sum(any(abs(s.start_s - at_s) < DRIFT_S for s in stretches) for at_s in starts_s)


def _drift_s(starts_s: Sequence[float], user: Sequence[SpeechSegment]) -> float | None:
    """Return by how much the lines are later at the end than at the start; None of too few."""
    nearest = [
        (at_s, min((s.start_s - at_s for s in user), key=abs, default=math.inf))
        for at_s in starts_s
    ]
    found = np.array([pair for pair in nearest if abs(pair[1]) < NEAR_S])
    if len(found) < FEWEST_LINES:
        return None
    slope, _ = np.polyfit(found[:, 0], found[:, 1], 1)
    return float(slope * (starts_s[-1] - starts_s[0]))
