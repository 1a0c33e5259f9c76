"""Predictions: asked before the result, kept in a file, never changed with hindsight."""

import json
import re

import pytest

from voxlab.course import predictions
from voxlab.course.copies import project_folder
from voxlab.course.predictions import Question
from voxlab.course.progress import Progress
from voxlab.errors import ExerciseError
from voxlab.grading.grade import Outcome, ScoreCard
from voxlab.grading.graded import GradedTest
from voxlab.widgets import predict


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "exercises").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def controls(widget):
    """Return the field, the two buttons and the message."""
    _, field, buttons, message = widget.children
    return field, *buttons.children, message


def is_open(widget):
    return "vx-predict-open" in widget._dom_classes


def ask(**options):
    return predict("00.1", "Which?", ["this", "that"], **options)


# --- the widget ----------------------------------------------------------------------------


def test_the_results_below_are_hidden_until_an_answer_is_kept(project):
    widget = ask(hides=2)
    field, keep, _, message = controls(widget)
    assert is_open(widget)
    assert widget.children[0].value.count("+ .jp-Cell") == 3  # one cell on, two cells on
    field.value = "that"
    assert is_open(widget), "chosen is not kept"
    keep.click()
    assert not is_open(widget)
    assert message.value == "You predicted: <b>that</b>"


def test_an_answer_is_there_when_the_cell_runs_again_and_cannot_be_changed(project):
    field, keep, _, _ = controls(ask())
    field.value = "that"
    keep.click()
    again = ask()
    assert (again.answer, is_open(again)) == ("that", False)
    assert {control.layout.display for control in controls(again)[:3]} == {"none"}


def test_no_choice_is_no_answer(project):
    widget = ask()
    _, keep, _, message = controls(widget)
    keep.click()
    assert is_open(widget)
    assert message.value == "choose one"
    assert predictions.read_predictions(project) == {}


def test_who_has_no_idea_sees_the_result(project):
    widget = ask()
    controls(widget)[2].click()
    assert not is_open(widget)
    assert ask().answer == "no idea"


def test_an_answer_that_is_no_longer_a_choice_is_asked_for_again(project):
    predictions.keep_prediction(project, "00.1", "neither")
    assert is_open(ask())


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("0.25", "0.25 s"), (" 0,25 ", "0.25 s"), ("1e3", "1000 s"), ("-2", "-2 s")],
)
def test_a_number_is_kept_with_its_unit(project, typed, answer):
    field, keep, _, _ = controls(widget := predict("00.1", "How long?", unit="s"))
    field.value = typed
    keep.click()
    assert widget.answer == answer


@pytest.mark.parametrize("typed", ["", "long", "nan", "inf", "1 s"])
def test_what_is_no_number_is_not_kept(project, typed):
    field, keep, _, message = controls(widget := predict("00.1", "How long?", unit="s"))
    field.value = typed
    keep.click()
    assert is_open(widget)
    assert "number" in message.value


def test_a_page_without_widgets_shows_the_question_and_its_choices(project):
    page = predict("00.1", "1 < 2?", ["<b>"])._repr_mimebundle_()["text/html"]
    assert "1 &lt; 2?" in page
    assert "<li>&lt;b&gt;</li>" in page


# --- the file ------------------------------------------------------------------------------


def test_answers_of_several_lessons_are_kept_beside_each_other(project):
    for id, answer in (("00.1", "that"), ("10.2", "0.5 s"), ("00.1", "this")):
        predictions.keep_prediction(project, id, answer)
    assert predictions.read_predictions(project) == {"00.1": "this", "10.2": "0.5 s"}


@pytest.mark.parametrize("content", ["{", "[1]", "3"])
def test_a_damaged_file_is_never_written_over(project, content):
    file = project / predictions.FILE
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(ExerciseError, match="mend it, or delete it"):
        predictions.keep_prediction(project, "00.1", "this")
    assert file.read_text() == content


# --- the lessons ---------------------------------------------------------------------------


def test_each_lesson_numbers_its_predictions_and_asks_for_one_before_a_result():
    questions = predictions.find_questions(project_folder())
    by_lesson = {}
    for question in questions:
        by_lesson.setdefault(question.lesson, []).append(question.id)
    lessons = {path.name[:2] for path in predictions.lesson_files(project_folder())}
    assert set(by_lesson) == lessons
    for lesson, ids in by_lesson.items():
        assert ids == [f"{lesson}.{number}" for number in range(1, len(ids) + 1)]


def test_the_cells_that_a_prediction_hides_follow_it():
    """A heading between the question and its result would be hidden in the result's place."""
    for lesson in predictions.lesson_files(project_folder()):
        cells = json.loads(lesson.read_text("utf-8"))["cells"]
        for index, cell in enumerate(cells):
            source = "".join(cell["source"])
            if "predict(" in source and cell["cell_type"] == "code":
                hides = int((re.findall(r"hides=(\d)", source) or [1])[0])
                hidden = [cell["cell_type"] for cell in cells[index + 1 : index + 1 + hides]]
                assert hidden == ["code"] * hides, (lesson.name, cell["id"])


# --- progress ------------------------------------------------------------------------------


def test_progress_counts_predictions_by_lesson_and_points_by_exercise():
    test = GradedTest("ex01.1", 3, "hint", False, 1.0, test_a_number_is_kept_with_its_unit)
    cards = [
        ScoreCard("ex01", "a.py", (Outcome(test, "passed"), Outcome(test, "failed"))),
        ScoreCard("ex15", "", (Outcome(test, "to do"),)),
    ]
    questions = [Question("00.1", "Which?"), Question("00.2", "<When?>"), Question("01.1", "Who?")]
    titles = {"00": "00_first", "01": "01_second", "15": "ex15_more"}
    found = Progress(titles, questions, {"00.2": "0.5 s", "99.1": "gone"}, cards)
    assert found.rows() == [
        ("00_first", "1 of 2", ""),
        ("01_second", "0 of 1", "3 of 6"),
        ("ex15_more", "", "0 of 3"),
        ("all", "1 of 3", "3 of 9"),
    ]
    assert "00.2  <When?>\n      0.5 s" in repr(found)
    assert "&lt;When?&gt;" in found._repr_html_()
