"""What was heard beside what the script said."""

import json

import pytest

from voxlab import data
from voxlab.cli import main
from voxlab.evaluation.mishearing import find_misheard
from voxlab.timeline import Event, Timeline


def compared(*said, heard=(), ends_s=30.0):
    """Compare what is said, (start_s, end_s, text), with what is heard, (began_s, at_s, text)."""
    events = [Event(ends_s, "transport", "call_ended", {"reason": ""})]
    for start_s, end_s, text in said:
        events += [Event(start_s, "caller", "speech_started", {"text": text})]
        events += [Event(end_s, "caller", "speech_stopped")]
    for began_s, at_s, text in heard:
        events += [Event(began_s, "stt", "started"), Event(at_s, "stt", "final", {"text": text})]
    return find_misheard(Timeline(events))


def test_what_differs_from_the_script_is_told():
    said = (1.0, 2.0, "Tuesday, please.")
    assert compared(said, heard=[(1.1, 2.5, "To stay, please.")]) == {1.0: "To stay, please."}
    assert compared(said, heard=[(1.1, 2.5, "")]) == {1.0: ""}


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Order 12345. Goodbye!", "order one, two, three four five; good-bye"),
        ("It is $86.50, today.", "it is 86 dollars and 50 cents to-day"),
        ("Grace@example.com", "grace at example dot com"),
    ],
)
def test_what_only_looks_different_is_not(said, heard):
    assert compared((1.0, 2.0, said), heard=[(1.1, 2.5, heard)]) == {}


def test_a_transcript_that_comes_while_the_caller_goes_on_belongs_to_what_they_said_before():
    said = (1.0, 2.0, "Stop."), (2.25, 3.0, "Go.")
    assert compared(*said, heard=[(1.1, 2.4, "Stop."), (2.4, 3.3, "Go.")]) == {}
    assert compared(*said, heard=[(1.1, 2.4, "Top."), (2.4, 3.3, "Go.")]) == {1.0: "Top."}


def test_a_line_in_pieces_and_two_lines_in_one_piece_are_what_was_said():
    pieces = [(1.1, 2.0, "Stop"), (2.1, 3.0, "it.")]
    assert compared((1.0, 2.5, "Stop it."), heard=pieces) == {}
    said = (1.0, 2.0, "Stop."), (2.25, 3.0, "Go.")
    assert compared(*said, heard=[(3.2, 3.3, "Stop. Go.")]) == {}


def test_a_line_that_nobody_heard_is_told_unless_the_call_was_just_over():
    said = (1.0, 2.0, "Stop."), (9.0, 10.0, "Go.")
    assert compared(*said, heard=[(9.1, 10.5, "Go.")]) == {1.0: ""}
    assert compared(*said, heard=[(1.1, 2.5, "Stop.")], ends_s=10.5) == {}
    close = (1.0, 2.0, "Stop."), (2.5, 3.0, "Go.")
    assert compared(*close, heard=[(2.6, 3.5, "Go.")]) == {1.0: ""}


def test_without_a_recogniser_nothing_is_misheard():
    assert compared((1.0, 2.0, "Stop.")) == {}


@pytest.mark.slow
def test_a_script_with_the_wrong_text_shows_in_the_report(tmp_path, capsys):
    sound = data.utterance("order_where").path
    script = {"lines": [{"say": str(sound), "text": "What is the weather?"}]}
    (tmp_path / "wrong.yaml").write_text(json.dumps(script))
    assert main(["call", str(tmp_path / "wrong.yaml"), "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "caller  What is the weather?\n" in told
    assert "heard  Where is my order?" in told
