"""What a widget shows where no kernel runs: on a web page, in a viewer, on paper."""

import base64
import html
from collections.abc import Iterator
from typing import Any

import ipywidgets


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """Controls and what follows from them; without a kernel, the picture of where they stand."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return with_html(super()._repr_mimebundle_(**options), _still(self))


def with_html(bundle: Any, page: str) -> Any:
    """Return what a widget gives to a notebook, with HTML for pages without widgets.

    bundle: the data by MIME type, or these and their metadata.
    """
    if isinstance(bundle, tuple):
        return bundle[0] | {"text/html": page}, *bundle[1:]
    return bundle | {"text/html": page}


def _still(box: ipywidgets.Box) -> str:
    """Return a box as HTML: where its controls stand, then its pictures, players and texts."""
    settings, shown = [], []
    for widget in _leaves(box):
        match widget:
            case ipywidgets.Image():
                data = base64.b64encode(widget.value).decode()
                shown.append(f'<img src="data:image/{widget.format};base64,{data}" alt="">')
            case ipywidgets.HTML():
                shown.append(widget.value)
            case ipywidgets.Checkbox():
                settings.append(f"{widget.description}: {'on' if widget.value else 'off'}")
            case _:
                settings.append(f"{widget.description}: {widget.value}")
    told = "; ".join(map(html.escape, settings))
    note = f"<p>Set to {told}. <i>In JupyterLab you can change it.</i></p>"
    return f'<div class="vx-still">{note}{"".join(shown)}</div>'


def _leaves(box: ipywidgets.Box) -> Iterator[ipywidgets.Widget]:
    """Yield the widgets that a box and the boxes in it hold, in order."""
    for widget in box.children:
        if isinstance(widget, ipywidgets.Box):
            yield from _leaves(widget)
        else:
            yield widget
