"""Grading: run an exercise's tests against a submission and count the points.

A person's work is a `ScoreCard` for each exercise.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from voxlab.errors import ExerciseError
from voxlab.grading import fence
from voxlab.grading.fence import FenceError
from voxlab.grading.graded import GradedTest, find_tests, load_tests
from voxlab.grading.people import Person
from voxlab.grading.reading import Source, read_source
from voxlab.grading.submission import Sandbox, Submission, SubmissionError

Status = Literal["passed", "failed", "to do"]


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
    """The exercises' tests, their files' names, and the folders that no submission may read.

    folder: where the tests are. sandbox: where submissions run; None: the one that all share.
    """

    folder: Path
    tests: Mapping[str, Sequence[GradedTest]]
    names: Mapping[str, str]
    forbidden: tuple[Path, ...] = ()
    sandbox: Sandbox | None = None

    @classmethod
    def load(cls, folder: Path, submissions: Path | None = None) -> "Grader":
        """Load every test in a folder. submissions: what nobody may copy from, either."""
        root = folder.parent.parent
        secret = (folder, root / "solutions", root / "exercises", submissions)
        files = find_tests(folder)
        names = {id: file.stem.removeprefix("test_") for id, file in files.items()}
        tests = {id: load_tests(file) for id, file in files.items()}
        forbidden = tuple(path.resolve() for path in secret if path and path.is_dir())
        return cls(folder.resolve(), tests, names, forbidden)

    def select(self, exercises: Sequence[str]) -> "Grader":
        """Return a grader of these exercises. Raises ExerciseError if one has no tests."""
        if unknown := sorted(set(exercises) - set(self.tests)):
            known = ", ".join(self.tests)
            raise ExerciseError(f"there are no tests for {', '.join(unknown)}: there are {known}")
        return replace(self, tests={id: self.tests[id] for id in self.tests if id in exercises})

    def public(self, part: str) -> "Grader":
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
        return replace(self, tests=chosen)

    def grade_source(self, exercise: str, source: Source, file: str) -> ScoreCard:
        """Run the tests of an exercise against a submission's code."""
        with Submission(source, self.forbidden, sandbox=self.sandbox) as submission:
            outcomes = tuple(_run(test, submission) for test in self.tests[exercise])
            notes = tuple(submission.load_errors)
        return ScoreCard(exercise, file, outcomes, notes)

    def grade_files(self, exercise: str, files: Sequence[Path]) -> ScoreCard:
        """Grade a person's file for an exercise; of several, the one that earns most counts."""
        if not files:
            return self._nothing(exercise, "not handed in")
        cards = [self._grade_file(exercise, file) for file in files]
        best = max(cards, key=lambda card: card.points)  # the first of equals
        others = [card.file for card in cards if card is not best]
        if best.points and others:
            note = f"{best.file} counts; {', '.join(others)} earns no more"
            return replace(best, notes=(*best.notes, note))
        return best

    def _grade_file(self, exercise: str, file: Path) -> ScoreCard:
        try:
            return self.grade_source(exercise, read_source(file), file.name)
        except FenceError:
            raise
        except (ExerciseError, OSError) as error:
            return self._nothing(exercise, str(error), file.name)

    def _nothing(self, exercise: str, why: str, file: str = "") -> ScoreCard:
        """Return the card of an exercise that cannot be graded or was not handed in."""
        outcomes = tuple(Outcome(test, "to do") for test in self.tests[exercise])
        return ScoreCard(exercise, file, outcomes, (why,))

    def grade_class(
        self, people: Sequence[Person], jobs: int | None = None
    ) -> Iterator[tuple[Person, list[ScoreCard]]]:
        """Grade everybody; yield each person when all their exercises are graded.

        jobs: exercises at a time, each in a process of its own; by default one for each core.
        """
        tasks = [
            (number, id, person.files.get(id, ()))
            for number, person in enumerate(people)
            for id in self.tests
        ]
        jobs = max(1, min(jobs or os.cpu_count() or 1, len(tasks)))
        graded: list[dict[str, ScoreCard]] = [{} for _ in people]
        with contextlib.ExitStack() as stack:
            cards: Iterable[tuple[int, ScoreCard]]
            if jobs > 1:
                pool = multiprocessing.get_context("spawn").Pool(jobs, _prepare_job)
                stack.enter_context(pool)
                work = [(self.folder, self.forbidden, *task) for task in tasks]
                cards = map(self._with_tests, pool.imap_unordered(_job, work))
            else:
                cards = ((number, self.grade_files(id, files)) for number, id, files in tasks)
            for number, card in cards:
                graded[number][card.exercise] = card
                if len(graded[number]) == len(self.tests):
                    yield people[number], [graded[number][id] for id in self.tests]

    def _with_tests(self, answer: "_Answer") -> tuple[int, ScoreCard]:
        """Return what a job has sent as a card."""
        number, exercise, file, results, notes = answer
        pairs = zip(self.tests[exercise], results, strict=True)
        outcomes = tuple(Outcome(test, *result) for test, result in pairs)
        return number, ScoreCard(exercise, file, outcomes, notes)


# A card without its tests: whose, exercise, file, status and reason of each test, notes.
_Answer = tuple[int, str, str, list[tuple[Status, str]], tuple[str, ...]]


def _prepare_job() -> None:
    """Leave Ctrl-C to the process that counts, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fence.die_with_parent()


def _job(work: tuple[Path, tuple[Path, ...], int, str, Sequence[Path]]) -> _Answer:
    folder, forbidden, number, exercise, files = work
    card = replace(_loaded(folder), forbidden=forbidden).grade_files(exercise, files)
    results = [(outcome.status, outcome.reason) for outcome in card.outcomes]
    return number, exercise, card.file, results, card.notes


_loaded = cache(Grader.load)


def _run(test: GradedTest, submission: Submission) -> Outcome:
    """Run one test; a test that cannot use what it gets is a failed test."""
    submission.limit(test.limit_s)
    try:
        test.run(submission.module)
    except FenceError:
        raise
    except SubmissionError as error:
        return Outcome(test, "to do" if error.is_to_do else "failed", str(error))
    except AssertionError as error:
        return Outcome(test, "failed", str(error))
    except Exception as error:  # a None where a list was needed, and the like
        return Outcome(test, "failed", f"cannot use what came back: {error}")
    return Outcome(test, "passed")
