"""The four ways of predicting K codes, as `benchmarks/speech_lm.py` measured them.

The file in data/speech_lm says when, where and by which command.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxlab import data
from voxlab.errors import DataError

FILE = "speech_lm/comparison.json"


@dataclass(frozen=True, slots=True)
class MeasuredPattern:
    """One pattern: what it costs, how it learned, and what a recogniser hears of it.

    positions: of an average unseen number. curve: (steps, processor seconds, nats a frame by
    stage) on unseen numbers, while it learned. heard: for each unseen number whether it was heard
    right. cpu_s_per_s: processor seconds to say a second. parameters: numbers in the model.
    """

    positions: int
    ms_per_step: float
    steps: int
    parameters: int
    cpu_s_per_s: float
    heard: tuple[bool, ...]
    curve: tuple[tuple[int, float, tuple[float, ...]], ...]

    @property
    def nats(self) -> tuple[float, ...]:
        """What the end of the training reached, by stage."""
        return self.curve[-1][2]

    def nats_at(self, steps: int) -> tuple[float, ...]:
        """Return the likelihood after so many steps, by stage, between two measured ones if so.

        Raises DataError if nothing was measured so early, or it was not trained so long.
        """
        at, _, nats = zip(*self.curve, strict=True)
        if not at[0] <= steps <= at[-1]:
            raise DataError(f"nothing is known of {steps} steps, ask for {at[0]} to {at[-1]}")
        by_stage = np.array(nats).T
        return tuple(float(np.interp(steps, at, stage)) for stage in by_stage)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All patterns from one run, and beside them what else was heard of the same numbers.

    heard_codec: true readings behind the codec, the best that can be heard. heard_reader: the
    model that comes with voxlab, which was trained for longer.
    """

    date: str
    machine: str
    command: str
    heard_codec: tuple[bool, ...]
    heard_reader: tuple[bool, ...]
    patterns: Mapping[str, MeasuredPattern]

    @property
    def equal_steps(self) -> int:
        """The steps that every pattern has done."""
        return min(each.steps for each in self.patterns.values())

    @staticmethod
    def of(found: Mapping[str, Any]) -> "Comparison":
        """Return the comparison that a JSON object holds."""
        return Comparison(
            found["date"],
            found["machine"],
            found["command"],
            tuple(found["heard_codec"]),
            tuple(found["heard_reader"]),
            {name: _measured(each) for name, each in found["patterns"].items()},
        )


def load(file: Path | None = None) -> Comparison:
    """Return the comparison that comes with voxlab. Raises DataError if the file is damaged."""
    file = file or data.path(FILE)
    try:
        return Comparison.of(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{file} holds no comparison: {type(error).__name__}: {error}. Try git checkout "
            "data/speech_lm, or python benchmarks/speech_lm.py --save"
        ) from error


def _measured(entry: Mapping[str, Any]) -> MeasuredPattern:
    curve = tuple(
        (point["steps"], point["seconds"], tuple(point["nats"])) for point in entry["curve"]
    )
    names = ("positions", "ms_per_step", "steps", "parameters", "cpu_s_per_s")
    return MeasuredPattern(
        **{name: entry[name] for name in names}, heard=tuple(entry["heard"]), curve=curve
    )
