"""Response times, interruptions and the transcript, on timelines written by hand."""

import pytest

from voxlab.evaluation.turn_times import Interruption, interruptions, transcript, turn_times
from voxlab.timeline import Event, Timeline


def timeline(*events):
    """Make a timeline of (at_s, "source kind", data) entries."""
    return Timeline([Event(at_s, *name.split(), data) for at_s, name, data in events])


def speech(source, start_s, end_s, **data):
    return [
        (start_s, f"{source} speech_started", data),
        (end_s, f"{source} speech_stopped", {}),
    ]


def user(start_s, end_s, text):
    return speech("caller", start_s, end_s, text=text)


def agent(start_s, end_s):
    return speech("agent", start_s, end_s)


def said(at_s, text):
    return (at_s, "agent said", {"text": text})


def interrupted(at_s, heard, unheard):
    return (at_s, "agent interrupted", {"heard": heard, "unheard": unheard})


def ttfb(*events):
    return [turn.ttfb_s for turn in turn_times(timeline(*events))]


# --- response times ------------------------------------------------------------------------


def test_a_turn_is_measured_from_the_users_last_sound_to_the_agents_first():
    (turn,) = turn_times(
        timeline(*agent(0, 1), *user(2, 3.5, "Hi."), *agent(4.25, 6), *agent(7, 9))
    )
    assert (turn.text, turn.start_s, turn.end_s) == ("Hi.", 2, 3.5)
    assert (turn.reply_s, turn.reply_end_s, turn.ttfb_s) == (4.25, 9, 0.75)
    assert (turn.resumed, turn.cut_off) == (False, False)


def test_each_turn_has_its_own_reply():
    assert ttfb(*user(1, 2, "One."), *agent(2.5, 4), *user(5, 6, "Two."), *agent(6.25, 8)) == [
        0.5,
        0.25,
    ]


def test_a_turn_without_a_reply_has_no_response_time():
    (turn,) = turn_times(timeline(*agent(0, 1), *user(2, 3, "Hi.")))
    assert (turn.reply_s, turn.reply_end_s, turn.ttfb_s) == (None, None, None)


def test_what_is_said_before_the_reply_belongs_to_the_later_turn():
    assert ttfb(*user(1, 2, "One."), *user(3, 4, "Two."), *agent(4.5, 6)) == [None, 0.5]


def test_a_reply_that_begins_with_the_next_words_of_the_user_is_the_reply_to_the_first():
    assert ttfb(*user(1, 2, "One."), *agent(3, 3.25), *user(3, 4, "Two.")) == [1, None]


def test_an_agent_that_cuts_in_has_a_negative_response_time():
    (turn,) = turn_times(timeline(*user(1, 3, "I would like"), *agent(2.5, 4)))
    assert (turn.ttfb_s, turn.cut_off) == (-0.5, True)


def test_a_backchannel_that_the_agent_ignored_is_no_turn_with_a_reply():
    events = [*agent(0, 2), *user(1.9, 2.2, "Uh huh."), (2.6, "agent resumed", {}), *agent(2.6, 4)]
    (turn,) = turn_times(timeline(*events))
    assert (turn.resumed, turn.reply_s, turn.ttfb_s, turn.cut_off) == (True, None, None, False)


def test_a_call_that_ends_in_mid_speech_is_measured_up_to_its_end():
    events = [
        (1.0, "caller speech_started", {"text": "Hi."}),
        (2.0, "caller speech_stopped", {}),
        (2.5, "agent speech_started", {}),
        (4.0, "transport call_ended", {}),
    ]
    (turn,) = turn_times(timeline(*events))
    assert (turn.reply_s, turn.reply_end_s) == (2.5, 4.0)


def test_without_a_script_the_vad_tells_when_the_user_spoke_and_the_recogniser_what():
    events = [
        (1.064, "vad speech_started", {"speech_at_s": 1.0}),
        (2.2, "vad speech_stopped", {"speech_at_s": 2.0}),
        (2.3, "stt final", {"text": "Hi."}),
        *agent(2.75, 4),
        (5.064, "vad speech_started", {"speech_at_s": 5.0}),
        (6.2, "vad speech_stopped", {"speech_at_s": 6.0}),
        (6.3, "stt failed", {"error": "no answer"}),
        *agent(7, 8),
        (9.064, "vad speech_started", {"speech_at_s": 9.0}),
        (9.5, "transport call_ended", {}),
    ]
    turns = turn_times(timeline(*events))
    assert [(turn.text, turn.start_s, turn.end_s) for turn in turns] == [
        ("Hi.", 1.0, 2.0),
        ("", 5.0, 6.0),
        ("", 9.0, 9.5),
    ]
    assert [turn.ttfb_s for turn in turns] == [0.75, 1.0, None]


