"""The files that the commands leave of calls: recording, timeline, page, captions, pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from voxlab.errors import ScriptError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from voxlab.timeline import Call


def save_call(call: "Call", folder: Path, title: str) -> None:
    """Write the record of a call; the README says what the files are."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from voxlab.evaluation.captions import captions, to_audacity_labels, to_webvtt
    from voxlab.plots import plot_call
    from voxlab.plots.player import call_page

    try:
        call.save(folder)
        said = captions(call.timeline)
        for name, text in (
            ("call.html", call_page(call, title)),
            ("call.vtt", to_webvtt(said)),
            ("call.labels.txt", to_audacity_labels(said)),
        ):
            (folder / name).write_text(text, encoding="utf-8", errors="replace")
        figure = cast("Figure", plot_call(call).get_figure(root=True))  # None only if removed
        figure.savefig(folder / "call.png", dpi=100)
        pyplot.close(figure)  # pyplot would keep it
    except OSError as error:
        raise ScriptError(f"cannot write to {folder}: {error}; choose another --out") from error


def draw_calls(calls: "Mapping[str, Call]", folder: Path) -> Path:
    """Write one picture of several calls, their timelines under one another; return its file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from voxlab.plots import plot_calls

    picture = folder / "compare.png"
    try:
        figure = plot_calls(calls)
        figure.savefig(picture, dpi=80)
        pyplot.close(figure)
    except OSError as error:
        raise ScriptError(f"cannot write {picture}: {error}; choose another --out") from error
    return picture
