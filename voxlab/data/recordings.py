"""The recordings and the shop that come with voxlab: data/, beside the package in a checkout.

Callers' utterances by two synthetic voices, human telephone prompts in five languages and words in
English, a minute of hold music, and the tables of Acme Corp. data/README.md tells where each file
comes from.
"""

import csv
import difflib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from voxlab import audio
from voxlab.audio import Audio
from voxlab.data.yaml_files import read_yaml
from voxlab.errors import DataError

VOICES = ("heart", "espeak")


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech in a file, with what is said in it."""

    id: str
    text: str
    path: Path

    @property
    def audio(self) -> Audio:
        """The sound, read anew each time. Raises AudioError if the file is damaged."""
        return audio.read(self.path)


@dataclass(frozen=True, slots=True)
class CallerUtterance(Recording):
    """What a caller says once.

    kind: what it is for ("weather", "order", "backchannel", ...). voice: "heart" or "espeak".
    order_id: the order it is about, "" for none.
    """

    kind: str
    voice: str
    order_id: str


@dataclass(frozen=True, slots=True)
class Prompt(Recording):
    """A sentence of a telephone system, recorded by a person."""

    language: str
    speaker: str


def folder() -> Path:
    """Return the data folder: $VOXLAB_DATA, or data/ beside the package."""
    given = os.environ.get("VOXLAB_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "data"


def path(name: str) -> Path:
    """Return a file of the data folder, such as "callers/heart/yeah.wav".

    Raises DataError if there is no data folder, or no such file in it.
    """
    found = folder() / name
    if not folder().is_dir():
        raise DataError(
            f"no data folder at {folder()}: clone the repository, or let the environment variable "
            "VOXLAB_DATA name its data/"
        )
    if not found.exists():
        raise DataError(f"no {name} in {folder()}: see its README.md, or run git checkout data")
    return found


def utterances() -> tuple[str, ...]:
    """Return the ids of the callers' utterances."""
    return tuple(_read_yaml(path("callers/utterances.yaml")))


def utterance(id: str, voice: str = "heart") -> CallerUtterance:
    """Return what a caller says, in the default voice or by espeak-ng.

    Raises DataError, with the ids there are, if the id or the voice is unknown.
    """
    known = _read_yaml(path("callers/utterances.yaml"))
    entry = known[_known(id, known, "utterance")]
    file = path(f"callers/{_known(voice, VOICES, 'voice')}/{id}.wav")
    pieces = [piece for piece in entry.get("pieces", [entry.get("text")]) if isinstance(piece, str)]
    order_id = entry.get("order_id", entry.get("unknown_order_id", ""))
    return CallerUtterance(id, " ".join(pieces), file, entry["kind"], voice, order_id)


def prompts(language: str = "en") -> tuple[Prompt, ...]:
    """Return the human prompts in "en", "es", "fr", "it" or "ru". Raises DataError for others."""
    languages = _read_yaml(path("prompts/transcripts.yaml"))
    entry = languages[_known(language, languages, "language")]
    return tuple(
        Prompt(id, text, path(f"prompts/{language}/{id}.flac"), language, entry["speaker"])
        for id, text in entry["clips"].items()
    )


def words() -> Mapping[str, Recording]:
    """Return words and phrases by a person, to put sentences together from, by what they say."""
    clips = _read_yaml(path("words/words.yaml"))
    return {
        text.replace(",", "").lower(): Recording(id, text, path(f"words/{id}.flac"))
        for id, text in clips.items()
    }


def shop() -> sqlite3.Connection:
    """Return a fresh database of Acme Corp, in memory, from data/shop/.

    Raises DataError if a table does not fit data/shop/schema.sql.
    """
    # one call uses it at a time, but Jupyter holds calls in a thread of their own
    database = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        database.executescript(path("shop/schema.sql").read_text("utf-8"))
        with database:
            for table in sorted(path("shop").glob("*.csv")):
                _fill(database, table)
    except (sqlite3.Error, ValueError) as error:
        raise DataError(f"{path('shop')}: {error}. Try git checkout data/shop") from error
    orphans = database.execute("PRAGMA foreign_key_check").fetchall()
    if orphans:
        table_name, row, parent, _ = orphans[0]
        raise DataError(
            f"shop/{table_name}.csv, row {row}: what it names is not in {parent}.csv. "
            "Try git checkout data/shop"
        )
    database.execute("PRAGMA foreign_keys = ON")
    return database


def _fill(database: sqlite3.Connection, table: Path) -> None:
    """Insert the rows of a CSV file, whose first line names the columns, into its table."""
    with table.open(encoding="utf-8", newline="") as lines:
        header, *rows = [*csv.reader(lines)] or [[]]
    if not header:
        raise ValueError(f"{table.name} is empty")
    places = ", ".join("?" for _ in header)
    try:
        database.executemany(
            f"INSERT INTO {table.stem} ({', '.join(header)}) VALUES ({places})", rows
        )
    except sqlite3.Error as error:
        raise ValueError(f"{table.name}: {error}") from error


@cache
def _read_yaml(file: Path) -> Mapping[str, Any]:
    entries: Mapping[str, Any] = read_yaml(file)
    return entries


def _known(name: str, names: Iterable[str], what: str) -> str:
    """Return the name if it is one of the names; else raise DataError with the closest."""
    names = list(names)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise DataError(f"no {what} {name!r}: {hint}There are {', '.join(names)}")
