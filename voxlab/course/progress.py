"""How far a student is: predictions of each lesson, points of each exercise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from voxlab.course.copies import lesson_files, project_folder
from voxlab.course.predictions import Question, find_questions, read_predictions
from voxlab.grading.grade import Grader, ScoreCard
from voxlab.grading.graded import tests_folder
from voxlab.grading.people import find_people


@dataclass(frozen=True)
class Progress:
    """Where a student stands; shows itself as a table in a notebook, as text elsewhere.

    titles: of the lessons and exercises, by number, such as {"00": "00_first_call"}.
    answers: by the question's id. cards: of the exercises, by the public and hidden tests at hand.
    """

    titles: dict[str, str]
    questions: Sequence[Question]
    answers: dict[str, str]
    cards: Sequence[ScoreCard]

    def rows(self) -> list[tuple[str, str, str]]:
        """Return a line for each lesson: its name, its predictions, the points of its exercise."""
        points = {card.exercise[2:]: f"{card.points} of {card.possible}" for card in self.cards}
        rows = []
        for number, title in sorted(self.titles.items()):
            asked = [question for question in self.questions if question.lesson == number]
            made = sum(question.id in self.answers for question in asked)
            predicted = f"{made} of {len(asked)}" if asked else ""
            rows.append((title, predicted, points.get(number, "")))
        made = sum(question.id in self.answers for question in self.questions)
        earned, possible = (sum(getattr(c, n) for c in self.cards) for n in ("points", "possible"))
        return [*rows, ("all", f"{made} of {len(self.questions)}", f"{earned} of {possible}")]

    def __repr__(self) -> str:
        rows = [("lesson", "predictions", "points"), *self.rows()]
        width = max(len(title) for title, *_ in rows)
        table = [
            f"{title:{width}}  {made:>11}  {points:>9}".rstrip() for title, made, points in rows
        ]
        return "\n".join([*table, "", *(f"{q.id}  {q.text}\n      {a}" for q, a in self._kept())])

    def _repr_html_(self) -> str:
        def table(rows: Iterable[Sequence[str]], tag: str = "td") -> str:
            cells = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for row in rows)
            return "".join(f"<tr style='text-align: left'>{row}</tr>" for row in cells)

        kept = table((question.id, question.text, answer) for question, answer in self._kept())
        head = table([("lesson", "predictions", "points of its exercise")], "th")
        folded = f"<details><summary>What you predicted</summary><table>{kept}</table></details>"
        return f"<table>{head}{table(self.rows())}</table>{folded if kept else ''}"

    def _kept(self) -> list[tuple[Question, str]]:
        return [(q, self.answers[q.id]) for q in self.questions if q.id in self.answers]


def progress(shown: Callable[[Sequence[str]], Iterable[str]] = iter) -> Progress:
    """Return how far the student is, over all lessons; grading their exercises takes some seconds.

    shown: wraps the list of exercises while they are graded, for a progress bar.
    """
    project = project_folder()
    exercises = project / "exercises"
    grader = Grader.load(tests_folder(), exercises)
    (person, *_), _ = find_people(exercises, grader.names)
    cards = [grader.grade_files(id, person.files.get(id, ())) for id in shown([*grader.tests])]
    return Progress(
        _titles(project, grader.names), find_questions(project), read_predictions(project), cards
    )


def _titles(project: Path, exercises: Mapping[str, str]) -> dict[str, str]:
    """Return the lessons by number, and those exercises that have no lesson of their number."""
    titles = {id[2:]: name for id, name in exercises.items()}
    return titles | {file.stem[:2]: file.stem for file in lesson_files(project)}
