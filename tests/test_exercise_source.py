"""Exercises from solutions: what a region may be, and that a blank is all that is taken away."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import ExerciseError
from voxlab.grading.source import (
    as_notebook,
    blank_exercise,
    exercise_id,
    find_regions,
    with_answers,
    without_markers,
)

NAME = "solutions/ex90_double.py"
SOLUTION = '''# %% [markdown]
# # Exercise 90: twice as much

# %%
def double(x):
    """Return twice x."""
    # BEGIN SOLUTION ex90.1: add it to itself
    # a comment is no line to write

    y = x
    return x + y
    # END SOLUTION ex90.1


# %%
class Halver:
    def halve(self, x):
        # BEGIN SOLUTION ex90.2: take "half"
        return x / 2
        # END SOLUTION ex90.2
'''


def test_a_blank_names_the_part_what_to_do_and_about_how_many_lines():
    blank = blank_exercise(SOLUTION, NAME)
    assert "    # Exercise ex90.1 (about 2 lines): add it to itself\n" in blank
    assert '    raise NotImplementedError("Exercise ex90.1: add it to itself")\n' in blank
    assert "        # Exercise ex90.2 (about 1 line)" in blank
    assert "x + y" not in blank
    assert "SOLUTION" not in blank


def test_a_blank_says_what_to_do_when_it_runs():
    names = {}
    exec(blank_exercise(SOLUTION, NAME), names)
    with pytest.raises(NotImplementedError, match=r"Exercise ex90\.1: add it"):
        names["double"](1)
    with pytest.raises(NotImplementedError, match=r'Exercise ex90\.2: take "half"'):
        names["Halver"]().halve(1)


def test_outside_the_blanks_every_line_stays():
    solution, blank = SOLUTION.splitlines(), blank_exercise(SOLUTION, NAME).splitlines()
    inside = set()
    for region in find_regions(SOLUTION, NAME):
        inside |= set(range(region.begin, region.end + 1))
    kept = [line for index, line in enumerate(solution) if index not in inside]
    assert [line for line in blank if "ex90." not in line] == kept


def test_the_filled_in_exercise_is_the_solution_without_its_markers():
    names = {}
    filled = without_markers(SOLUTION, NAME)
    exec(filled, names)
    assert (names["double"](3), names["Halver"]().halve(3)) == (6, 1.5)
    assert filled.splitlines() == [
        line for line in SOLUTION.splitlines() if "SOLUTION ex90" not in line
    ]


def test_answers_replace_their_regions_and_no_others():
    answers = '''"""Rejected by test_x."""


def double(x):
    # BEGIN SOLUTION ex90.1: squared
    return x * x
    # END SOLUTION ex90.1
'''
    names = {}
    exec(with_answers(SOLUTION, NAME, answers, "ex90_squared.py"), names)
    assert (names["double"](3), names["Halver"]().halve(3)) == (9, 1.5)


def test_an_answer_to_a_region_that_is_not_there_is_refused():
    answers = SOLUTION.replace("ex90.2", "ex90.3")
    with pytest.raises(ExerciseError, match=r"ex90_x\.py, line 18: solutions/ex90_double\.py has"):
        with_answers(SOLUTION, NAME, answers, "ex90_x.py")


BEGIN, END = "    # BEGIN SOLUTION ex90.1: work", "    # END SOLUTION ex90.1"


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([BEGIN, "    return 1"], 2, "ex90.1 is not closed"),
        (["    return 1", END], 3, "no region is open"),
        ([BEGIN, "    return 1", BEGIN.replace("0.1", "0.2"), END], 4, "begins within ex90.1"),
        ([BEGIN, "    return 1", END.replace("0.1", "0.2")], 4, "but ex90.1 is open"),
        ([BEGIN, "    return 1", END, BEGIN, "    return 2", END], 5, "twice, first on line 2"),
        ([BEGIN, END, "    pass"], 2, "is empty"),
        ([BEGIN, "    # nothing but words", "", END, "    pass"], 2, "is empty"),
        ([BEGIN, "    pass", END], 2, "is empty"),
        ([BEGIN.replace("ex90", "ex91"), "    return 1", END], 2, "belongs to another exercise"),
        ([BEGIN.replace(": work", ""), "    return 1", END], 2, "cannot read"),
        ([BEGIN.replace("SOLUTION", "SOLUTIONS"), "    return 1", END], 2, "cannot read"),
        (["    pass", "", "", BEGIN.strip(), "x = 1", END.strip()], 5, "cannot read"),
        (["    pass", "", "if True:", BEGIN, "    x = 1", END], 5, "outside a function"),
        (["    return (", BEGIN, "    return 1", END], 2, "never closed"),
    ],
)
def test_a_broken_region_is_an_error_with_file_and_line(lines, line, why):
    text = "\n".join(["def work():", *lines, ""])
    with pytest.raises(ExerciseError, match=rf"solutions/ex90_double\.py, line {line}: .*{why}"):
        blank_exercise(text, NAME)


def test_a_solution_without_a_region_is_refused():
    with pytest.raises(ExerciseError, match="nothing to solve"):
        blank_exercise("x = 1\n", NAME)


def test_a_file_is_named_after_its_exercise():
    assert exercise_id("a/b/ex07_streaming.py") == "ex07"
    with pytest.raises(ExerciseError, match=r"latency\.py: needs a name like"):
        exercise_id("latency.py")


def test_the_notebook_is_a_valid_one_with_ids_that_stay():
    import nbformat  # slow to load

    text = as_notebook(SOLUTION, NAME)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert [cell["id"] for cell in notebook.cells] == ["ex90-00", "ex90-01", "ex90-02"]
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code"]
    assert text == as_notebook(SOLUTION, NAME)
    assert set(json.loads(text)["metadata"]) == {"kernelspec"}


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_the_notebook_holds_the_script(numbers):
    import jupytext  # slow to load

    script = "".join(f"# %%\nx = {number}\n\n" for number in numbers)
    cells = json.loads(as_notebook(script, NAME))["cells"]
    assert ["".join(cell["source"]) for cell in cells] == [f"x = {number}" for number in numbers]
    assert jupytext.reads(script, fmt="py:percent").cells[0].source == f"x = {numbers[0]}"
