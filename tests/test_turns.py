"""The turn manager: by hand, by any order of events, and held by an honest simulated shell."""

import itertools
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voxlab.turn_taking import events as turn_events
from voxlab.turn_taking import manager
from voxlab.turn_taking.events import (
    EVENTS,
    AgentFinished,
    AgentStarted,
    CallStarted,
    CancelReply,
    CloseSegment,
    EndJudged,
    EndTurnAfter,
    HangUp,
    HearingFailed,
    JudgeEnd,
    OpenSegment,
    Pause,
    Reply,
    Resume,
    Say,
    SilenceElapsed,
    StartTimer,
    StopTimer,
    Timer,
    Transcribed,
    UserIdle,
    UserStarted,
    UserStopped,
)
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import TABLE, State, Turn, TurnOptions, step

OPTIONS = TurnOptions()
GREETING = TurnOptions(greeting="Hello, this is Acme.")
SPOKE = (UserStarted(), UserStopped(0.2))  # a segment, whose transcript is still to come


def run(*events, turn=None, options=OPTIONS):
    """Return the turn after the events, and all actions in order."""
    turn, actions = turn or Turn(), []
    for event in events:
        turn, more = step(turn, event, options)
        actions += more
    return turn, actions


def said(text):
    return (*SPOKE, Transcribed(text), SilenceElapsed())


def of(kind, actions):
    return [action for action in actions if isinstance(action, kind)]


THINKING, _ = run(*said("what is the weather"))
SPEAKING, _ = run(AgentStarted(), turn=THINKING)


# --- the table -----------------------------------------------------------------------------


def test_every_event_is_defined_in_every_state_and_no_other():
    assert set(TABLE) == set(itertools.product(State, EVENTS))


def test_the_events_and_actions_are_all_named():
    assert set(EVENTS) == set(turn_events.Event.__args__)


@pytest.mark.parametrize("options", [{"silence_s": -0.1}, {"user_idle_s": 0.0}])
def test_durations_below_zero_are_refused(options):
    with pytest.raises(ValueError, match="durations must be positive"):
        TurnOptions(**options)


# --- the faults of fragment 39.1.4, repaired -----------------------------------------------


def test_39_1_4_the_frames_that_trigger_an_interruption_are_kept():
    turn, actions = run(UserStarted(), turn=SPEAKING)
    assert actions[:2] == [Pause(), OpenSegment()]  # the segment begins with the pre-roll
    _, actions = run(UserStopped(0.2), Transcribed("stop"), SilenceElapsed(), turn=turn)
    assert of(Reply, actions) == [Reply("stop")]


def test_39_1_4_an_interruption_takes_the_floor_even_if_the_reply_was_just_over():
    turn, actions = run(UserStarted(), AgentFinished(), turn=SPEAKING)
    assert turn.state == State.LISTENING
    assert not of(CancelReply, actions)
    _, actions = run(*said("and tomorrow")[1:], turn=turn)
    assert of(Reply, actions) == [Reply("and tomorrow")]


def test_39_1_4_silence_ends_the_turn():
    turn, actions = run(UserStarted(), UserStopped(0.2))
    assert actions[-1] == EndTurnAfter(0.5)
    turn, actions = run(Transcribed("hello"), SilenceElapsed(), turn=turn)
    assert (turn.state, actions) == (State.THINKING, [Reply("hello")])


def test_39_1_4_a_finished_reply_returns_to_listening():
    turn, actions = run(AgentFinished(), turn=SPEAKING)
    assert turn == Turn()
    assert actions == [StartTimer(Timer.USER_IDLE, OPTIONS.user_idle_s)]
    assert of(Reply, run(*said("thanks"), turn=turn)[1]) == [Reply("thanks")]


def test_39_1_4_speech_while_the_agent_thinks_is_heard():
    turn, actions = run(UserStarted(), turn=THINKING)
    assert actions[:2] == [Pause(), OpenSegment()]
    turn, actions = run(*said("in Paris")[1:], turn=turn)
    assert of(CancelReply, actions)
    assert of(Reply, actions) == [Reply("what is the weather in Paris")]  # one question, one answer


