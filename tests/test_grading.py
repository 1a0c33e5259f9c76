"""Grading: points, cards, classes, kits and `check`, on a small exercise made for the purpose."""

import csv
import io
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from voxlab.cli import main
from voxlab.errors import ExerciseError
from voxlab.grading import graded, kit, make, report, source
from voxlab.grading.fence import FenceError
from voxlab.grading.grade import Grader, ScoreCard
from voxlab.grading.graded import load_tests
from voxlab.grading.people import find_people
from voxlab.grading.submission import Sandbox

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
README = """# A project

![A call](notebooks/first_call.png)

| lesson | question |
|---|---|
| 00 | [What happens?](notebooks/00_first_call.ipynb) |

More text.
"""
POINTS = """[ex90_twice]
points = 6

[ex91_thrice]
points = 2
planned = "thrice and a third"
"""
CONFTEST = (Path(__file__).parent / "graded" / "conftest.py").read_text("utf-8")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a small checkout with one exercise, and be in it."""
    root = tmp_path / "checkout"
    for name in (*kit.FOR_STUDENTS, *kit.FOR_GRADERS, *kit.FOR_GRADESCOPE):
        if Path(name).suffix or name in ("Makefile", "LICENSE"):
            write(root / name, README if name == "README.md" else name)
        else:
            (root / name).mkdir(parents=True, exist_ok=True)
    (root / "solutions" / "ex90_twice.py").write_text(SOLUTION)
    (root / "solutions" / "points.toml").write_text(POINTS)
    (root / "tests" / "graded" / "test_ex90_twice.py").write_text(TESTS)
    (root / "tests" / "graded" / "conftest.py").write_text(CONFTEST)
    monkeypatch.chdir(root)
    assert main(["make-exercises"]) == 0
    return root


def filled(root):
    return source.without_markers(SOLUTION, "ex90_twice.py")


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


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
    (person,), _ = find_people(exercises, {"ex90": "ex90_twice"})
    card = Grader.load(checkout / "tests" / "graded").grade_files("ex90", person.files["ex90"])
    assert (card.points, card.file) == (6, "ex90_twice.py")
    assert card.notes == ("ex90_twice.py counts; ex90_twice.ipynb earns no more",)


# --- the command ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_card_for_a_person_shows_each_test_and_one_hint_a_failure(checkout, capsys):
    file = write(checkout / "ex90_twice.py", "def double(x): return 4\ndef half(x): return 1\n")
    assert main(["grade", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ex90  ex90_twice.py: 2 of 6 points"
    assert "  ✓ passed 2/2  ex90.1  two and two make four" in lines
    assert "  ✗ failed 0/3  ex90.1  other numbers double too (hidden)" in lines
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
    assert [test["visibility"] for test in scope["tests"]] == [
        "visible",
        "after_published",
        "visible",
    ]
    assert [test["status"] for test in scope["tests"]] == ["passed", "failed", "failed"]


@pytest.fixture
def people(checkout):
    """Return a class: one has all, one has nothing right, the others hand in what is no answer."""
    people = checkout / "people"
    write(people / "ada" / "ex90_twice.py", filled(checkout))
    write(people / "bob" / "ex90_twice.ipynb", "not json")
    write(people / "cyd" / "ex90_twice.py", "def double(x):\n    return\n  oops")
    write(people / "=eve()" / "readme.txt", "sorry")
    (people / "fay").mkdir()
    (people / "fay" / "ex90_twice.py").symlink_to(people / "ada" / "ex90_twice.py")
    copy = f"source = open({str(people / 'ada' / 'ex90_twice.py')!r}).read()\n"
    write(people / "gus" / "ex90_twice.py", f"{copy}exec(source)\ndef double(x): exec(source)")
    return people


@pytest.mark.slow
def test_a_class_is_a_line_a_person_and_the_reasons_are_in_the_csv(people, capsys):
    table = people.parent / "out" / "points.csv"
    assert main(["grade", str(people), "--csv", str(table), "--jobs", "1"]) == 0
    rows = {row["person"]: row for row in read_csv(table)}
    points = {who: int(row["total"]) for who, row in rows.items()}
    assert points == {"ada": 6, "bob": 0, "cyd": 0, "'=eve()": 0, "fay": 0, "gus": 0}
    assert rows["ada"]["reasons"] == ""
    assert "not a notebook" in rows["bob"]["reasons"]
    assert "ex90: IndentationError" in rows["cyd"]["reasons"]
    assert "ex90.1 two and two make four: NameError: double is not" in rows["cyd"]["reasons"]
    assert "not handed in" in rows["'=eve()"]["reasons"]
    assert "is a link" in rows["fay"]["reasons"]
    assert "does not read" in rows["gus"]["reasons"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["person", "ex90", "total"],
        ["=eve()", "-", "0"],
    ]
    assert [line.split()[0] for line in lines[2:8]] == [
        "ada",
        "bob",
        "cyd",
        "fay",
        "gus",
        "possible",
    ]
    assert "2 of 5 failed ex90.1: two and two make four" in lines
    assert "    hint: Add x to itself." in lines


@pytest.mark.slow
def test_only_what_was_assigned_has_a_column(people, capsys):
    other = TESTS.replace("ex90", "ex91").replace("twice", "thrice")
    write(people.parent / "tests" / "graded" / "test_ex91_thrice.py", other)
    for arguments, columns in (
        ([], {"ex90"}),  # nobody handed in the other
        (["--only", "ex91"], {"ex91"}),
        (["--only", "ex90,ex91"], {"ex90", "ex91"}),
    ):
        assert main(["grade", str(people), "--json", "--jobs", "1", *arguments]) == 0
        told = json.loads(capsys.readouterr().out)
        tests = [test for card in told["people"].values() for test in card["tests"]]
        assert {test["exercise"] for test in tests} == columns
    assert main(["grade", str(people / "ada"), "--json", "--jobs", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["possible"] == 12  # one person sees what is missing


@pytest.mark.slow
def test_programs_get_the_class_with_how_each_test_went(people, capsys):
    assert main(["grade", str(people), "--json", "--jobs", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["people"]["ada"]["points"] == 6
    first = told["tests"][0]
    assert (first["name"], first["hint"]) == ("test_two_and_two_make_four", "Add x to itself.")
    assert [first[status] for status in ("passed", "failed", "to_do")] == [1, 2, 2]
    assert told["fences"][-1] == "audit hook"


@pytest.mark.slow
def test_each_person_gets_a_page_with_their_hints_and_nobody_elses(people):
    write(people / "O'Hara <b>" / "ex90_twice.py", "def double(x): return 4\n")
    assert main(["grade", str(people), "--feedback", "pages", "--jobs", "1"]) == 0
    pages = {page.name: page.read_text() for page in Path("pages").iterdir()}
    assert sorted(pages) == [
        *("O'Hara b.html", "ada.html", "bob.html", "cyd.html", "eve().html", "fay.html"),
        "gus.html",
    ]
    page = pages["O'Hara b.html"]
    assert "<h1>O&#39;Hara &lt;b&gt;</h1>" in page
    assert "2 of 6 points" in page
    assert page.count("hint: ") == 2
    assert "hint: " not in pages["ada.html"]


@pytest.mark.slow
def test_a_roster_adds_who_is_missing_and_takes_the_points_back(people):
    names = ("ada", "bob", "cyd", "=eve()", "fay", "gus", "Hal")
    rows = [f"Participant {number},{who},-,100,-" for number, who in enumerate(names)]
    header = "Identifier,Full name,Grade,Maximum Grade,Last modified (grade)"
    roster = write(people.parent / "roster.csv", "\n".join([header, *rows]))
    options = ["--roster", str(roster), "--upload", "upload.csv", "--csv", "points.csv"]
    assert main(["grade", str(people), "--jobs", "1", *options]) == 0
    uploaded = {row["Full name"]: row for row in read_csv(Path("upload.csv"))}
    assert {who: row["Grade"] for who, row in uploaded.items()} == dict.fromkeys(names, "0") | {
        "ada": "100"
    }
    (hal,) = (row for row in read_csv(Path("points.csv")) if row["person"] == "Hal")
    assert (hal["id"], hal["reasons"]) == ("6", "ex90: not handed in")


@pytest.mark.slow
def test_after_ctrl_c_those_who_are_done_are_told_within_two_seconds(people, capsys, monkeypatch):
    write(people / "bob" / "ex90_twice.py", "def double(x):\n    while True: pass\n")
    interrupted_s = []
    grade_class = Grader.grade_class

    def interrupt(self, people, jobs):
        for person, cards in grade_class(self, people, jobs):
            yield person, cards
            if person.name == "ada":
                interrupted_s.append(time.monotonic())
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Grader, "grade_class", interrupt)
    assert main(["grade", str(people), "--csv", "points.csv", "--jobs", "2"]) == 130
    assert multiprocessing.active_children() == []
    assert time.monotonic() - interrupted_s[0] < 2
    rows = {row["person"]: row["total"] for row in read_csv(Path("points.csv"))}
    assert rows["ada"] == "6"
    assert "bob" not in rows
    assert f"stopped; {len(rows)} of 6 people are graded" in capsys.readouterr().err


@pytest.mark.slow
def test_a_fence_that_does_not_close_is_told_and_nobody_gets_no_points_for_it(
    people, capsys, monkeypatch
):
    def refuse(self):
        raise FenceError("Landlock does not close: Operation not permitted")

    monkeypatch.setattr(Sandbox, "start", refuse)
    assert main(["grade", str(people), "--jobs", "1"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "voxlab: Landlock does not close: Operation not permitted\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "no such file or folder"),
        (["exercises/README.md"], "hand in the notebook or script itself"),
        (["exercises", "--tests", "solutions"], "no graded tests in solutions"),
        (["ex77_other.py"], "there are no tests for ex77"),
        (["exercises", "--only", "ex90,ex77"], "there are no tests for ex77: there are ex90"),
        (["exercises", "--upload", "out.csv"], "name it with --roster"),
        (["exercises", "--roster", "nowhere.csv"], "cannot read nowhere.csv"),
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


def test_the_students_page_has_the_figure_and_the_lessons_of_the_project(checkout):
    assert main(["class-kit", "kit"]) == 0
    page = Path("kit/students/README.md").read_text()
    assert "\n![A call](notebooks/first_call.png)\n" in page
    assert "| 00 | [What happens?](notebooks/00_first_call.ipynb) |" in page
    assert "More text" not in page
    assert Path("kit/grader/docs").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ex90_twice.py", "twice.py"])
def test_the_autograder_grades_what_gradescope_hands_it(checkout, name):
    assert main(["class-kit", "kit"]) == 0
    root = checkout / "autograder"
    with zipfile.ZipFile("kit/autograder.zip") as packed:
        names = packed.namelist()
        assert not any(entry.startswith(("solutions", "exercises")) for entry in names)
        packed.extractall(root / "source")
        modes = [packed.getinfo(entry).external_attr >> 16 for entry in names[:2]]
    assert (names[:2], modes) == (["setup.sh", "run_autograder"], [0o755, 0o755])
    for script in names[:2]:
        subprocess.run(["bash", "-n", root / "source" / script], check=True)
    (root / "source" / ".venv" / "bin").mkdir(parents=True)  # what setup.sh would have made
    for program in ("python", "voxlab"):
        (root / "source" / ".venv" / "bin" / program).symlink_to(
            Path(sys.executable).parent / program
        )
    (root / "results").mkdir()
    write(root / "submission" / name, filled(checkout))
    environment = os.environ | {"AUTOGRADER": str(root)}
    subprocess.run(["bash", root / "source" / "run_autograder"], env=environment, check=True)
    results = json.loads((root / "results" / "results.json").read_text())
    if name == "ex90_twice.py":
        assert (results["score"], len(results["tests"])) == (6, 3)
    else:
        assert results["score"] == 0
        assert "twice.py is not graded: needs a name like" in results["output"]


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
