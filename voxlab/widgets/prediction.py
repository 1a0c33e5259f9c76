"""A question before a result: the cell below is not shown before the student has answered."""

import html
import math
from collections.abc import Sequence
from typing import Any

import ipywidgets

from voxlab.course.copies import project_folder
from voxlab.course.predictions import keep_prediction, read_predictions
from voxlab.errors import ExerciseError
from voxlab.widgets.static import with_html

NO_IDEA = "no idea"


class Prediction(ipywidgets.VBox):  # type: ignore[misc]
    """A question with choices, or with a field for a number; see `predict`.

    answer: what was kept; "" before.
    """

    def __init__(
        self, id: str, question: str, choices: Sequence[str], unit: str, hides: int
    ) -> None:
        self._project = project_folder()
        self._id, self._question, self._choices, self._unit = id, question, choices, unit
        self._hides = hides
        kept = read_predictions(self._project).get(id, "")
        self.answer = "" if choices and kept not in (*choices, NO_IDEA) else kept
        if choices:
            self._field: Any = ipywidgets.RadioButtons(options=choices, value=None)
            self._field.layout.width = "auto"
        else:
            self._field = ipywidgets.Text(placeholder=f"a number ({unit})")
        self._keep = ipywidgets.Button(description="Keep my prediction")
        self._pass = ipywidgets.Button(description="I have no idea")
        self._message = ipywidgets.HTML()
        self._keep.on_click(lambda _: self._answered(self._field.value))
        self._pass.on_click(lambda _: self._answered(NO_IDEA))
        buttons = ipywidgets.HBox([self._keep, self._pass])
        title = ipywidgets.HTML(f"{_style(hides)}<b>Predict:</b> {html.escape(question)}")
        super().__init__([title, self._field, buttons, self._message])
        self.add_class(f"vx-predict-{hides}")
        self._show()

    def _answered(self, value: str | None) -> None:
        try:
            answer = self._checked(value)
            keep_prediction(self._project, self._id, answer)
        except (ExerciseError, OSError) as error:
            self._message.value = html.escape(str(error))
            return
        self.answer = answer
        self._show()

    def _checked(self, value: str | None) -> str:
        if not value:
            raise ExerciseError("choose one" if self._choices else "write a number")
        if self._choices or value == NO_IDEA:
            return value
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ExerciseError(f"{value!r} is not a number: write one such as 0.5")
        return f"{number:g} {self._unit}".strip()

    def _show(self) -> None:
        """Without an answer, hide what is below; with one, say it, and let nobody change it."""
        if not self.answer:
            self.add_class("vx-predict-open")
            self._message.value = "The result below is hidden until then." if self._hides else ""
            return
        self.remove_class("vx-predict-open")
        self._message.value = f"You predicted: <b>{html.escape(self.answer)}</b>"
        for control in (self._field, self._keep, self._pass):
            control.layout.display = "none"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Add the question as HTML; data-hides says how many results a page may fold up."""
        choices = "".join(f"<li>{html.escape(choice)}</li>" for choice in self._choices)
        choices = f"<ul>{choices}</ul>" if choices else f"<p>A number ({self._unit}).</p>"
        page = f"<p><b>Predict:</b> {html.escape(self._question)}</p>{choices}"
        page = f'<div class="vx-predict" data-hides="{self._hides}">{page}</div>'
        return with_html(super()._repr_mimebundle_(**options), page)


def predict(
    id: str, question: str, choices: Sequence[str] = (), *, unit: str = "", hides: int = 1
) -> Prediction:
    """Return a question to answer before the next cell's result is shown.

    id: the lesson and a number, such as "00.1". choices: without them, the answer is a number in
    the unit. hides: how many of the next cells show nothing before the answer; they do run, so
    that "Run All" works. The answer is kept in lessons/predictions.json, see `progress`.
    """
    return Prediction(id, question, choices, unit, hides)


def _style(hides: int) -> str:
    """Return the rule of JupyterLab's page that hides the results of the next cells, or none."""
    if not hides:
        return ""
    cells = [
        f".jp-Cell:has(.vx-predict-{hides}.vx-predict-open){' + .jp-Cell' * (n + 1)}"
        for n in range(hides)
    ]
    hidden = ", ".join(f"{cell} .jp-Cell-outputWrapper" for cell in cells)
    return f"<style>{hidden} {{ display: none }}</style>"
