"""The turn manager held by an honest simulated shell, whatever the user and the providers do."""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voxlab.turn_taking import manager
from voxlab.turn_taking.events import (
    AgentFinished,
    AgentStarted,
    CallStarted,
    EndJudged,
    Guessed,
    HearingFailed,
    SilenceElapsed,
    Timer,
    Transcribed,
    UserIdle,
    UserQuiet,
    UserStarted,
    UserStopped,
    UserWentOn,
)
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import State, Turn, TurnOptions, step


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
    quiet: bool = False  # the open segment is silent just now
    guess_due: bool = False
    speculation: str = ""
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
        self.quiet = self.guess_due = False
        assert not self.speculation
        self.judge_due = False  # the shell gives it up

    def on_CloseSegment(self, action):  # noqa: N802
        assert self.segment_open
        self.segment_open = False
        self.transcripts_due += 1

    def on_GuessWords(self, action):  # noqa: N802
        assert self.segment_open
        self.guess_due = True

    def on_StartSpeculation(self, action):  # noqa: N802
        assert self.reply is None or self.reply.paused
        assert not self.speculation, "one at a time"
        assert action.text
        self.speculation = action.text

    def on_KeepSpeculation(self, action):  # noqa: N802
        assert action.text == self.speculation
        self.speculation = ""
        self.on_Reply(action)

    def on_DropSpeculation(self, action):  # noqa: N802
        assert self.speculation
        self.speculation = ""

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
        assert not self.speculation, "thrown away, or kept"
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
        self.next_word = 0  # each word that is said is another one: w0, w1, w2 ...
        self.spoken = []
        self.shell = Shell(TurnOptions(greeting="Hello.", max_prompts=2, speculates=True))
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

    @precondition(lambda self: self.live() and self.shell.segment_open)
    @rule()
    def user_falls_silent(self):
        self.shell.quiet = True
        self.shell.post(UserQuiet())

    @precondition(lambda self: self.live() and self.shell.segment_open and self.shell.quiet)
    @rule()
    def user_goes_on(self):
        self.shell.quiet = self.shell.guess_due = False
        self.shell.post(UserWentOn())

    @precondition(lambda self: self.live() and self.shell.guess_due)
    @rule(is_right=st.booleans(), meaning=st.sampled_from(Meaning))
    def recogniser_guesses(self, is_right, meaning):
        self.shell.guess_due = False
        self.shell.post(Guessed(f"w{self.next_word}" if is_right else "wrong", meaning))

    @precondition(lambda self: self.live() and self.shell.transcripts_due)
    @rule(words=st.integers(0, 2), meaning=st.sampled_from(Meaning))
    def recogniser_answers(self, words, meaning):
        new = [f"w{self.next_word + word}" for word in range(words)]
        self.next_word += words
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
        assert turn.speculation == shell.speculation
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
    def nothing_is_prepared_to_words_that_go_on(self):
        shell = self.shell
        assert not (shell.speculation and shell.segment_open and not shell.quiet)

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
