"""One source for an exercise: from the solution come the exercise and its notebook.

A solution is a script of cells (py:percent). What the learner writes stands between two markers,
inside a function, so that one blank does not stop the others:

    # BEGIN SOLUTION ex01.2: join what is too close
    ...
    # END SOLUTION ex01.2
"""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voxlab.errors import ExerciseError

_BEGIN = re.compile(r"(?P<indent> +)# BEGIN SOLUTION (?P<id>ex\d\d\.\d+): (?P<task>\S.*)")
_END = re.compile(r" +# END SOLUTION (?P<id>ex\d\d\.\d+)")
_MARKER = re.compile(r"(BEGIN|END)\s+SOLUTION")
_EXERCISE_ID = re.compile(r"ex\d\d")


@dataclass(frozen=True)
class Region:
    """One blank: what the learner is to write, and where it stands in the solution.

    begin, end: the indices of the marker lines. lines_of_code: without comments and empty lines.
    """

    id: str
    task: str
    indent: str
    begin: int
    end: int
    lines_of_code: int

    @property
    def blank(self) -> list[str]:
        """What stands in the exercise instead."""
        number = "1 line" if self.lines_of_code == 1 else f"{self.lines_of_code} lines"
        message = json.dumps(f"Exercise {self.id}: {self.task}", ensure_ascii=False)
        return [
            f"{self.indent}# Exercise {self.id} (about {number}): {self.task}",
            f"{self.indent}raise NotImplementedError({message})",
        ]


def find_regions(text: str, name: str) -> list[Region]:
    """Return the solution's regions in order. name: the file, for messages.

    Raises ExerciseError with file and line if a region is unclosed, nested, empty, named twice,
    named after another exercise, or outside a function, and if a marker cannot be read.
    """
    lines = text.splitlines()
    exercise = exercise_id(name)
    regions: list[Region] = []
    opened: tuple[int, re.Match[str]] | None = None
    for index, line in enumerate(lines):
        if not _MARKER.search(line):
            continue
        begin, end = _BEGIN.fullmatch(line), _END.fullmatch(line)
        if begin and opened:
            _refuse(name, index, f"{begin['id']} begins within {opened[1]['id']}: close that first")
        elif begin:
            _check_id(name, index, begin["id"], exercise, regions)
            opened = index, begin
        elif end and (opened is None or opened[1]["id"] != end["id"]):
            inside = f"{opened[1]['id']} is open" if opened else "no region is open"
            _refuse(name, index, f"{end['id']} ends here, but {inside}")
        elif end and opened:
            regions.append(_region(name, lines, opened, index))
            opened = None
        else:
            _refuse(name, index, f"cannot read {line.strip()!r}: {_forms(exercise)}")
    if opened:
        _refuse(name, opened[0], f"{opened[1]['id']} is not closed: {_forms(exercise)}")
    _refuse_outside_functions(text, name, regions)
    return regions


def _forms(exercise: str) -> str:
    return (
        f"write '# BEGIN SOLUTION {exercise}.1: what to do' and '# END SOLUTION {exercise}.1', "
        "indented, each on a line of its own"
    )


def _refuse(name: str, index: int, why: str) -> None:
    raise ExerciseError(f"{name}, line {index + 1}: {why}")


def _check_id(name: str, index: int, id: str, exercise: str, regions: list[Region]) -> None:
    if not id.startswith(f"{exercise}."):
        _refuse(name, index, f"{id} belongs to another exercise: name it {exercise}.{{number}}")
    for region in regions:
        if region.id == id:
            _refuse(name, index, f"{id} is there twice, first on line {region.begin + 1}")


def _region(name: str, lines: list[str], opened: tuple[int, re.Match[str]], end: int) -> Region:
    begin, marker = opened
    body = [line.strip() for line in lines[begin + 1 : end]]
    code = [line for line in body if line and not line.startswith("#") and line != "pass"]
    if not code:
        _refuse(name, begin, f"{marker['id']} is empty: a region holds the lines to be written")
    return Region(marker["id"], marker["task"].strip(), marker["indent"], begin, end, len(code))


def _refuse_outside_functions(text: str, name: str, regions: list[Region]) -> None:
    tree = _parse(text, name)
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for region in regions:
        line = region.begin + 1
        if not any(f.lineno < line <= (f.end_lineno or f.lineno) + 1 for f in functions):
            _refuse(
                name,
                region.begin,
                f"{region.id} is outside a function: its blank would stop "
                "all other parts of the exercise",
            )


def _parse(text: str, name: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise ExerciseError(f"{name}, line {error.lineno}: {error.msg}") from error


def exercise_id(name: str) -> str:
    """Return the exercise that a file belongs to: "ex01" for "ex01_sentence_chunks.py".

    Raises ExerciseError if the name has none.
    """
    match = _EXERCISE_ID.match(Path(name).name)
    if not match:
        raise ExerciseError(f"{name}: needs a name like ex01_sentence_chunks.py")
    return match[0]


def blank_exercise(text: str, name: str) -> str:
    """Return the exercise that belongs to a solution: every region is a blank.

    Raises ExerciseError as `find_regions` does, and if there is no region.
    """
    regions = find_regions(text, name)
    if not regions:
        raise ExerciseError(f"{name}: nothing to solve in it: {_forms(exercise_id(name))}")
    return _replace(text, regions, {region.id: region.blank for region in regions})


def with_answers(text: str, name: str, answers: str, answers_name: str) -> str:
    """Return the solution with those regions replaced that another file answers differently.

    answers: a text with some of the solution's regions in it; it need not run by itself.
    Raises ExerciseError as `find_regions` does, and if the solution lacks a region.
    """
    regions = {region.id: region for region in find_regions(text, name)}
    lines = answers.splitlines()
    bodies = {}
    for answer in find_regions(answers, answers_name):
        if answer.id not in regions:
            _refuse(answers_name, answer.begin, f"{name} has no region {answer.id}")
        bodies[answer.id] = lines[answer.begin + 1 : answer.end]
    return _replace(text, [regions[id] for id in bodies], bodies)


def _replace(text: str, regions: list[Region], bodies: Mapping[str, list[str]]) -> str:
    lines = text.splitlines()
    for region in sorted(regions, key=lambda region: region.begin, reverse=True):
        lines[region.begin : region.end + 1] = bodies[region.id]
    return "\n".join(lines) + "\n"


def without_markers(text: str, name: str) -> str:
    """Return the solution as a learner would have written it: regions filled in, no markers."""
    lines = text.splitlines()
    regions = find_regions(text, name)
    bodies = {region.id: lines[region.begin + 1 : region.end] for region in regions}
    return _replace(text, regions, bodies)


def as_notebook(script: str, name: str) -> str:
    """Return a script of cells as a notebook (JSON), its cells numbered: "ex01-00", "ex01-01".

    Needs jupytext, which comes with voxlab[lab].
    """
    import jupytext
    import nbformat

    notebook = jupytext.reads(script, fmt="py:percent")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.clear()
    notebook.metadata["kernelspec"] = kernel
    notebook.nbformat_minor = 5
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"{exercise_id(name)}-{index:02d}"
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
