"""The log of a training: now and then a row of figures in a CSV file."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def append_row(file: Path, columns: Sequence[str], step: int, figures: Iterable[float]) -> None:
    """Add a row, its figures with four decimals; a new file begins with the columns' names."""
    fresh = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if fresh:
            writer.writerow(columns)
        writer.writerow([step, *(f"{figure:.4f}" for figure in figures)])
