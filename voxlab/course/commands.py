"""The commands `voxlab lessons` and `voxlab progress`."""

import argparse
from collections.abc import Callable
from typing import Any

Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the commands to the parser. add_command: see voxlab.cli."""
    about = "copy the lessons into lessons/, where you work; what you changed is kept"
    add_command(commands, "lessons", _lessons, about, "")


def _lessons(arguments: argparse.Namespace) -> int:
    from voxlab.course.copies import project_folder, update_copies

    for line in update_copies(project_folder()):
        print(line)
    return 0
