"""The trade-off at the end of a turn, cut off or kept waiting: every policy on one curve.

A pause inside a turn is cut off if the policy waits less than it lasts; at the end of a turn the
wait is the delay. What the policies look at, the words so far and the probability that they sound
finished, are worked out once for each pause (`find_pauses`); after that, a point is arithmetic.
Source: section 39.1.5's mental model of the 500 ms; our policy is `end_of_turn.silence_needed_s`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import AudioError, VoxlabError
from voxlab.statistics.intervals import wilson_interval
from voxlab.turn_taking.end_of_turn import EndOfTurnOptions, silence_needed_s
from voxlab.vad.endpointing import VADOptions, whole_frames
from voxlab.vad.silero import FRAME_S

HEARD_S = whole_frames(VADOptions().min_silence_s) * FRAME_S  # silence until the VAD notices it
KNOWN_S = HEARD_S + 0.1  # and until the words are there: nobody answers earlier
HOP_S = 0.01
INNER_S = 0.1  # a silence inside a recording that a speaker may have stretched
EDGE_S = 0.5  # so near to an end it is none

Policy = Callable[["JudgedPause", EndOfTurnOptions], float]


@dataclass(frozen=True, slots=True)
class PauseJudges:
    """Who tells whether somebody is done: a judge of the sound, and a recogniser of the words.

    judge: the probability, such as `SmartTurn().judge`; recognise: the text so far, such as
    `MoonshineSTT().recognize`; by default no words are heard.
    """

    judge: Callable[[Audio], float]
    recognise: Callable[[Audio], str] = lambda heard: ""


@dataclass(frozen=True, slots=True)
class JudgedPause:
    """A silence after somebody spoke, and what the two judges say about it.

    text: the words so far, "" if nobody recognised them. probability: that they sound finished.
    lasts_s: the lengths that the pause may have, all equally likely; none if the turn is over.
    speaker: whose voice.
    """

    text: str
    probability: float
    lasts_s: tuple[float, ...]
    speaker: str = ""

    @property
    def is_end(self) -> bool:
        """Whether the turn is over, so that a wait is a delay."""
        return not self.lasts_s


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """A policy with one setting, over all pauses.

    cut_off: the share of the pauses inside turns that it takes for the end; low and high: where the
    share lies with 95% confidence. delay_s: its mean wait at the ends of turns.
    """

    finished_s: float
    delay_s: float
    cut_off: float
    low: float
    high: float


# What each policy hears: the other signal always says "finished".
POLICIES: dict[str, Policy] = {
    "fixed silence": lambda pause, options: options.finished_s,
    "words only": lambda pause, options: silence_needed_s(pause.text, 1.0, options),
    "sound only": lambda pause, options: silence_needed_s("", pause.probability, options),
    "words and sound": lambda pause, options: silence_needed_s(
        pause.text, pause.probability, options
    ),
}


def measure_tradeoff(
    pauses: Sequence[JudgedPause],
    policy: Policy,
    finished_s: Sequence[float],
    options: EndOfTurnOptions | None = None,
) -> list[TradeoffPoint]:
    """Return a point for each wait that a policy may have where a turn looks finished.

    options: the waits for what does not look finished; none is ever shorter than finished_s.
    Raises VoxlabError if there is no pause inside a turn, or no end.

    >>> pauses = [JudgedPause("I want a", 0.1, (0.4, 0.8)), JudgedPause("I want a table.", 0.9, ())]
    >>> [point] = measure_tradeoff(pauses, POLICIES["fixed silence"], [0.5])
    >>> point.delay_s, point.cut_off
    (0.5, 0.5)
    """
    options = options or EndOfTurnOptions()
    inside = [pause for pause in pauses if not pause.is_end]
    ends = [pause for pause in pauses if pause.is_end]
    if not inside or not ends:
        raise VoxlabError(
            f"{len(inside)} pauses inside turns and {len(ends)} ends: a curve needs both"
        )
    points = []
    for wait_s in finished_s:
        chosen = replace(
            options,
            finished_s=wait_s,
            unsure_s=max(wait_s, options.unsure_s),
            unfinished_s=max(wait_s, options.unfinished_s),
        )
        cut = sum(_share_cut(pause, max(policy(pause, chosen), KNOWN_S)) for pause in inside)
        delay_s = float(np.mean([max(policy(pause, chosen), KNOWN_S) for pause in ends]))
        low, high = wilson_interval(cut, len(inside))
        points.append(TradeoffPoint(wait_s, delay_s, cut / len(inside), low, high))
    return points


def _share_cut(pause: JudgedPause, wait_s: float) -> float:
    return sum(lasts_s > wait_s for lasts_s in pause.lasts_s) / len(pause.lasts_s)


def find_pauses(
    recording: Audio,
    judges: PauseJudges,
    lasts_s: Sequence[float] = (),
    cuts: Sequence[float] = (),
    speaker: str = "",
) -> list[JudgedPause]:
    """Return the pauses inside a recording of one turn, and its end.

    A pause is a silence that the speaker made, or where we cut them short, as if they had hesitated
    there: cuts, shares of the recording in (0, 1), moved to the quietest place near. lasts_s: how
    long pauses may be; if not given, each lasts as long as it does (0.22 s or more, else no VAD
    notices it), and there must be no cuts. The judges hear the sound up to a pause, and 0.22 s
    of silence, as an agent does.
    Raises AudioError if nobody is heard, or too shortly for a cut, VoxlabError for cuts that are
    none.
    """
    if cuts and not lasts_s:
        raise VoxlabError("a cut lasts no time of its own: pass lasts_s, such as [0.4, 0.8, 1.2]")
    spoken = audio.trim(recording)
    if not spoken.samples.size:
        raise AudioError(f"nobody is heard in {recording.duration_s:.3f} s: no turn, and no end")
    least_s = INNER_S if lasts_s else HEARD_S  # a shorter one goes unnoticed
    own_s = dict(inner_silences(spoken, least_s))  # where it starts: where it ends
    places_s = {start_s: tuple(lasts_s) or (end_s - start_s,) for start_s, end_s in own_s.items()}
    places_s |= {_quietest_s(spoken, cut): tuple(lasts_s) for cut in cuts}
    places_s |= {spoken.duration_s: ()}
    pauses = []
    for at_s, may_last_s in sorted(places_s.items()):
        silence = audio.silence(HEARD_S, spoken.rate_hz)
        heard = audio.concatenate([spoken.between(0, at_s), silence])
        pauses.append(
            JudgedPause(judges.recognise(heard), judges.judge(heard), may_last_s, speaker)
        )
    return pauses


def _quietest_s(spoken: Audio, share: float) -> float:
    """Return the quietest moment within 0.1 s of a share of the recording."""
    if not 0 < share < 1:
        raise VoxlabError(f"a cut at {share} of a recording, needs a share between 0 and 1")
    hop = round(HOP_S * spoken.rate_hz)
    levels_db = audio.levels_db(audio.frames(spoken, hop))
    if len(levels_db) < 2:
        raise AudioError(f"{spoken.duration_s:.3f} s of sound are too short for a cut")
    middle = round(share * len(levels_db))
    near = slice(max(middle - 10, 1), middle + 11)
    return (near.start + int(np.argmin(levels_db[near]))) * HOP_S


def inner_silences(spoken: Audio, least_s: float = INNER_S) -> list[tuple[float, float]]:
    """Return the silences inside a recording: (start, end) in seconds, at 10 ms.

    least_s: what is shorter is a closed mouth, such as before a "t".
    """
    hop = round(HOP_S * spoken.rate_hz)
    loud = audio.levels_db(audio.frames(spoken, hop)) > audio.AUDIBLE_DB
    silences = [
        ((before + 1) * HOP_S, after * HOP_S)
        for before, after in pairwise(np.flatnonzero(loud))
        if (after - before - 1) * HOP_S >= least_s - 1e-9
    ]
    return [
        (float(start_s), float(end_s))
        for start_s, end_s in silences
        if start_s >= EDGE_S and end_s <= spoken.duration_s - EDGE_S
    ]
