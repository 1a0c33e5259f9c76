"""`voxlab class-kit`: a folder for the students, without answers, and one for whoever grades."""

import ast
import re
import shutil
from pathlib import Path

from voxlab.errors import ExerciseError
from voxlab.grading.graded import find_tests, load_tests

FOR_STUDENTS = (
    *("voxlab", "data", "notebooks", "exercises", "pyproject.toml", "constraints.txt"),
    *("environment.yml", "Makefile", "LICENSE"),
)
FOR_GRADERS = ("solutions", "exercises", "tests/graded")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc", ".DS_Store")


def write_kit(root: Path, folder: Path) -> tuple[Path, Path]:
    """Write folder/students and folder/grader; return both.

    root: voxlab's checkout. Raises ExerciseError if the folder is in use or root is no checkout.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExerciseError(f"{folder} is there and not empty: name a new folder")
    for name in (*FOR_STUDENTS, *FOR_GRADERS):
        if not (root / name).exists():
            raise ExerciseError(f"no {name} in {root}: run this in voxlab's checkout")
    students, grader = folder / "students", folder / "grader"
    _copy(root, students, FOR_STUDENTS)
    _copy(root, grader, FOR_GRADERS)
    _copy_public_tests(root / "tests" / "graded", students / "tests" / "graded")
    (students / "README.md").write_text(_STUDENTS, encoding="utf-8")
    (grader / "README.md").write_text(_GRADERS, encoding="utf-8")
    return students, grader


def _copy(root: Path, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, target, ignore=NOT_COPIED)
        else:
            shutil.copyfile(root / name, target)


def _copy_public_tests(tests: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(tests / "conftest.py", folder / "conftest.py")
    for file in find_tests(tests).values():
        public = without_hidden_tests(file.read_text("utf-8"))
        (folder / file.name).write_text(public, encoding="utf-8")
        left = [test.name for test in load_tests(folder / file.name) if test.hidden]
        if left:
            raise ExerciseError(
                f"{file.name}: cannot take {', '.join(left)} out: write hidden=True"
            )


def without_hidden_tests(text: str) -> str:
    """Return a test file without its hidden tests, and without what only they used.

    A function or constant of the file that nothing else in it names any more also goes.
    """
    while True:
        nodes = ast.parse(text).body
        gone = [node for node in nodes if _is_hidden(node)] or _unused(nodes)
        if not gone:
            return re.sub(r"\n{4,}", "\n\n\n", text)
        lines = text.splitlines(keepends=True)
        for node in reversed(gone):
            del lines[_first_line(node) - 1 : node.end_lineno]
        text = "".join(lines).rstrip("\n") + "\n"


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _is_hidden(node: ast.stmt) -> bool:
    """Tell whether this is a function under @graded(..., hidden=True)."""
    calls = [call for call in getattr(node, "decorator_list", []) if isinstance(call, ast.Call)]
    return any(
        option.arg == "hidden" and isinstance(option.value, ast.Constant) and option.value.value
        for call in calls
        for option in call.keywords
    )


def _unused(nodes: list[ast.stmt]) -> list[ast.stmt]:
    """Return the definitions and imports that no other statement of the file names."""
    unused = []
    for node in nodes:
        names = _names(node)
        others = [other for other in nodes if other is not node]
        used = {n.id for other in others for n in ast.walk(other) if isinstance(n, ast.Name)}
        if names and not names & used and not any(name.startswith("test_") for name in names):
            unused.append(node)
    return unused


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        return {name.id for name in node.targets if isinstance(name, ast.Name)}
    return set()


_STUDENTS = """# Voice agents: the exercises

voxlab is a small library and a set of notebooks about voice agents. Everything runs on your
laptop, with no account and no network once it is set up.

```
make lab                             # sets up, and opens JupyterLab
.venv/bin/voxlab grade exercises     # your points, and a hint for what is missing
```

The exercises are in `exercises`, the lessons they belong to in `notebooks`. Your teacher has more
tests than you see here: they check the same tasks on other input. Hand in your notebook or script
under its own name.
"""

_GRADERS = """# Grading

`voxlab` must be installed here (in the students' folder or the checkout: `make setup`). Then, in
this folder:

```
voxlab grade submissions/                      # a table of the class
voxlab grade submissions/ --csv points.csv
voxlab grade submissions/ada                   # one person's card
voxlab grade ex01_hysteresis.ipynb --gradescope results.json
```

`submissions` holds a folder for each person, or files named after them
(`ada_ex01_hysteresis.ipynb`). solutions/README.md explains the rest.
"""
