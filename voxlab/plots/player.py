"""A call as a page: its voices, lanes and words in one picture that plays.

`call_page` is a file of its own, without network; `call_frame` shows the same page in a notebook.
"""

import html
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from voxlab import audio
from voxlab.evaluation.call_lanes import Interval, call_lanes
from voxlab.evaluation.captions import captions
from voxlab.plots.envelope import PEAKS_PER_S, peaks
from voxlab.plots.pages import render_page
from voxlab.timeline import Call, to_plain


def call_page(call: Call, title: str = "A call") -> str:
    """Return a call as an HTML page: two waveforms, the lanes of its timeline, its transcripts.

    Sound (Ogg Opus), styles and script are inside. Without sound the page still shows all else.
    """
    return render_page("player.html", title=title, call=player_data(call))


def call_frame(call: Call) -> str:
    """Return the page of a call for a notebook's cell, in a frame as tall as the page."""
    page = html.escape(call_page(call, title=""))
    style = "width: 100%; height: 40em; border: 0"
    return f'<iframe class="vx-call" title="A call" style="{style}" srcdoc="{page}"></iframe>'


def player_data(call: Call) -> dict[str, Any]:
    """Return what the page shows, as plain values; times in seconds from the start of the call.

    peaks: of each voice, PEAKS_PER_S a second, 0 to 99. row: of an interval, where it covers none.
    """
    timeline = call.timeline
    voices = {"caller": call.user, "agent": call.agent}
    has_sound = any(voice is not None and voice.samples.size for voice in voices.values())
    sounds = [voice for voice in voices.values() if voice is not None]
    data = {
        "duration_s": max([timeline.duration_s, *(voice.duration_s for voice in sounds)]),
        "sound": audio.data_uri(*sounds) if has_sound else "",
        "peaks_per_s": PEAKS_PER_S,
        "voices": {
            who: [] if voice is None else (99 * peaks(voice, PEAKS_PER_S)).astype(int).tolist()
            for who, voice in voices.items()
        },
        "lanes": {
            name: [{**asdict(each), "row": row} for each, row in in_rows(intervals)]
            for name, intervals in call_lanes(timeline).items()
            if intervals
        },
        "captions": [asdict(caption) for caption in captions(timeline) if str(caption)],
        "failures": [
            {"at_s": event.at_s, "what": event.failure, "trace": str(event.data.get("trace", ""))}
            for event in timeline.failures
        ],
    }
    plain: dict[str, Any] = to_plain(data)
    return plain


def in_rows(intervals: Iterable[Interval]) -> Iterator[tuple[Interval, int]]:
    """Yield intervals in order of time, each with the first row in which it covers none before."""
    free_s: list[float] = []
    for each in sorted(intervals, key=lambda interval: interval.start_s):
        row = next((i for i, until_s in enumerate(free_s) if until_s <= each.start_s), len(free_s))
        free_s[row : row + 1] = [each.end_s]
        yield each, row
