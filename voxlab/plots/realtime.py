"""A realtime connection as a picture: every event in the row of its type, as they come."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from voxlab.plots.call import draw_voice, write
from voxlab.plots.palette import AGENT, ERROR, SILENCE, USER
from voxlab.timeline import Call, Event, Timeline

FAMILIES = ("session", "input_audio_buffer", "conversation", "response", "rate_limits", "error")
DIRECTIONS = {  # of the timeline's kinds: what is written over the rows, marker, colour
    "sent": ("client → server", "v", USER),
    "received": ("server → client", "^", AGENT),
}
STREAMED = (".delta", ".append")  # so many that they are drawn as one band
JOINED_S = 0.3  # deltas closer together than this are one band
VOICE_ROWS = 3.0  # the height of a voice, in rows


@dataclass
class _Row:
    kind: str  # "sent" or "received"
    type: str
    events: list[Event] = field(default_factory=list)


def plot_realtime_events(
    call: Call, start_s: float = 0.0, end_s: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the events of a realtime connection, a row for each type, and the sound below them.

    call: its timeline has the events that `agents.realtime.RecordedConnection` notes (transport,
    `sent` and `received`). Sound in pieces, and text in deltas, are bands with their count.
    start_s, end_s: the part to draw (the whole call).
    """
    voices = (("caller", call.user, USER), ("agent", call.agent, AGENT))
    sounds = [(name, voice, color) for name, voice, color in voices if voice is not None]
    if end_s is None:
        ends_s = [voice.duration_s for _, voice, _ in sounds]
        end_s = max([call.timeline.duration_s, start_s + 1, *ends_s])
    rows = _rows(call.timeline, start_s, end_s)
    height = len(rows) + len({row.kind for row in rows}) + len(sounds) * VOICE_ROWS
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 0.22 * height + 0.7), layout="constrained")
    ax.set_xlim(start_s, end_s)
    ax.set_ylim(max(height, 1.0), 0.0)
    titles: dict[float, str] = {}
    places: list[float] = []
    y = 0.0
    for index, row in enumerate(rows):
        if index == 0 or rows[index - 1].kind != row.kind:
            titles[y] = row.kind
            y += 1
        places.append(y + 0.5)
        y += 1
    voices_y = [y + VOICE_ROWS * (index + 0.5) for index in range(len(sounds))]
    names = [row.type for row in rows] + [name for name, _, _ in sounds]
    _style(ax, dict(zip([*places, *voices_y], names, strict=True)))  # first: labels take room
    for top, kind in titles.items():
        title = DIRECTIONS[kind][0]
        ax.text(start_s, top + 0.75, f" {title}", fontsize=9, weight="bold")
    for row, place in zip(rows, places, strict=True):
        _, marker, color = DIRECTIONS[row.kind]
        look = ("X", ERROR) if row.type == "error" else (marker, color)
        _draw_row(ax, row, place, *look)
    for (_, voice, color), place in zip(sounds, voices_y, strict=True):
        draw_voice(ax, voice, place, color)
    return ax


def _rows(timeline: Timeline, start_s: float, end_s: float) -> list[_Row]:
    """Return a row for each type, in the order of families and of first appearance."""
    rows: dict[tuple[str, str], _Row] = {}
    for event in timeline.select("transport"):
        if event.kind in DIRECTIONS and start_s <= event.at_s <= end_s:
            key = (event.kind, str(event.data["event"]["type"]))
            rows.setdefault(key, _Row(*key)).events.append(event)
    kinds = list(DIRECTIONS)
    return sorted(rows.values(), key=lambda row: (kinds.index(row.kind), _family(row.type)))


def _family(event_type: str) -> int:
    name = event_type.partition(".")[0]
    return FAMILIES.index(name) if name in FAMILIES else len(FAMILIES)


def _draw_row(ax: Axes, row: _Row, y: float, marker: str, color: str) -> None:
    gap_s = 0.009 * float(np.diff(ax.get_xlim())[0])
    if row.type.endswith(STREAMED):
        spans = list(_bands(row.events))
        bars = [(first, max(last - first, gap_s / 3)) for first, last, _ in spans]
        ax.broken_barh(bars, (y - 0.3, 0.6), facecolor=color, alpha=0.45, hatch="|||")
    else:
        spans = [(event.at_s, event.at_s, _said(event.data["event"])) for event in row.events]
        times_s = [event.at_s for event in row.events]
        ax.plot(times_s, [y] * len(times_s), marker, color=color, markersize=5, clip_on=False)
    for (_, last_s, text), following in zip(spans, [*spans[1:], None], strict=True):
        free_until_s = following[0] if following else ax.get_xlim()[1]
        write(ax, last_s + gap_s, free_until_s, y + 0.33, text, lines=1)


def _bands(events: Sequence[Event]) -> Iterator[tuple[float, float, str]]:
    """Yield when each run of deltas begins and ends, and how many there are."""
    runs: list[list[Event]] = []
    for event in events:
        if not runs or event.at_s - runs[-1][-1].at_s > JOINED_S:
            runs.append([])
        runs[-1].append(event)
    for run in runs:
        yield run[0].at_s, run[-1].at_s, f"× {len(run)}"


def _said(event: Mapping[str, Any]) -> str:
    """Return what is worth reading in an event, on one line; "" for nothing."""
    response, item = event.get("response") or {}, event.get("item") or {}
    place = [
        f"{name} {event[name]}" for name in ("audio_start_ms", "audio_end_ms") if name in event
    ]
    found = (
        event.get("transcript"),
        event.get("arguments"),
        (event.get("error") or {}).get("code"),
        item.get("output"),
        ", ".join(place),
        response.get("status"),
        item.get("role") or item.get("type"),
    )
    return str(next(filter(None, found), ""))


def _style(ax: Axes, labels: Mapping[float, str]) -> None:
    ax.set_yticks(list(labels), list(labels.values()), fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("time on the connection (s)")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(color=SILENCE, linewidth=0.3)
    ax.set_axisbelow(True)