def test_39_1_4_one_turn_is_one_reply_however_many_frames_and_pauses_it_has():
    turn, actions = run(*SPOKE, Transcribed("a table"), *SPOKE, Transcribed("for two"))
    assert not of(Reply, actions)
    turn, actions = run(SilenceElapsed(), SilenceElapsed(), turn=turn)
    assert of(Reply, actions) == [Reply("a table for two")]


# --- interruptions -------------------------------------------------------------------------


@pytest.mark.parametrize("before", [THINKING, SPEAKING])
def test_a_noise_gives_the_floor_back_where_it_was(before):
    turn, actions = run(*SPOKE, Transcribed(""), turn=before)
    assert turn.state == before.state
    assert turn == before
    assert actions[-2:] == [StopTimer(Timer.END_OF_TURN), Resume()]
    assert not of(CancelReply, actions)


@pytest.mark.parametrize("before", [THINKING, SPEAKING])
def test_a_backchannel_gives_the_floor_back_where_it_was(before):
    turn, actions = run(*SPOKE, Transcribed("uh huh", Meaning.BACKCHANNEL), turn=before)
    assert turn == before
    assert actions[-2:] == [StopTimer(Timer.END_OF_TURN), Resume()]


@pytest.mark.parametrize("before", [THINKING, SPEAKING])
def test_stop_stops_and_nothing_is_answered(before):
    turn, actions = run(*SPOKE, Transcribed("stop", Meaning.STOP), turn=before)
    assert turn == Turn()
    assert not of(Reply, actions)
    assert actions[-3:] == [
        CancelReply(),
        StopTimer(Timer.END_OF_TURN),
        StartTimer(Timer.USER_IDLE, OPTIONS.user_idle_s),
    ]


@pytest.mark.parametrize("meaning", [Meaning.CORRECTION, Meaning.REQUEST, Meaning.HANDOVER])
def test_a_correction_a_request_and_a_wish_for_a_person_are_answered(meaning):
    _, actions = run(*SPOKE, Transcribed("words", meaning), SilenceElapsed(), turn=SPEAKING)
    assert actions[-2:] == [CancelReply(), Reply("words")]


def test_a_backchannel_and_then_words_interrupt():
    okay = Transcribed("okay", Meaning.BACKCHANNEL)
    turn, actions = run(*SPOKE, UserStarted(), okay, turn=SPEAKING)
    assert (turn.state, of(Resume, actions)) == (State.INTERRUPTED, [])
    _, actions = run(UserStopped(), Transcribed("but what about Tuesday"), turn=turn)
    assert of(CancelReply, actions)


# --- the end of a turn ---------------------------------------------------------------------


def silences(*events, turn=None):
    return [action.silence_s for action in of(EndTurnAfter, run(*events, turn=turn)[1])]


def test_the_wait_follows_the_words_and_their_sound_once_both_are_known():
    end = OPTIONS.end_of_turn
    words = Transcribed("a table for two.")
    assert silences(*SPOKE, words) == [0.5]
    assert silences(*SPOKE, words, EndJudged(0.9)) == [0.5, end.finished_s]
    assert silences(*SPOKE, EndJudged(0.9), words) == [0.5, end.finished_s]
    assert silences(*SPOKE, EndJudged(0.1), words) == [0.5, end.unsure_s]
    assert silences(*SPOKE, EndJudged(0.9), Transcribed("a table for")) == [0.5, end.unfinished_s]


def test_an_unfinished_turn_waits_on_even_if_the_plain_silence_is_over():
    turn, actions = run(*SPOKE, SilenceElapsed(), EndJudged(0.1), Transcribed("a table for"))
    assert not of(Reply, actions)
    _, actions = run(SilenceElapsed(), turn=turn)
    assert of(Reply, actions) == [Reply("a table for")]


def test_a_pause_within_a_turn_is_judged_anew():
    first = (*SPOKE, EndJudged(0.1), Transcribed("a table for"))
    turn, actions = run(*first, *SPOKE, EndJudged(0.9), Transcribed("four people."))
    assert of(EndTurnAfter, actions)[-1].silence_s == OPTIONS.end_of_turn.finished_s
    assert of(Reply, run(SilenceElapsed(), turn=turn)[1]) == [Reply("a table for four people.")]


