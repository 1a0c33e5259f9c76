"""One call by one ruler: times of the turns, and the agent's history against what was heard."""

import pytest

from voxlab.evaluation.stack_figures import kept_errors, measure_stack, stack_table
from voxlab.timeline import Event, Timeline

ANSWER = [["Booked", 0.0, 0.5], ["on", 0.5, 0.7], ["Friday", 0.7, 1.3], ["at", 1.3, 1.4]]


def call(*more: Event) -> Timeline:
    """Return a call: a question up to 2.0 s, an answer from 3.0 s, cut off after its third word."""
    events = [
        Event(1.0, "caller", "speech_started", {"line": "1", "text": "Book a table."}),
        Event(2.0, "caller", "speech_stopped", {"line": "1"}),
        Event(2.4, "turn", "commit", {"turn": 1, "text": "Book a table."}),
        Event(3.0, "agent", "speech_started"),
        Event(3.0, "agent", "sentence", {"text": "Booked on Friday at", "words": ANSWER}),
        Event(4.1, "caller", "speech_started", {"line": "2", "text": "No."}),
        Event(4.35, "agent", "speech_stopped"),
        Event(4.4, "agent", "interrupted", {"heard": "Booked on Friday", "unheard": "at"}),
        Event(4.4, "agent", "said", {"text": "Booked on Friday"}),
        Event(4.5, "caller", "speech_stopped", {"line": "2"}),
    ]
    return Timeline([*events, *more])


def test_the_times_are_those_of_the_timeline():
    figures = measure_stack(call())
    assert figures.end_of_turn_s == pytest.approx(0.4)
    assert figures.first_audio_s == pytest.approx(1.0)
    assert figures.barge_in_s == pytest.approx(0.25)
    assert (figures.interrupted, figures.resumed, figures.cut_in) == (1, 0, 0)


def test_a_reply_that_ends_by_itself_did_not_stop_for_the_caller():
    noise = [
        Event(6.0, "agent", "speech_started"),
        Event(6.1, "caller", "speech_started", {"line": "3", "text": "(hiss)"}),
        Event(6.9, "caller", "speech_stopped", {"line": "3"}),
        Event(9.0, "agent", "speech_stopped"),
        Event(9.0, "agent", "said", {"text": "at seven"}),
    ]
    figures = measure_stack(call(*noise))
    assert figures.interrupted == 2
    assert figures.barge_in_s == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kept", "errors"),
    [("Booked on Friday", 0), ("Booked on Friday at seven", 2), ("Booked", 2), ("", 3)],
)
def test_each_word_kept_and_not_heard_or_heard_and_not_kept_is_an_error(kept, errors):
    timeline = call(Event(4.4, "agent", "kept", {"text": kept}))
    assert kept_errors(timeline) == (errors, 3)


def test_an_agent_that_tells_no_history_keeps_what_it_has_said():
    assert kept_errors(call()) == (0, 3)


def test_requests_beyond_turns_and_results_of_tools_were_dropped():
    requests = [Event(2.2 + k / 10, "llm", "request") for k in range(4)]
    result = Event(2.6, "tool", "finished", {"id": "1", "name": "book_table", "result": "{}"})
    figures = measure_stack(call(*requests, result))
    assert (figures.requests, figures.dropped) == (4, 2)
    assert (measure_stack(call()).requests, measure_stack(call()).dropped) == (None, None)


def test_where_there_is_nothing_to_measure_the_table_says_so():
    table = stack_table({"ours": measure_stack(call()), "silent": measure_stack(Timeline())})
    rows = {row[:36].strip(): row[36:].split() for row in table.splitlines()}
    assert rows["barge-in to silence (s)"] == ["0.25", "-"]
    assert rows["spoken over"] == ["1", "0"]
