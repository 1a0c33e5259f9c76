"""A graded test: a test with points, the part it belongs to, one helpful sentence, a visibility.

    @graded("ex01.1", points=2, hint="Count silent frames in a row; speech starts the count anew.")
    def test_a_short_dip_does_not_end_speech(exercise): ...

exercise is the submission, in a process of its own (see `submission`): its functions can be
called, what they return arrives as plain values. Tests run at the same time for many submissions,
so they keep nothing between two runs.
"""

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxlab.errors import ExerciseError
from voxlab.grading.source import exercise_id

LIMIT_S = 10.0  # for one test; calls on a two-core laptop take milliseconds


@dataclass(frozen=True)
class GradedTest:
    """One test of an exercise and what it is worth."""

    part: str
    points: int
    hint: str
    hidden: bool
    limit_s: float
    run: Callable[[Any], None]

    @property
    def name(self) -> str:
        """The function's name, such as "test_a_short_dip_does_not_end_speech"."""
        return self.run.__name__

    @property
    def claim(self) -> str:
        """The name as a sentence: "a short dip does not end speech"."""
        name = re.sub(r"_(s|t|re|ll)(?=_|$)", r"'\1", self.name.removeprefix("test_"))
        return name.replace("_", " ")


def graded(
    part: str, *, points: int, hint: str, hidden: bool = False, limit_s: float = LIMIT_S
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a test function a graded test.

    part: such as "ex01.1". points: 1 or more. hint: what a learner reads when it fails.
    hidden: left out of the students' folder. limit_s: how long the test may take.
    Raises ExerciseError if points or hint are missing.
    """
    if points < 1 or not hint.strip():
        raise ExerciseError(f"a test of {part}: needs points, 1 or more, and a hint")

    def mark(test: Callable[[Any], None]) -> Callable[[Any], None]:
        test.graded = GradedTest(part, points, hint, hidden, limit_s, test)  # type: ignore[attr-defined]
        return test

    return mark


def load_tests(file: Path) -> list[GradedTest]:
    """Return the graded tests of a file, in the order they are written.

    Raises ExerciseError if a test belongs to another exercise, or a part's points are missing.
    """
    spec = importlib.util.spec_from_file_location(f"graded_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ExerciseError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes_bytecode
    found = [value for _, value in inspect.getmembers(module, inspect.isfunction)]
    found.sort(key=lambda function: function.__code__.co_firstlineno)
    tests = [function.graded for function in found if hasattr(function, "graded")]
    _check(file, tests)
    return tests


def _check(file: Path, tests: Sequence[GradedTest]) -> None:
    exercise = exercise_id(file.name.removeprefix("test_"))
    if not tests:
        raise ExerciseError(f"{file}: no graded test in it: see voxlab.grading.graded")
    for test in tests:
        if not test.part.startswith(f"{exercise}."):
            raise ExerciseError(f"{file}: {test.name} is for {test.part}, not for {exercise}")


def find_tests(folder: Path) -> dict[str, Path]:
    """Return the test file of each exercise: {"ex01": .../test_ex01_sentence_chunks.py}.

    Raises ExerciseError if there is none.
    """
    files = sorted(folder.glob("test_ex*.py"))
    if not files:
        raise ExerciseError(f"no graded tests in {folder}: name their folder with --tests")
    return {exercise_id(file.name.removeprefix("test_")): file for file in files}


def tests_folder() -> Path:
    """Return tests/graded of the folder we are in, of one above it, or of the checkout."""
    here = Path.cwd()
    checkout = Path(__file__).parents[2]
    for folder in (here, *here.parents, checkout):
        if (folder / "tests" / "graded").is_dir():
            return folder / "tests" / "graded"
    return checkout / "tests" / "graded"
