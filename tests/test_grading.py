"""Grading: points, cards, classes, kits and `check`, on a small exercise made for the purpose."""

import csv
import io
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from voxlab.cli import main
from voxlab.errors import ExerciseError
from voxlab.grading import graded, kit, make, report, source
from voxlab.grading.grade import Grader, find_people
from voxlab.grading.graded import load_tests

SOLUTION = """# %% [markdown]
# # Exercise 90: twice and half

# %%
from voxlab.grading import check


# %%
def double(x):
    # BEGIN SOLUTION ex90.1: add it to itself
    return x + x
    # END SOLUTION ex90.1


# %%
check("ex90.1")


# %%
def half(x):
    # BEGIN SOLUTION ex90.2: divide it
    return x / 2
    # END SOLUTION ex90.2
"""
TESTS = """from fractions import Fraction

from voxlab.grading import graded

SECRET = [7, 8, 9]


@graded("ex90.1", points=2, hint="Add x to itself.")
def test_two_and_two_make_four(exercise):
    got = exercise.double(2)
    assert got == 4, f"double(2) is {got}"


@graded("ex90.1", points=3, hint="Every number has a double.", hidden=True)
def test_other_numbers_double_too(exercise):
    for x in SECRET:
        assert exercise.double(x) == x * Fraction(2)


@graded("ex90.2", points=1, hint="Divide by two.")
def test_half_of_four_is_two(exercise):
    assert exercise.half(4) == 2
"""
CONFTEST = (Path(__file__).parent / "graded" / "conftest.py").read_text("utf-8")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a small checkout with one exercise, and be in it."""
    root = tmp_path / "checkout"
    for folder in (*kit.FOR_STUDENTS, "solutions", "tests/graded"):
        (root / folder).mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "environment.yml", "Makefile", "LICENSE"):
        (root / name).rmdir()
        (root / name).write_text(name)
    (root / "solutions" / "ex90_twice.py").write_text(SOLUTION)
    (root / "tests" / "graded" / "test_ex90_twice.py").write_text(TESTS)
    (root / "tests" / "graded" / "conftest.py").write_text(CONFTEST)
    monkeypatch.chdir(root)
    assert main(["make-exercises"]) == 0
    return root


def filled(root):
    return source.without_markers(SOLUTION, "ex90_twice.py")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- exercises from solutions --------------------------------------------------------------


def test_make_exercises_writes_script_notebook_and_table(checkout):
    names = {path.name for path in (checkout / "exercises").iterdir()}
    assert names == {"ex90_twice.py", "ex90_twice.ipynb", "README.md"}
    table = (checkout / "exercises" / "README.md").read_text()
    assert "| Exercise 90: twice and half |" in table
    assert "| 2 | 6 | 3 |" in table


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


# --- points --------------------------------------------------------------------------------


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
    grader = Grader.load(checkout / "tests" / "graded")
    (card,) = grader.grade_person(find_people(exercises)[""])
    assert (card.points, card.file) == (6, "ex90_twice.py")
    assert card.notes == ("ex90_twice.py counts; ex90_twice.ipynb earns no more",)


# --- whose file is it ----------------------------------------------------------------------


def test_people_are_folders_or_prefixes_of_file_names(tmp_path):
    write(tmp_path / "a" / "ada" / "ex90_twice.py", "")
    write(tmp_path / "a" / "bob" / "week 1" / "BOB_ex90_twice(1).ipynb", "{}")
    write(tmp_path / "a" / "bob" / ".ipynb_checkpoints" / "ex90_twice-checkpoint.ipynb", "{}")
    write(tmp_path / "a" / "eve" / "notes.txt", "")
    people = find_people(tmp_path / "a")
    assert {who: list(files) for who, files in people.items()} == {
        "ada": ["ex90"],
        "bob": ["ex90"],
        "eve": [],
    }
    write(tmp_path / "b" / "ada_ex90_twice.py", "")
    write(tmp_path / "b" / "bob-17_ex90_twice.ipynb", "{}")
    assert set(find_people(tmp_path / "b")) == {"ada", "bob-17"}


def test_what_is_no_exercise_is_refused(tmp_path):
    with pytest.raises(ExerciseError, match="no such file"):
        find_people(tmp_path / "nowhere")
    with pytest.raises(ExerciseError, match="needs a name like"):
        find_people(write(tmp_path / "twice.py", ""))
    with pytest.raises(ExerciseError, match="no exercise in it"):
        find_people(tmp_path)


# --- the command ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_card_for_a_person_shows_each_test_and_one_hint_a_failure(checkout, capsys):
    file = write(checkout / "ex90_twice.py", "def double(x): return 4\ndef half(x): return 1\n")
    assert main(["grade", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ex90  ex90_twice.py: 2 of 6 points"
    assert "  ✓ 2/2  ex90.1  two and two make four" in lines
    assert "  ✗ 0/3  ex90.1  other numbers double too (hidden)" in lines
    assert [line.strip() for line in lines if "hint" in line] == [
        "hint: Every number has a double.",
        "hint: Divide by two.",
    ]


@pytest.mark.slow
def test_the_card_for_a_program_is_json_and_gradescope_gets_its_own(checkout, capsys):
    write(checkout / "ex90_twice.py", "def double(x): return 4\n")
    results = checkout / "results.json"
    command = ["grade", "ex90_twice.py", "--json", "--gradescope", str(results)]
    assert main(command) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["points"], card["possible"], len(card["tests"])) == (2, 6, 3)
    scope = json.loads(results.read_text())
    assert scope["score"] == 2 == sum(test["score"] for test in scope["tests"])
    assert [test["visibility"] for test in scope["tests"]] == ["visible", "hidden", "visible"]
    assert [test["status"] for test in scope["tests"]] == ["passed", "failed", "failed"]


@pytest.mark.slow
def test_a_class_is_graded_with_one_command_whatever_is_handed_in(checkout, capsys):
    people = checkout / "people"
    write(people / "ada" / "ex90_twice.py", filled(checkout))
    write(people / "bob" / "ex90_twice.ipynb", "not json")
    write(people / "cyd" / "ex90_twice.py", "def double(x):\n    return\n  oops")
    write(people / "=eve()" / "readme.txt", "sorry")
    (people / "fay").mkdir()
    (people / "fay" / "ex90_twice.py").symlink_to(people / "ada" / "ex90_twice.py")
    copy = f"source = open({str(people / 'ada' / 'ex90_twice.py')!r}).read()\n"
    write(people / "gus" / "ex90_twice.py", f"{copy}exec(source)\ndef double(x): exec(source)")
    table = checkout / "points.csv"
    assert main(["grade", str(people), "--csv", str(table)]) == 0
    rows = {row["person"]: row for row in csv.DictReader(io.StringIO(table.read_text()))}
    points = {who: int(row["total"]) for who, row in rows.items()}
    assert points == {"ada": 6, "bob": 0, "cyd": 0, "'=eve()": 0, "fay": 0, "gus": 0}
    assert "not a notebook" in rows["bob"]["notes"]
    assert "cyd, ex90: IndentationError" in capsys.readouterr().out
    assert "not handed in" in rows["'=eve()"]["notes"]
    assert "is a link" in rows["fay"]["notes"]
    assert "does not read" in rows["gus"]["notes"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "no such file or folder"),
        (["exercises/README.md"], "needs a name like ex01_hysteresis.py"),
        (["exercises", "--tests", "solutions"], "no graded tests in solutions"),
        (["ex77_other.py"], "there are no tests for ex77"),
    ],
)
def test_bad_input_is_one_line_and_status_2(checkout, capsys, arguments, why):
    write(checkout / "ex77_other.py", "")
    assert main(["grade", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


# --- the kit -------------------------------------------------------------------------------


def test_the_students_folder_has_no_solution_and_no_hidden_test(checkout):
    assert main(["class-kit", "kit"]) == 0
    texts = {path: path.read_text() for path in Path("kit/students").rglob("*") if path.is_file()}
    assert not any("x + x" in text or "return x / 2" in text for text in texts.values())
    assert not any("other_numbers" in text or "SECRET" in text for text in texts.values())
    public = load_tests(Path("kit/students/tests/graded/test_ex90_twice.py"))
    assert [test.name for test in public] == [
        "test_two_and_two_make_four",
        "test_half_of_four_is_two",
    ]
    assert "Fraction" not in texts[Path("kit/students/tests/graded/test_ex90_twice.py")]
    assert len(load_tests(Path("kit/grader/tests/graded/test_ex90_twice.py"))) == 3


@pytest.mark.slow
def test_each_folder_of_the_kit_grades_with_its_own_tests(checkout, capsys, monkeypatch):
    assert main(["class-kit", "kit"]) == 0
    submission = write(checkout / "kit" / "ex90_twice.py", filled(checkout))
    for folder, possible in (("students", 3), ("grader", 6)):
        monkeypatch.chdir(checkout / "kit" / folder)
        assert main(["grade", str(submission)]) == 0
        assert f"{possible} of {possible} points" in capsys.readouterr().out


def test_a_kit_never_overwrites(checkout, capsys):
    write(checkout / "kit" / "precious.txt", "mine")
    assert main(["class-kit", "kit"]) == 2
    assert "kit is there and not empty" in capsys.readouterr().err
    assert [path.name for path in Path("kit").iterdir()] == ["precious.txt"]


# --- in a notebook -------------------------------------------------------------------------


def run_notebook(cells, folder):
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
            "# a decorator belongs to what it decorates\n@cache\ndef double(x):\n"
            "    return factor * x if double.cache_info() else None\n",
            "factor = 3",
            "factor = 2",
            "check('ex90.1')",
            "def half(x):\n    while True: pass\n",
        ],
        checkout / "exercises",
    )
    assert len(tables) == 3
    assert "0 of 2 points" in tables[0]
    assert "double(2) is 1" in tables[0]
    assert "hint: Add x to itself." in tables[0]
    assert "to do" in tables[1]
    assert "2 of 2 points" in tables[2]
    assert not any("hidden" in table or "other numbers" in table for table in tables)


def test_check_of_a_part_that_is_not_there_names_those_that_are(checkout):
    grader = Grader.load(checkout / "tests" / "graded")
    with pytest.raises(ExerciseError, match=r"no tests for 'ex90\.9': there are ex90\.1, ex90\.2"):
        grader.select("ex90.9")


def test_a_table_escapes_what_a_submission_says(checkout):
    grader = Grader.load(checkout / "tests" / "graded")
    card = grader.nothing("ex90", "<script>alert(1)</script>")
    assert "<script>" not in report.as_html([card])
