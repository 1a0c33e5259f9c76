"""What happens to the turn manager, and what it orders: the words in which the two talk.

An event is a fact (the VAD hears speech begin), an action an order to the shell (be silent). Both
are plain values; `manager.step` lies between them.
"""

from dataclasses import dataclass
from enum import StrEnum

from voxlab.turn_taking.interruptions import Meaning


class Timer(StrEnum):
    """What the machine may wait for; one timer of a kind runs at a time."""

    END_OF_TURN = "end_of_turn"
    USER_IDLE = "user_idle"


# --- events: what happens to the machine ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The line is open."""


@dataclass(frozen=True, slots=True)
class UserStarted:
    """The VAD hears speech begin."""


@dataclass(frozen=True, slots=True)
class UserStopped:
    """The VAD hears a pause; the user has already been silent for silent_s seconds."""

    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class UserQuiet:
    """The VAD hears the first silence in speech: it may be the end, or a mouth that closes."""


@dataclass(frozen=True, slots=True)
class UserWentOn:
    """That silence was none: speech goes on before the VAD has called it a pause."""


@dataclass(frozen=True, slots=True)
class Guessed:
    """All that was said in the open segment, if the user says no more; answers GuessWords.

    meaning: as of Transcribed.
    """

    text: str
    meaning: Meaning = Meaning.REQUEST


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The final transcript of one segment of speech; empty if there were no words in it.

    meaning: what it means if it was said over the agent (`interruptions.classify`).
    """

    text: str
    meaning: Meaning = Meaning.REQUEST


@dataclass(frozen=True, slots=True)
class HearingFailed:
    """The recogniser failed on a segment: something was said, nobody knows what."""


@dataclass(frozen=True, slots=True)
class EndJudged:
    """How likely the user is done, by the sound of the turn; answers JudgeEnd."""

    probability: float


@dataclass(frozen=True, slots=True)
class SilenceElapsed:
    """The END_OF_TURN timer ran out."""


@dataclass(frozen=True, slots=True)
class AgentStarted:
    """The reply becomes audible, also again after a gap."""


@dataclass(frozen=True, slots=True)
class AgentFinished:
    """The reply is complete and its last sample has been played."""


@dataclass(frozen=True, slots=True)
class UserIdle:
    """The USER_IDLE timer ran out."""


TurnEvent = (
    CallStarted
    | UserStarted
    | UserStopped
    | UserQuiet
    | UserWentOn
    | Guessed
    | Transcribed
    | HearingFailed
    | EndJudged
    | SilenceElapsed
    | AgentStarted
    | AgentFinished
    | UserIdle
)
EVENTS: tuple[type[TurnEvent], ...] = (
    CallStarted,
    UserStarted,
    UserStopped,
    UserQuiet,
    UserWentOn,
    Guessed,
    Transcribed,
    HearingFailed,
    EndJudged,
    SilenceElapsed,
    AgentStarted,
    AgentFinished,
    UserIdle,
)

# --- actions: what the shell must do -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """Start to recognise speech, from the pre-roll on."""


@dataclass(frozen=True, slots=True)
class CloseSegment:
    """The segment is complete: ask the recogniser for its final transcript."""


@dataclass(frozen=True, slots=True)
class GuessWords:
    """Ask the recogniser what was said so far, if it can tell: it may have been all."""


@dataclass(frozen=True, slots=True)
class JudgeEnd:
    """Ask whether the turn so far sounds finished, if there is somebody to ask."""


@dataclass(frozen=True, slots=True)
class EndTurnAfter:
    """Send SilenceElapsed once the user has been silent for silence_s, from their last sound on."""

    silence_s: float


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start (or restart) a timer that sends its event after delay_s seconds."""

    timer: Timer
    delay_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget a timer, if it runs."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Reply:
    """The turn is committed: answer this text."""

    text: str


@dataclass(frozen=True, slots=True)
class StartSpeculation:
    """Begin to answer this text, and keep back whatever is made: the turn is not committed."""

    text: str


@dataclass(frozen=True, slots=True)
class KeepSpeculation:
    """The turn is committed, and this text it was: the speculation is its reply."""

    text: str


@dataclass(frozen=True, slots=True)
class DropSpeculation:
    """Throw the speculation away: the user has said something else, or goes on."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed sentence: a greeting, a question back, an apology."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence the agent at once; keep what it had still to say."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on speaking at the word where the pause cut in."""


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Drop the reply and all it has still to say; keep in the history what was heard of it."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""

    reason: str


Action = (
    OpenSegment
    | CloseSegment
    | GuessWords
    | JudgeEnd
    | EndTurnAfter
    | StartTimer
    | StopTimer
    | Reply
    | StartSpeculation
    | KeepSpeculation
    | DropSpeculation
    | Say
    | Pause
    | Resume
    | CancelReply
    | HangUp
)
Actions = tuple[Action, ...]
