"""A small checkout with one exercise, made for the tests of grading."""

from pathlib import Path

from voxlab.cli import main
from voxlab.grading import kit, source

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


def small_checkout(tmp_path, monkeypatch):
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


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
