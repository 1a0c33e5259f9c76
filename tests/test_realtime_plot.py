"""The picture of a realtime connection."""

from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from voxlab.audio import Audio
from voxlab.plots import plot_realtime_events
from voxlab.timeline import Call, Event, Timeline

matplotlib.use("Agg")


def note(at_s: float, kind: str, type: str, **fields: Any) -> Event:
    return Event(at_s, "transport", kind, {"event": {"type": type, **fields}})


def busy_call() -> Call:
    """Return a call with events so close that not every note fits."""
    rng = np.random.default_rng(2)
    events = [note(0.1 * n, "sent", "input_audio_buffer.append") for n in range(100)]
    events += [note(2 + 0.02 * n, "received", "response.output_audio.delta") for n in range(40)]
    for at_s in np.sort(rng.uniform(3, 10, 12)):
        transcript = "A sentence that takes some room on the page"
        done = "response.output_audio_transcript.done"
        events.append(note(float(at_s), "received", done, transcript=transcript))
        events.append(note(float(at_s), "received", "error", error={"code": "invalid_value"}))
        truncate = "conversation.item.truncate"
        events.append(note(float(at_s), "sent", truncate, audio_end_ms=1500))
    voice = Audio(rng.normal(0, 0.1, 160_000), 16_000)
    return Call(Timeline([Event(0.0, "transport", "call_started"), *events]), voice, voice)


def drawn(call: Call, **part: float) -> tuple[Any, list[str]]:
    figure = Figure(figsize=(13, 6), layout="constrained")
    ax = plot_realtime_events(call, ax=figure.subplots(), **part)
    figure.canvas.draw()
    return ax, [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.slow
def test_no_two_notes_overlap():
    ax, _ = drawn(busy_call())
    boxes = [text.get_window_extent().shrunk(0.98, 0.8) for text in ax.texts if text.get_text()]
    assert len(boxes) > 5
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_each_type_has_one_row_and_the_client_speaks_above_the_server():
    _, rows = drawn(busy_call())
    assert rows == [
        "input_audio_buffer.append",
        "conversation.item.truncate",
        "response.output_audio.delta",
        "response.output_audio_transcript.done",
        "error",
        "caller",
        "agent",
    ]


def test_deltas_are_one_band_with_their_number():
    ax, _ = drawn(busy_call())
    assert [text.get_text() for text in ax.texts if "×" in text.get_text()] == ["× 40"]
    ax, _ = drawn(busy_call(), start_s=0.0, end_s=12.0)
    assert "× 100" in [text.get_text() for text in ax.texts]


def test_a_part_of_a_call_has_only_its_own_rows():
    _, rows = drawn(Call(busy_call().timeline), start_s=2.0, end_s=2.05)
    assert "response.output_audio.delta" in rows
    assert "user" not in rows
    _, rows = drawn(Call(busy_call().timeline), start_s=11.0)
    assert rows == []


def test_an_empty_call_is_an_empty_picture():
    assert drawn(Call(Timeline()))[1] == []
