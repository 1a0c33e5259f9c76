import pytest

from voxlab.plots.player import call_frame
from voxlab.timeline import Call, Event, Timeline
from voxlab.widgets import explore_call


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