def test_a_judge_is_asked_at_each_pause_and_his_late_word_changes_nothing():
    assert of(JudgeEnd, run(*SPOKE, *SPOKE)[1]) == [JudgeEnd()] * 2
    turn, _ = run(*SPOKE, UserStarted())
    assert run(EndJudged(0.9), turn=turn) == (turn, [])
    assert run(EndJudged(0.9), turn=THINKING) == (THINKING, [])


def test_an_interruption_too_is_judged_by_its_sound():
    turn, _ = run(*SPOKE, EndJudged(0.9), turn=SPEAKING)
    _, actions = run(Transcribed("what about Tuesday?"), turn=turn)
    assert actions == [CancelReply(), EndTurnAfter(OPTIONS.end_of_turn.finished_s)]


# --- words over the agent ------------------------------------------------------------------


def test_words_over_the_agent_cancel_its_reply_at_once():
    turn, actions = run(*SPOKE, Transcribed("no"), turn=SPEAKING)
    assert (turn.state, actions[-1]) == (State.LISTENING, CancelReply())
    turn, actions = run(SilenceElapsed(), turn=turn)
    assert actions == [Reply("no")]


def test_words_that_come_after_the_silence_are_answered_at_once():
    _, actions = run(*SPOKE, SilenceElapsed(), Transcribed("no"), turn=SPEAKING)
    assert actions[-2:] == [CancelReply(), Reply("no")]


def test_the_question_that_was_already_being_answered_is_not_asked_again():
    _, actions = run(*said("and tomorrow"), turn=SPEAKING)
    assert of(Reply, actions) == [Reply("and tomorrow")]


def test_a_noise_and_then_words_interrupt():
    turn, actions = run(*SPOKE, UserStarted(), Transcribed(""), turn=SPEAKING)
    assert (turn.state, of(Resume, actions)) == (State.INTERRUPTED, [])
    _, actions = run(UserStopped(), Transcribed("wait"), turn=turn)
    assert of(CancelReply, actions)


def test_two_noises_give_the_floor_back_once_both_are_known_to_be_noise():
    turn, actions = run(*SPOKE, *SPOKE, Transcribed(""), turn=SPEAKING)
    assert (turn.state, of(Resume, actions)) == (State.INTERRUPTED, [])
    turn, actions = run(Transcribed(""), turn=turn)
    assert (turn.state, actions[-1]) == (State.SPEAKING, Resume())


def test_the_agent_waits_for_every_transcript():
    _, actions = run(*SPOKE, *SPOKE, Transcribed("one"), SilenceElapsed())
    assert not of(Reply, actions)
    _, actions = run(*SPOKE, *SPOKE, Transcribed("one"), SilenceElapsed(), Transcribed("two"))
    assert of(Reply, actions) == [Reply("one two")]


# --- what goes wrong -----------------------------------------------------------------------


def test_a_failed_recogniser_makes_the_agent_ask_again():
    turn, actions = run(*SPOKE, HearingFailed(), SilenceElapsed())
    assert (turn.state, actions[-1]) == (State.THINKING, Say(OPTIONS.not_heard))


def test_what_was_heard_of_a_turn_is_answered_even_if_the_rest_was_not():
    _, actions = run(*SPOKE, Transcribed("a table"), *SPOKE, HearingFailed(), SilenceElapsed())
    assert of(Reply, actions) == [Reply("a table")]
    assert not of(Say, actions)


def test_a_failed_recogniser_over_the_agent_takes_the_floor():
    _, actions = run(*SPOKE, HearingFailed(), SilenceElapsed(), turn=SPEAKING)
    assert actions[-2:] == [CancelReply(), Say(OPTIONS.not_heard)]


def test_noise_alone_starts_no_reply():
    turn, actions = run(*said(""))
    assert (turn, actions[-1]) == (Turn(), StartTimer(Timer.USER_IDLE, OPTIONS.user_idle_s))


# --- beginning and end of a call -----------------------------------------------------------


