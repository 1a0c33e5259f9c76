"""The kit of a class: what students, graders and Gradescope get."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_exercise import filled, small_checkout, write

from voxlab.cli import main
from voxlab.grading.graded import load_tests


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    return small_checkout(tmp_path, monkeypatch)


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


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_book_says_at_once_that_a_kit_has_no_book(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "Makefile", tmp_path)
    done = subprocess.run(["make", "book"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the book is made in the whole repository" in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "Makefile"]


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
