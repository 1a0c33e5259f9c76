"""The turn manager: who may speak, by a pure state machine without clock, await or sound.

The shell feeds it events and carries out its actions:

    turn, actions = step(turn, event, options)

Source: chapter 39.1.5 (states, 500 ms of silence), with the faults of fragment 39.1.4 repaired:
speech that interrupts is heard from its first frame, silence ends a turn, a reply that ends by
itself returns to listening, and a user who speaks while the agent thinks is heard.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from voxlab.text import same_words
from voxlab.turn_taking.end_of_turn import (
    EndOfTurnOptions,
    looks_unfinished,
    silence_needed_s,
)
from voxlab.turn_taking.events import (
    Actions,
    AgentFinished,
    AgentStarted,
    CallStarted,
    CancelReply,
    CloseSegment,
    DropSpeculation,
    EndJudged,
    EndTurnAfter,
    Guessed,
    GuessWords,
    HangUp,
    HearingFailed,
    JudgeEnd,
    KeepSpeculation,
    OpenSegment,
    Pause,
    Reply,
    Resume,
    Say,
    SilenceElapsed,
    StartSpeculation,
    StartTimer,
    StopTimer,
    Timer,
    Transcribed,
    TurnEvent,
    UserIdle,
    UserQuiet,
    UserStarted,
    UserStopped,
    UserWentOn,
)
from voxlab.turn_taking.interruptions import Meaning


class State(StrEnum):
    """Whose turn it is."""

    LISTENING = "listening"  # the floor is the user's
    THINKING = "thinking"  # the user's turn is committed, no reply is audible yet
    SPEAKING = "speaking"  # the reply is audible
    INTERRUPTED = "interrupted"  # the user speaks over the agent, which is silent until it is
    #                              known what was said


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How turns are taken.

    silence_s: silence after which the user's turn ends (chapter: 0.5, typically 0.5 to 0.8), where
    nobody judges whether it sounds finished; else end_of_turn says how long to wait.
    user_idle_s: silence of both after which the agent asks back; max_prompts times, then hangs up.
    speculates: whether a reply is begun as soon as the words look finished, before the turn is
    committed; what is made of it is kept back till then. The pipeline agent sets it.
    """

    silence_s: float = 0.5
    end_of_turn: EndOfTurnOptions = field(default_factory=EndOfTurnOptions)
    speculates: bool = False
    user_idle_s: float = 8.0
    max_prompts: int = 2
    greeting: str = ""
    prompt: str = "Are you still there?"
    not_heard: str = "Sorry, I could not hear you. Could you say that again?"

    def __post_init__(self) -> None:
        if self.silence_s < 0 or self.user_idle_s <= 0:
            raise ValueError(
                f"silence_s={self.silence_s}, user_idle_s={self.user_idle_s}: "
                "durations must be positive; 0.5 and 8.0 are usual"
            )


@dataclass(frozen=True, slots=True)
class Turn:
    """All that the machine remembers."""

    state: State = State.LISTENING
    user_speaking: bool = False
    pending: int = 0  # segments whose transcript is still to come
    silence_over: bool = False  # the END_OF_TURN timer ran out since the last speech
    hearing_failed: bool = False
    sounds_finished: float | None = None  # the probability, once judged after the last speech
    may_end: bool = False  # the user is silent, or was when last heard, and may have said all
    speculation: str = ""  # the text to which a reply is being made before it is due
    texts: tuple[str, ...] = ()  # said in this turn and not yet committed
    unanswered: tuple[str, ...] = ()  # committed, but no reply to it was audible yet
    audible: bool = False  # the current reply has been heard
    prompts: int = 0  # questions back since words of the user were last heard


Step = tuple[Turn, Actions]
Rule = Callable[[Turn, TurnEvent, TurnOptions], Step]


