"""Read YAML as people write it: version 1.2, where `yes` is a word and a key stands once."""

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from voxlab.errors import DataError, VoxlabError


def read_yaml(path: str | Path) -> Any:
    """Return what a YAML file holds, as plain Python values.

    Raises DataError, with the place in the file, if it cannot be read, is not YAML, or a key of a
    mapping stands twice: the second would replace the first without a word.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        text = Path(path).read_text(encoding="utf-8")
        return YAML(typ="safe", pure=True).load(text)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not YAML: {error}") from error
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        what = " ".join(str(error.problem).split()).partition(" with value")[0]
        raise DataError(f"{path}, line {line}: {what}: write each key once") from error
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{path}{where} is not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def check_keys(entry: Any, known: Sequence[str], where: str) -> None:
    """Raise DataError unless an entry is a mapping of these keys, with a hint at the nearest."""
    if not isinstance(entry, dict):
        raise DataError(f"{where}: got {reprlib.repr(entry)}, needs keys {', '.join(known)}")
    refuse_unknown_keys(entry, known, where, DataError)


def refuse_unknown_keys(
    keys: Iterable[Any], known: Sequence[str], where: str, error: type[VoxlabError]
) -> None:
    """Raise the error for the first key that is not known, with a hint at the nearest."""
    for key in keys:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise error(f"{where}: unknown key {key!r}; {hint}")
