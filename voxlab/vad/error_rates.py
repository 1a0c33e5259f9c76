"""Error rates of a VAD's setting: found speech against true speech, four kinds of mistakes.

A setting is a compromise, and these are its sides: false alarms (the agent falls silent for
nothing), missed turns, turns that are cut off, and the wait after each turn.
Source: the warning of section 39.1.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from voxlab.errors import VoxlabError
from voxlab.vad.endpointing import SpeechEvent, SpeechSegment, segments

NEAR_S = 0.1  # a detector may be early or late by this without being wrong


@dataclass(frozen=True, slots=True)
class VADCosts:
    """The costs of a setting in a recording.

    turns: how many there are; quiet_s: how long nobody speaks. false_alarms: stretches of speech
    found where no turn is. missed: turns of which nothing was found. cut_off: turns that counted
    as ended before they were. unended: turns whose end was not noticed before the next one began.
    starts_s, ends_s: how long after the true start (end) it was known, where it was.
    clipped_s: speech outside the found segments, padding included.
    """

    turns: int
    quiet_s: float
    false_alarms: int
    missed: int
    cut_off: int
    unended: int
    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]
    clipped_s: float

    @property
    def false_alarms_per_min(self) -> float:
        """False alarms for each minute in which nobody speaks."""
        return 60 * self.false_alarms / self.quiet_s if self.quiet_s else 0.0

    def __str__(self) -> str:
        waits = [f"{median(s):.2f} s" if s else "never" for s in (self.starts_s, self.ends_s)]
        return (
            f"false alarms {self.false_alarms_per_min:.1f} a minute, missed {self.missed}, "
            f"cut off {self.cut_off}, end unheard {self.unended} of {self.turns}; "
            f"start known after {waits[0]}, end after {waits[1]}; clipped {self.clipped_s:.2f} s"
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A turn as the detector has it."""

    start_s: float
    end_s: float
    known_s: float  # when its start was known
    over_s: float  # when it counted as ended


def vad_costs(
    events: Sequence[SpeechEvent],
    turns: Sequence[SpeechSegment],
    duration_s: float,
    silence_s: float = 0.0,
    padding_s: float = 0.0,
) -> VADCosts:
    """Count what a detector's events cost, against the turns that there truly are.

    events: as `speech_events` returns them. duration_s: of the recording. silence_s: a turn ends
    after so much silence, or as soon as the detector says that speech stopped, if that is later.
    Raises VoxlabError if starts and stops do not alternate.
    """
    found = _turns_found(events, silence_s)
    quiet_s = duration_s - sum(turn.end_s - turn.start_s for turn in turns)
    starts_s, ends_s, cut_off, unended, missed = [], [], 0, 0, 0
    next_s = [*(turn.start_s for turn in turns[1:]), duration_s]
    for turn, until_s in zip(turns, next_s, strict=True):
        heard = [each for each in found if each.start_s < turn.end_s and each.end_s > turn.start_s]
        if not heard:
            missed += 1
            continue
        if heard[0].known_s >= turn.start_s - NEAR_S:
            starts_s.append(heard[0].known_s - turn.start_s)
        cut_off += any(each.over_s < turn.end_s for each in heard)
        if heard[-1].over_s >= until_s:
            unended += 1
        elif heard[-1].over_s >= turn.end_s:
            ends_s.append(heard[-1].over_s - turn.end_s)
    return VADCosts(
        turns=len(turns),
        quiet_s=quiet_s,
        false_alarms=sum(not any(_touch(each, turn) for turn in turns) for each in found),
        missed=missed,
        cut_off=cut_off,
        unended=unended,
        starts_s=tuple(starts_s),
        ends_s=tuple(ends_s),
        clipped_s=_clipped_s(segments(events, padding_s, duration_s), turns),
    )


def _turns_found(events: Sequence[SpeechEvent], silence_s: float) -> list[_Found]:
    """Join the stretches of speech that less than silence_s separates."""
    found: list[_Found] = []
    kinds = [type(event).__name__ for event in events]
    if kinds != ["SpeechStarted", "SpeechStopped"] * (len(kinds) // 2):
        raise VoxlabError(f"events are {kinds[:4]}: need a start and a stop in turn")
    for start, stop in zip(events[::2], events[1::2], strict=True):
        over_s = max(stop.known_at_s, stop.at_s + silence_s)
        if found and start.known_at_s < found[-1].over_s:
            last = found.pop()
            found.append(_Found(last.start_s, stop.at_s, last.known_s, over_s))
        else:
            found.append(_Found(start.at_s, stop.at_s, start.known_at_s, over_s))
    return found


def _touch(found: _Found, turn: SpeechSegment) -> bool:
    return found.start_s < turn.end_s + NEAR_S and found.end_s > turn.start_s - NEAR_S


def _clipped_s(found: Sequence[SpeechSegment], turns: Sequence[SpeechSegment]) -> float:
    """Return how much of the turns lies outside the found segments."""
    inside_s = sum(
        max(0.0, min(turn.end_s, each.end_s) - max(turn.start_s, each.start_s))
        for turn in turns
        for each in found
    )
    return sum(turn.end_s - turn.start_s for turn in turns) - inside_s
