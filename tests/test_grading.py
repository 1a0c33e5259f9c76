"""Grading: exercises made from solutions, points, and `check` in a notebook."""

import re
from pathlib import Path

import pytest
from small_exercise import POINTS, TESTS, filled, small_checkout, write

from voxlab.cli import main
from voxlab.errors import ExerciseError
from voxlab.grading import graded, make, report
from voxlab.grading.grade import Grader, ScoreCard
from voxlab.grading.graded import load_tests
from voxlab.grading.people import find_people


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    return small_checkout(tmp_path, monkeypatch)


# --- exercises from solutions ---------------------------------------------------------------


def test_make_exercises_writes_script_notebook_and_table(checkout):
    names = {path.name for path in (checkout / "exercises").iterdir()}
    assert names == {"ex90_twice.py", "ex90_twice.ipynb", "README.md"}
    table = (checkout / "exercises" / "README.md").read_text()
    assert "| Exercise 90: twice and half |" in table
    assert "| 2 | 6 | 3 |" in table
    assert "| Exercise 91: thrice and a third | planned | | 2 | |" in table


def test_making_them_again_changes_nothing(checkout, capsys):
    before = {path: path.read_bytes() for path in (checkout / "exercises").iterdir()}
    assert main(["make-exercises"]) == 0
    assert "0 changed" in capsys.readouterr().out
    assert main(["make-exercises", "--check"]) == 0
    assert before == {path: path.read_bytes() for path in (checkout / "exercises").iterdir()}


@pytest.mark.parametrize("drift", ["edited", "missing", "left over"])
def test_the_check_fails_on_any_drift(checkout, capsys, drift):
    exercise = checkout / "exercises" / "ex90_twice.py"
    if drift == "edited":
        exercise.write_text(exercise.read_text() + "\n")
    elif drift == "missing":
        exercise.unlink()
    else:
        exercise = write(checkout / "exercises" / "ex89_gone.py", "")
    assert main(["make-exercises", "--check"]) == 2
    assert f"exercises/{exercise.name}: not what solutions/ make" in capsys.readouterr().err
    make.write(checkout)
    assert make.drift(checkout) == []


def test_every_part_has_a_public_test_and_every_test_a_part(checkout):
    tests = checkout / "tests" / "graded" / "test_ex90_twice.py"
    tests.write_text(TESTS.replace('hint="Divide by two."', 'hint="Divide.", hidden=True'))
    with pytest.raises(ExerciseError, match=r"each part needs a public test.*ex90\.2"):
        make.expected_files(checkout)
    tests.write_text(TESTS.replace('"ex90.2"', '"ex90.3"'))
    with pytest.raises(ExerciseError, match=r"ex90\.2, ex90\.3"):
        make.expected_files(checkout)


def test_the_tests_of_an_exercise_have_the_points_of_the_table(checkout):
    points = checkout / "solutions" / "points.toml"
    for table, said in ((POINTS.replace("6", "7"), "7"), ("", "None")):
        points.write_text(table)
        with pytest.raises(ExerciseError, match=f"its tests give 6, solutions/points.toml {said}"):
            make.expected_files(checkout)
    points.write_text("[ex90")
    with pytest.raises(ExerciseError, match="cannot read"):
        make.expected_files(checkout)


def test_a_graded_test_needs_points_a_hint_and_its_own_exercise(checkout):
    with pytest.raises(ExerciseError, match="needs points"):
        graded("ex90.1", points=0, hint="x")
    with pytest.raises(ExerciseError, match="and a hint"):
        graded("ex90.1", points=1, hint=" ")
    tests = checkout / "tests" / "graded" / "test_ex90_twice.py"
    with pytest.raises(ExerciseError, match=r"is for ex89\.1, not for ex90"):
        load_tests(write(tests, TESTS.replace('"ex90.1"', '"ex89.1"')))
    with pytest.raises(ExerciseError, match="no graded test in it"):
        load_tests(write(tests, ""))


# --- points ---------------------------------------------------------------------------------


def card_of(checkout, text):
    grader = Grader.load(checkout / "tests" / "graded")
    return grader.grade_source("ex90", [("ex90_twice.py", text)], "ex90_twice.py")


