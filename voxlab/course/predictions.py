"""Predictions: what the lessons ask before they show it, and what the student wrote down.

Answers are kept in lessons/predictions.json, {"00.1": "speaking"}, so that they survive a kernel
and a lesson that is copied anew.
"""

import ast
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxlab.course.copies import COPIES, lesson_files
from voxlab.errors import ExerciseError

FILE = f"{COPIES}/predictions.json"


@dataclass(frozen=True, slots=True)
class Question:
    """A prediction that a lesson asks for. id: the lesson and a number, such as "00.1"."""

    id: str
    text: str

    @property
    def lesson(self) -> str:
        """The lesson's number, such as "00"."""
        return self.id.partition(".")[0]


def find_questions(project: Path) -> list[Question]:
    """Return what the lessons ask, in their order: each `predict("00.1", "...?", ...)` in them."""
    return [Question(*arguments) for file in lesson_files(project) for arguments in _calls(file)]


def _calls(lesson: Path) -> Iterator[tuple[str, str]]:
    for cell in json.loads(lesson.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] != "code" or "predict(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "predict":
                id, question = map(ast.literal_eval, node.args[:2])
                yield id, question


def read_predictions(project: Path) -> dict[str, str]:
    """Return the answers by the question's id. Raises ExerciseError if their file is damaged."""
    file = project / FILE
    try:
        answers = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return {str(id): str(answer) for id, answer in answers.items()}
    except (ValueError, AttributeError) as error:
        raise ExerciseError(f"cannot read {file} ({error}): mend it, or delete it") from error


def keep_prediction(project: Path, id: str, answer: str) -> None:
    """Write an answer down."""
    answers = read_predictions(project) | {id: answer}
    file = project / FILE
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".new")
    text = json.dumps(answers, indent=1, ensure_ascii=False, sort_keys=True)
    unfinished.write_text(text + "\n", encoding="utf-8")
    os.replace(unfinished, file)
