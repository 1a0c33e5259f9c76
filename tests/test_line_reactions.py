"""What an agent did at each line of the caller, read off a call written by hand."""

import pytest

from voxlab.evaluation.line_reactions import find_reactions, reaction_table
from voxlab.timeline import Event, Timeline


def said(line, start_s, end_s, text="Uh huh."):
    return [
        Event(start_s, "caller", "speech_started", {"line": line, "text": text}),
        Event(end_s, "caller", "speech_stopped", {"line": line}),
    ]


def spoke(start_s, end_s, text="Order on"):
    words = [[word, k * 0.1, (k + 1) * 0.1] for k, word in enumerate(text.split())]
    return [
        Event(start_s, "agent", "sentence", {"text": text, "words": words}),
        Event(start_s, "agent", "speech_started"),
        Event(end_s, "agent", "speech_stopped"),
    ]


def heard(at_s, kind, unheard="its way"):
    data = {} if kind == "resumed" else {"heard": "Order", "unheard": unheard}
    return Event(at_s, "agent", kind, data)


def turn(at_s, number=1):
    return Event(at_s, "turn", "commit", {"turn": number, "text": ""})


def react(*events):
    return find_reactions(Timeline(sorted(events, key=lambda event: event.at_s)))


def test_a_backchannel_that_is_taken_for_one():
    (it,) = react(*spoke(1.0, 2.3), *said("uh", 2.0, 2.4), heard(2.9, "resumed"), *spoke(2.9, 4.0))
    assert (it.silent_after_s, it.went_on_after_s) == pytest.approx((0.3, 0.6))
    assert it.in_words() == "silent after 0.30 s, went on 0.60 s later"


def test_a_backchannel_that_is_answered():
    (it,) = react(
        *spoke(1.0, 2.3),
        *said("uh", 2.0, 2.4),
        heard(2.3, "interrupted"),
        turn(2.8),
        *spoke(3.4, 4.0, "Pardon?"),
    )
    assert it.in_words() == 'silent after 0.30 s, 1 turn, +1.00 s "Pardon?"'


def test_a_noise_that_is_ignored():
    (it,) = react(*spoke(1.0, 5.0), *said("noise", 2.0, 2.8), heard(5.0, "said", ""))
    assert it.in_words() == "spoke on"


def test_a_pause_that_is_taken_for_the_end():
    (it,) = react(
        *said("pause", 1.0, 4.0),
        turn(2.4),
        *spoke(2.5, 3.0),
        turn(4.4, 2),
        *spoke(5.0, 6.0, "On Friday?"),
    )
    assert it.in_words() == 'cut in for 0.50 s, 2 turns, +1.00 s "On Friday?"'


def tool(at_s, kind, id="1"):
    return Event(at_s, "tool", kind, {"id": id})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([tool(1.4, "started"), tool(4.0, "finished")], [False, True, False]),
        ([tool(1.4, "started")], [False, True, False]),  # cancelled by the second turn
        ([tool(1.4, "started"), tool(1.8, "failed")], [False, False, False]),
        ([], [False, False, False]),
    ],
)
def test_words_while_a_tool_runs(events, expected):
    lines = [*said("ask", 0.0, 1.0), *said("there", 2.0, 2.5), *said("more", 5.0, 6.0)]
    reactions = react(*lines, turn(1.4), turn(3.0, 2), *events)
    assert [each.while_tool for each in reactions] == expected


def test_a_line_that_was_not_said_is_told():
    both = react(*said("one", 1.0, 1.5), *said("two", 3.0, 3.5))
    table = reaction_table({"ours": both, "theirs": both[:1]})
    assert table.splitlines()[-1] == "  theirs:  the call had ended"
