"""Grading: run an exercise's tests against a submission and count the points.

A person's work is a `ScoreCard` for each exercise; a class is a folder with a folder, or a prefix
of the file names, for each person.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from voxlab.errors import ExerciseError
from voxlab.grading.graded import GradedTest, find_tests, load_tests
from voxlab.grading.submission import Submission, SubmissionError, read_source

Status = Literal["passed", "failed", "to do"]
_FILE = re.compile(r"(?P<who>.*?)(?P<id>ex\d\d)_\w+[^/]*\.(py|ipynb)")


@dataclass(frozen=True)
class Outcome:
    """How one test went. reason: what the submission did wrong; empty if the hint says it all."""

    test: GradedTest
    status: Status
    reason: str = ""

    @property
    def points(self) -> int:
        """The points earned: all of the test's, or none."""
        return self.test.points if self.status == "passed" else 0


@dataclass(frozen=True)
class ScoreCard:
    """One exercise of one person. notes: what else the person should know, such as load errors."""

    exercise: str
    file: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """The points earned."""
        return sum(outcome.points for outcome in self.outcomes)

    @property
    def possible(self) -> int:
        """The points that the tests at hand can give."""
        return sum(outcome.test.points for outcome in self.outcomes)


@dataclass(frozen=True)
class Grader:
    """The exercises' tests, and the folders that no submission may read."""

    tests: Mapping[str, Sequence[GradedTest]]
    forbidden: tuple[Path, ...] = field(default=())

    @classmethod
    def load(cls, folder: Path, submissions: Path | None = None) -> "Grader":
        """Load every test in a folder. submissions: what nobody may copy from, either."""
        root = folder.parent.parent
        secret = (folder, root / "solutions", root / "exercises", submissions)
        tests = {id: load_tests(file) for id, file in find_tests(folder).items()}
        return cls(tests, tuple(path for path in secret if path and path.is_dir()))

    def select(self, part: str) -> "Grader":
        """Return a grader of the public tests of one part ("ex01.2") or exercise ("ex01").

        Raises ExerciseError if there is no such part.
        """
        chosen = {
            id: [test for test in tests if part in (id, test.part) and not test.hidden]
            for id, tests in self.tests.items()
        }
        chosen = {id: tests for id, tests in chosen.items() if tests}
        if not chosen:
            parts = sorted({test.part for tests in self.tests.values() for test in tests})
            raise ExerciseError(f"no tests for {part!r}: there are {', '.join(parts)}")
        return Grader(chosen, self.forbidden)

    def grade_source(
        self, exercise: str, source: Sequence[tuple[str, str]], file: str
    ) -> ScoreCard:
        """Run the tests of an exercise against a submission's code."""
        tests = self.tests[exercise]
        with Submission(source, self.forbidden) as submission:
            outcomes = tuple(_run(test, submission) for test in tests)
            notes = tuple(submission.load_errors)
        return ScoreCard(exercise, file, outcomes, notes)

    def grade_files(self, exercise: str, files: Sequence[Path]) -> ScoreCard:
        """Grade a person's file for an exercise; of several, the one that earns most counts."""
        cards = [self._grade_file(exercise, file) for file in files]
        best = max(cards, key=lambda card: card.points)  # the first of equals
        others = [card.file for card in cards if card is not best]
        if best.points and others:
            note = f"{best.file} counts; {', '.join(others)} earns no more"
            return ScoreCard(exercise, best.file, best.outcomes, (*best.notes, note))
        return best

    def _grade_file(self, exercise: str, file: Path) -> ScoreCard:
        try:
            return self.grade_source(exercise, read_source(file), file.name)
        except (ExerciseError, OSError) as error:
            return self.nothing(exercise, str(error), file.name)

    def nothing(self, exercise: str, why: str, file: str = "") -> ScoreCard:
        """Return the card of an exercise that cannot be graded or was not handed in."""
        outcomes = tuple(Outcome(test, "to do") for test in self.tests[exercise])
        return ScoreCard(exercise, file, outcomes, (why,))

    def grade_person(self, files: Mapping[str, Sequence[Path]]) -> list[ScoreCard]:
        """Grade one person's files, by exercise; an exercise without a file earns nothing."""
        return [
            self.grade_files(id, files[id]) if id in files else self.nothing(id, "not handed in")
            for id in self.tests
        ]

    def grade_class(
        self,
        people: Mapping[str, Mapping[str, Sequence[Path]]],
        on_done: Callable[[str], None] = lambda who: None,
    ) -> dict[str, list[ScoreCard]]:
        """Grade everybody, as many at a time as there are cores. on_done: called for each."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = {pool.submit(self.grade_person, files): who for who, files in people.items()}
            for future in as_completed(futures):
                on_done(futures[future])
            return {who: future.result() for future, who in futures.items()}


def _run(test: GradedTest, submission: Submission) -> Outcome:
    """Run one test; a test that cannot use what it gets is a failed test."""
    submission.limit(test.limit_s)
    try:
        test.run(submission.module)
    except SubmissionError as error:
        return Outcome(test, "to do" if error.is_to_do else "failed", str(error))
    except AssertionError as error:
        return Outcome(test, "failed", str(error))
    except Exception as error:  # a None where a list was needed, and the like
        return Outcome(test, "failed", f"cannot use what came back: {error}")
    return Outcome(test, "passed")


def find_people(path: Path) -> dict[str, dict[str, list[Path]]]:
    """Return whose file for which exercise: {"ada": {"ex01": [.../ex01_hysteresis.ipynb]}}.

    path: a script or notebook; a folder of them (one person, named ""); a folder with a folder for
    each person; or a folder whose file names begin with the person ("ada_ex01_hysteresis.py").
    Raises ExerciseError if no exercise is found.
    """
    if not path.exists():
        raise ExerciseError(f"{path}: there is no such file or folder")
    if path.is_file():
        match = _FILE.fullmatch(path.name)
        if not match:
            raise ExerciseError(f"{path}: not an exercise, needs a name like ex01_hysteresis.py")
        return {"": {match["id"]: [path]}}
    people = _by_person(sorted(path.iterdir()))
    if "" not in people:
        for folder in sorted(entry for entry in path.iterdir() if _is_persons_folder(entry)):
            files = _by_person(sorted(folder.rglob("*")))
            people[folder.name] = {
                id: [file for theirs in files.values() for file in theirs.get(id, [])]
                for id in {id for theirs in files.values() for id in theirs}
            }
    if not any(people.values()):
        raise ExerciseError(f"{path}: no exercise in it, needs names like ex01_hysteresis.py")
    return people


def _is_persons_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink() and not entry.name.startswith((".", "__"))


def _by_person(files: Iterable[Path]) -> dict[str, dict[str, list[Path]]]:
    people: dict[str, dict[str, list[Path]]] = {}
    for file in files:
        match = _FILE.fullmatch(file.name)
        if match and file.is_file() and ".ipynb_checkpoints" not in file.parts:
            person = people.setdefault(match["who"].strip("_- "), {})
            person.setdefault(match["id"], []).append(file)
    return people
