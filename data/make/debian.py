"""Fetch recordings from Debian's packages, which carry them with their licences.

Needs a Debian or Ubuntu machine (apt-get, dpkg) and ffmpeg, for the recordings are G.722.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000


def unpack(package: str, folder: Path) -> Path:
    """Download a package and lay out its files below folder; return folder.

    Raises SystemExit, with what to install, where a tool is missing or apt-get knows no package.
    """
    for tool in ("apt-get", "dpkg", "ffmpeg"):
        if shutil.which(tool) is None:
            raise SystemExit(f"no {tool} here: run this on Debian or Ubuntu with ffmpeg installed")
    folder.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(
        ["apt-get", "download", "--quiet", package], cwd=folder, capture_output=True, text=True
    )
    archives = list(folder.glob(f"{package}_*.deb"))
    if fetched.returncode or not archives:
        raise SystemExit(f"no package {package}: {fetched.stderr.strip()} Try apt-get update")
    subprocess.run(["dpkg", "--extract", archives[0].name, "."], cwd=folder, check=True)
    return folder


def keep_as_flac(recording: Path, target: Path, limit_s: float | None = None) -> None:
    """Decode a G.722 file and store its samples, unchanged, as 16-bit FLAC at 16 kHz.

    limit_s: keep only so much from the start, and fade the last second out.
    """
    command = ["ffmpeg", "-v", "error", "-f", "g722", "-i", str(recording), "-f", "s16le", "-"]
    decoded = subprocess.run(command, check=True, capture_output=True).stdout
    samples = np.frombuffer(decoded, "<i2")
    if limit_s is not None:
        samples = samples[: round(limit_s * RATE_HZ)].copy()
        fade = np.linspace(1, 0, RATE_HZ)
        samples[-RATE_HZ:] = np.round(samples[-RATE_HZ:] * fade).astype(np.int16)
    target.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(target, samples, RATE_HZ, subtype="PCM_16")


def licence_text(copyright_file: Path, name: str) -> str:
    """Return the full text of one licence in a package's machine-readable copyright file.

    Source: Debian's copyright-format 1.0: a stanza "License: NAME", its lines indented by one
    space, an empty line written " .".
    """
    paragraphs = copyright_file.read_text("utf-8").split("\n\n")
    for paragraph in paragraphs:
        first, _, rest = paragraph.strip("\n").partition("\n")
        if first == f"License: {name}" and rest:
            lines = ("" if line == " ." else line[1:] for line in rest.split("\n"))
            return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    raise SystemExit(f"{copyright_file} holds no text of the licence {name}")
