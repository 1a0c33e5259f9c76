"""Score cards for people and for programs: text, HTML, JSON, Gradescope, CSV."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from voxlab.grading.grade import Outcome, ScoreCard

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
    test = outcome.test
    mark = _paint(_MARKS[outcome.status], _COLOURS[outcome.status], in_colour)
    hidden = " (hidden)" if test.hidden else ""
    lines = [f"  {mark} {outcome.points}/{test.points}  {test.part}  {test.claim}{hidden}"]
    return lines + [f"             {line}" for line in explanation(outcome)]


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


def as_html(cards: Sequence[ScoreCard]) -> str:
    """Return the cards as a small table for a notebook."""
    rows = []
    for card in cards:
        head = html.escape(f"{card.exercise}: {card.points} of {card.possible} points")
        rows.append(f'<tr><th colspan="4" style="text-align:left">{head}</th></tr>')
        for note in card.notes:
            text = html.escape(note)
            rows.append(f'<tr><td colspan="4" style="text-align:left">note: {text}</td></tr>')
        for outcome in card.outcomes:
            test = outcome.test
            said = [test.claim, *explanation(outcome)]
            cells = [
                f"{_MARKS[outcome.status]} {outcome.status}",
                f"{outcome.points}/{test.points}",
                test.part,
                "<br>".join(html.escape(line) for line in said),
            ]
            data = "".join(
                f'<td style="text-align:left;vertical-align:top;white-space:{wrap}">{cell}</td>'
                for cell, wrap in zip(cells, ("nowrap", "nowrap", "nowrap", "normal"), strict=True)
            )
            rows.append(f"<tr>{data}</tr>")
    return f"<table>{''.join(rows)}</table>"


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

    Source: gradescope-autograders.readthedocs.io, "Autograder specifications".
    """
    tests = []
    for card in cards:
        for outcome in card.outcomes:
            test = outcome.test
            tests.append(
                {
                    "number": test.part,
                    "name": test.claim,
                    "score": outcome.points,
                    "max_score": test.points,
                    "status": "passed" if outcome.status == "passed" else "failed",
                    "output": "\n".join(explanation(outcome)),
                    "visibility": "hidden" if test.hidden else "visible",
                }
            )
    notes = [f"{card.exercise}: {note}" for card in cards for note in card.notes]
    return {"score": total(cards)[0], "output": "\n".join(notes), "tests": tests}


def as_csv(people: Mapping[str, Sequence[ScoreCard]]) -> str:
    """Return a class as CSV: a line a person, the points of each exercise, total and notes."""
    exercises = sorted({card.exercise for cards in people.values() for card in cards})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["person", *exercises, "total", "possible", "notes"])
    for who, cards in sorted(people.items()):
        points = {card.exercise: card.points for card in cards}
        notes = "; ".join(f"{card.exercise}: {note}" for card in cards for note in card.notes)
        row = [who, *(points.get(id, 0) for id in exercises), *total(cards), notes]
        writer.writerow([_harmless(str(cell)) for cell in row])
    return out.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that a spreadsheet does not take for a formula: names come from strangers."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def as_table(people: Mapping[str, Sequence[ScoreCard]]) -> str:
    """Return a class for a terminal: a line a person, and the notes that need a look."""
    exercises = sorted({card.exercise for cards in people.values() for card in cards})
    width = max(len("person"), *(len(who) for who in people))
    lines = [f"{'person':{width}}" + "".join(f"{id:>7}" for id in (*exercises, "total"))]
    notes = []
    for who, cards in sorted(people.items()):
        points = {card.exercise: card.points for card in cards}
        row = [*(points.get(id, 0) for id in exercises), total(cards)[0]]
        lines.append(f"{who:{width}}" + "".join(f"{cell:>7}" for cell in row))
        notes += [f"{who}, {card.exercise}: {note}" for card in cards for note in card.notes]
    possible = total(next(iter(people.values())))[1]
    return "\n".join([*lines, f"{len(people)} people, {possible} points possible", *notes])
