"""exercises/ made from solutions/, and the check that nobody has edited what is made."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxlab.errors import ExerciseError
from voxlab.grading import source
from voxlab.grading.graded import GradedTest, find_tests, load_tests

_TITLE = re.compile(r"^# # (?P<title>.+)$", re.MULTILINE)


def solutions(root: Path) -> list[Path]:
    """Return the solution files in order. Raises ExerciseError if there is none."""
    files = sorted((root / "solutions").glob("ex*.py"))
    if not files:
        raise ExerciseError(f"no solutions/exNN_slug.py in {root}: run this in voxlab's checkout")
    return files


def points_table(root: Path) -> dict[str, dict[str, Any]]:
    """Return the points of the course: {"ex01_sentence_chunks": {"points": 5}}.

    Raises ExerciseError if solutions/points.toml cannot be read.
    """
    file = root / "solutions" / "points.toml"
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ExerciseError(f"cannot read {file}: {error}") from error


def expected_files(root: Path) -> dict[str, str]:
    """Return what exercises/ should hold: {file name: text}.

    root: the folder with solutions/ and tests/graded/. Raises ExerciseError if a solution's
    regions are broken, its title or its tests are missing, a region has no test, or the tests'
    points are not those of solutions/points.toml.
    """
    table = points_table(root)
    tests = {id: load_tests(file) for id, file in find_tests(root / "tests" / "graded").items()}
    files = {}
    rows = []
    for solution in solutions(root):
        text = solution.read_text("utf-8")
        name = f"{solution.parent.name}/{solution.name}"
        id = source.exercise_id(solution.name)
        if id not in tests:
            raise ExerciseError(f"{name}: no tests/graded/test_{solution.name}")
        regions = source.find_regions(text, name)
        blank = source.blank_exercise(text, name)
        files[solution.name] = blank
        files[f"{solution.stem}.ipynb"] = source.as_notebook(blank, solution.name)
        points = sum(test.points for test in tests[id])
        wanted = table.get(solution.stem, {}).get("points")
        if points != wanted:
            raise ExerciseError(f"{name}: its tests give {points}, solutions/points.toml {wanted}")
        rows.append(_row(name, text, solution.stem, regions, tests[id]))
    for stem, row in table.items():
        if f"{stem}.py" not in files:
            about = f"Exercise {int(stem[2:4])}: {row.get('planned', stem)}"
            about += f" ({row['chapter']})" if "chapter" in row else ""
            rows.append(f"| {about} | planned | | {row['points']} | |")
    files["README.md"] = _README.format(rows="\n".join(rows))
    return files


def _row(
    name: str,
    text: str,
    stem: str,
    regions: Sequence[source.Region],
    tests: Sequence[GradedTest],
) -> str:
    """Return an exercise's line in the table of exercises/README.md."""
    title = _TITLE.search(text)
    if not title:
        raise ExerciseError(f"{name}: no title: begin the first cell with '# # Exercise ...'")
    parts = {region.id for region in regions}
    tested = {test.part for test in tests if not test.hidden}
    if parts != {test.part for test in tests} or parts - tested:
        lacking = ", ".join(sorted(parts ^ tested))
        raise ExerciseError(f"{name}: each part needs a public test, each test a part: {lacking}")
    points = sum(test.points for test in tests)
    hidden = sum(test.points for test in tests if test.hidden)
    notebook, script = f"[notebook]({stem}.ipynb)", f"[script]({stem}.py)"
    return f"| {title['title']} | {notebook} · {script} | {len(parts)} | {points} | {hidden} |"


def write(root: Path) -> list[str]:
    """Write exercises/; return the names of the files that changed."""
    folder = root / "exercises"
    folder.mkdir(exist_ok=True)
    files = expected_files(root)
    changed = drift(root, files)
    for name in changed:
        if name in files:
            (folder / name).write_text(files[name], encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink()
    return changed


def drift(root: Path, files: dict[str, str] | None = None) -> list[str]:
    """Return the files of exercises/ that differ from what the solutions make, or are no more."""
    folder = root / "exercises"
    files = expected_files(root) if files is None else files
    present = {path.name for path in folder.glob("*") if path.is_file()}
    differing = [
        name
        for name, text in files.items()
        if name not in present or (folder / name).read_bytes() != text.encode()
    ]
    return sorted({*differing, *(present - set(files))})


_README = """# Exercises

Open a notebook in JupyterLab, read, fill in what says "Exercise", and run the `check` cell below
it: a small table says what works, and gives one hint for what does not. The scripts hold the same
exercises for an editor; hand in either. An exercise has the number of its lesson, the second of a
lesson one after all lessons; 19.7.1 to 19.7.4 are the chapter's own numbers. For your points:

```
voxlab grade exercises
```

| exercise | fill in | parts | points | of these in hidden tests |
|---|---|---|---|---|
{rows}

These files are made from `solutions/` by `voxlab make-exercises`: copy them before you work if you
pull updates.
"""