def test_a_greeting_is_said_first_if_there_is_one():
    assert run(CallStarted(), options=GREETING)[1] == [Say("Hello, this is Acme.")]
    assert run(CallStarted())[1] == [StartTimer(Timer.USER_IDLE, OPTIONS.user_idle_s)]


def test_no_greeting_cuts_in_on_a_user_who_has_begun():
    turn, actions = run(UserStarted(), CallStarted(), options=GREETING)
    assert turn.state == State.LISTENING
    assert not of(Say, actions)


ASKED_BACK = (UserIdle(), AgentStarted(), AgentFinished())


def test_a_silent_user_is_asked_twice_and_then_the_call_ends():
    _, actions = run(CallStarted(), *ASKED_BACK * 2, UserIdle())
    assert len(of(Say, actions)) == 2
    assert actions[-1] == HangUp("the user is silent")


def test_a_noisy_line_without_words_ends_as_well():
    _, actions = run(CallStarted(), *(*ASKED_BACK, *said("")) * 2, UserIdle())
    assert actions[-1] == HangUp("the user is silent")


def test_a_user_who_speaks_is_asked_anew():
    answered = (*said("hm hello"), AgentStarted(), AgentFinished())
    turn, _ = run(CallStarted(), *ASKED_BACK * 2, *answered)
    _, actions = run(UserIdle(), turn=turn)
    assert actions == [Say(OPTIONS.prompt)]


# --- any order of events -------------------------------------------------------------------

ANY_EVENT = (
    *(kind() for kind in EVENTS if kind not in (Transcribed, EndJudged)),
    Transcribed(""),
    Transcribed("word"),
    Transcribed("okay", Meaning.BACKCHANNEL),
    Transcribed("stop", Meaning.STOP),
    EndJudged(0.1),
)


def reachable(options, events):
    """Yield every step (turn, event, next turn, actions) within so many events of any order."""
    known = fresh = {Turn()}
    for _ in range(events):
        pairs = itertools.product(fresh, ANY_EVENT)
        steps = [(turn, event, *step(turn, event, options)) for turn, event in pairs]
        yield from steps
        fresh = {after for _, _, after, _ in steps} - known
        known = known | fresh


def test_no_order_of_twelve_events_breaks_the_machine():
    for before, event, after, actions in reachable(GREETING, 12):
        where = before, event, actions
        segments = [action for action in actions if isinstance(action, OpenSegment | CloseSegment)]
        change = {(False, True): [OpenSegment()], (True, False): [CloseSegment()]}
        assert segments == change.get((before.user_speaking, after.user_speaking), []), where
        came = isinstance(event, Transcribed | HearingFailed) and before.pending > 0
        assert after.pending == before.pending + len(of(CloseSegment, actions)) - came, where
        if after.state in (State.THINKING, State.SPEAKING):
            assert (after.user_speaking, after.pending, after.texts) == (False, 0, ()), where
        assert after.audible or after.state != State.SPEAKING, where
        assert not (after.unanswered and after.state in (State.SPEAKING, State.LISTENING)), where


# --- an honest shell -----------------------------------------------------------------------


@dataclass
class AgentReply:
    """What the shell has of a reply: the words it answers, and how far it is."""

    words: tuple[str, ...]
    audible: bool = False  # sounds right now
    was_audible: bool = False
    paused: bool = False
    has_sound: bool = True  # there is something left to play