def test_an_empty_timeline_has_nothing_to_measure():
    empty = timeline()
    assert (turn_times(empty), interruptions(empty), transcript(empty)) == ([], [], [])


# --- interruptions -------------------------------------------------------------------------


def test_an_interruption_tells_how_fast_the_agent_fell_silent_and_what_was_heard():
    events = [
        *agent(1, 3.0625),
        *user(3, 4, "Stop."),
        interrupted(4.25, "One two", "three."),
        said(4.25, "One two"),
    ]
    assert interruptions(timeline(*events)) == [
        Interruption(at_s=3, yield_s=0.0625, heard="One two", unheard="three.", resumed=False)
    ]


def test_an_interruption_that_was_ignored_is_resumed():
    events = [
        *agent(1, 3.0625),
        *user(3, 3.25, "Uh huh."),
        (3.75, "agent resumed", {}),
        *agent(3.75, 5),
        said(5, "One two three."),
    ]
    (found,) = interruptions(timeline(*events))
    assert (found.resumed, found.yield_s, found.heard) == (True, 0.0625, "")


def test_words_over_the_last_word_of_a_reply_have_no_later_outcome():
    events = [
        *agent(1, 3),
        *user(2.99, 4, "Thanks."),
        said(3, "One two."),
        *agent(5, 6.0625),
        *user(6, 7, "Stop."),
        interrupted(7.25, "Three", "four."),
        said(7.25, "Three"),
    ]
    first, second = interruptions(timeline(*events))
    assert first.yield_s == pytest.approx(0.01)
    assert (first.heard, first.unheard, first.resumed) == ("One two.", "", False)
    assert (second.heard, second.unheard) == ("Three", "four.")


@pytest.mark.parametrize("start_s", [0.5, 3.0, 3.5])
def test_who_speaks_while_the_agent_is_silent_interrupts_nobody(start_s):
    assert interruptions(timeline(*agent(1, 3), *user(start_s, 9, "Hi."))) == []


def test_who_begins_with_the_agent_interrupts_it():
    (found,) = interruptions(timeline(*agent(1, 1.5), *user(1, 2, "Hi.")))
    assert (found.at_s, found.yield_s, found.heard) == (1, 0.5, "")


# --- transcript ----------------------------------------------------------------------------


def test_the_transcript_tells_what_was_heard_in_the_order_of_its_beginnings():
    events = [
        *agent(0, 2),
        said(2, "Hello."),
        *user(3, 4, "Hi."),
        *agent(5, 6.0625),
        *user(6, 7, "Stop."),
        interrupted(7.25, "One", "two."),
        said(7.25, "One"),
        *agent(8, 9),
        said(9, "All right."),
    ]
    assert transcript(timeline(*events)) == [
        (0, "agent", "Hello."),
        (3, "caller", "Hi."),
        (5, "agent", "One"),
        (6, "caller", "Stop."),
        (8, "agent", "All right."),
    ]


def test_a_reply_with_gaps_and_backchannels_stands_where_it_began():
    events = [
        *user(0, 1, "Hi."),
        *agent(2, 3),
        *agent(4, 5),
        *user(4.5, 4.75, "Uh huh."),
        (5.5, "agent resumed", {}),
        *agent(5.5, 7),
        said(7, "One moment. Here it is."),
    ]
    assert transcript(timeline(*events)) == [
        (0, "caller", "Hi."),
        (2, "agent", "One moment. Here it is."),
        (4.5, "caller", "Uh huh."),
    ]


def test_a_reply_of_which_no_word_was_heard_is_not_in_the_transcript():
    events = [
        *agent(1, 1.0625),
        *user(1, 2, "Stop."),
        interrupted(2.25, "", "One."),
        *agent(3, 4),
        said(4, "All right."),
    ]
    assert transcript(timeline(*events)) == [(1, "caller", "Stop."), (3, "agent", "All right.")]


def test_without_a_script_the_transcript_is_what_the_agent_recognised():
    events = [
        (1.064, "vad speech_started", {"speech_at_s": 1.0}),
        (2.2, "vad speech_stopped", {"speech_at_s": 2.0}),
        (2.3, "stt final", {"text": "Hi."}),
        *agent(3, 4),
        said(4, "Hello."),
        (5.064, "vad speech_started", {"speech_at_s": 5.0}),
        (5.4, "vad speech_stopped", {"speech_at_s": 5.2}),
        (5.5, "stt final", {"text": ""}),
    ]
    assert transcript(timeline(*events)) == [(1.0, "caller", "Hi."), (3, "agent", "Hello.")]
