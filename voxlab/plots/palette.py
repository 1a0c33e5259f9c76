"""Colours by role, from Okabe and Ito's palette for all kinds of colour vision.

A colour never says a thing alone: a label, a lane, a marker or a hatch says it as well.
"""

USER = "#0072B2"
AGENT = "#D55E00"
SILENCE = "#BBBBBB"
ERROR = "#CC79A7"
FAILED = "#B3261E"  # of small print: dark enough to be read
STAGE = "#009E73"
WAITING = "#F0E442"

LIGHT_AND_DARK = {  # of pages that follow the reader's theme
    "user": (USER, "#56B4E9"),
    "agent": (AGENT, "#F5A04C"),
    "error": (ERROR, "#E39AC4"),
    "failed": (FAILED, "#FF8A80"),
    "stage": (STAGE, "#3CC99A"),
    "waiting": (WAITING, "#F0E442"),
}
