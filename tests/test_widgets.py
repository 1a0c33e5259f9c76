import base64

import ipywidgets
import pytest

from voxlab import data
from voxlab.plots.player import call_frame
from voxlab.timeline import Call, Event, Timeline
from voxlab.widgets import explore_call, record
from voxlab.widgets.static import Explorer


def call_with_commit_at(at_s: float) -> Call:
    return Call(
        Timeline(
            [
                Event(0.0, "transport", "call_started"),
                Event(1.0, "caller", "speech_started", {"line": "1", "text": "Hello?"}),
                Event(2.0, "caller", "speech_stopped", {"line": "1"}),
                Event(2.0 + at_s, "turn", "commit", {"turn": 1, "text": "Hello?"}),
                Event(6.0, "transport", "call_ended", {"reason": "the caller hung up"}),
            ]
        )
    )


@pytest.mark.slow
def test_moving_the_slider_holds_a_new_call_and_shows_it() -> None:
    held: list[float] = []

    def hold(value: float) -> Call:
        held.append(value)
        return call_with_commit_at(value)

    slider, player = explore_call(hold, (0.2, 1.4, 0.1), 0.5, "silence (s)").children
    first = player.value
    slider.value = 1.4
    assert held == [0.5, 1.4]
    assert first == call_frame(call_with_commit_at(0.5))
    assert player.value == call_frame(call_with_commit_at(1.4))
    slider.value = 0.5
    assert held == [0.5, 1.4], "a call that was held is remembered"
    assert player.value == first


def test_without_a_kernel_an_explorer_shows_where_it_stands_and_what_follows() -> None:
    explorer = Explorer(
        [
            ipywidgets.HBox(
                [
                    ipywidgets.IntSlider(value=70, description="noise <dB>"),
                    ipywidgets.Checkbox(value=True, description="filler"),
                ]
            ),
            ipywidgets.Image(value=b"a picture", format="png"),
            ipywidgets.HTML("<audio src='x'></audio>"),
        ]
    )
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle, "with a kernel it is a widget"
    page = bundle["text/html"]
    assert "noise &lt;dB&gt;: 70; filler: on." in page
    assert base64.b64encode(b"a picture").decode() in page
    assert "<audio src='x'></audio>" in page


def test_without_a_kernel_the_recorder_plays_the_sound_that_the_cells_below_use() -> None:
    recorder = record(fallback=data.utterance("order_where").audio)
    bundle, _ = recorder._repr_mimebundle_()
    assert recorder.player.startswith("<audio")
    assert recorder.player in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
