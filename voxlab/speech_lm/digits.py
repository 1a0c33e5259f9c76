"""What the small speech language model learns from: two and three digits, read by one voice.

Each reading is kept as what the mini codec makes of it, K = 4 codes a frame. Twenty of the hundred
ordered pairs of digits are never neighbours in training, neither alone nor inside a longer number:
a number with one of them is unseen, and a model that says it well has put it together itself.
`data/make/digits.py` made the readings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxlab import data
from voxlab.codec.quantizer import Codes
from voxlab.errors import CodecError, DataError
from voxlab.models.network_files import UNREADABLE
from voxlab.text import DIGIT_WORDS

READINGS = "speech_lm/digits.npz"
LONGEST = 3  # digits of a number
STAGES, CODEBOOK_SIZE = 4, 1024  # of the mini codec's 8 stages the first half: 2 kbps

# the text's tokens: the digits 0 to 9, and then
NO_DIGIT, SPEAK, END = 10, 11, 12  # fills a short number; "now say it"; "I have said it"
TEXT_SIZE = 13
PROMPT = LONGEST + 1  # tokens before the first frame


def is_unseen(number: str) -> bool:
    """Tell whether a number holds a pair of neighbours that no training reading has.

    The rule: a and b are never neighbours if 3 a + b is a multiple of 5. So each digit has two
    digits that never follow it, and two that it never follows.

    >>> [is_unseen(number) for number in ("47", "05", "470", "105")]
    [False, True, False, True]
    """
    return any((3 * int(a) + int(b)) % 5 == 0 for a, b in pairwise(number))


def numbers(digits: int) -> tuple[str, ...]:
    """Return all numbers of so many digits, "00" to "99" for two."""
    return tuple("".join(each) for each in product("0123456789", repeat=digits))


def text_tokens(number: str) -> tuple[int, ...]:
    """Return the prompt of a number: its digits, filled up to three, and "now say it".

    Raises CodecError unless it is two or three digits.

    >>> text_tokens("47")
    (4, 7, 10, 11)
    """
    if not re.fullmatch(r"[0-9]{2,3}", number):
        raise CodecError(f"{number!r} cannot be read aloud here: give two or three digits")
    return (*map(int, number), *[NO_DIGIT] * (LONGEST - len(number)), SPEAK)


def as_number(text: str) -> str:
    """Return the digits of a text, written or in words; another word becomes "?".

    >>> as_number("Four, seven."), as_number("4-7"), as_number("fox seven")
    ('47', '47', '?7')
    """
    found = re.findall(r"[a-z]+|[0-9]", text.lower())
    names = {name: str(digit) for digit, name in enumerate(DIGIT_WORDS)} | {"oh": "0"}
    return "".join(part if part.isdigit() else names.get(part, "?") for part in found)


@dataclass(frozen=True, eq=False, slots=True)
class DigitReading:
    """One number read aloud: its codes (stages, frames), and the frame each digit begins in."""

    number: str
    codes: Codes
    starts: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Readings:
    """Readings to train on, and of unseen numbers to test with."""

    train: tuple[DigitReading, ...]
    unseen: tuple[DigitReading, ...]

    @staticmethod
    def of(readings: Sequence[DigitReading]) -> "Readings":
        """Split readings by `is_unseen`."""
        new = [is_unseen(reading.number) for reading in readings]
        train = (each for each, unseen in zip(readings, new, strict=True) if not unseen)
        test = (each for each, unseen in zip(readings, new, strict=True) if unseen)
        return Readings(tuple(train), tuple(test))


def load(file: Path | None = None) -> Readings:
    """Return the readings that come with voxlab, or those of another file.

    Raises DataError if the file is missing, cut short, or holds codes that the codec has not.
    """
    file = file or data.path(READINGS)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            codes, sizes = arrays["codes"].astype(np.int32), arrays["frames"].astype(np.int64)
            names, starts = arrays["numbers"].tolist(), arrays["starts"].tolist()
    except UNREADABLE as error:
        raise DataError(
            f"{file} holds no readings: {type(error).__name__}: {str(error)[:200]}. "
            "Try git checkout data/speech_lm"
        ) from error
    whole = codes.ndim == 2 and len(codes) == STAGES and codes.shape[1] == sizes.sum()
    if not whole or not len(names) == len(sizes) == len(starts) or not codes.size:
        raise DataError(f"{file}: codes {codes.shape} for {len(names)} readings do not fit")
    if codes.min() < 0 or codes.max() >= CODEBOOK_SIZE:
        raise DataError(f"{file} has codes {codes.min()} to {codes.max()}, the codec 0 to 1023")
    parts = np.split(codes, np.cumsum(sizes)[:-1], axis=1)
    return Readings.of(
        [
            DigitReading(name, part, tuple(begin[: len(name)]))
            for name, part, begin in zip(names, parts, starts, strict=True)
        ]
    )


def save(file: Path, readings: Sequence[DigitReading]) -> None:
    """Write readings, their codes end to end as 16-bit numbers."""
    starts: NDArray[np.int16] = np.full((len(readings), LONGEST), -1, np.int16)
    for row, reading in zip(starts, readings, strict=True):
        row[: len(reading.starts)] = reading.starts
    np.savez_compressed(
        file,
        codes=np.concatenate([reading.codes for reading in readings], axis=1).astype(np.int16),
        frames=np.array([reading.codes.shape[1] for reading in readings], np.int16),
        numbers=np.array([reading.number for reading in readings]),
        starts=starts,
    )