@pytest.mark.slow
def test_the_solution_earns_everything_and_the_blank_nothing(checkout):
    full = card_of(checkout, filled(checkout))
    assert (full.points, full.possible) == (6, 6)
    blank = card_of(checkout, (checkout / "exercises" / "ex90_twice.py").read_text())
    assert (blank.points, blank.possible) == (0, 6)
    assert {outcome.status for outcome in blank.outcomes} == {"to do"}


@pytest.mark.slow
def test_a_hard_coded_answer_earns_only_the_public_points(checkout):
    card = card_of(checkout, "def double(x): return 4\ndef half(x): return 2\n")
    assert [outcome.status for outcome in card.outcomes] == ["passed", "failed", "passed"]
    assert card.points == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import voxlab.grading.graded as g\ng.GradedTest.run = lambda *_: None\n",
        "import builtins\nbuiltins.AssertionError = KeyError\nx = builtins.__dict__.clear()\n",
        "import json\njson.dumps = lambda _: '{\"value\": 4}'\ndef double(x): return 5\n",
        "import sys\nclass X:\n    sys.exit(0)\n",
        "import os\nclass X:\n    os._exit(0)\n",
        f"solution = open({str(Path(__file__))!r}).read()\ndef double(x): return solution\n",
    ],
)
def test_tampering_earns_nothing_beyond_what_a_constant_earns(checkout, code):
    card = card_of(checkout, code)
    hidden = [outcome for outcome in card.outcomes if outcome.test.hidden]
    assert [outcome.status for outcome in hidden] == ["failed"]
    assert card.points <= 2


@pytest.mark.slow
def test_a_submission_cannot_read_the_solutions(checkout):
    names = {"solution": checkout / "solutions" / "ex90_twice.py"}
    names["tests"] = checkout / "tests" / "graded" / "test_ex90_twice.py"
    for path in names.values():
        code = (
            f"def double(x):\n    exec(open({str(path)!r}).read(), globals())\n    return 2 * x\n"
        )
        card = card_of(checkout, code)
        assert card.points == 0
        assert "does not read" in card.outcomes[0].reason


@pytest.mark.slow
def test_the_better_of_two_files_counts(checkout):
    exercises = checkout / "exercises"
    write(exercises / "ex90_twice.py", filled(checkout))
    (person,), _ = find_people(exercises, {"ex90": "ex90_twice"})
    card = Grader.load(checkout / "tests" / "graded").grade_files("ex90", person.files["ex90"])
    assert (card.points, card.file) == (6, "ex90_twice.py")
    assert card.notes == ("ex90_twice.py counts; ex90_twice.ipynb earns no more",)


# --- in a notebook --------------------------------------------------------------------------


def run_notebook(cells, folder):
    import nbformat  # slow to load
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],
    ).execute()
    return [
        re.sub(r"<[^>]*>", " ", output.data.get("text/html", ""))
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]


@pytest.mark.slow
def test_check_shows_the_card_of_what_the_cells_define_in_the_end(checkout):
    tables = run_notebook(
        [
            "from voxlab.grading import check\ndef double(x): return 1",
            "check('ex90.1')",
            "def double(x):\n    raise NotImplementedError('Exercise ex90.1: add')",
            "check('ex90.1')",
            "%matplotlib inline\nfrom functools import cache",
            "%%time\ndef half(x): return x / 2",
            "# a decorator belongs to what it decorates\n@cache\ndef double(x):\n"
            "    return factor * x if double.cache_info() else None\n",
            "factor = 3",
            "factor = 2",
            "check('ex90.1')",
            "check('ex90.2')",
            "def half(x):\n    while True: pass\n",
        ],
        checkout / "exercises",
    )
    assert len(tables) == 4
    assert "0 of 2 points" in tables[0]
    assert "double(2) is 1" in tables[0]
    assert "hint: Add x to itself." in tables[0]
    assert "to do" in tables[1]
    assert "2 of 2 points" in tables[2]
    assert "1 of 1 points" in tables[3]
    assert not any("hidden" in table or "other numbers" in table for table in tables)


def test_check_of_a_part_that_is_not_there_names_those_that_are(checkout):
    grader = Grader.load(checkout / "tests" / "graded")
    with pytest.raises(ExerciseError, match=r"no tests for 'ex90\.9': there are ex90\.1, ex90\.2"):
        grader.public("ex90.9")


def test_a_table_escapes_what_a_submission_says(checkout):
    card = ScoreCard("ex90", "ex90_twice.py", (), ("<script>alert(1)</script>",))
    assert "<script>" not in report.as_html([card])
