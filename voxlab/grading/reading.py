"""The code of what was handed in: scripts and notebooks, whichever editor saved them."""

import ast
import io
import json
import tokenize
from collections.abc import Sequence
from pathlib import Path

from voxlab.errors import ExerciseError

FILE_BYTES_AT_MOST = 300_000_000  # notebooks hold their sounds and pictures
CODE_BYTES_AT_MOST = 1_000_000
Source = Sequence[tuple[str, str]]  # (name of the cell or file, text)
_PYTHON_MAGICS = ("time", "capture", "prun")  # their cell is run, and what it defines stays


def read_source(file: Path) -> Source:
    """Return the code of a submitted script or notebook: (name, text) of each cell.

    Raises ExerciseError if it is a link, has too much code, or is not a script or notebook.
    """
    if file.is_symlink():
        raise ExerciseError(f"{file.name} is a link, not a file: submit the file itself")
    size = file.stat().st_size
    if size > FILE_BYTES_AT_MOST:
        raise ExerciseError(f"{file.name} has {size / 1e6:.0f} MB: clear its outputs")
    content = file.read_bytes()
    if file.suffix.lower() == ".py":
        source: Source = [(file.name, _decode(content))]
    else:
        source = _cells(file.name, content)
    if (size := sum(len(text) for _, text in source)) > CODE_BYTES_AT_MOST:
        raise ExerciseError(f"{file.name} has {size / 1e6:.1f} MB of code, at most 1")
    return source


def _decode(content: bytes) -> str:
    """Return a script's text, by its byte order mark or coding comment, else as UTF-8."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        encoding = "utf-8"
    return content.decode(encoding, errors="replace")


def _cells(name: str, content: bytes) -> Source:
    try:
        cells = json.loads(content.decode("utf-8-sig", errors="replace"))["cells"]
        code = [(index, cell) for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
        return [(f"cell {index + 1}", python_of("".join(cell["source"]))) for index, cell in code]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExerciseError(f"{name} is not a notebook that can be read: {error!r}") from error


def python_of(cell: str) -> str:
    """Return a cell as Python: magics become calls, those around a cell give way to what is in it.

    A cell in another language (%%bash) is empty. Lines stay where they are.
    """
    try:
        ast.parse(cell)
        return cell
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        from IPython.core.inputtransformer2 import TransformerManager

    magic, _, body = cell.lstrip().partition("\n")
    if magic.startswith("%%"):
        return "\n" + python_of(body) if magic[2:].split(" ")[0] in _PYTHON_MAGICS else ""
    try:
        return str(TransformerManager().transform_cell(cell))  # type: ignore[no-untyped-call]
    except SyntaxError:  # an error of the learner's, told when it is loaded
        return cell
