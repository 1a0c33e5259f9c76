"""Working copies of the lessons: students run and change these, and git sees nothing of it.

A copy notes the digest of the cells that it was made from. So we can tell a lesson that is new
from a copy that the student has changed, and we need no list of what was copied when.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from voxlab.errors import ExerciseError

ORIGINALS, COPIES = "notebooks", "lessons"
MADE_FROM = "voxlab_made_from"  # in the notebook's metadata


def project_folder() -> Path:
    """Return the folder with notebooks/ and exercises/: this one, one above, or the checkout.

    Raises ExerciseError if there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).parents[2]):
        if (folder / ORIGINALS).is_dir() and (folder / "exercises").is_dir():
            return folder
    raise ExerciseError(f"no lessons in {here} or above: run this in voxlab's folder")


def lesson_files(project: Path) -> list[Path]:
    """Return the lessons as they come with voxlab, in their order."""
    return sorted((project / ORIGINALS).glob("[0-9][0-9]_*.ipynb"))


def update_copies(project: Path) -> list[str]:
    """Bring project/lessons up to date; return a line for each file that is new.

    A copy whose cells the student has changed is never written to: when its lesson is new, it is
    set aside under another name, and the new lesson takes its place. Outputs do not count.
    """
    folder = project / COPIES
    folder.mkdir(exist_ok=True)
    told = []
    for original in lesson_files(project):
        lesson = json.loads(original.read_text("utf-8"))
        lesson["metadata"][MADE_FROM] = digest = _digest(lesson)
        copy = folder / original.name
        made_from, has_changed = _state(copy)
        if made_from == digest:
            continue
        if has_changed:
            aside = _free_name(copy)
            copy.rename(aside)
            told.append(f"{COPIES}/{aside.name} is yours; the lesson has changed")
        text = json.dumps(lesson, indent=1, ensure_ascii=False) + "\n"
        unfinished = copy.with_suffix(".new")
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, copy)
        told.append(f"{COPIES}/{copy.name}")
    return told


def _state(copy: Path) -> tuple[str | None, bool]:
    """Return the digest that a copy was made from, and whether its cells are others by now."""
    if not copy.exists():
        return None, False
    try:
        notebook = json.loads(copy.read_text("utf-8"))
        made_from = notebook["metadata"][MADE_FROM]
        return made_from, _digest(notebook) != made_from
    except (ValueError, LookupError, TypeError):  # not made by us, or damaged: then it is theirs
        return None, True


def _digest(notebook: dict[str, Any]) -> str:
    """Return a digest of the cells that a reader sees: kind and text, without outputs."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def _free_name(copy: Path) -> Path:
    number = 1
    while (aside := copy.with_stem(f"{copy.stem}_yours_{number}")).exists():
        number += 1
    return aside
