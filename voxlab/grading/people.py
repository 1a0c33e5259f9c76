"""Whose file is it, and for which exercise? Names as people and learning platforms write them.

A person has a folder, or their name in front of the file's: "ada_ex03_rvq.ipynb". Moodle
writes "Ada Byron_123_assignsubmission_file" as a folder's or file's name, Canvas
"byronada_LATE_123_456_ex03_rvq.ipynb", Gradescope a folder "submission_789" and the people
in submission_metadata.yml. Sources: Moodle's mod/assign/classes/downloader.php, Canvas'
lib/content_zipper.rb, an export of Gradescope.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxlab.data.yaml_files import read_yaml
from voxlab.errors import ExerciseError

_EXERCISE = re.compile(r"(?<![A-Za-z0-9])ex\d\d(?!\d)", re.IGNORECASE)
_EXPORTED = (
    re.compile(r"(?P<name>[^_]+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)"),
    re.compile(r"(?P<name>(?:LATE_)?anon_(?P<id>[^_]+))_\d+_(?P<file>.+)"),
    re.compile(r"(?P<name>[^_]\w*?)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)"),
)
_METADATA = "submission_metadata.yml"
_Owner = tuple[str, str]  # name and id


@dataclass
class Person:
    """Who handed something in, or should have.

    name: "" for one person alone. id: of the platform, if there is one. files: by exercise.
    not_graded: what else came, and why it is not graded.
    """

    name: str
    id: str = ""
    files: dict[str, list[Path]] = field(default_factory=dict)
    not_graded: list[str] = field(default_factory=list)


def exercise_of(name: str, known: Mapping[str, str]) -> tuple[str, str]:
    """Return whose file it is ("" if the name does not say) and for which exercise.

    The last exNN counts that stands apart from other letters, a whole name before a bare number.
    known: the names of the exercises' files, {"ex01": "ex01_sentence_chunks"}.
    Raises ExerciseError, with a better name, if the name tells of none, or of two.

    >>> exercise_of("alex12_ex01_sentence_chunks.ipynb", {"ex01": "ex01_sentence_chunks"})
    ('alex12', 'ex01')
    """
    stem, suffix = Path(name).stem, Path(name).suffix.lower()
    if suffix not in (".py", ".ipynb"):
        raise ExerciseError(f"{name} is not graded: hand in the notebook or script itself")
    found = {match.start(): match[0].lower() for match in _EXERCISE.finditer(stem)}
    whole = {at: id for at, id in found.items() if stem[at:].lower().startswith(known.get(id, "?"))}
    named = whole or found
    if len(set(named.values())) != 1:
        what = f"for {' or '.join(sorted(set(named.values())))}? " if named else ""
        example = f"NAME_{next(iter(known.values()), 'ex01_sentence_chunks')}{suffix}"
        raise ExerciseError(f"{name} is not graded: {what}needs a name like {example}")
    at, exercise = max(named.items())
    if exercise not in known:
        raise ExerciseError(f"{name} is not graded: there are no tests for {exercise}")
    return stem[:at].strip("_-. "), exercise


def find_people(path: Path, known: Mapping[str, str]) -> tuple[list[Person], list[str]]:
    """Return who handed in what, and what is not graded because nobody's name is on it.

    path: a script or notebook; a folder of them (one person, named ""); a folder with a folder for
    each person; or one whose file names begin with the person. known: see `exercise_of`.
    Raises ExerciseError if there is nothing to grade.
    """
    if not path.exists():
        raise ExerciseError(f"{path}: there is no such file or folder")
    if path.is_file():
        return [Person("", files={exercise_of(path.name, known)[1]: [path]})], []
    root = next((file.parent for file in sorted(path.glob(f"*/{_METADATA}"))), path)
    submitters = _submitters(root / _METADATA)
    people: dict[_Owner, Person] = {}
    strays: list[str] = []

    def take(owner: _Owner, name: str, file: Path) -> None:
        try:
            who, exercise = exercise_of(name, known)
        except ExerciseError as error:
            if Path(name).suffix in (".py", ".ipynb", ".zip") or _EXERCISE.search(name):
                notes = people.setdefault(owner, Person(*owner)).not_graded if owner[0] else strays
                notes.append(str(error))
        else:
            key = owner if owner[0] else (who, "")
            people.setdefault(key, Person(*key)).files.setdefault(exercise, []).append(file)

    for file in sorted(filter(Path.is_file, root.iterdir())):
        owner, name = _owner(file.name)
        take(owner, name if owner[0] else file.name, file)
    folders = [] if ("", "") in people else sorted(filter(_is_persons_folder, root.iterdir()))
    for folder in folders:
        owner, _ = _owner(folder.name)
        owners = submitters.get(folder.name, [owner if owner[0] else (folder.name, "")])
        for owner in owners:
            people.setdefault(owner, Person(*owner))
            for file in sorted(folder.rglob("*")):
                if file.is_file() and not _is_hidden(file.relative_to(folder)):
                    take(owner, file.name, file)
    if not any(person.files for person in people.values()):
        odd = [note for person in people.values() for note in person.not_graded] + strays
        raise ExerciseError(f"{path}: {'; '.join(odd[:3]) or 'no exercise in it'}")
    return list(people.values()), strays


def _owner(name: str) -> tuple[_Owner, str]:
    """Return whom a platform names in front of a file, and the file's own name."""
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _EXPORTED)), None)
    return ((match["name"], match["id"]), match["file"]) if match else (("", ""), name)


def _submitters(file: Path) -> dict[str, list[_Owner]]:
    """Return the people of each folder that Gradescope exported; a group has several."""
    if not file.is_file():
        return {}
    folders = read_yaml(file)
    try:
        return {
            folder: [
                (str(who[":name"]), str(who.get(":sid") or who.get(":email") or ""))
                for who in about[":submitters"]
            ]
            for folder, about in folders.items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ExerciseError(f"{file}: cannot read who submitted what: {error!r}") from error


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.parts)


def _is_persons_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink() and not _is_hidden(Path(entry.name))
