"""What the header of a sound file promises, against the samples that are there.

A recorder that crashes leaves a header that is not finished, and a copy that breaks off leaves one
that promises too much. libsndfile reads what it finds, short or empty, without a word; here such a
file is read whole or refused.
Source: Microsoft's RIFF (1991), EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64), Apple's AIFF-C (1991).
"""

import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from voxlab.errors import AudioError

PCM, EXTENSIBLE = 1, 0xFFFE  # format tags; an extensible header holds another one, 24 bytes in
UNKNOWN = 0x7FFF0000  # sizes from here on say "to the end": sox, arecord and ffmpeg into a pipe
OTHER_BYTES = 4096  # so many after the samples may be anything: an ID3v1 tag, zeros


@dataclass(frozen=True, slots=True)
class _Container:
    """How a format lays its chunks; samples: the name of the chunk that holds them."""

    samples: bytes
    order: Literal["little", "big"] = "little"
    first_at: int = 12
    name_bytes: int = 4
    size_bytes: int = 4
    align: int = 2
    counts_head: bool = False  # the size of a chunk is with its name and size


_CONTAINERS = {
    b"RIFF": _Container(b"data"),
    b"RIFX": _Container(b"data", "big"),
    b"RF64": _Container(b"data"),
    b"BW64": _Container(b"data"),
    b"FORM": _Container(b"SSND", "big"),
    b"riff": _Container(b"data", "little", 40, 16, 8, 8, counts_head=True),  # Sony's Wave64
}
_AU_ORDERS: dict[bytes, Literal["little", "big"]] = {b".snd": "big", b"dns.": "little"}


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The content of a chunk: where it starts, and its size as the file has it."""

    at: int
    size: int


class Content(io.BytesIO):
    """The content of a file, in memory; libsndfile seeks before the start of a damaged one."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place, or to the start if it lies before that."""
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def with_right_header(sound: Path | Content) -> Path | Content:
    """Return a file that libsndfile reads whole: this one, or a copy with its sizes put right.

    A file without sizes in its header, such as FLAC, OGG or MP3, comes back as it is.
    Raises AudioError if samples are missing, or the header contradicts itself.
    """
    with sound.open("rb") if isinstance(sound, Path) else nullcontext(sound) as file:
        copy = _right_copy(file)
        file.seek(0)
    return copy or sound


def _right_copy(file: BinaryIO) -> Content | None:
    magic, end = file.read(4), file.seek(0, io.SEEK_END)
    if magic in _AU_ORDERS:
        return _right_au(file, _AU_ORDERS[magic], end)
    if magic not in _CONTAINERS:
        return None
    container = _CONTAINERS[magic]
    chunks: dict[bytes, _Chunk] = {}
    for name, chunk in _walk(file, container, container.first_at):
        chunks[name] = chunk
        if name == container.samples:
            right = _right_aiff if name == b"SSND" else _right_wav
            return right(file, magic, chunks, end)
    return None  # libsndfile says what it is, if anything


def _walk(file: BinaryIO, container: _Container, at: int) -> Iterator[tuple[bytes, _Chunk]]:
    """Go over the chunks from one on; some writers forget the byte that makes an odd size even."""
    head_bytes = container.name_bytes + container.size_bytes
    while (head := _read(file, at, head_bytes)) and _is_head(head, head_bytes):
        size = int.from_bytes(head[container.name_bytes :], container.order)
        chunk = _Chunk(at + head_bytes, size - head_bytes if container.counts_head else size)
        yield head[:4], chunk
        end = chunk.at + max(0, chunk.size)
        at = end + -(end - container.first_at) % container.align
        if at > end and not _is_head(_read(file, at, head_bytes), head_bytes):
            at = end


def _is_head(head: bytes, head_bytes: int) -> bool:
    return len(head) == head_bytes and all(0x20 <= byte < 0x7F for byte in head[:4])


def _read(file: BinaryIO, at: int, size: int = -1) -> bytes:
    file.seek(at)
    return file.read(size)


