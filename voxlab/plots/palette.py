"""Colours by role, from Okabe and Ito's palette for all kinds of colour vision, in two themes.

A colour never says a thing alone: a label, a lane, a marker or a hatch says it as well. A role's
name is a colour to matplotlib, as "tab:blue" is; `use_theme` says which.
"""

import os
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colors
from matplotlib.typing import ColorType

from voxlab.errors import VoxlabError

LIGHT_AND_DARK = {
    "user": ("#0072B2", "#56B4E9"),
    "agent": ("#D55E00", "#F5A04C"),
    "silence": ("#BBBBBB", "#777777"),
    "error": ("#CC79A7", "#E39AC4"),
    "failed": ("#B3261E", "#FF8A80"),  # of small print: it can be read
    "stage": ("#009E73", "#3CC99A"),
    "waiting": ("#F0E442", "#F0E442"),
    "ink": ("#000000", "#EEEEEE"),  # text and axes
    "muted": ("#595959", "#B5B5B5"),  # text of what does not count
    "paper": ("#FFFFFF", "#111111"),
}
THEMES = ("light", "dark")
VARIABLE = "VOXLAB_THEME"  # of the environment

USER, AGENT, SILENCE = "voxlab:user", "voxlab:agent", "voxlab:silence"
ERROR, FAILED, STAGE, WAITING = "voxlab:error", "voxlab:failed", "voxlab:stage", "voxlab:waiting"
INK, MUTED, PAPER = "voxlab:ink", "voxlab:muted", "voxlab:paper"

SETTINGS = {  # of matplotlib: whose colour each takes
    "text.color": "ink",
    "axes.edgecolor": "ink",
    "axes.labelcolor": "ink",
    "xtick.color": "ink",
    "ytick.color": "ink",
    "patch.edgecolor": "ink",
    "figure.facecolor": "paper",
    "axes.facecolor": "paper",
}


def use_theme(name: str) -> None:
    """Draw figures from now on in a theme: "light" or "dark".

    It sets matplotlib's colours of text, axes and backgrounds, so a figure of your own follows
    it. With VOXLAB_THEME=dark in the environment, figures are dark from the start. Raises
    VoxlabError for another name.
    """
    if name not in THEMES:
        raise VoxlabError(f"no theme {name!r}; there are {', '.join(THEMES)}")
    _name_colours(name)
    settings: dict[Any, Any] = {
        setting: LIGHT_AND_DARK[role][THEMES.index(name)] for setting, role in SETTINGS.items()
    }
    matplotlib.rcParams.update(settings)


def _name_colours(theme: str) -> None:
    named = colors.get_named_colors_mapping()
    for role, pair in LIGHT_AND_DARK.items():
        named[f"voxlab:{role}"] = pair[THEMES.index(theme)]


def ink_on(color: str, alpha: float = 1.0) -> str:
    """Return "black" or "white", whichever can be read on a colour that lies on the paper.

    One of the two always has a contrast of 4.5:1 at least, as WCAG 2.2 asks of small text.
    """
    over, under = np.array(colors.to_rgb(color)), np.array(colors.to_rgb(PAPER))
    mixed = tuple(alpha * over + (1 - alpha) * under)
    return max(("black", "white"), key=lambda ink: contrast(ink, mixed))


def contrast(one: ColorType, other: ColorType) -> float:
    """Return the contrast ratio of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: ColorType) -> float:
    """Return the relative luminance of a colour, 0 to 1. Source: WCAG 2.2."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colors.to_rgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


_name_colours("light")
if VARIABLE in os.environ:
    use_theme(os.environ[VARIABLE])
