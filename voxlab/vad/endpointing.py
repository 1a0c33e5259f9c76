"""Endpointing: when speech starts and stops, by a small state machine over a VAD's probabilities.

`step` hears one probability a frame and tells `SpeechStarted` and `SpeechStopped`, with
hysteresis; `speech_segments` is the same machine over a recording, so that a stream and a file
never disagree. `NoiseFloor` follows how loud the room is, so that voices in the room are not taken
for the user's. No clock, no input or output: time is the number of frames heard.

How long to wait after `SpeechStopped` before answering is the turn manager's decision, not ours.
Source: section 39.1's paragraph on barge-in (0.5; 250-500 ms of silence) and its warning on rooms.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from voxlab.errors import VoxlabError
from voxlab.vad.silero import FRAME_S


@dataclass(frozen=True, slots=True)
class VADOptions:
    """When a probability counts as speech, and when as silence.

    Speech starts when the probability stays at or above threshold for min_speech_s; it stops
    when it stays below exit_threshold for min_silence_s. Between the two thresholds nothing
    changes (hysteresis), so that a wavering probability does not flicker. Durations are rounded
    up to whole frames, to one at least. padding_s widens the segments of a recording, so that
    soft beginnings and ends are kept.

    doubt_threshold, doubt_s: speech may have stopped once the probability has stayed below it so
    long. Nothing is decided by that; it is the time to begin what would take long afterwards.

    The last two matter where the room itself talks (`TalkingRoom`): there a frame is no speech,
    whatever its probability, unless it is so much louder than the noise floor, start_over_floor_db
    to start, stop_over_floor_db to go on. 0 asks for nothing.
    Raises VoxlabError if the thresholds are out of order, or a duration or level is negative.
    """

    threshold: float = 0.5
    exit_threshold: float = 0.35
    min_speech_s: float = 0.064
    min_silence_s: float = 0.2
    padding_s: float = 0.3
    doubt_threshold: float = 0.85
    doubt_s: float = FRAME_S
    start_over_floor_db: float = 6.0
    stop_over_floor_db: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.exit_threshold <= self.threshold <= 1:
            raise VoxlabError(
                f"exit_threshold {self.exit_threshold} and threshold {self.threshold} are out of "
                "order, need 0 < exit_threshold <= threshold <= 1: try 0.35 and 0.5"
            )
        for name in ("min_speech_s", "min_silence_s", "padding_s", "doubt_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise VoxlabError(f"{name} is {value}, needs seconds, 0 or more: try 0.2")
        if not 0 < self.doubt_threshold <= 1:
            raise VoxlabError(f"doubt_threshold is {self.doubt_threshold}, needs 0 to 1: try 0.85")
        if not 0 <= self.stop_over_floor_db <= self.start_over_floor_db < math.inf:
            raise VoxlabError(
                f"stop_over_floor_db {self.stop_over_floor_db} and start_over_floor_db "
                f"{self.start_over_floor_db} need 0 <= stop <= start: try 3 and 6, or 0 and 0"
            )


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at at_s in the audio; min_speech_s of it made that known at known_at_s."""

    at_s: float
    known_at_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech ended at at_s in the audio; min_silence_s after it made that known at known_at_s."""

    at_s: float
    known_at_s: float


SpeechEvent = SpeechStarted | SpeechStopped


@dataclass(frozen=True, slots=True)
class SpeechState:
    """What `step` remembers.

    heard: frames so far; speaking: whether speech is on; against: how many of the latest frames,
    in a row, say that it is not so.
    """

    heard: int = 0
    speaking: bool = False
    against: int = 0


def step(
    state: SpeechState, probability: float, options: VADOptions, frame_s: float = FRAME_S
) -> tuple[SpeechState, SpeechEvent | None]:
    """Hear one frame: return the next state, and the event if speech started or stopped.

    probability: in [0, 1]. Raises VoxlabError if it is not.

    >>> options = VADOptions(min_speech_s=0.064)
    >>> state, event = step(SpeechState(), 0.9, options)
    >>> event is None
    True
    >>> step(state, 0.8, options)[1]
    SpeechStarted(at_s=0.0, known_at_s=0.064)
    """
    chance = float(probability)  # a numpy float32 would round the thresholds at exact ties
    if not 0 <= chance <= 1:
        raise VoxlabError(f"a speech probability of {chance}: needs 0 to 1, check the detector")
    heard = state.heard + 1
    if state.speaking:
        disagrees, needed_s = chance < options.exit_threshold, options.min_silence_s
    else:
        disagrees, needed_s = chance >= options.threshold, options.min_speech_s
    against = state.against + 1 if disagrees else 0
    if against < whole_frames(needed_s, frame_s):
        return SpeechState(heard, state.speaking, against), None
    event = SpeechStopped if state.speaking else SpeechStarted
    return (
        SpeechState(heard, not state.speaking),
        event(at_s=(heard - against) * frame_s, known_at_s=heard * frame_s),
    )


def finish(state: SpeechState, frame_s: float = FRAME_S) -> SpeechStopped | None:
    """End the audio: return the stop of speech that was still on, if it was."""
    if not state.speaking:
        return None
    return SpeechStopped((state.heard - state.against) * frame_s, state.heard * frame_s)


@lru_cache  # asked at each frame, of a few durations
def whole_frames(duration_s: float, frame_s: float = FRAME_S) -> int:
    """Return how many frames last duration_s or more, at least one.

    >>> whole_frames(0.2)
    7
    """
    return max(1, math.ceil(duration_s / frame_s - 1e-9))  # 0.096 / 0.032 is 3.0000000000000004


class SpeechDetector:
    """`step` with its state kept, for one listener, and the noise of the room around them.

    Raises VoxlabError if frame_s is not positive.
    """

    def __init__(self, options: VADOptions | None = None, frame_s: float = FRAME_S) -> None:
        _refuse_frame_length(frame_s)
        self.options = options or VADOptions()
        self.frame_s = frame_s
        self.state = SpeechState()
        self.room = TalkingRoom(self.options, frame_s)
        self._quiet_frames = 0

    @property
    def quiet(self) -> bool:
        """Whether the latest frames say that speech may have stopped, if it was on."""
        return self._quiet_frames >= whole_frames(self.options.doubt_s, self.frame_s)

    def step(self, probability: float, level_db: float | None = None) -> SpeechEvent | None:
        """Hear one frame; return the event if speech started or stopped.

        level_db: how loud the frame is (dB of full scale); without it every room is quiet.
        """
        is_room = level_db is not None and self.room.hides(
            probability, level_db, self.state.speaking
        )
        if is_room and probability > 0:  # NaN and -1 are left for `step` to refuse
            probability = 0.0
        is_quiet = probability < self.options.doubt_threshold
        self._quiet_frames = self._quiet_frames + 1 if is_quiet else 0
        self.state, event = step(self.state, probability, self.options, self.frame_s)
        return event

    def finish(self) -> SpeechStopped | None:
        """End the audio and start anew; return the stop of speech that was still on."""
        event = finish(self.state, self.frame_s)
        self.state, self.room = SpeechState(), TalkingRoom(self.options, self.frame_s)
        self._quiet_frames = 0
        return event


def _refuse_frame_length(frame_s: float) -> None:
    if not 0 < frame_s < math.inf:
        raise VoxlabError(f"frame_s is {frame_s}, needs seconds above 0: Silero's is {FRAME_S}")


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A stretch of speech in a recording."""

    start_s: float
    end_s: float


