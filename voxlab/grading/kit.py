"""`voxlab class-kit`: what students, graders and Gradescope need, in three places."""

import ast
import re
import shutil
import zipfile
from pathlib import Path

from voxlab.errors import ExerciseError
from voxlab.grading.graded import find_tests, load_tests

LIBRARY = ("voxlab", "data", "pyproject.toml", "constraints.txt", "Makefile", "LICENSE")
FOR_STUDENTS = (
    *LIBRARY,
    "environment.yml",
    "notebooks",
    "exercises",
    "docs/glossary.md",
    "docs/system.svg",
)
FOR_GRADERS = ("solutions", "exercises", "notebooks", "tests/graded", "docs")
FOR_GRADESCOPE = (*LIBRARY, "README.md", "tests/graded")
FILES = Path(__file__).parent / "kit_files"
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc", ".DS_Store")


def write_kit(root: Path, folder: Path) -> tuple[Path, Path, Path]:
    """Write folder/students, folder/grader and folder/autograder.zip; return the three.

    root: voxlab's checkout. Raises ExerciseError if the folder is in use or root is no checkout.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExerciseError(f"{folder} is there and not empty: name a new folder")
    for name in (*FOR_STUDENTS, *FOR_GRADERS, *FOR_GRADESCOPE):
        if not (root / name).exists():
            raise ExerciseError(f"no {name} in {root}: run this in voxlab's checkout")
    students, grader, archive = (folder / n for n in ("students", "grader", "autograder.zip"))
    _copy(root, students, FOR_STUDENTS)
    _copy(root, grader, FOR_GRADERS)
    _copy_public_tests(root / "tests" / "graded", students / "tests" / "graded")
    (students / "README.md").write_text(_students_page(root / "README.md"), encoding="utf-8")
    shutil.copyfile(FILES / "graders_readme.txt", grader / "README.md")
    _write_autograder(root, archive)
    return students, grader, archive


def _students_page(readme: Path) -> str:
    """Return the students' README, with the figure and the table of lessons of the project's."""
    text = readme.read_text("utf-8")
    figure = re.search(r"^!\[.*\)$", text, re.MULTILINE)
    lessons = re.search(r"^\| lesson \|(?:.*\n)+?(?!\|)", text, re.MULTILINE)
    if not figure or not lessons:
        raise ExerciseError(f"{readme}: no figure, or no table that begins with '| lesson |'")
    page = (FILES / "students_readme.txt").read_text("utf-8")
    return page.format(figure=figure[0], lessons=lessons[0])


def _write_autograder(root: Path, archive: Path) -> None:
    """Write what Gradescope builds an image from: two scripts, the library and all tests.

    Source: gradescope-autograders.readthedocs.io, "Autograder specifications".
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("setup.sh", "run_autograder"):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            packed.writestr(entry, (FILES / name).read_bytes())
        for name in FOR_GRADESCOPE:
            below = [path for path in (root / name).rglob("*") if path.is_file()] or [root / name]
            for path in sorted(below):
                if not NOT_COPIED(str(path.parent), [*path.relative_to(root).parts]):
                    packed.write(path, path.relative_to(root))


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
