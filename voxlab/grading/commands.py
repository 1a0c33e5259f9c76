"""The commands `voxlab grade`, `make-exercises` and `class-kit`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.errors import ExerciseError

if TYPE_CHECKING:
    from voxlab.grading.grade import Grader
    from voxlab.grading.people import Person
    from voxlab.grading.report import Class

Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the commands to the parser. add_command: see voxlab.cli."""
    about = "run the graded tests on a script, a notebook, a person's folder or a class"
    grade = add_command(commands, "grade", _grade, about, "exercises/ex01_sentence_chunks.ipynb")
    grade.add_argument("path", type=Path, help="a file, a folder of them, or a folder of people")
    grade.add_argument(
        "--only", metavar="IDS", help="what was assigned: ex01, or ex01,ex02; default: what came"
    )
    grade.add_argument("--jobs", type=int, metavar="N", help="exercises at a time; default: cores")
    grade.add_argument("--json", action="store_true", help="print points, possible and tests")
    for name, what in (
        ("--roster", "a class list as CSV: who is missing"),
        ("--upload", "write Moodle's worksheet or Canvas' gradebook, given as --roster, filled in"),
        ("--csv", "write a class as a table, with reasons"),
        ("--gradescope", "write a results.json"),
    ):
        grade.add_argument(name, type=Path, metavar="FILE", help=what)
    grade.add_argument("--feedback", type=Path, metavar="DIR", help="write a page for each person")
    grade.add_argument(
        "--tests", type=Path, metavar="DIR", help="default: tests/graded here or above"
    )

    about = "write exercises/ from solutions/"
    make = add_command(commands, "make-exercises", _make, about, "--check")
    make.add_argument("--check", action="store_true", help="write nothing; fail if they differ")

    about = "write a folder for students, without answers, and what graders need"
    kit = add_command(commands, "class-kit", _kit, about, "build/class")
    kit.add_argument("folder", type=Path, metavar="DIR", help="a new folder")


def _grade(arguments: argparse.Namespace) -> int:
    from voxlab.grading.fence import FenceError
    from voxlab.grading.grade import Grader
    from voxlab.grading.graded import tests_folder
    from voxlab.grading.people import find_people
    from voxlab.grading.roster import Roster
    from voxlab.grading.submission import Sandbox

    path = arguments.path
    grader = Grader.load(arguments.tests or tests_folder(), path if path.is_dir() else None)
    people, strays = find_people(path, grader.names)
    roster = Roster.read(arguments.roster) if arguments.roster else None
    if roster:
        people = roster.complete(people)
    if arguments.gradescope and len(people) > 1:
        raise ExerciseError("--gradescope is for one person: name one file or one person's folder")
    if arguments.upload and not roster:
        raise ExerciseError("--upload fills in a table of the platform: name it with --roster")
    came = {id for person in people for id in person.files}
    is_whole = len(people) == 1 and path.is_dir()  # of one person we show what is missing
    assigned = arguments.only.split(",") if arguments.only else grader.tests if is_whole else came
    grader = grader.select([*assigned])
    try:
        with Sandbox() as sandbox:
            graded = _grade_people(replace(grader, sandbox=sandbox), people, arguments.jobs)
    except FenceError as error:
        print(f"voxlab: {error}", file=sys.stderr)
        return 1
    if graded:
        _report(arguments, graded, strays, sandbox.fences)
    if roster and arguments.upload and graded:
        _write(arguments.upload, roster.filled(graded))
    return 130 if len(graded) < len(people) else 0


def _grade_people(grader: "Grader", people: Sequence["Person"], jobs: int | None) -> "Class":
    """Grade people behind a progress bar; after Ctrl-C return those who are done."""
    from tqdm import tqdm

    graded: dict[str, Any] = {}
    options: dict[str, Any] = {"delay": 1, "leave": False, "disable": None, "unit": " people"}
    with tqdm(total=len(people), desc="grading", **options) as bar:
        try:
            for person, cards in grader.grade_class(people, jobs):
                name = person.name if person.name not in graded else f"{person.name} ({person.id})"
                graded[name] = (person, cards)
                bar.update()
        except KeyboardInterrupt:
            note = f"voxlab: stopped; {len(graded)} of {len(people)} people are graded"
            print(note, file=sys.stderr)
    return graded


def _report(
    arguments: argparse.Namespace, graded: "Class", strays: Sequence[str], fences: Sequence[str]
) -> None:
    """Write the files that were asked for, then print a class, or a person's cards."""
    from voxlab.grading import report

    is_class = len(graded) > 1
    _, cards = next(iter(graded.values()))
    if arguments.gradescope:
        _write(arguments.gradescope, json.dumps(report.as_gradescope(cards), indent=2))
    if arguments.csv:
        _write(arguments.csv, report.as_csv(graded))
    if arguments.feedback:
        for name, page in report.feedback(graded).items():
            _write(arguments.feedback / name, page)
    not_graded = [
        f"{who}: {note}".removeprefix(": ")
        for who, (one, _) in graded.items()
        for note in one.not_graded
    ]
    if arguments.json:
        told = report.class_as_json(graded) if is_class else report.as_json(cards)
        told |= {"not_graded": [*not_graded, *strays], "fences": fences}
        print(json.dumps(told, indent=2))
        return
    in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(report.as_table(graded) if is_class else report.as_text(cards, in_colour))
    for note in (*not_graded, *strays):
        print(f"note: {note}")
    if "namespaces" not in fences or "Landlock" not in fences:
        print(f"note: submissions were fenced in by the {' and the '.join(fences)} only")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
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

    for path in write_kit(tests_folder().parents[1], arguments.folder):
        print(path)
    return 0
