"""The commands `voxlab grade`, `make-exercises` and `class-kit`."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voxlab.errors import ExerciseError

Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the commands to the parser. add_command: see voxlab.cli."""
    about = "run the graded tests on a script, a notebook, a person's folder or a class"
    grade = add_command(commands, "grade", _grade, about, "exercises/ex01_hysteresis.ipynb")
    grade.add_argument("path", type=Path, help="a file, a folder of them, or a folder of people")
    grade.add_argument("--json", action="store_true", help="print points, possible and tests")
    grade.add_argument("--gradescope", type=Path, metavar="FILE", help="write a results.json")
    grade.add_argument("--csv", type=Path, metavar="FILE", help="write a class as a table")
    grade.add_argument(
        "--tests", type=Path, metavar="DIR", help="default: tests/graded here or above"
    )

    about = "write exercises/ from solutions/"
    make = add_command(commands, "make-exercises", _make, about, "--check")
    make.add_argument("--check", action="store_true", help="write nothing; fail if they differ")

    about = "write a folder for students, without answers, and one for whoever grades"
    kit = add_command(commands, "class-kit", _kit, about, "build/class")
    kit.add_argument("folder", type=Path, metavar="DIR", help="a new folder")


def _grade(arguments: argparse.Namespace) -> int:
    from voxlab.grading import report
    from voxlab.grading.grade import Grader, find_people
    from voxlab.grading.graded import tests_folder

    people = find_people(arguments.path)
    one_file = arguments.path.is_file()
    submissions = None if one_file else arguments.path.resolve()
    grader = Grader.load(arguments.tests or tests_folder(), submissions)
    unknown = sorted({id for files in people.values() for id in files} - set(grader.tests))
    if unknown:
        raise ExerciseError(f"{arguments.path}: there are no tests for {', '.join(unknown)}")
    if one_file:
        handed_in = {id: grader.tests[id] for files in people.values() for id in files}
        grader = Grader(handed_in, grader.forbidden)
    graded = grader.grade_class(people, _progress(len(people)))
    is_class = len(graded) > 1
    cards = next(iter(graded.values()))
    if arguments.gradescope and is_class:
        raise ExerciseError("--gradescope is for one person: name one file or one person's folder")
    if arguments.gradescope:
        _write(arguments.gradescope, json.dumps(report.as_gradescope(cards), indent=2))
    if arguments.csv:
        _write(arguments.csv, report.as_csv(graded))
    if arguments.json:
        everybody = {who: report.as_json(theirs) for who, theirs in graded.items()}
        print(json.dumps({"people": everybody} if is_class else report.as_json(cards), indent=2))
    elif is_class:
        print(report.as_table(graded))
    else:
        in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(report.as_text(cards, in_colour))
    return 0


def _progress(people: int) -> Callable[[str], None]:
    from tqdm import tqdm

    bar = tqdm(total=people, desc="grading", unit=" people", delay=1, leave=False, disable=None)

    def done(who: str) -> None:
        bar.update()
        if bar.n == people:
            bar.close()

    return done


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ExerciseError(f"cannot write {file}: {error}") from error


def _make(arguments: argparse.Namespace) -> int:
    from voxlab.grading import make
    from voxlab.grading.graded import tests_folder

    root = tests_folder().parents[1]
    if not arguments.check:
        changed = make.write(root)
        print("\n".join([*(f"exercises/{name}" for name in changed), f"{len(changed)} changed"]))
        return 0
    if drift := make.drift(root):
        files = ", ".join(f"exercises/{name}" for name in drift)
        raise ExerciseError(f"{files}: not what solutions/ make: run voxlab make-exercises")
    print("exercises/ is what solutions/ make")
    return 0


def _kit(arguments: argparse.Namespace) -> int:
    from voxlab.grading.graded import tests_folder
    from voxlab.grading.kit import write_kit

    for folder in write_kit(tests_folder().parents[1], arguments.folder):
        print(folder)
    return 0
