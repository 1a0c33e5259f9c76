"""The command that grades: cards, classes, CSV and Gradescope."""

import csv
import io
import json
import multiprocessing
import signal
import time
from pathlib import Path

import pytest
from small_exercise import TESTS, filled, small_checkout, write

from voxlab.cli import main
from voxlab.grading.fence import FenceError
from voxlab.grading.grade import Grader
from voxlab.grading.submission import Sandbox


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    return small_checkout(tmp_path, monkeypatch)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


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
    interrupted_s, others = [], set(multiprocessing.active_children())
    grade_class = Grader.grade_class

    def interrupt(self, people, jobs):
        for person, cards in grade_class(self, people, jobs):
            yield person, cards
            if person.name == "ada":
                interrupted_s.append(time.monotonic())
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Grader, "grade_class", interrupt)
    assert main(["grade", str(people), "--csv", "points.csv", "--jobs", "2"]) == 130
    assert set(multiprocessing.active_children()) <= others
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
