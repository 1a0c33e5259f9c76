"""What a speech server sends, as sound: raw samples as they come, a file when it is whole.

Without I/O. We ask for raw samples (response_format "pcm": 16 bits, little-endian, one channel, 24
kHz). Servers send other rates, or files, often under another name. What is no sound is never
played: it would be loud noise in somebody's ear.
"""

import re
from collections.abc import Container
from typing import Literal

from voxlab import audio
from voxlab.audio import Audio, Samples, from_pcm16
from voxlab.errors import AudioError, ProviderError
from voxlab.providers.openai.events import SHOWN, failure, loaded

RATE_HZ = 24_000
SNIFFED = 64  # bytes that tell what it is
RAW = ("audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw")
UNNAMED = ("", "application/octet-stream")
FILE = re.compile(rb"(RIFF|RF64)....WAVE|FORM....AIF|ID3|fLaC|OggS|caff|\.snd", re.DOTALL)
MP3_FRAME = re.compile(rb"\xff[\xe2-\xff]")  # a sample may be that as well
TEXT = re.compile(rb"[\t\n\r -~]*")


class SoundReader:
    """Takes the pieces of a response's body, and gives the sound in them.

    content_type: the header's, such as "audio/pcm; rate=16000".
    Raises ProviderError if it names a rate, channels or bits that are none of ours.
    """

    def __init__(self, content_type: str) -> None:
        self._kind = content_type.partition(";")[0].strip().lower()
        self._rate_hz = _parameter(content_type, "rate", RATE_HZ, range(1000, 400_000))
        _parameter(content_type, "channels", 1, (1,))
        _parameter(content_type, "bits", 16, (16,))
        self._body = b""
        self._form: Literal["raw", "file", "other"] | None = None  # not known yet

    def feed(self, piece: bytes) -> Audio | None:
        """Return the samples that are whole now, if they are raw ones, and there are any."""
        self._body += piece
        if self._form is None and len(self._body) >= SNIFFED:
            self._form = self._find_form()
        return self._raw() if self._form == "raw" else None

    def finish(self) -> Audio | None:
        """Return the sound that is left, if any. Raises ProviderError if it is none."""
        self._form = self._form or self._find_form()
        if self._form == "raw" or not self._body:
            return self._raw()
        if self._form == "other":
            raise self._no_sound("")
        try:
            return audio.decode(self._body)
        except AudioError as error:
            raise self._no_sound(str(error)) from error

    def _find_form(self) -> Literal["raw", "file", "other"]:
        """Tell what it is: the bytes know better than the name that the server gives them."""
        head = self._body[:SNIFFED]
        is_raw = self._kind in RAW
        if FILE.match(head) or (MP3_FRAME.match(head) and not is_raw):
            return "file"
        is_text = TEXT.fullmatch(head)
        return "raw" if (is_raw or self._kind in UNNAMED) and not is_text else "other"

    def _raw(self) -> Audio | None:
        samples, self._body = whole_samples(self._body)
        return Audio(samples, self._rate_hz) if samples.size else None

    def _no_sound(self, reason: str) -> ProviderError:
        said = self._body.decode(errors="replace").strip()
        came = loaded(said)
        if isinstance(came, dict):
            return failure(came)
        shown = said if TEXT.fullmatch(self._body) else self._body[:12]
        return ProviderError(
            f"the server answered with {self._kind or 'no content type'} of {len(self._body)} "
            f"bytes, {shown!r:.{SHOWN}}, needs raw 16-bit samples (audio/pcm). {reason}".rstrip()
            + " Use a server that knows response_format pcm"
        )


def _parameter(content_type: str, name: str, usual: int, known: Container[int]) -> int:
    """Return a parameter of a content type, as in "audio/pcm; rate=16000"."""
    match = re.search(rf';\s*{name}\s*=\s*"?([^\s;"]*)', content_type, re.IGNORECASE)
    if match is None:
        return usual
    if not match[1].isdecimal() or int(match[1]) not in known:
        raise ProviderError(
            f"the server answered with {content_type!r:.{SHOWN}}, needs 16-bit samples of one "
            "channel and their rate in Hz: use a server that knows response_format pcm"
        )
    return int(match[1])


def whole_samples(pcm: bytes) -> tuple[Samples, bytes]:
    """Split 16-bit little-endian bytes into float32 samples (n,) and the odd byte left over.

    >>> samples, rest = whole_samples(bytes([0, 64, 7]))
    >>> samples.tolist(), len(rest)
    ([0.5], 1)
    """
    end = len(pcm) - len(pcm) % 2
    return from_pcm16(pcm[:end]), pcm[end:]
