"""Record a sentence of your own in the notebook, with the browser's microphone."""

import html
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import anywidget
import numpy as np
import traitlets

from voxlab import audio
from voxlab.audio import Audio
from voxlab.course.copies import COPIES, project_folder
from voxlab.errors import AudioError
from voxlab.widgets.live import LiveCall
from voxlab.widgets.static import with_html

RATE_HZ = 16_000
FILE = f"{COPIES}/recording.wav"
LEAST_S = 0.3
_FILES = files("voxlab.widgets")


class RecordButton(anywidget.AnyWidget):
    """A button that records, and a player of what there is; see `record`.

    audio: the recording, or the fallback while there is none. player, message: what the page shows.
    """

    _esm = "\n".join((_FILES / n).read_text("utf-8") for n in ("microphone.js", "recording.js"))
    _css = LiveCall._css
    player = traitlets.Unicode("").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    def __init__(self, fallback: Audio) -> None:
        super().__init__()
        self._file = project_folder() / FILE
        self.audio = fallback
        told = "Nothing of yours is recorded yet: the cells below use this recording of ours."
        if self._file.exists():
            try:
                self.audio = audio.read(self._file)
                told = f"This is yours, from {FILE}. The cells below use it; you may record again."
            except AudioError as error:
                told = f"{error}. The cells below use this recording of ours."
        self._show(told)
        self.on_msg(self._receive)

    def _show(self, message: str) -> None:
        self.player, self.message = self.audio._repr_html_(), message

    def _repr_mimebundle_(self, **options: Any) -> Any:
        page = f"<p>{html.escape(self.message)} <i>In JupyterLab you can record.</i></p>"
        return with_html(super()._repr_mimebundle_(**options), page + self.player)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        if content.get("kind") != "recording":
            return
        samples = np.frombuffer(buffers[0], "<f4")
        recorded = Audio(samples, int(content["rate_hz"])).resample(RATE_HZ)
        if audio.trim(recorded).duration_s < LEAST_S:
            self._show(
                f"Nobody is heard in these {recorded.duration_s:.1f} s: "
                "is it the right microphone? Record again."
            )
            return
        try:
            self._file.parent.mkdir(exist_ok=True)
            audio.write(self._file, recorded)
            kept = f", kept in {FILE} on this machine"
        except (AudioError, OSError) as error:
            kept = f", not kept: {error}"
        self.audio = recorded
        self._show(f"{recorded.duration_s:.1f} s of yours{kept}. Now run the cells below.")


def record(fallback: Audio) -> RecordButton:
    """Return a widget that records a sentence of up to 15 s; `.audio` is it, at 16 kHz, mono.

    fallback: what `.audio` is while nothing is recorded, so that a lesson runs without a
    microphone. The recording is kept in lessons/recording.wav and serves every lesson.
    """
    return RecordButton(fallback)
