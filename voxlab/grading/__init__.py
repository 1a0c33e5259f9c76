"""Exercises, graded tests and score cards, from one source.

`source` makes exercises from solutions; `graded` marks tests with points; `submission` runs a
learner's code in a process of its own; `grade` counts points; `report` shows them; `kit` packs
folders for students and graders; `notebook` is `check`, for a cell.
"""

from voxlab.grading.graded import graded
from voxlab.grading.notebook import check

__all__ = ["check", "graded"]
