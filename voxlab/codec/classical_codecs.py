"""Older codecs to compare with, where their command line tools are installed.

Opus (RFC 6716) as in calls and browsers, from 6 kbps; codec2 as on the radio, at 8 kHz and with a
model of the voice alone. Debian: apt-get install opus-tools codec2.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import AudioError, VoxlabError

OPUS_KBPS = (6, 8, 12, 16)
CODEC2_BPS = (1300, 2400, 3200)
CODEC2_RATE_HZ = 8_000
LAG_S = 0.15  # codec2's tools delay the sound by up to two frames of 40 ms
OPUS_FRAME_MS = 60  # the longest: the fewest headers, as low rates need


@dataclass(frozen=True, slots=True)
class Peer:
    """A codec of another kind at one bitrate. tool: "opus" or "codec2"."""

    tool: str
    bitrate_bps: int

    @property
    def name(self) -> str:
        """For a table: "Opus 6 kbps"."""
        return f"{self.tool.capitalize()} {self.bitrate_bps / 1000:g} kbps"

    def round_trip(self, sound: Audio) -> Audio:
        """Return the sound behind this codec: same rate and length, lined up with the original.

        Raises VoxlabError if the tool is not installed or fails.
        """
        with tempfile.TemporaryDirectory() as scratch:
            run = _opus if self.tool == "opus" else _codec2
            made = run(sound, self.bitrate_bps, Path(scratch))
        return align(sound, made.resample(sound.rate_hz))


def find_peers() -> tuple[Peer, ...]:
    """Return the older codecs that this machine has tools for, by tool and bitrate."""
    found = []
    if shutil.which("opusenc") and shutil.which("opusdec"):
        found += [Peer("opus", kbps * 1000) for kbps in OPUS_KBPS]
    if shutil.which("c2enc") and shutil.which("c2dec"):
        found += [Peer("codec2", bitrate_bps) for bitrate_bps in CODEC2_BPS]
    return tuple(found)


def align(original: Audio, made: Audio) -> Audio:
    """Return `made` moved to where it correlates best with the original, and as long.

    It may come up to 150 ms late. Raises AudioError if the rates differ.
    """
    if original.rate_hz != made.rate_hz:
        raise AudioError(f"rates differ: {original.rate_hz} and {made.rate_hz} Hz: resample first")
    x, lags = original.samples, max(1, round(LAG_S * original.rate_hz))
    y = np.pad(made.samples, (0, max(0, x.size + lags - made.samples.size)))[: x.size + lags]
    size = 2 * y.size
    correlation = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(x, size).conj(), size)[:lags]
    lag = int(np.abs(correlation).argmax())
    return Audio(y[lag : lag + x.size], original.rate_hz)


def _opus(sound: Audio, bitrate_bps: int, folder: Path) -> Audio:
    given, coded, made = (str(folder / name) for name in ("in.wav", "coded.opus", "out.wav"))
    audio.write(given, sound)
    options = ["--quiet", "--speech", "--hard-cbr", "--framesize", str(OPUS_FRAME_MS)]
    _run(["opusenc", *options, "--bitrate", f"{bitrate_bps / 1000:g}", given, coded])
    _run(["opusdec", "--quiet", "--rate", str(sound.rate_hz), coded, made])
    return audio.read(made)


def _codec2(sound: Audio, bitrate_bps: int, folder: Path) -> Audio:
    given, coded, made = (str(folder / name) for name in ("in.raw", "coded.bit", "out.raw"))
    narrow = sound.resample(CODEC2_RATE_HZ)
    padded = np.pad(narrow.samples, (0, round(LAG_S * CODEC2_RATE_HZ)))
    raw = {"samplerate": CODEC2_RATE_HZ, "subtype": "PCM_16", "format": "RAW"}
    soundfile.write(given, np.clip(padded, -1, 1), endian="LITTLE", **raw)
    _run(["c2enc", str(bitrate_bps), given, coded])
    _run(["c2dec", str(bitrate_bps), coded, made])
    samples, _ = soundfile.read(made, dtype="float32", channels=1, endian="LITTLE", **raw)
    return Audio(samples, CODEC2_RATE_HZ)


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise VoxlabError(f"no {command[0]} here: apt-get install opus-tools codec2") from error
    except subprocess.CalledProcessError as error:
        raise VoxlabError(f"{command[0]} failed: {error.stderr.strip()[:200]}") from error
