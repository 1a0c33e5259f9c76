"""A class graded: the wall time of 30 complete submissions, and what a submission's start costs.

    python benchmarks/grading.py [--json] [PEOPLE]

Each person hands in every exercise, solved. cpu_s_per_person is what a person costs once engines
are loaded, all processes together: it tells more than the wall time on a machine with other work.
The peer is the plain way: a fresh Python for each submission, which imports what the exercise
imports. Target: 30 people in under 3 minutes on two cores.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from voxlab.grading import source
from voxlab.grading.grade import Grader
from voxlab.grading.people import find_people
from voxlab.grading.reading import read_source
from voxlab.grading.submission import Sandbox, Submission

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 10


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    people = numbers[0] if numbers else 30
    with tempfile.TemporaryDirectory() as folder:
        exercises = hand_in(Path(folder), people)
        start_s = time.perf_counter()
        points = grade(Path(folder))
        wall_s = time.perf_counter() - start_s
    with tempfile.TemporaryDirectory() as folder:
        hand_in(Path(folder), 2)
        grade(Path(folder), jobs=1)  # loads the engines
        start_s = cpu_s()
        grade(Path(folder), jobs=1)
        cpu_s_per_person = (cpu_s() - start_s) / 2
    submission = read_source(next(iter(sorted((ROOT / "solutions").glob("ex*.py")))))
    figures = {
        "people": people,
        "exercises": exercises,
        "wall_s": wall_s,
        "s_per_person": wall_s / people,
        "cpu_s_per_person": cpu_s_per_person,
        "points": points,
        "start_ms": 1000 * seconds(lambda: start(submission)),
        "start_ms_fresh_python": 1000 * seconds(lambda: start_python(submission)),
    }
    for name, value in figures.items():
        print(f"{name:24} {value:12,.2f}")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


def hand_in(folder: Path, people: int) -> int:
    """Write everybody's solutions; return how many exercises there are."""
    solutions = sorted((ROOT / "solutions").glob("ex*.py"))
    for number in range(people):
        person = folder / f"person {number:02d}"
        person.mkdir()
        for solution in solutions:
            text = source.without_markers(solution.read_text("utf-8"), solution.name)
            (person / solution.name).write_text(text, encoding="utf-8")
    return len(solutions)


def grade(folder: Path, jobs: int | None = None) -> int:
    """Grade a class as `voxlab grade` does; return the points of all."""
    with Sandbox() as sandbox:
        grader = Grader.load(ROOT / "tests" / "graded", folder)
        people, _ = find_people(folder, grader.names)
        graded = replace(grader, sandbox=sandbox).grade_class(people, jobs)
        return sum(card.points for _, cards in graded for card in cards)


def cpu_s() -> float:
    """Return the processor seconds of this process and of those that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def start(submission: list[tuple[str, str]]) -> None:
    with Submission(submission) as started:
        started.module.__getattr__("check")


def start_python(submission: list[tuple[str, str]]) -> None:
    imports = "\n".join(line for line in submission[0][1].splitlines() if line.startswith("from"))
    subprocess.run([sys.executable, "-I", "-c", imports], check=True)


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of some work, the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        work()
        rounds.append(time.perf_counter() - start_s)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
