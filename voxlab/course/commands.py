"""The commands `voxlab lessons` and `voxlab progress`."""

import argparse
from collections.abc import Callable
from typing import Any

Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the commands to the parser. add_command: see voxlab.cli."""
    about = "copy the lessons into lessons/, where you work; what you changed is kept"
    add_command(commands, "lessons", _lessons, about, "")
    about = "show your predictions and points over all lessons"
    add_command(commands, "progress", _progress, about, "")


def _lessons(arguments: argparse.Namespace) -> int:
    from voxlab.course.copies import project_folder, update_copies

    for line in update_copies(project_folder()):
        print(line)
    return 0


def _progress(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from voxlab.course.progress import progress

    print(progress(lambda ids: tqdm(ids, desc="grading", delay=1, leave=False, disable=None)))
    return 0
