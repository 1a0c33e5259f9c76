"""`check("ex01.2")` in a notebook: the score card of a part, as a small table."""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from voxlab.errors import ExerciseError
from voxlab.grading.grade import Grader, ScoreCard
from voxlab.grading.graded import tests_folder
from voxlab.grading.reading import Source, python_of, read_source
from voxlab.grading.report import as_html, as_text


class Checked:
    """Score cards that show themselves: as a table in a notebook, as text elsewhere."""

    def __init__(self, cards: Sequence[ScoreCard]) -> None:
        self.cards = tuple(cards)

    def _repr_html_(self) -> str:
        return as_html(self.cards)

    def __repr__(self) -> str:
        return as_text(self.cards)


def check(part: str) -> Checked:
    """Run the public tests of a part ("ex01.2") or exercise ("ex01") on what this notebook defines.

    The cells run so far are taken as they ran, into a process of its own with time limits: a loop
    without end in them does no harm here. In a script, the script itself is checked.
    Raises ExerciseError if there are no such tests.
    """
    grader = Grader.load(tests_folder()).public(part)
    (exercise,) = grader.tests
    checked = Checked([grader.grade_source(exercise, _source(), "")])
    if not _history():
        print(checked)
    return checked


def _source() -> Source:
    """Return the code to check: what the cells define, or the script that runs."""
    if cells := _history():
        return _latest_definitions(cells)
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        raise ExerciseError("check works in a notebook and in an exercise's own file")
    return read_source(Path(script))


def _history() -> list[str]:
    """Return the cells run in this kernel, in the order they ran; none outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return list(map(python_of, shell.history_manager.input_hist_raw)) if shell else []


def _latest_definitions(cells: Sequence[str]) -> list[tuple[str, str]]:
    """Return what each name is defined as in the end, where it stands: ("In [7]", text)."""
    latest: dict[str, tuple[str, str]] = {}
    for index, cell in enumerate(cells):
        try:
            statements = ast.parse(cell).body
        except SyntaxError:  # it did not run here, either
            continue
        for node in statements:
            name = _defined(node)
            latest.pop(name, None)
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            lines = cell.splitlines()[first - 1 : node.end_lineno]
            above = "\n" * (first - 1)  # so that an error names the cell's own line
            latest[name] = (f"In [{index}]", above + "\n".join(lines))
    return list(latest.values())


def _defined(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign):
        return ", ".join(ast.unparse(target) for target in node.targets)
    return ast.unparse(node)
