"""Turn-taking as tables: the turn manager's transitions, and meanings that were confused."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from voxlab.plots.call import STATE_LOOK
from voxlab.plots.palette import ERROR, MUTED, PAPER, SILENCE, STAGE, ink_on
from voxlab.turn_taking.events import EVENTS
from voxlab.turn_taking.manager import TABLE, Rule, State
from voxlab.turn_taking.transitions import Transitions, transitions

NOTHING = "_ignore"  # the rule of events that are late or cannot happen


def plot_transitions(leads: Transitions | None = None, ax: Axes | None = None) -> Axes:
    """Draw what the turn manager does: a row for each event, a column for each state.

    A cell names its rule in `manager.TABLE`, and below it the states that the event can lead to, as
    `transitions` found them by running the machine. An empty cell ignores its event.
    """
    leads = leads or transitions()
    states = list(State)
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 6.4), layout="constrained")
    for column, state in enumerate(states):
        for row, event in enumerate(EVENTS):
            others = [each for each in State if each in leads[state, event] - {state}]
            _draw_cell(ax, (column, row), state, TABLE[state, event], others)
    ax.set(xlim=(-0.5, len(states) - 0.5), ylim=(len(EVENTS) - 0.5, -0.5))
    ax.set_xticks(range(len(states)), [state.value for state in states])
    ax.set_yticks(range(len(EVENTS)), [_words(event.__name__) for event in EVENTS])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _draw_cell(
    ax: Axes, at: tuple[int, int], state: State, rule: Rule, leads_to: list[State]
) -> None:
    column, row = at
    frame: dict[str, Any] = {"facecolor": PAPER, "edgecolor": SILENCE}
    if rule.__name__ == NOTHING:
        ax.text(column, row, "–", ha="center", va="center", color=MUTED)
    else:
        frame = {"facecolor": STATE_LOOK[state][0], "edgecolor": "none", "alpha": 0.22}
        lines = [_words(rule.__name__)]
        if leads_to:
            lines.append("→ " + ", ".join(other.value for other in leads_to))
        ax.text(column, row, "\n".join(lines), ha="center", va="center", fontsize=9)
    ax.add_patch(_cell(column, row, **frame))


def _words(name: str) -> str:
    """Return a name of the code as words.

    >>> _words("_wait_for_silence"), _words("UserStarted")
    ('wait for silence', 'user started')
    """
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return " ".join(spaced.replace("_", " ").split())


def plot_confusions(table: Mapping[str, Mapping[str, int]], ax: Axes | None = None) -> Axes:
    """Draw a confusion table: a row for what was meant, a column for what was understood.

    table: counts as `count_confusions` returns them.
    What was right is framed; the stronger a cell's colour, the larger its share of the row.
    """
    columns = list(next(iter(table.values()), {}))
    if ax is None:
        size = (1.2 + 1.05 * len(columns), 1.0 + 0.5 * len(table))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    for row, (right, counts) in enumerate(table.items()):
        total = sum(counts.values()) or 1
        for column, name in enumerate(columns):
            share, color = counts[name] / total, STAGE if name == right else ERROR
            ax.add_patch(_cell(column, row, facecolor=color, alpha=share))
            frame = color if name == right else SILENCE
            ax.add_patch(_cell(column, row, fill=False, edgecolor=frame))
            if counts[name]:
                look: dict[str, Any] = {
                    "ha": "center",
                    "va": "center",
                    "color": ink_on(color, share),
                }
                ax.text(column, row, str(counts[name]), fontsize=11, **look)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(table) - 0.5, -0.5))
    ax.set_xticks(range(len(columns)), columns, fontsize=10)
    ax.set_yticks(range(len(table)), [f"{name} ({sum(table[name].values())})" for name in table])
    ax.set(xlabel="understood", ylabel="meant (how often)")
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _cell(column: int, row: int, **look: Any) -> Rectangle:
    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, zorder=0, **look)