def speech_events(
    probabilities: ArrayLike,
    options: VADOptions | None = None,
    frame_s: float = FRAME_S,
    levels_db: ArrayLike | None = None,
) -> list[SpeechEvent]:
    """Return every start and stop of speech in a recording; they alternate, a start first.

    probabilities: float (frames,) in [0, 1]; levels_db: float (frames,), see
    `audio.levels_db`; without them every room is quiet. Speech that is still on at the end
    stops there. Raises VoxlabError if a probability, a level or frame_s is out of range, or a shape
    differs.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 1:
        raise VoxlabError(f"probabilities have shape {values.shape}, need (frames,): one listener")
    detector = SpeechDetector(options, frame_s)
    if levels_db is None:
        events = [detector.step(value) for value in values.tolist()]
    else:
        levels = np.asarray(levels_db, np.float64)
        if levels.shape != values.shape:
            raise VoxlabError(f"levels {levels.shape} for probabilities {values.shape}: one each")
        both = zip(values.tolist(), levels.tolist(), strict=True)
        events = [detector.step(value, level_db) for value, level_db in both]
    return [event for event in (*events, detector.finish()) if event]


def speech_segments(
    probabilities: ArrayLike,
    options: VADOptions | None = None,
    frame_s: float = FRAME_S,
    levels_db: ArrayLike | None = None,
) -> list[SpeechSegment]:
    """Return where a recording holds speech, widened by padding_s, in order and disjoint.

    probabilities, levels_db: float (frames,), as for `speech_events`. Two segments whose paddings
    would overlap meet in the middle. Raises VoxlabError as `speech_events` does.

    >>> speech_segments([0, 0, 1, 1, 1, 0, 0, 0], VADOptions(padding_s=0.0), frame_s=0.1)
    [SpeechSegment(start_s=0.2, end_s=0.5)]
    """
    options = options or VADOptions()
    events = speech_events(probabilities, options, frame_s, levels_db)
    return segments(events, options.padding_s, np.size(probabilities) * frame_s)


def segments(
    events: Sequence[SpeechEvent], padding_s: float, duration_s: float
) -> list[SpeechSegment]:
    """Return the stretches of speech between events, widened: see `speech_segments`.

    events: starts and stops in turn, as `speech_events` returns them; duration_s: of the recording.
    """
    times_s = [event.at_s for event in events]
    starts_s, ends_s = times_s[::2], times_s[1::2]
    middles_s = [(end + start) / 2 for end, start in zip(ends_s, starts_s[1:], strict=False)]
    earliest_s, latest_s = [0.0, *middles_s], [*middles_s, duration_s]
    return [
        SpeechSegment(max(start - padding_s, earliest), min(end + padding_s, latest))
        for start, end, earliest, latest in zip(
            starts_s, ends_s, earliest_s, latest_s, strict=False
        )
    ]


class NoiseFloor:
    """How loud the room is when nobody speaks, followed through a session.

    The floor is the level that a tenth of the last window_s stayed at or below: speech has
    pauses, so it lifts the floor only if it fills nine tenths of the window. A louder room is
    followed after 0.9 window_s, a quieter one after 0.1 window_s.
    Raises VoxlabError if the window is shorter than a frame.
    Source: after Martin 2001, "Noise power spectral density estimation based on optimal
    smoothing and minimum statistics", section II, with a percentile for the minimum.
    """

    SHARE = 0.1
    QUIETEST_DB = -90.0  # the rounding noise of 16-bit audio; digital silence counts as this

    def __init__(self, window_s: float = 4.0, frame_s: float = FRAME_S) -> None:
        _refuse_frame_length(frame_s)
        if not frame_s <= window_s < math.inf:
            raise VoxlabError(f"window_s is {window_s}, needs a frame ({frame_s} s) at least")
        self._levels_db: deque[float] = deque(maxlen=whole_frames(window_s, frame_s))
        self._sorted_db: list[float] = []

    def step(self, level_db: float) -> float:
        """Hear one frame's level (dB of full scale, see audio.level_db); return the floor in dB.

        -inf is digital silence. Raises VoxlabError if the level is NaN or +inf.
        """
        if not level_db < math.inf:
            raise VoxlabError(f"a level of {level_db} dB: needs a number or -inf for silence")
        if len(self._levels_db) == self._levels_db.maxlen:
            del self._sorted_db[bisect_left(self._sorted_db, self._levels_db[0])]
        self._levels_db.append(max(level_db, self.QUIETEST_DB))
        insort(self._sorted_db, self._levels_db[-1])
        return self._sorted_db[int(self.SHARE * (len(self._sorted_db) - 1))]


class TalkingRoom:
    """Tells a room that talks, such as a cafe, from the user in it: the user is louder.

    A detector of speech is right about a cafe: somebody speaks. So we ask it about the quietest
    frames, those at the noise floor. If it calls most of these speech as well, the room talks, and
    only what is louder than the floor can be the user. In any other room levels decide nothing: in
    hiss, the soft parts of a word are no louder than the floor, and the network still hears them.

    With 8 talkers 5 dB below the user, the end of 94 of 128 turns went unheard without this, of 4
    with it; in cars, hiss, music and clicks nothing changes (benchmarks/rooms.py).
    """

    MEMORY_S = 20.0  # of quiet frames
    EVIDENCE_S = 1.0  # of quiet frames, before we judge a room

    def __init__(self, options: VADOptions, frame_s: float = FRAME_S) -> None:
        self._options = options
        self._floor = NoiseFloor(frame_s=frame_s)
        self._quiet: deque[bool] = deque(maxlen=whole_frames(self.MEMORY_S, frame_s))
        self._spoke = 0  # of them
        self._evidence = whole_frames(self.EVIDENCE_S, frame_s)

    @property
    def talks(self) -> bool:
        """Whether most of the quietest frames count as speech."""
        return len(self._quiet) >= self._evidence and 2 * self._spoke >= len(self._quiet)

    def hides(self, probability: float, level_db: float, speaking: bool) -> bool:
        """Hear one frame; tell whether it is the room, and not the user.

        level_db: of the frame (dB of full scale). Raises VoxlabError as `NoiseFloor.step` does.
        """
        options = self._options
        over_db = level_db - self._floor.step(level_db)
        if over_db < options.stop_over_floor_db:
            self._note(probability >= options.exit_threshold)
        needed_db = options.stop_over_floor_db if speaking else options.start_over_floor_db
        return self.talks and over_db < needed_db

    def _note(self, spoke: bool) -> None:
        if len(self._quiet) == self._quiet.maxlen:
            self._spoke -= self._quiet[0]
        self._quiet.append(spoke)
        self._spoke += spoke