@dataclass
class Shell:
    """Carries the actions out as an agent does, and checks that each makes sense then."""

    options: TurnOptions
    turn: Turn = field(default_factory=Turn)
    segment_open: bool = False
    transcripts_due: int = 0
    judge_due: bool = False
    timers: set[Timer] = field(default_factory=set)
    reply: AgentReply | None = None
    owed: list[str] = field(default_factory=list)  # words of the user that nobody has answered
    answered: list[str] = field(default_factory=list)
    hung_up: bool = False

    def post(self, event):
        self.turn, actions = step(self.turn, event, self.options)
        for action in actions:
            getattr(self, "on_" + type(action).__name__)(action)

    def on_OpenSegment(self, action):  # noqa: N802 - named after the action
        assert not self.segment_open
        self.segment_open = True
        self.judge_due = False  # the shell gives it up

    def on_CloseSegment(self, action):  # noqa: N802
        assert self.segment_open
        self.segment_open = False
        self.transcripts_due += 1

    def on_JudgeEnd(self, action):  # noqa: N802
        assert not self.segment_open
        self.judge_due = True

    def on_EndTurnAfter(self, action):  # noqa: N802
        assert action.silence_s >= 0
        assert not self.segment_open
        self.timers.add(Timer.END_OF_TURN)

    def on_StartTimer(self, action):  # noqa: N802
        assert action.delay_s >= 0
        self.timers.add(action.timer)

    def on_StopTimer(self, action):  # noqa: N802
        self.timers.discard(action.timer)

    def on_Reply(self, action):  # noqa: N802
        assert action.text == " ".join(self.owed), "each word once, in order, none left out"
        self.start(AgentReply(tuple(self.owed)))

    def on_Say(self, action):  # noqa: N802
        assert action.text
        assert not self.owed
        self.start(AgentReply(()))

    def start(self, reply):
        assert self.reply is None, "one commit a turn"
        assert not self.segment_open
        self.reply = reply

    def on_Pause(self, action):  # noqa: N802
        assert self.reply is not None
        assert not self.reply.paused
        self.reply.paused, self.reply.audible = True, False

    def on_Resume(self, action):  # noqa: N802
        assert self.reply is not None, "after CancelReply nothing resumes"
        assert self.reply.paused
        self.reply.paused = False

    def on_CancelReply(self, action):  # noqa: N802
        assert self.reply is not None
        self.reply = None

    def on_HangUp(self, action):  # noqa: N802
        self.hung_up = True

    # what can happen by itself

    def transcript(self, event):
        """Return the words in it that must be answered: not those that only say "go on"."""
        words = event.text.split() if isinstance(event, Transcribed) else []
        if words and self.turn.state == State.INTERRUPTED:
            if not event.meaning.takes_the_floor:
                words = []
            elif event.meaning is Meaning.STOP:  # whatever was asked before is dropped
                self.answered, self.owed, words = self.answered + self.owed, [], []
        self.transcripts_due -= 1
        self.owed += words
        self.post(event)
        return words

    def elapse(self, timer):
        self.timers.remove(timer)
        self.post(SilenceElapsed() if timer is Timer.END_OF_TURN else UserIdle())

    def agent_started(self):
        self.reply.audible = True
        self.answer()
        self.reply.was_audible = True
        self.post(AgentStarted())

    def agent_finished(self):
        self.answer()
        self.reply = None
        self.post(AgentFinished())

    def answer(self):
        """The reply is audible or over: what it answers is answered, exactly once."""
        if not self.reply.was_audible:
            assert tuple(self.owed[: len(self.reply.words)]) == self.reply.words
            self.answered += self.reply.words
            del self.owed[: len(self.reply.words)]

    def settle(self):
        """Finish all that is open, in silence, up to the user's next silence of idle_s."""
        if self.segment_open:
            self.post(UserStopped(0.2))
        while self.transcripts_due:
            self.transcript(Transcribed(""))
        while Timer.END_OF_TURN in self.timers or self.reply is not None:
            if Timer.END_OF_TURN in self.timers:
                self.elapse(Timer.END_OF_TURN)
            else:
                assert not self.reply.paused, "nobody will ever resume it"
                self.agent_started()
                self.agent_finished()


