"""The turn manager: by hand, and by any order of events."""

import itertools
from dataclasses import replace

import pytest

from voxlab.turn_taking import events as turn_events
from voxlab.turn_taking.events import (
    EVENTS,
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
    UserIdle,
    UserQuiet,
    UserStarted,
    UserStopped,
    UserWentOn,
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


# --- the table ------------------------------------------------------------------------------


def test_every_event_is_defined_in_every_state_and_no_other():
    assert set(TABLE) == set(itertools.product(State, EVENTS))


def test_the_events_and_actions_are_all_named():
    assert set(EVENTS) == set(turn_events.TurnEvent.__args__)


@pytest.mark.parametrize("options", [{"silence_s": -0.1}, {"user_idle_s": 0.0}])
def test_durations_below_zero_are_refused(options):
    with pytest.raises(ValueError, match="durations must be positive"):
        TurnOptions(**options)


# --- the faults of fragment 39.1.4, repaired ------------------------------------------------


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


# --- interruptions --------------------------------------------------------------------------


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


# --- the end of a turn ----------------------------------------------------------------------


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


# --- words over the agent -------------------------------------------------------------------


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


# --- what goes wrong ------------------------------------------------------------------------


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


# --- beginning and end of a call ------------------------------------------------------------


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


# --- any order of events --------------------------------------------------------------------


ANY_EVENT = (
    *(kind() for kind in EVENTS if kind not in (Transcribed, EndJudged, Guessed)),
    Guessed(""),
    Guessed("word"),
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


@pytest.mark.parametrize("speculates", [False, True])
def test_no_order_of_twelve_events_breaks_the_machine(speculates):
    options = replace(GREETING, speculates=speculates)
    for before, event, after, actions in reachable(options, 12):
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
        started, kept, dropped = (
            of(kind, actions) for kind in (StartSpeculation, KeepSpeculation, DropSpeculation)
        )
        running = bool(before.speculation) + len(started) - len(kept) - len(dropped)
        assert running == bool(after.speculation), where
        assert not (after.speculation and after.state in (State.THINKING, State.SPEAKING)), where
        assert [action.text for action in kept] in ([], [before.speculation]), where
        assert not (kept and after.state is not State.THINKING), where
        assert not (dropped and started and actions.index(*started) < actions.index(*dropped))
        assert not (kept and of(Reply, actions)), where


# --- speculation ---------------------------------------------------------------------------

EAGER = TurnOptions(speculates=True)
GUESSED = (UserStarted(), UserQuiet(), Guessed("where is it"))


def speculations(*events, turn=None, options=EAGER):
    _, actions = run(*events, turn=turn, options=options)
    kinds = StartSpeculation, KeepSpeculation, DropSpeculation, Reply
    return [action for action in actions if isinstance(action, kinds)]


BEGUN = StartSpeculation("where is it")


def test_the_words_are_asked_for_at_the_first_silence_and_answered_before_the_turn_is_over():
    assert GuessWords() in run(*GUESSED)[1]
    over = (UserStopped(0.2), Transcribed("where is it"), SilenceElapsed())
    assert speculations(*GUESSED, *over) == [BEGUN, KeepSpeculation("where is it")]


def test_who_goes_on_gets_no_answer_to_half_of_it():
    assert speculations(*GUESSED, UserWentOn()) == [BEGUN, DropSpeculation()]
    paused = (*GUESSED, UserStopped(0.2), Transcribed("where is it"), UserStarted())
    assert speculations(*paused) == [BEGUN, DropSpeculation()]


def test_other_words_than_guessed_are_answered_anew():
    over = (UserStopped(0.2), Transcribed("where is she"), SilenceElapsed())
    anew = StartSpeculation("where is she")
    kept = KeepSpeculation("where is she")
    assert speculations(*GUESSED, *over) == [BEGUN, DropSpeculation(), anew, kept]


@pytest.mark.parametrize("final", [Transcribed(""), HearingFailed()])
def test_guessed_words_that_the_recogniser_takes_back_are_not_answered(final):
    over = (UserStopped(0.2), final, SilenceElapsed())
    assert speculations(*GUESSED, *over) == [BEGUN, DropSpeculation()]


def test_words_that_ask_for_more_are_not_answered_on_suspicion():
    assert speculations(UserStarted(), UserQuiet(), Guessed("my number is, um")) == []


def test_three_pauses_in_one_turn_make_three_speculations_and_one_reply():
    texts = ["I want a table.", "For two.", "On Friday."]
    pauses = [
        (UserStarted(), UserQuiet(), Guessed(text), UserStopped(0.2), Transcribed(text))
        for text in texts
    ]
    seen = speculations(*itertools.chain(*pauses), SilenceElapsed())
    wholes = [" ".join(texts[: count + 1]) for count in range(3)]
    first, second, third = map(StartSpeculation, wholes)
    drop = DropSpeculation()
    assert seen == [first, drop, second, drop, third, KeepSpeculation(wholes[-1])]


def test_a_guess_that_comes_after_speech_went_on_is_void():
    assert speculations(UserStarted(), UserQuiet(), UserWentOn(), Guessed("where is")) == []


def test_a_cough_after_the_words_leaves_the_words():
    cough = (UserStarted(), UserQuiet(), Guessed(""))
    asked = (*SPOKE, Transcribed("where is it"))
    assert speculations(*asked, *cough) == [BEGUN, DropSpeculation(), BEGUN]


def test_words_over_the_agent_are_answered_on_suspicion_and_its_reply_is_kept_till_they_are_sure():
    over = (UserStarted(), UserQuiet(), Guessed("where is it"), UserStopped(0.2))
    assert not of(CancelReply, run(*over, turn=SPEAKING, options=EAGER)[1])
    seen = speculations(*over, Transcribed("where is it"), SilenceElapsed(), turn=SPEAKING)
    assert seen == [BEGUN, KeepSpeculation("where is it")]
    for meaning in (Meaning.BACKCHANNEL, Meaning.NOISE, Meaning.STOP):
        seen = speculations(*over, Transcribed("uh huh", meaning), SilenceElapsed(), turn=SPEAKING)
        assert seen == [BEGUN, DropSpeculation()]


@pytest.mark.parametrize("meaning", [Meaning.BACKCHANNEL, Meaning.NOISE, Meaning.STOP])
def test_what_lets_the_agent_go_on_or_silences_it_is_not_answered(meaning):
    over = (UserStarted(), UserQuiet(), Guessed("yeah", meaning))
    assert speculations(*over, turn=SPEAKING) == []


def test_who_goes_on_while_the_agent_thinks_is_answered_to_everything():
    over = (UserStarted(), UserQuiet(), Guessed("and tomorrow"))
    both = StartSpeculation("what is the weather and tomorrow")
    assert speculations(*over, turn=THINKING) == [both]


def test_another_mark_makes_no_other_words():
    over = (UserStopped(0.2), Transcribed("Where is it?"), SilenceElapsed())
    assert speculations(*GUESSED, *over) == [BEGUN, KeepSpeculation("Where is it?")]


def test_without_speculation_the_machine_is_the_patient_one():
    over = (UserStopped(0.2), Transcribed("where is it"), SilenceElapsed())
    assert speculations(*GUESSED, *over, options=OPTIONS) == [Reply("where is it")]