def _right_wav(
    file: BinaryIO, magic: bytes, chunks: dict[bytes, _Chunk], end: int
) -> Content | None:
    container, data = _CONTAINERS[magic], chunks[b"data"]
    form = _read(file, chunks[b"fmt "].at, chunks[b"fmt "].size) if b"fmt " in chunks else b""
    _refuse_contradiction(form, container.order)
    promised, file_size = data.size, _size(file, 4, 4, container.order) + 8
    if b"ds64" in chunks:
        file_size = _size(file, chunks[b"ds64"].at, 8, "little") + 8
        if promised >= UNKNOWN:
            promised = _size(file, chunks[b"ds64"].at + 8, 8, "little")
    length = _length(file, container, _Chunk(data.at, promised), end, is_whole=file_size == end)
    if magic == b"riff" or (length == promised and data.at % 2 == 0 and magic != b"BW64"):
        return None
    return _plain_wav(container.order, form, _read(file, data.at, length))


def _plain_wav(order: Literal["little", "big"], form: bytes, samples: bytes) -> Content:
    """Return a WAV file of two chunks, whose sizes are right."""
    chunks = b"".join(
        name + len(content).to_bytes(4, order) + content + bytes(len(content) % 2)
        for name, content in ((b"fmt ", form), (b"data", samples))
    )
    magic = b"RIFF" if order == "little" else b"RIFX"
    return Content(magic + (4 + len(chunks)).to_bytes(4, order) + b"WAVE" + chunks)


def _refuse_contradiction(form: bytes, order: Literal["little", "big"]) -> None:
    """Of 24 bits in four bytes, libsndfile reads three bytes a sample: loud noise."""
    tag, channels, block, bits = (int.from_bytes(form[i : i + 2], order) for i in (0, 2, 12, 14))
    if tag == EXTENSIBLE:
        tag = int.from_bytes(form[24:26], order)
    if tag == PCM and channels and block > channels * -(-bits // 8) and block % channels == 0:
        raise AudioError(
            f"its header contradicts itself: {bits} bits a sample, and {block // channels} bytes. "
            "Convert it to WAV, 16 bit"
        )


def _right_aiff(
    file: BinaryIO, magic: bytes, chunks: dict[bytes, _Chunk], end: int
) -> Content | None:
    container, chunk = _CONTAINERS[magic], chunks[b"SSND"]
    sound = _Chunk(chunk.at + 8, max(0, chunk.size - 8))  # after an offset and a block size
    is_whole = _size(file, 4, 4, "big") + 8 == end
    length = _length(file, container, sound, end, is_whole=is_whole)
    return None if length == sound.size else _with_size(file, chunk.at - 4, length + 8, "big")


def _right_au(file: BinaryIO, order: Literal["little", "big"], end: int) -> Content | None:
    sound = _Chunk(_size(file, 4, 4, order), _size(file, 8, 4, order))
    length = _length(file, None, sound, end)
    return None if length == sound.size else _with_size(file, 8, length, order)


def _with_size(file: BinaryIO, at: int, size: int, order: Literal["little", "big"]) -> Content:
    """Return a copy of a file with another size at one place."""
    copy = Content(_read(file, 0))
    copy.seek(at)
    copy.write(size.to_bytes(4, order))
    copy.seek(0)
    return copy


def _size(file: BinaryIO, at: int, size_bytes: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(_read(file, at, size_bytes), order)


def _length(
    file: BinaryIO,
    container: _Container | None,
    sound: _Chunk,
    end: int,
    *,
    is_whole: bool = False,
) -> int:
    """Return how many bytes of samples to read.

    is_whole: the file has the size that its header says; so the size of the samples is wrong,
    some recorders count the header in.
    """
    promised, found = max(0, sound.size), max(0, end - sound.at)
    if promised > found:
        if promised >= UNKNOWN or is_whole:
            return found
        raise AudioError(
            f"truncated, its header promises {promised} bytes of sound, {found} are there. "
            "Copy it again"
        )
    if container is not None and _are_chunks(file, container, sound.at + promised, end):
        return promised
    if not promised:
        return found  # the recorder did not come to finish its header
    if found - promised > OTHER_BYTES:
        raise AudioError(
            f"its header was not finished: it tells of {promised} bytes of sound, and "
            f"{found - promised} more follow, which are no chunk. Convert it to WAV, 16 bit"
        )
    return promised


def _are_chunks(file: BinaryIO, container: _Container, at: int, end: int) -> bool:
    """Tell whether chunks fill the file from here to its end, give or take a byte."""
    at += -(at - container.first_at) % container.align
    for _, chunk in _walk(file, container, at):
        at = chunk.at + max(0, chunk.size)
    return abs(at - end) < container.align
