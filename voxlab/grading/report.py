"""Score cards for people and for programs: text, HTML, JSON, Gradescope, CSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from voxlab.grading.grade import Outcome, ScoreCard
from voxlab.grading.graded import GradedTest
from voxlab.grading.people import Person

Class = Mapping[str, tuple[Person, Sequence[ScoreCard]]]  # by the name to be shown

_MARKS = {"passed": "✓", "failed": "✗", "to do": "○"}
_COLOURS = {"passed": "32", "failed": "31", "to do": "33"}  # ANSI green, red, yellow


def as_text(cards: Sequence[ScoreCard], in_colour: bool = False) -> str:
    """Return the cards for a terminal: a line a test, the hint below each that failed."""
    lines: list[str] = []
    for card in cards:
        title = f"{card.exercise}  {card.file}".rstrip()
        lines.append(_paint(f"{title}: {card.points} of {card.possible} points", "1", in_colour))
        lines += [f"  note: {note}" for note in card.notes]
        for outcome in card.outcomes:
            lines += _lines(outcome, in_colour)
        lines.append("")
    if len(cards) > 1:
        points, possible = total(cards)
        lines.append(_paint(f"all: {points} of {possible} points", "1", in_colour))
    return "\n".join(lines).rstrip()


def _lines(outcome: Outcome, in_colour: bool) -> list[str]:
    test, status = outcome.test, outcome.status
    word = _paint(f"{_MARKS[status]} {status:6}", _COLOURS[status], in_colour)
    hidden = " (hidden)" if test.hidden else ""
    lines = [f"  {word} {outcome.points}/{test.points}  {test.part}  {test.claim}{hidden}"]
    return lines + [f"{'':22}{line}" for line in explanation(outcome)]


def explanation(outcome: Outcome) -> list[str]:
    """Return what a learner reads below a test: nothing if it passed or is still to do."""
    if outcome.status != "failed":
        return []
    reason = [outcome.reason.splitlines()[0]] if outcome.reason.strip() else []
    return [*reason, f"hint: {outcome.test.hint}"]


def _paint(text: str, code: str, in_colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if in_colour else text


def total(cards: Sequence[ScoreCard]) -> tuple[int, int]:
    """Return the points earned and the points possible."""
    return sum(card.points for card in cards), sum(card.possible for card in cards)


def as_html(
    cards: Sequence[ScoreCard], who: str | None = None, not_graded: Sequence[str] = ()
) -> str:
    """Return the cards as a table for a notebook; with a person's name, as a page of its own."""
    told = {"marks": _MARKS, "explanation": explanation, "total": total(cards)}
    return str(_template().render(cards=cards, who=who, not_graded=not_graded, **told))


@cache
def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("cards.html")


def as_json(cards: Sequence[ScoreCard]) -> dict[str, Any]:
    """Return points, possible and tests of one person's exercises."""
    points, possible = total(cards)
    tests = [_test_as_json(card, outcome) for card in cards for outcome in card.outcomes]
    notes = [f"{card.exercise}: {note}" for card in cards for note in card.notes]
    return {"points": points, "possible": possible, "tests": tests, "notes": notes}


def _test_as_json(card: ScoreCard, outcome: Outcome) -> dict[str, Any]:
    test = outcome.test
    return {
        "exercise": card.exercise,
        "part": test.part,
        "name": test.name,
        "points": outcome.points,
        "possible": test.points,
        "status": outcome.status,
        "hidden": test.hidden,
        "hint": "" if outcome.status == "passed" else test.hint,
        "reason": outcome.reason,
    }


def as_gradescope(cards: Sequence[ScoreCard]) -> dict[str, Any]:
    """Return what a Gradescope autograder writes to results.json.

    Hidden tests are shown when the grades are published.
    Source: gradescope-autograders.readthedocs.io, "Autograder specifications".
    """
    tests = [
        {
            "number": outcome.test.part,
            "name": outcome.test.claim,
            "score": outcome.points,
            "max_score": outcome.test.points,
            "status": "passed" if outcome.status == "passed" else "failed",
            "output": "\n".join(explanation(outcome)),
            "output_format": "text",
            "visibility": "after_published" if outcome.test.hidden else "visible",
        }
        for card in cards
        for outcome in card.outcomes
    ]
    notes = [f"{card.exercise}: {note}" for card in cards for note in card.notes]
    return {"score": total(cards)[0], "output": "\n".join(notes), "tests": tests}


