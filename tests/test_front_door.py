"""The front door: what `from voxlab import ...` and the packages offer, and that lessons use it."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

import voxlab

ROOT = Path(voxlab.__file__).parents[1]
PACKAGE = Path(voxlab.__file__).parent
PACKAGES = sorted(
    f"voxlab.{'.'.join(init.relative_to(PACKAGE).parts[:-1])}"
    for init in PACKAGE.rglob("*/__init__.py")
)


def offered_to_type_checkers():
    """Return {name: module} of the imports that only editors and type checkers see."""
    (block,) = (
        node
        for node in ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        name.name: (node.module, name.asname)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def reading_cells():
    """Yield (where, code) of the README, the docs, every lesson's cells and every solution."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
            yield page.name, block
    for solution in sorted((ROOT / "solutions").glob("*.py")):
        yield solution.name, solution.read_text("utf-8")
    for lesson in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(lesson.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield lesson.name, "".join(cell["source"])


@pytest.mark.slow
def test_every_name_of_the_front_door_is_what_its_module_has():
    for name, (home, _) in voxlab.NAMES.items():
        module = importlib.import_module(f"voxlab.{home}")
        assert getattr(voxlab, name) is (module if name == home else getattr(module, name)), name


def test_type_checkers_see_the_same_names_from_the_same_modules():
    homes = {
        name: ("voxlab" if name == home else f"voxlab.{home}", name)
        for name, (home, _) in voxlab.NAMES.items()
    }
    assert offered_to_type_checkers() == homes


def test_the_page_of_the_front_door_is_its_list():
    page = (ROOT / "docs" / "front_door.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| `voxlab\.?([\w.]*)` \|$", page, re.M)
    names = voxlab.NAMES.items()
    assert rows == [(name, what, "" if name == home else home) for name, (home, what) in names]


def test_a_name_that_is_not_there_is_an_error_as_in_any_module():
    with pytest.raises(AttributeError, match="'voxlab' has no attribute 'plya'"):
        voxlab.plya  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'plya' from 'voxlab'"):
        from voxlab import plya  # noqa: F401


def test_completion_shows_the_names_before_they_are_loaded():
    assert set(dir(voxlab)) >= {*voxlab.NAMES, "__version__"}


def test_a_package_offers_no_name_that_one_of_its_modules_has():
    """`from voxlab.evaluation import turn_times` could mean two things; so it means the module."""
    known = {("voxlab.grading", "graded")}  # the decorator of every graded test
    twice = {
        (package, name)
        for package in PACKAGES
        for name in getattr(importlib.import_module(package), "__all__", ())
        if (PACKAGE.parent / package.replace(".", "/") / f"{name}.py").exists()
    }
    assert twice == known


def test_lessons_exercises_and_pages_import_from_the_front_door_or_from_one_package():
    rooms = {"voxlab", *PACKAGES, *(f"voxlab.{flat.stem}" for flat in PACKAGE.glob("*.py"))}
    deeper = [
        f"{where}: from {node.module} import ..."
        for where, code in reading_cells()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("voxlab.")
        if node.module not in rooms
    ]
    assert deeper == []


def test_what_is_on_the_front_door_is_imported_from_there():
    elsewhere = [
        f"{where}: from {node.module} import {name.name}"
        for where, code in reading_cells()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("voxlab.")
        for name in node.names
        if name.name in voxlab.NAMES and node.module != "voxlab"
    ]
    assert elsewhere == []