class HonestCall(RuleBasedStateMachine):
    """Any call that an honest shell can hold: what it may never be, and how it must end."""

    def __init__(self):
        super().__init__()
        self.words = map("w{}".format, itertools.count())
        self.spoken = []
        self.shell = Shell(TurnOptions(greeting="Hello.", max_prompts=2))
        self.shell.post(CallStarted())

    def live(self):
        return not self.shell.hung_up

    def replying(self):
        return self.shell.reply is not None

    @precondition(lambda self: self.live() and not self.shell.segment_open)
    @rule()
    def user_starts(self):
        self.shell.post(UserStarted())

    @precondition(lambda self: self.live() and self.shell.segment_open)
    @rule(silent_s=st.sampled_from([0.0, 0.2, 0.9]))
    def user_stops(self, silent_s):
        self.shell.post(UserStopped(silent_s))

    @precondition(lambda self: self.live() and self.shell.transcripts_due)
    @rule(words=st.integers(0, 2), meaning=st.sampled_from(Meaning))
    def recogniser_answers(self, words, meaning):
        new = list(itertools.islice(self.words, words))
        self.spoken += self.shell.transcript(Transcribed(" ".join(new), meaning))

    @precondition(lambda self: self.live() and self.shell.judge_due)
    @rule(probability=st.sampled_from([0.0, 0.49, 0.5, 1.0]))
    def the_judge_answers(self, probability):
        self.shell.judge_due = False
        self.shell.post(EndJudged(probability))

    @precondition(lambda self: self.live() and self.shell.transcripts_due)
    @rule()
    def recogniser_fails(self):
        self.shell.transcript(HearingFailed())

    @precondition(lambda self: self.live() and self.shell.timers)
    @rule(data=st.data())
    def a_timer_runs_out(self, data):
        self.shell.elapse(data.draw(st.sampled_from(sorted(self.shell.timers))))

    @precondition(lambda self: self.live() and self.replying())
    @rule()
    def the_reply_becomes_audible(self):
        reply = self.shell.reply
        if not reply.paused and not reply.audible:
            self.shell.agent_started()

    @precondition(lambda self: self.live() and self.replying() and self.shell.reply.audible)
    @rule()
    def the_reply_has_a_gap(self):
        self.shell.reply.audible = False

    @precondition(lambda self: self.live() and self.replying())
    @rule()
    def the_reply_is_over(self):  # paused, too: when nothing was left to play
        self.shell.agent_finished()

    @precondition(lambda self: self.shell.hung_up)
    @rule()
    def the_line_is_dead(self):
        assert self.shell.turn.state == State.LISTENING

    @invariant()
    def the_machine_and_the_shell_agree(self):
        shell, turn = self.shell, self.shell.turn
        assert turn.user_speaking == shell.segment_open
        assert turn.pending == shell.transcripts_due
        assert (shell.reply is None) == (turn.state == State.LISTENING)
        if shell.reply is not None:
            assert shell.reply.paused == (turn.state == State.INTERRUPTED)
            assert turn.audible == shell.reply.was_audible
        if turn.state in (State.THINKING, State.SPEAKING):
            assert (turn.user_speaking, turn.pending, turn.texts) == (False, 0, ())
            assert not shell.timers

    @invariant()
    def the_agent_is_silent_while_the_user_speaks(self):
        reply = self.shell.reply
        assert not (self.shell.segment_open and reply is not None and reply.audible)

    @invariant()
    def no_timer_runs_while_the_user_speaks(self):
        assert not (self.shell.segment_open and self.shell.timers)

    @invariant()
    def nobody_waits_for_nothing(self):
        shell = self.shell
        assert shell.hung_up or any(
            (shell.segment_open, shell.transcripts_due, shell.timers, shell.reply)
        )

    @invariant()
    def no_word_is_lost_or_answered_twice(self):
        assert self.shell.answered + self.shell.owed == self.spoken

    def teardown(self):
        """From wherever we are, silence leads to an answer for every word, and to a hang-up."""
        shell = self.shell
        for _ in range(shell.options.max_prompts + 1):
            if shell.hung_up:
                return
            shell.settle()
            assert shell.turn.state == State.LISTENING
            assert shell.timers == {Timer.USER_IDLE}
            assert (shell.answered, shell.owed) == (self.spoken, [])
            shell.elapse(Timer.USER_IDLE)
        assert shell.hung_up


TestHonestCall = pytest.mark.slow(HonestCall.TestCase)
TestHonestCall.settings = settings(max_examples=100, stateful_step_count=40)


def test_the_module_has_no_clock_no_await_and_no_sound():
    with open(manager.__file__, encoding="utf-8") as file:
        source = file.read()
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", source, re.MULTILINE))
    assert {name for name in imported if not name.startswith("voxlab")} == {
        "collections.abc",
        "dataclasses",
        "enum",
    }
    assert not re.search(r"^\s*(async |await )", source, re.MULTILINE)