# --- a class -------------------------------------------------------------------------------


def as_csv(graded: Class) -> str:
    """Return a class as CSV: a line a person, the points of each exercise, total and reasons."""
    rows: list[Sequence[object]] = [
        ["person", "id", *_exercises(graded), "total", "possible", "reasons"]
    ]
    for who, (person, cards) in sorted(graded.items()):
        points = [card.points for card in cards]
        rows.append([who, person.id, *points, *total(cards), "; ".join(reasons(person, cards))])
    out = io.StringIO()
    # without what a spreadsheet takes for a formula: names come from strangers
    harmless = [[re.sub(r"\A(?=[=+\-@\t\r])", "'", str(cell)) for cell in row] for row in rows]
    csv.writer(out, lineterminator="\n").writerows(harmless)
    return out.getvalue()


def reasons(person: Person, cards: Sequence[ScoreCard]) -> list[str]:
    """Return why points are missing: notes, the first line about each failed test, other files."""
    told = [f"{card.exercise}: {note}" for card in cards for note in card.notes]
    failed = [o for card in cards for o in card.outcomes if o.status == "failed"]
    told += [f"{o.test.part} {o.test.claim}: {explanation(o)[0]}" for o in failed]
    return [*told, *person.not_graded]


def _exercises(graded: Class) -> list[str]:
    return [card.exercise for card in next(iter(graded.values()))[1]]


def as_table(graded: Class) -> str:
    """Return a class for a terminal: a line a person, then each test that somebody failed."""
    width = max(len("possible"), *map(len, graded))
    rows: list[tuple[Any, ...]] = [("person", *_exercises(graded), "total")]
    for who, (_, cards) in sorted(graded.items()):
        cells = [card.points if card.file else "-" for card in cards]
        rows.append((who, *cells, total(cards)[0]))
    cards = next(iter(graded.values()))[1]
    rows.append(("possible", *(card.possible for card in cards), total(cards)[1]))
    lines = [f"{who:{width}}" + "".join(f"{cell:>7}" for cell in cells) for who, *cells in rows]
    for test, counts in _count(graded):
        if failed := counts["failed"]:
            lines.append(f"{failed} of {counts.total()} failed {test.part}: {test.claim}")
            lines.append(f"    hint: {test.hint}")
    return "\n".join(lines)


def class_as_json(graded: Class) -> dict[str, Any]:
    """Return everybody's points and tests, and how each test went in the class."""
    people = {who: {"id": one.id} | as_json(cards) for who, (one, cards) in graded.items()}
    tests = [
        {"part": test.part, "name": test.name, "hint": test.hint}
        | {status.replace(" ", "_"): counts[status] for status in _MARKS}
        for test, counts in _count(graded)
    ]
    return {"people": people, "tests": tests}


def _count(graded: Class) -> list[tuple[GradedTest, Counter[str]]]:
    """Return how each test went for those who handed its exercise in, the most failed first."""
    tests: dict[GradedTest, Counter[str]] = {}
    for _, cards in graded.values():
        for outcome in (outcome for card in cards if card.file for outcome in card.outcomes):
            tests.setdefault(outcome.test, Counter())[outcome.status] += 1
    return sorted(tests.items(), key=lambda pair: -pair[1]["failed"])


def feedback(graded: Class) -> dict[str, str]:
    """Return a page for each person, by the name of its file."""
    pages = {}
    for who, (person, cards) in graded.items():
        name = re.sub(r"[^\w .'()-]", "", f"{who}_{person.id}").strip("_. ") or "feedback"
        pages[f"{name}.html"] = as_html(cards, who or "Your points", person.not_graded)
    return pages
