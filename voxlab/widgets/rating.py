"""Ratings by ear: calls, each with a row of buttons from 1 to 5."""

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets

from voxlab.audio import player_html
from voxlab.course.copies import project_folder
from voxlab.course.predictions import keep_prediction, read_predictions
from voxlab.errors import ExerciseError, VoxlabError
from voxlab.timeline import Call
from voxlab.widgets.static import with_html

SCALE = ("1", "2", "3", "4", "5")


class Ratings(ipywidgets.VBox):  # type: ignore[misc]
    """Calls to rate; see `rate`."""

    def __init__(self, id: str, question: str, heard: Mapping[str, Call]) -> None:
        self._project, self._names = project_folder(), [f"{id}: {name}" for name in heard]
        kept = read_predictions(self._project)
        self._rows, self._page = [], [f"<p><b>{html.escape(question)}</b></p>"]
        self._message = ipywidgets.HTML()
        children: list[ipywidgets.Widget] = [ipywidgets.HTML(self._page[0])]
        for (name, call), key in zip(heard.items(), self._names, strict=True):
            shown = f"<p>{html.escape(name)}</p>{_player(call)}"
            buttons = ipywidgets.ToggleButtons(
                options=SCALE, value=kept[key] if kept.get(key) in SCALE else None
            )
            buttons.style.button_width = "3em"
            buttons.observe(lambda change, key=key: self._keep(key, change["new"]), names="value")
            self._rows.append(buttons)
            self._page.append(shown)
            children += [ipywidgets.HTML(shown), buttons]
        super().__init__([*children, self._message])

    @property
    def values(self) -> list[int | None]:
        """The ratings in the order of the calls; None where there is none yet."""
        return [None if row.value is None else int(row.value) for row in self._rows]

    def _keep(self, key: str, value: str) -> None:
        try:
            keep_prediction(self._project, key, value)
            self._message.value = ""
        except (ExerciseError, OSError) as error:
            self._message.value = html.escape(str(error))

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Add the calls as HTML, for pages without a kernel."""
        page = "".join([*self._page, f"<p>From {SCALE[0]} to {SCALE[-1]}.</p>"])
        return with_html(super()._repr_mimebundle_(**options), page)


def _player(call: Call) -> str:
    """Return a player. Raises VoxlabError for a call without sound."""
    if call.user is None or call.agent is None:
        raise VoxlabError("a call without sound cannot be rated by ear: hold it with a voice")
    return player_html(call.user, call.agent)


def rate(id: str, question: str, heard: Mapping[str, Call]) -> Ratings:
    """Return calls to hear, each with buttons from 1 to 5; `values` has what was chosen.

    id: the lesson, such as "13". heard: what to hear, by its name. The ratings are kept beside the
    predictions, in lessons/predictions.json, and are there when the cell runs again.
    """
    return Ratings(id, question, heard)
