"""A training that runs in the notebook, with a progress bar and a Stop button."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ipywidgets

from voxlab.widgets.static import with_html

if TYPE_CHECKING:
    from voxlab.speech_lm.train import Progress, Trainer

SHOWN_EVERY = 5  # steps: each message to the page costs time


class LiveTraining(ipywidgets.VBox):  # type: ignore[misc]
    """A bar, a button and a line of text; see `live_training`.

    losses: nats a code by stage, for each step so far, in order.
    """

    def __init__(self, trainer: "Trainer", seconds: float) -> None:
        self.trainer = trainer
        self.losses: list[tuple[float, ...]] = []
        self._seconds = trainer.seconds + seconds
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._bar = ipywidgets.FloatProgress(
            value=0.0, max=seconds, description="training", bar_style="info"
        )
        self._button = ipywidgets.Button(description="Stop", icon="stop")
        self._text = ipywidgets.Label("starting")
        self._button.on_click(lambda _: self._stopping.set())
        row = ipywidgets.HBox([self._bar, self._button, self._text])
        super().__init__([row])
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the training after the step it is in, as the button does."""
        self._stopping.set()
        self.wait()

    def wait(self) -> "Trainer":
        """Wait until the training has ended, and return its trainer; an interrupt stops it."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self._stopping.set()
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self.trainer

    def close(self) -> None:
        """End the training and take the widget off the page."""
        self._stopping.set()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        page = f"<p><i>Here {self._bar.max:.0f} s of training run. In JupyterLab a bar shows them, "
        page += "and a button stops them.</i></p>"
        return with_html(super()._repr_mimebundle_(**options), page)

    def _train(self) -> None:
        before, state = self.trainer.seconds, "done"
        try:
            for progress in self._steps():
                self.losses.append(progress.by_stage)
                if progress.steps % SHOWN_EVERY == 0:
                    self._bar.value = progress.seconds - before
                    self._text.value = f"{progress.steps} steps, {progress.loss:.1f} nats a frame"
                if self._stopping.is_set():
                    state = "stopped"
                    break
            else:
                self._bar.value = self._bar.max
        except Exception as error:  # it must reach the reader, who is in another thread
            self._failure, state = error, "failed"
        self._button.disabled = True
        self._text.value = f"{state} after {self.trainer.steps} steps"

    def _steps(self) -> Iterator["Progress"]:
        from voxlab.speech_lm.train import run

        return run(self.trainer, seconds=self._seconds)


def live_training(trainer: "Trainer", seconds: float) -> Any:
    """Train for so many more processor seconds, in a thread, and return what to show.

    The cell ends at once, so the button works; `.wait()` in a later cell waits for the end. Without
    widgets: for progress in run(trainer, seconds=...).
    """
    return LiveTraining(trainer, seconds)