def step(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """Return the next turn and what to do now. Every (state, event) pair is defined.

    >>> turn, actions = step(Turn(), UserStarted(), TurnOptions())
    >>> actions[0]
    OpenSegment()
    """
    return TABLE[turn.state, type(event)](turn, event, options)


# --- rules ---------------------------------------------------------------------------------


def _ignore(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """Nothing follows: the event is late or cannot happen in this state."""
    return turn, ()


def _greet(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    if turn.user_speaking or turn.pending or turn.texts:  # the user has begun already
        return turn, ()
    if options.greeting:
        return replace(turn, state=State.THINKING, audible=False), (Say(options.greeting),)
    return turn, (StartTimer(Timer.USER_IDLE, options.user_idle_s),)


def _hear(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The user begins to speak, or goes on after a pause, and has the floor."""
    if turn.user_speaking:
        return turn, ()
    quiet, dropped = _drop(turn)
    return replace(quiet, user_speaking=True, silence_over=False, may_end=False), (
        *dropped,
        OpenSegment(),
        StopTimer(Timer.END_OF_TURN),
        StopTimer(Timer.USER_IDLE),
    )


def _barge_in(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The user speaks over the agent: be silent now, decide when the words are known."""
    heard, actions = _hear(turn, event, options)
    return replace(heard, state=State.INTERRUPTED), (Pause(), *actions)


def _wait_for_silence(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    if not turn.user_speaking:
        return turn, ()
    stopped = replace(turn, user_speaking=False, pending=turn.pending + 1, sounds_finished=None)
    return stopped, (CloseSegment(), JudgeEnd(), EndTurnAfter(options.silence_s))


def _doubt(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The user may be done: ask for the words, long before it is known."""
    if not turn.user_speaking:
        return turn, ()
    return replace(turn, may_end=True), (GuessWords(),)


def _go_on(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The user was not done: what was begun on the words up to there is void."""
    quiet, dropped = _drop(turn)
    return replace(quiet, may_end=False), dropped


def _guess(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The words are known in case that the user is done; over the agent, who may go on."""
    before = turn.pending if turn.user_speaking else turn.pending - 1
    if not isinstance(event, Guessed) or not turn.may_end or before:
        return turn, ()
    texts = (*turn.unanswered, *turn.texts, *([event.text] if event.text else []))
    answers = event.meaning.takes_the_floor and event.meaning is not Meaning.STOP
    is_over = turn.state is State.INTERRUPTED and not (event.text and answers)
    return _speculate(turn, () if is_over else texts, options)


def _speculate(turn: Turn, texts: tuple[str, ...], options: TurnOptions) -> Step:
    """Begin a reply to these words, if they look like all; one to other words is dropped."""
    text = " ".join(texts)
    if text and same_words(text, turn.speculation):
        return turn, ()
    quiet, dropped = _drop(turn)
    if not options.speculates or not text or looks_unfinished(text):
        return quiet, dropped
    return replace(quiet, speculation=text), (*dropped, StartSpeculation(text))


def _drop(turn: Turn) -> Step:
    if not turn.speculation:
        return turn, ()
    return replace(turn, speculation=""), (DropSpeculation(),)


def _collect(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """A transcript comes in while the floor is the user's."""
    if not turn.pending:
        return turn, ()
    text = event.text if isinstance(event, Transcribed) else ""
    failed = turn.hearing_failed or isinstance(event, HearingFailed)
    texts = (*turn.texts, text) if text else turn.texts
    heard = replace(
        turn, pending=turn.pending - 1, texts=texts, hearing_failed=failed, may_end=False
    )
    weighed, actions = _weigh(heard, options)
    if weighed.state is not State.LISTENING or weighed.pending or weighed.user_speaking:
        return weighed, actions  # committed, or not all is known
    begun, started = _speculate(weighed, weighed.texts, options)
    return begun, (*started, *actions)


def _note_end(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """It is known whether the turn sounds finished."""
    if turn.user_speaking or not isinstance(event, EndJudged):
        return turn, ()
    return _weigh(replace(turn, sounds_finished=event.probability), options)


def _weigh(turn: Turn, options: TurnOptions) -> Step:
    """Set how long to wait, once both signals are known, the words and their sound."""
    known = turn.texts and not turn.pending and not turn.user_speaking
    if turn.sounds_finished is None or not known or turn.state is not State.LISTENING:
        return _commit_if_complete(turn, options)
    text = " ".join(turn.texts)
    silence_s = silence_needed_s(text, turn.sounds_finished, options.end_of_turn)
    return replace(turn, silence_over=False), (EndTurnAfter(silence_s),)


def _silence(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    if turn.user_speaking:
        return turn, ()
    return _commit_if_complete(replace(turn, silence_over=True), options)


def _commit_if_complete(turn: Turn, options: TurnOptions) -> Step:
    """Commit once the silence is long enough and every transcript is in."""
    if turn.user_speaking or turn.pending or not turn.silence_over:
        return turn, ()
    text = " ".join(turn.texts)
    if text and same_words(text, turn.speculation):
        return Turn(state=State.THINKING, unanswered=turn.texts), (KeepSpeculation(text),)
    _, dropped = _drop(turn)
    if text:
        return Turn(state=State.THINKING, unanswered=turn.texts), (*dropped, Reply(text))
    if turn.hearing_failed:
        thinking = Turn(state=State.THINKING, prompts=turn.prompts)
        return thinking, (*dropped, Say(options.not_heard))
    idle = StartTimer(Timer.USER_IDLE, options.user_idle_s)
    return Turn(prompts=turn.prompts), (*dropped, idle)


def _judge(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """What the interrupting user said is known: it takes the floor, or gives it back."""
    if not turn.pending:
        return turn, ()
    meaning = event.meaning if isinstance(event, Transcribed) and event.text else Meaning.NOISE
    if meaning is Meaning.STOP:
        return _fall_silent(turn, options)
    if isinstance(event, HearingFailed) or meaning.takes_the_floor:
        listening = replace(turn, state=State.LISTENING, texts=turn.unanswered, unanswered=())
        heard, actions = _collect(listening, event, options)
        return heard, (CancelReply(), *actions)
    turn, dropped = _drop(replace(turn, pending=turn.pending - 1, may_end=False))
    if turn.pending or turn.user_speaking:
        return turn, dropped
    state = State.SPEAKING if turn.audible else State.THINKING
    return replace(turn, state=state, silence_over=False), (
        *dropped,
        StopTimer(Timer.END_OF_TURN),
        Resume(),
    )


def _fall_silent(turn: Turn, options: TurnOptions) -> Step:
    """The user wants silence, and nothing else: drop the reply, and wait."""
    quiet, dropped = _drop(turn)
    listening = replace(
        quiet, state=State.LISTENING, pending=turn.pending - 1, texts=(), unanswered=()
    )
    if listening.pending or listening.user_speaking:
        return listening, (*dropped, CancelReply())
    return Turn(prompts=turn.prompts), (
        *dropped,
        CancelReply(),
        StopTimer(Timer.END_OF_TURN),
        StartTimer(Timer.USER_IDLE, options.user_idle_s),
    )


def _note_silence(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    return replace(turn, silence_over=not turn.user_speaking), ()


def _keep_end(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """Whether the interruption sounds finished matters once it has taken the floor."""
    if turn.user_speaking or not isinstance(event, EndJudged):
        return turn, ()
    return replace(turn, sounds_finished=event.probability), ()


def _speak(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    return replace(turn, state=State.SPEAKING, audible=True, unanswered=()), ()


def _listen(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The reply ended by itself: the floor is the user's again."""
    return Turn(prompts=turn.prompts), (StartTimer(Timer.USER_IDLE, options.user_idle_s),)


def _listen_on(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    """The reply ended at the very moment the user began: the user simply has the floor."""
    listening = replace(turn, state=State.LISTENING, unanswered=())
    return _commit_if_complete(listening, options)


def _ask_back(turn: Turn, event: TurnEvent, options: TurnOptions) -> Step:
    if turn.user_speaking or turn.pending or turn.texts:
        return turn, ()
    if turn.prompts >= options.max_prompts:
        return turn, (HangUp("the user is silent"),)
    asking = replace(turn, state=State.THINKING, audible=False, prompts=turn.prompts + 1)
    return asking, (Say(options.prompt),)


TABLE: dict[tuple[State, type[TurnEvent]], Rule] = {
    (State.LISTENING, CallStarted): _greet,
    (State.LISTENING, UserStarted): _hear,
    (State.LISTENING, UserStopped): _wait_for_silence,
    (State.LISTENING, UserQuiet): _doubt,
    (State.LISTENING, UserWentOn): _go_on,
    (State.LISTENING, Guessed): _guess,
    (State.LISTENING, Transcribed): _collect,
    (State.LISTENING, HearingFailed): _collect,
    (State.LISTENING, EndJudged): _note_end,
    (State.LISTENING, SilenceElapsed): _silence,
    (State.LISTENING, AgentStarted): _ignore,  # a cancelled reply
    (State.LISTENING, AgentFinished): _ignore,  # a cancelled reply
    (State.LISTENING, UserIdle): _ask_back,
    (State.THINKING, CallStarted): _ignore,
    (State.THINKING, UserStarted): _barge_in,
    (State.THINKING, UserStopped): _ignore,  # no segment is open
    (State.THINKING, UserQuiet): _ignore,  # no segment is open
    (State.THINKING, UserWentOn): _ignore,  # no segment is open
    (State.THINKING, Guessed): _ignore,  # no segment is open
    (State.THINKING, Transcribed): _ignore,  # none is pending
    (State.THINKING, HearingFailed): _ignore,  # none is pending
    (State.THINKING, EndJudged): _ignore,  # no turn is open
    (State.THINKING, SilenceElapsed): _ignore,
    (State.THINKING, AgentStarted): _speak,
    (State.THINKING, AgentFinished): _listen,
    (State.THINKING, UserIdle): _ignore,
    (State.SPEAKING, CallStarted): _ignore,
    (State.SPEAKING, UserStarted): _barge_in,
    (State.SPEAKING, UserStopped): _ignore,  # no segment is open
    (State.SPEAKING, UserQuiet): _ignore,  # no segment is open
    (State.SPEAKING, UserWentOn): _ignore,  # no segment is open
    (State.SPEAKING, Guessed): _ignore,  # no segment is open
    (State.SPEAKING, Transcribed): _ignore,  # none is pending
    (State.SPEAKING, HearingFailed): _ignore,  # none is pending
    (State.SPEAKING, EndJudged): _ignore,  # no turn is open
    (State.SPEAKING, SilenceElapsed): _ignore,
    (State.SPEAKING, AgentStarted): _speak,  # the next sentence after a gap
    (State.SPEAKING, AgentFinished): _listen,
    (State.SPEAKING, UserIdle): _ignore,
    (State.INTERRUPTED, CallStarted): _ignore,
    (State.INTERRUPTED, UserStarted): _hear,
    (State.INTERRUPTED, UserStopped): _wait_for_silence,
    (State.INTERRUPTED, UserQuiet): _doubt,
    (State.INTERRUPTED, UserWentOn): _go_on,
    (State.INTERRUPTED, Guessed): _guess,
    (State.INTERRUPTED, Transcribed): _judge,
    (State.INTERRUPTED, HearingFailed): _judge,
    (State.INTERRUPTED, EndJudged): _keep_end,
    (State.INTERRUPTED, SilenceElapsed): _note_silence,
    (State.INTERRUPTED, AgentStarted): _ignore,  # the agent is paused
    (State.INTERRUPTED, AgentFinished): _listen_on,
    (State.INTERRUPTED, UserIdle): _ignore,
}
