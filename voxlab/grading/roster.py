"""A class list: who is missing, and the points in the table that the platform takes back.

Any CSV with names will do. Moodle's grading worksheet and Canvas' gradebook can be filled in.
Sources: Moodle's mod/assign/feedback/offline/importgradeslib.php, which needs "Identifier", "Grade"
and "Last modified (grade)"; Canvas' lib/gradebook_importer.rb.
"""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxlab.errors import ExerciseError
from voxlab.grading.grade import ScoreCard
from voxlab.grading.people import Person
from voxlab.grading.report import Class, reasons, total

_IDS = ("identifier", "id", "sid", "student id")
_LOGINS = ("email", "email address", "sis user id", "sis login id", "id number", "username")
Graded = tuple[Person, Sequence[ScoreCard]]
Table = list[list[str]]
_NOBODY = ("points possible", "student, test", "test student", "")


@dataclass(frozen=True)
class Roster:
    """A table of people: its header, and its rows as they were read."""

    header: list[str]
    rows: list[list[str]]

    @classmethod
    def read(cls, file: Path) -> "Roster":
        """Read a CSV with commas or semicolons. Raises ExerciseError if it has no names."""
        try:
            text = file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ExerciseError(f"cannot read {file}: {error}") from error
        first = text.partition("\n")[0]
        delimiter = ";" if first.count(";") > first.count(",") else ","
        table = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
        header, *rows = table or [[]]
        roster = cls([name.strip() for name in header], rows)
        if not any(roster._name(row) for row in rows):
            raise ExerciseError(
                f"{file}: no names in it: needs a column Full name, Student or Name"
            )
        return roster

    def _cell(self, row: Sequence[str], *names: str) -> str:
        """Return a row's first cell that is in one of these columns and not empty."""
        cells = {name.lower(): cell.strip() for name, cell in zip(self.header, row, strict=False)}
        return next((cells[name] for name in names if cells.get(name)), "")

    def _name(self, row: Sequence[str]) -> str:
        """Return a row's person; "" if it is none."""
        parts = self._cell(row, "first name"), self._cell(row, "last name", "surname")
        name = self._cell(row, "full name", "student", "name") or " ".join(filter(None, parts))
        return "" if name.lower() in _NOBODY else name

    def _id(self, row: Sequence[str]) -> str:
        """Return a row's id: the number of Moodle's "Participant 123", else the cell."""
        id = self._cell(row, *_IDS)
        number = re.search(r"\d+$", id)
        return number[0] if number and self.header[0].lower() == "identifier" else id

    def row_of(self, person: Person) -> list[str] | None:
        """Return the only row with a person's id, else the only one with their name or login."""
        people = [row for row in self.rows if self._name(row)]
        by_id = [row for row in people if person.id and self._id(row) == person.id]
        by_name = [row for row in people if _plain(person.name) in self._called(row)]
        return next((found[0] for found in (by_id, by_name) if len(found) == 1), None)

    def _called(self, row: Sequence[str]) -> set[str]:
        """Return what a row's person may be called in front of a file."""
        name = self._name(row)
        first, _, last = name.rpartition(" ")
        turned = " ".join(reversed(name.split(",")))
        logins = [self._cell(row, column) for column in _LOGINS]
        logins += [login.partition("@")[0] for login in logins]
        called = {name, turned, f"{last} {first}", self._id(row), *logins}
        return {_plain(each) for each in called if each}

    def complete(self, people: Sequence[Person]) -> list[Person]:
        """Return the people with the roster's names, and whoever of it handed nothing in."""
        rows = {id(person): self.row_of(person) for person in people}
        known = []
        for person in people:
            if row := rows[id(person)]:
                person.name, person.id = self._name(row), self._id(row) or person.id
            else:
                person.not_graded.append("is not on the roster, or is there twice")
            known.append(person)
        present = [row for row in rows.values() if row]
        missing = [row for row in self.rows if self._name(row) and row not in present]
        return known + [Person(self._name(row), self._id(row)) for row in missing]

    def filled(self, graded: Class) -> str:
        """Return the table with everybody's points, for the platform that it came from.

        Moodle: the sum, on the worksheet's scale, and the reasons as comments. Canvas: a column for
        each exercise, on its scale; the one with "ex01" in its name, or a new one.
        Raises ExerciseError for any other table.
        """
        columns = [name.lower() for name in self.header]
        theirs = {id(self.row_of(person)): (person, cards) for person, cards in graded.values()}
        if {"identifier", "grade", "maximum grade"} <= {*columns}:
            table = self._worksheet(columns, theirs)
        elif {"student", "id", "section"} <= {*columns}:
            table = self._gradebook(columns, theirs)
        else:
            raise ExerciseError("--upload: need Moodle's grading worksheet or Canvas' gradebook")
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(table)
        return out.getvalue()

    def _worksheet(self, columns: list[str], theirs: Mapping[int, Graded]) -> Table:
        for row in self.rows:
            if id(row) in theirs:
                person, cards = theirs[id(row)]
                told = html.escape("; ".join(reasons(person, cards)))
                most = self._cell(row, "maximum grade")
                cells = {"grade": _scaled(*total(cards), most), "feedback comments": told}
                row[:] = [cells.get(column, old) for column, old in zip(columns, row, strict=False)]
        return [self.header, *self.rows]

    def _gradebook(self, columns: list[str], theirs: Mapping[int, Graded]) -> Table:
        end = columns.index("section") + 1
        top = next((row for row in self.rows if "points possible" in row[0].lower()), [])
        titles, most = [], []
        for card in next(iter(theirs.values()))[1]:
            is_its = re.compile(rf"(?<![a-z\d]){card.exercise}(?!\d)").search
            at = next((at for at, name in enumerate(columns) if at >= end and is_its(name)), None)
            titles.append(card.exercise if at is None else self.header[at])
            most.append("" if at is None else self._cell(top, columns[at]))
            most[-1] = most[-1] or str(card.possible)
        table = [[*self.header[:end], *titles]]
        for row in self.rows:
            cells = most if row is top else [""] * len(most)
            if id(row) in theirs:
                cards = theirs[id(row)][1]
                pairs = zip(cards, most, strict=True)
                cells = [_scaled(card.points, card.possible, each) for card, each in pairs]
            table.append([*row[:end], *cells])
        return table


def _plain(name: str) -> str:
    """Return a name as it can be compared: no case, no accents, nothing between the letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", name).casefold()))


def _scaled(points: int, possible: int, most: str) -> str:
    """Return points on a platform's scale, if it has one; it may write it with a comma."""
    number = re.fullmatch(r"\d+(?:[.,]\d+)?", most)
    return f"{points / possible * float(most.replace(',', '.')):g}" if number else str(points)
