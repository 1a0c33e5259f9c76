"""Exercises, graded tests and score cards, from one source.

`source` makes exercises from solutions; `graded` marks tests with points; `submission` runs a
learner's code in a process of its own; `grade` counts points; `report` shows them; `kit` packs
folders for students and graders; `notebook` is `check`, for a cell.
"""

from typing import TYPE_CHECKING

from voxlab.grading.graded import graded

if TYPE_CHECKING:
    from voxlab.grading.notebook import check
else:  # `voxlab --help` need not load what a notebook's check needs

    def __getattr__(name):
        if name == "check":
            from voxlab.grading.notebook import check

            return check
        raise AttributeError(f"module 'voxlab.grading' has no attribute {name!r}")


__all__ = ["check", "graded"]
