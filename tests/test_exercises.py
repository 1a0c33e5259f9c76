"""What holds for every exercise: solutions earn all, blanks nothing, known mistakes are named."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from voxlab.grading import make, source
from voxlab.grading.grade import Grader

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = sorted((ROOT / "solutions").glob("ex*.py"))
WRONG = sorted((ROOT / "tests" / "graded" / "wrong_answers").glob("ex*.py"))
REJECTED_BY = re.compile(r'"""Rejected by (?P<test>test_\w+): (?P<mistake>\S.*)')

pytestmark = pytest.mark.skipif(not SOLUTIONS, reason="the students' folder has no solutions")


@cache
def grader():
    return Grader.load(ROOT / "tests" / "graded")


def card(solution: Path, text: str, only: str = ""):
    """Grade a text as a submission, by all tests of its exercise or only by the one named."""
    id = source.exercise_id(solution.name)
    tests = [test for test in grader().tests[id] if only in ("", test.name)]
    chosen = replace(grader(), tests={id: tests})
    return chosen.grade_source(id, [(solution.name, text)], solution.name)


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.slow
@pytest.mark.parametrize("solution", SOLUTIONS, ids=name_of)
def test_the_solution_earns_everything(solution):
    graded = card(solution, solution.read_text("utf-8"))
    failed = [(o.test.name, o.reason) for o in graded.outcomes if o.status != "passed"]
    assert failed == []
    assert graded.notes == ()
    assert graded.points == graded.possible > 0


@pytest.mark.slow
@pytest.mark.parametrize("solution", SOLUTIONS, ids=name_of)
def test_every_graded_test_fails_on_the_blank_exercise(solution):
    blank = (ROOT / "exercises" / solution.name).read_text("utf-8")
    graded = card(solution, blank)
    assert [o.test.name for o in graded.outcomes if o.status == "passed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG, ids=name_of)
def test_a_known_mistake_is_rejected_by_the_test_that_names_it(wrong):
    text = wrong.read_text("utf-8")
    named = REJECTED_BY.match(text)
    assert named, f"{wrong.name} begins with 'Rejected by test_...: the mistake'"
    (solution,) = (path for path in SOLUTIONS if path.name.startswith(wrong.name[:4]))
    filled = source.with_answers(solution.read_text("utf-8"), solution.name, text, wrong.name)
    (outcome,) = card(solution, filled, only=named["test"]).outcomes
    assert outcome.status == "failed"
    assert re.search(r": got .+, expected |^\w+Error: ", outcome.reason), outcome.reason


@pytest.mark.parametrize("solution", SOLUTIONS, ids=name_of)
def test_every_exercise_knows_two_mistakes_or_more(solution):
    assert len([path for path in WRONG if path.name.startswith(solution.name[:4])]) >= 2


@pytest.mark.parametrize("solution", SOLUTIONS, ids=name_of)
def test_some_points_of_every_exercise_are_hidden_and_most_are_not(solution):
    tests = grader().tests[source.exercise_id(solution.name)]
    hidden = sum(test.points for test in tests if test.hidden)
    points = sum(test.points for test in tests)
    assert hidden <= points / 2
    assert hidden > 0 or points == 1


@pytest.mark.slow
def test_the_exercises_are_what_the_solutions_make():
    assert make.drift(ROOT) == []


def test_a_lesson_links_to_the_exercise_with_its_number():
    """The second exercise of a lesson has a number that is no other lesson's exercise."""
    lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    second = {"15": "11", "16": "12"}  # of lesson 15 there is none
    links = [
        (lesson.name[:2], number)
        for lesson in lessons
        for number in re.findall(r"exercises/ex(\d\d)_", lesson.read_text("utf-8"))
    ]
    assert links
    assert [(own, to) for own, to in links if second.get(to, to) != own] == []


def test_the_course_has_100_points_and_60_of_them_are_the_chapters():
    table = make.points_table(ROOT)
    assert sum(row["points"] for row in table.values()) == 100
    assert {row["chapter"] for row in table.values() if "chapter" in row} == {
        *("19.7.1", "19.7.2", "19.7.3", "19.7.4")
    }
    assert sum(row["points"] for row in table.values() if "chapter" in row) == 60


def test_what_exists_has_the_points_of_the_table_and_the_rest_is_planned():
    table = make.points_table(ROOT)
    points = {
        grader().names[id]: sum(test.points for test in tests)
        for id, tests in grader().tests.items()
    }
    assert points == {name: row["points"] for name, row in table.items() if "planned" not in row}
    assert set(points) == {solution.stem for solution in SOLUTIONS}


PLANNED = re.compile(
    r"^\| \d+ \| (?:\[\w+\]\(\.\./(?P<lesson>\S+)\) \| (?P<minutes>\d+)|\|) \| "
    r"(?:\[\w+\]\(\.\./exercises/(?P<exercise>\w+)\.ipynb\) \| (?P<takes>\d+) \| (?P<points>\d+))?",
    re.MULTILINE,
)


def test_the_time_plan_has_every_lesson_and_exercise_with_the_minutes_that_they_state():
    plan = list(PLANNED.finditer((ROOT / "docs" / "teaching.md").read_text("utf-8")))
    lessons = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {row["lesson"] for row in plan if row["lesson"]} == lessons
    for row in filter(lambda row: row["lesson"], plan):  # a second exercise has a row of its own
        lesson = json.loads((ROOT / row["lesson"]).read_text("utf-8"))["cells"][0]["source"]
        assert f"*{row['minutes']} minutes." in "".join(lesson)
    exercises = {row["exercise"]: row for row in plan if row["exercise"]}
    assert set(exercises) == {solution.stem for solution in SOLUTIONS}
    for solution in SOLUTIONS:
        row = exercises[solution.stem]
        points = "1 point" if row["points"] == "1" else f"{row['points']} points"
        stated = f"*{row['takes']} minutes, {points}."
        assert stated in solution.read_text("utf-8")
