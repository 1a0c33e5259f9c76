"""What telephone lines leave of a voice, as `benchmarks/telephone_sound.py` measured it.

The file in data/ says when, over which recordings and by which command.
"""

import json
from dataclasses import dataclass

from voxlab import data
from voxlab.errors import DataError

FILE = "telephone_sound.json"


@dataclass(frozen=True, slots=True)
class MeasuredLine:
    """One line at one share of lost packets.

    wer: the share of words that Moonshine has wrong. stoi: intelligibility beside the same codec
    without loss, None where nothing was lost.
    """

    line: str
    loss: float
    wer: float
    stoi: float | None = None


def load_measured_lines() -> tuple[MeasuredLine, ...]:
    """Return all lines, in the order of the benchmark's table.

    Raises DataError if the file is damaged.
    """
    try:
        rows = json.loads(data.path(FILE).read_text("utf-8"))["sound"]
        return tuple(MeasuredLine(**row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{FILE} is damaged: {error!r}. Try git checkout data") from error
