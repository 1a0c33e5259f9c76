"""The report of a suite as one page: figures, the waits as a picture, each call with its player."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from voxlab.errors import VoxlabError
from voxlab.evaluation.call_result import CallResult, Level
from voxlab.evaluation.panel import Figure
from voxlab.evaluation.regression_gate import Gate
from voxlab.evaluation.suite_report import SuiteReport
from voxlab.plots import palette
from voxlab.plots.latency import plot_waits
from voxlab.plots.pages import render_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

ABOUT = {  # of the figures whose names do not say what is counted
    "tasks done": "calls in which everything held that the script expects",
    "word error rate": "of the caller's words, all calls pooled",
    "values heard right": "order numbers, times, prices, days: each whole",
    "words invented, of those heard": "heard in silence, or in somebody else's voice",
    "history words wrong": "the agent remembers what nobody heard, or not what was heard",
    "tool calls as expected": "of those that the scripts expect, in their order",
    "dead air": "of the caller's turns: nobody speaks for 3 s, and the agent should",
    "response rate": "an answer begins within 2 s",
    "response latency, P50": "from the caller's last audible moment to the agent's first",
    "response latency, P95": "one in twenty waits longer",
    "total turn, P50": "to the end of the answer",
    "agent cuts in": "it begins before the caller is done",
    "yield rate": "spoken over, it is silent within 2 s",
    "yield latency, P50": "from the caller's first sound over it to its last",
    "recovery from interruptions": "silent, and a new answer begins within 3 s, 5 s with a tool",
    "backchannels ignored": "it goes on when the caller says “uh huh”",
    "noises ignored": "it goes on when somebody coughs, or speaks next to the caller",
}
FEWEST_WAITS = 2


def suite_page(report: SuiteReport, players: Mapping[str, str], gate: Gate | None = None) -> str:
    """Return the report as an HTML page that needs no other file and no network.

    players: the pages of calls by their ids, see `plots.player.call_page`; a call may have none.
    gate: the comparison with a baseline, if there is one.
    """
    calls = [
        {
            "result": call,
            "id": call.script.id,
            "state": state(call),
            "player": players.get(call.script.id, ""),
            "missed": [each for each in call.heard.values if not each.is_heard]
            if call.heard
            else [],
        }
        for call in report.calls
    ]
    shown = {
        "report": report,
        "calls": sorted(calls, key=lambda each: ORDER.index(str(each["state"]))),
        "counted": [
            (told, sum(each["state"] == name for each in calls))
            for name, told in zip(ORDER[:-1], COUNTED, strict=False)
        ],
        "conditions": _conditions(report),
        "rows": _rows(report),
        "waits": _waits(report),
        "found": _found_by_level(report),
        "gate": gate,
    }
    return render_page("suite.html", **shown)


ORDER = ("failed", "fails as known", "held, though a failure is known", "held")
COUNTED = ("failed", "fail as known", "held though a failure is known", "held")


def state(call: CallResult) -> str:
    """Return in a word or two what became of a call."""
    if call.fails:
        return "failed"
    if not call.holds:
        return "fails as known"
    is_surprising = call.script.known and call.script.level is Level.SPOKEN
    return "held, though a failure is known" if is_surprising else "held"


def plot_response_times(report: SuiteReport, ax: Axes | None = None) -> Axes:
    """Draw how long the callers of spoken calls waited, with the intervals of P50 and P95.

    Raises VoxlabError if fewer than two waits were measured.
    """
    waits_s = [
        turn.ttfb_s
        for call in report.at(Level.SPOKEN)
        if call.recording is not None
        for turn in call.recording.turns
        if turn.takes_the_floor and turn.ttfb_s is not None
    ]
    if len(waits_s) < FEWEST_WAITS:
        raise VoxlabError(f"{len(waits_s)} waits were measured: a distribution needs two or more")
    ax = plot_waits({f"{len(waits_s)} turns": cast(Any, waits_s)}, None, ax)
    for figure in report.figures[Level.SPOKEN]:
        percent = {"response latency, P50": 50, "response latency, P95": 95}.get(figure.name)
        if percent and figure.low is not None and figure.high is not None:
            look: dict[str, Any] = {"color": palette.USER, "linewidth": 5, "alpha": 0.3}
            ax.plot([figure.low, figure.high], [percent] * 2, **look)
    return ax


def _waits(report: SuiteReport) -> str:
    """Return the picture of the waits as SVG; "" if there are too few."""
    try:
        ax = plot_response_times(report)
    except VoxlabError:
        return ""
    picture = cast("Picture", ax.get_figure(root=True))
    svg = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "voxlab"}):  # the same report, the same page
        picture.savefig(svg, format="svg", metadata={"Date": None})
    plt.close(picture)
    return svg.getvalue()[svg.getvalue().index("<svg") :]


def _rows(report: SuiteReport) -> list[dict[str, Any]]:
    """Return a row for each figure, with a cell for each level."""
    names = dict.fromkeys(f.name for figures in report.figures.values() for f in figures)
    by_level = [{f.name: f for f in figures} for figures in report.figures.values()]
    about = {**ABOUT, f"pass^{report.repeats}": "of the scripts, all calls of one"}
    return [
        {
            "name": name,
            "about": about.get(name, ""),
            "cells": [_cell(figures.get(name)) for figures in by_level],
        }
        for name in names
    ]


def _cell(figure: Figure | None) -> dict[str, str]:
    if figure is None:
        return {"value": "–", "interval": "", "events": ""}
    if figure.value is None or figure.low is None or figure.high is None:
        return {"value": "N/A", "interval": "", "events": f"n = {figure.events}: too few"}
    scale, unit, digits = (1, " s", 2) if figure.unit else (100, "%", 0)
    value, low, high = (
        f"{scale * each:.{digits}f}{unit}" for each in (figure.value, figure.low, figure.high)
    )
    return {"value": value, "interval": f"{low} to {high}", "events": f"n = {figure.events}"}


def _conditions(report: SuiteReport) -> list[dict[str, Any]]:
    """Return a row for each condition, with links to its calls; as text only where they fail."""
    first = report.levels[0] if report.levels else Level.SPOKEN
    rows = []
    for name, calls in report.by_condition().items():
        heard = [call.heard.errors for call in calls if call.heard is not None]
        rows.append(
            {
                "name": name,
                "held": [
                    (sum(call.holds for call in each), len(each))
                    for level in report.levels
                    if (each := [call for call in calls if call.script.level is level])
                ],
                "wrong": (sum(each.errors for each in heard), sum(each.words for each in heard)),
                "links": [
                    {"id": call.script.id, "state": state(call)}
                    for call in calls
                    if call.script.level is first or not call.holds
                ],
            }
        )
    return rows


def _found_by_level(report: SuiteReport) -> dict[str, list[str]]:
    """Return which scripts fail at which levels, if both were tested."""
    if len(report.levels) < len(Level):
        return {}
    failing = {
        level: {call.script.name for call in report.at(level) if not call.holds} for level in Level
    }
    spoken, text = failing[Level.SPOKEN], failing[Level.TEXT]
    everything = {call.script.name for call in report.calls}
    return {
        "only spoken": sorted(spoken - text),
        "only as text": sorted(text - spoken),
        "at both levels": sorted(spoken & text),
        "at neither": sorted(everything - spoken - text),
    }
