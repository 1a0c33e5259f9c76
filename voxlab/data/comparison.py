"""The same twenty utterances for any agent, and what a right answer to each must contain.

The table is data/comparison.yaml; its head says what an entry holds. `agents.comparison` puts them
to an agent, `evaluation.answer_quality` judges what came of it. Source: exercise 19.7.2.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from voxlab.data.recordings import CallerUtterance, path, utterance
from voxlab.data.yaml_files import read_yaml
from voxlab.timeline import Call


@dataclass(frozen=True, slots=True)
class Trial:
    """One utterance, put to an agent in a call of its own.

    answer: for each thing that a right answer says, the wordings that will do. does, arguments:
    the tool that must have changed the shop, "" if nothing may. hands_over: a person must take
    the call.
    """

    id: str
    utterance: CallerUtterance
    answer: tuple[tuple[str, ...], ...]
    does: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hands_over: bool = False


@dataclass(frozen=True, slots=True)
class HeldTrial:
    """What came of a trial: the call; what the shop holds after it, and what it should hold.

    shop, wanted_shop: see `dump_database`.
    """

    trial: Trial
    call: Call
    shop: str
    wanted_shop: str


@cache
def load_trials() -> tuple[Trial, ...]:
    """Return the twenty trials of data/comparison.yaml, in its order."""
    table = read_yaml(path("comparison.yaml"))
    return tuple(_trial(id, entry) for id, entry in table.items())


def _trial(id: str, entry: Mapping[str, Any]) -> Trial:
    ((does, arguments),) = entry.get("does", {"": {}}).items()
    return Trial(
        id,
        utterance(entry["say"], entry["voice"]),
        tuple(tuple(part.strip() for part in each.split("|")) for each in entry["answer"]),
        does,
        arguments,
        entry.get("hands_over", False),
    )


def dump_database(database: sqlite3.Connection) -> str:
    """Return all rows of a database as text, to compare two of them."""
    return "\n".join(database.iterdump())
