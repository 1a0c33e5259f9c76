"""What a voice activity detector hears and decides, on one time axis."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from voxlab.audio import Audio, Samples, frames, levels_db
from voxlab.errors import AudioError
from voxlab.plots.palette import AGENT, ERROR, INK, PAPER, SILENCE, STAGE, USER
from voxlab.plots.redrawn import Redrawn
from voxlab.vad.endpointing import (
    NoiseFloor,
    SpeechEvent,
    SpeechSegment,
    SpeechStarted,
    VADOptions,
    segments,
    speech_events,
)
from voxlab.vad.error_rates import vad_costs
from voxlab.vad.silero import FRAME_S

SIZE_IN, DPI = (10, 5.6), 100
WAVE_HOP_S = 0.008  # a column of the waveform
QUIETEST_DB = -75.0  # what is quieter is drawn here
Drawn = Iterator[tuple[Axes, Artist]]


def plot_vad(
    audio: Audio,
    probabilities: Samples,
    options: VADOptions | None = None,
    turns: Sequence[SpeechSegment] = (),
) -> Figure:
    """Draw a recording, how likely each frame is speech, how loud it is, and what follows from it.

    probabilities: float (frames,), see `vad.speech_probabilities`; turns: where speech truly is, if
    that is known; then the setting's costs stand above the picture. Raises AudioError unless the
    probabilities are those of the recording.
    """
    lab = VADLab(plt.figure(dpi=DPI), audio, probabilities, turns)
    lab.update(options or VADOptions())
    return lab.figure


class VADLab(Redrawn):
    """The figure of `plot_vad`, and a quick way to draw it again with other options.

    What no option changes is drawn once: waveform, probabilities, levels, true turns.
    """

    def __init__(
        self,
        figure: Figure,
        audio: Audio,
        probabilities: Samples,
        turns: Sequence[SpeechSegment] = (),
    ) -> None:
        super().__init__(figure)
        figure.set_size_inches(SIZE_IN)
        self._probabilities, self._turns = probabilities, turns
        frame_size = round(FRAME_S * audio.rate_hz)
        self._levels_db = levels_db(frames(audio, frame_size))[: len(probabilities)]
        if not len(self._levels_db) or self._levels_db.shape != np.shape(probabilities):
            raise AudioError(
                f"{np.shape(probabilities)} probabilities for {audio.duration_s:.3f} s: pass "
                "those of this recording, vad.speech_probabilities(audio)"
            )
        floor = NoiseFloor()
        self._floor_db = np.array([floor.step(level_db) for level_db in self._levels_db])
        self._duration_s = audio.duration_s
        self._times_s = (np.arange(len(probabilities)) + 0.5) * FRAME_S
        rows: Any = self.figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        self._wave, self._chance, self._level = rows
        self.figure.subplots_adjust(left=0.09, right=0.985, top=0.87, bottom=0.085, hspace=0.12)
        self._draw_still(audio)

    def _draw_still(self, audio: Audio) -> None:
        hop = max(1, round(WAVE_HOP_S * audio.rate_hz))
        peaks = np.abs(frames(audio, hop)).max(axis=1)
        times_s = (np.arange(peaks.size) + 0.5) * hop / audio.rate_hz
        top = 1.15 * max(float(peaks.max(initial=0.0)), 0.01)
        self._wave.fill_between(times_s, -peaks, peaks, color=SILENCE, linewidth=0)
        self._wave.set(ylim=(-top, 1.35 * top), xlim=(0, self._duration_s), ylabel="waveform")
        bars = [(turn.start_s, turn.end_s - turn.start_s) for turn in self._turns]
        self._wave.broken_barh(bars, (1.18 * top, 0.12 * top), facecolor=INK)
        self._chance.plot(self._times_s, self._probabilities, color=USER, linewidth=0.9)
        self._chance.set(ylim=(-0.04, 1.04), yticks=(0, 0.5, 1), ylabel="speech\nprobability")
        quiet_db = np.maximum(self._levels_db, QUIETEST_DB)
        floor_db = np.maximum(self._floor_db, QUIETEST_DB)
        self._level.plot(self._times_s, quiet_db, color=SILENCE, linewidth=0.8)
        self._level.plot(self._times_s, floor_db, color=STAGE, linewidth=1.6)
        self._level.set(ylim=(QUIETEST_DB - 2, 0), yticks=(-60, -40, -20))
        self._level.set(ylabel="level\n(dB)", xlabel="time (s)")
        for ax in (self._wave, self._chance, self._level):
            ax.spines[["top", "right"]].set_visible(False)
        self._wave.set_yticks([])
        self._draw_legend()

    def _draw_legend(self) -> None:
        marker: dict[str, Any] = {"linestyle": "", "markersize": 7}
        handles = [
            Line2D([], [], color=INK, linewidth=4, label="true turn"),
            Patch(facecolor=USER, alpha=0.3, label="speech found"),
            Patch(facecolor=PAPER, edgecolor=USER, hatch="////", label="its padding"),
            Line2D([], [], color=STAGE, marker="^", label="start known", **marker),
            Line2D([], [], color=ERROR, marker="v", label="stop known", **marker),
            Line2D([], [], color=AGENT, linestyle="--", label="threshold"),
            Line2D([], [], color=AGENT, linestyle=":", label="exit threshold"),
            Line2D([], [], color=STAGE, linewidth=1.6, label="noise floor"),
        ]
        look: dict[str, Any] = {"fontsize": 9, "frameon": False, "columnspacing": 1.3}
        self.figure.legend(handles=handles, loc="upper left", ncols=4, **look)

    def update(self, options: VADOptions) -> None:
        """Segment the recording with other options; the network is not asked again."""
        events = speech_events(self._probabilities, options, levels_db=self._levels_db)
        drawn = (
            self._draw_segments(events, options.padding_s),
            self._draw_events(events),
            self._draw_thresholds(options),
            self._draw_costs(events, options),
        )
        self.replace(chain.from_iterable(drawn))

    def _draw_segments(self, events: Sequence[SpeechEvent], padding_s: float) -> Drawn:
        found = segments(events, 0.0, self._duration_s)
        padded = segments(events, padding_s, self._duration_s)
        speech = [(each.start_s, each.end_s) for each in found]
        pairs = list(zip(found, padded, strict=True))
        around = [(wide.start_s, each.start_s) for each, wide in pairs]
        around += [(each.end_s, wide.end_s) for each, wide in pairs]
        for ax in (self._wave, self._chance):
            yield ax, _bands(ax, speech, facecolor=USER, alpha=0.22)
        look: dict[str, Any] = {"facecolor": "none", "edgecolor": USER, "alpha": 0.5}
        yield self._wave, _bands(self._wave, around, hatch="////", **look)

    def _draw_events(self, events: Sequence[SpeechEvent]) -> Drawn:
        bottom = self._wave.get_ylim()[0]
        for kind, marker, color in ((True, "^", STAGE), (False, "v", ERROR)):
            times_s = [e.known_at_s for e in events if isinstance(e, SpeechStarted) is kind]
            (line,) = self._wave.plot(
                times_s,
                [0.88 * bottom] * len(times_s),
                marker,
                color=color,
                markersize=7,
                clip_on=False,
            )
            yield self._wave, line

    def _draw_thresholds(self, options: VADOptions) -> Drawn:
        ax = self._chance
        low, high = options.exit_threshold, options.threshold
        yield ax, ax.axhspan(low, high, facecolor=AGENT, alpha=0.12)
        yield ax, ax.axhline(high, color=AGENT, linestyle="--", linewidth=1.2)
        yield ax, ax.axhline(low, color=AGENT, linestyle=":", linewidth=1.6)
        floor_db = np.maximum(self._floor_db, QUIETEST_DB)
        over_db = {"--": options.start_over_floor_db, ":": options.stop_over_floor_db}
        for style, needed_db in over_db.items():
            if needed_db > 0:
                needed = floor_db + needed_db
                line = self._level.plot(self._times_s, needed, style, color=AGENT, linewidth=0.9)
                yield self._level, line[0]

    def _draw_costs(self, events: Sequence[SpeechEvent], options: VADOptions) -> Drawn:
        if not self._turns:
            return
        costs = vad_costs(events, self._turns, self._duration_s, padding_s=options.padding_s)
        look: dict[str, Any] = {"fontsize": 9, "va": "bottom", "transform": self._wave.transAxes}
        yield self._wave, self._wave.text(0, 1.03, str(costs), **look)


def _bands(ax: Axes, spans_s: Sequence[tuple[float, float]], **look: Any) -> Artist:
    """Draw stretches of time over the whole height, as one artist: that is quick."""
    bottom, top = ax.get_ylim()
    bars = [(start_s, end_s - start_s) for start_s, end_s in spans_s]
    return ax.broken_barh(bars, (bottom, top - bottom), linewidth=0, **look)
