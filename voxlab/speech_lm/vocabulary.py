"""One vocabulary for text and sound: the text's tokens first, then one codebook after the other.

Source: the note of section 39.1.2 and Figure 39.1.2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxlab.codec.quantizer import Codes, checked_codes
from voxlab.errors import CodecError

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Token:
    """What an id stands for: a code of a stage (from 0), or a token of the text (stage None)."""

    value: int
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class JointVocabulary:
    """The disjoint union of a text vocabulary and K codebooks; arithmetic, no table.

    text_size: tokens of the text, ids 0 to text_size - 1. stages: codebooks, K. codebook_size:
    codes of each. Raises CodecError if one of them is below one.

    In the chapter's example 128K and 8 codebooks of 2048 make 144K, to the token if K is 1024:

    >>> JointVocabulary(128 * 1024, stages=8, codebook_size=2048).size == 144 * 1024
    True

    Llama 3 has 128,256 tokens; with the eight codebooks of Mimi:

    >>> joint = JointVocabulary(128_256, stages=8, codebook_size=2048)
    >>> joint.size
    144640
    >>> joint.audio_id(7, 2047), joint.token(128_256 + 2048 + 5)
    (144639, Token(value=5, stage=1))
    """

    text_size: int
    stages: int
    codebook_size: int

    def __post_init__(self) -> None:
        sizes = (self.text_size, self.stages, self.codebook_size)
        if not all(isinstance(size, int | np.integer) and size >= 1 for size in sizes):
            raise CodecError(
                f"{self.text_size} text tokens, {self.stages} stages of {self.codebook_size} codes "
                "make no vocabulary: need whole numbers of one or more"
            )

    @property
    def size(self) -> int:
        """How many tokens there are in all."""
        return self.text_size + self.stages * self.codebook_size

    def first_id(self, stage: int) -> int:
        """Return the id of a stage's code 0. Raises CodecError for a stage there is not."""
        if not 0 <= stage < self.stages:
            raise CodecError(f"there is no stage {stage}, use 0 to {self.stages - 1}")
        return self.text_size + stage * self.codebook_size

    def text_id(self, token: int) -> int:
        """Return the id of a token of the text: its own number. Raises CodecError out of range."""
        if not 0 <= token < self.text_size:
            raise CodecError(f"there is no text token {token}, use 0 to {self.text_size - 1}")
        return int(token)

    def audio_id(self, stage: int, code: int) -> int:
        """Return the id of one code of a stage. Raises CodecError if there is no such code."""
        if not 0 <= code < self.codebook_size:
            raise CodecError(f"there is no code {code}, use 0 to {self.codebook_size - 1}")
        return self.first_id(stage) + int(code)

    def token(self, id: int) -> Token:
        """Return what an id stands for. Raises CodecError if it stands for nothing."""
        if not 0 <= id < self.size:
            raise CodecError(f"there is no token {id}, use 0 to {self.size - 1}")
        if id < self.text_size:
            return Token(int(id))
        stage, code = divmod(int(id) - self.text_size, self.codebook_size)
        return Token(code, stage)

    def audio_ids(self, codes: Codes) -> Ids:
        """Return the ids of a codec's codes, int64 of the same shape.

        codes: int (1 to all stages, frames). Raises CodecError if shape or range do not fit.
        """
        checked = checked_codes(codes, self.stages, self.codebook_size)
        return checked + self._first_ids(len(checked))

    def codes(self, ids: ArrayLike) -> Codes:
        """Return the codes that ids stand for, int32 (stages, frames): the way back.

        Raises CodecError unless row k holds ids of stage k alone.
        """
        given = np.asarray(ids)
        if given.ndim != 2 or given.dtype.kind not in "iu" or not 1 <= len(given) <= self.stages:
            raise CodecError(
                f"ids are {given.dtype} {given.shape}, need whole numbers (1 to {self.stages} "
                "stages, frames)"
            )
        codes = given.astype(np.int64) - self._first_ids(len(given))
        wrong = (codes < 0) | (codes >= self.codebook_size)
        if wrong.any():
            stage, frame = np.argwhere(wrong)[0]
            first = self.first_id(stage)
            raise CodecError(
                f"frame {frame} has the id {given[stage, frame]} in the row of stage {stage}, "
                f"whose ids are {first} to {first + self.codebook_size - 1}: see audio_ids"
            )
        return codes.astype(np.int32)

    def _first_ids(self, stages: int) -> Ids:
        """Return the first id of each stage as a column, int64 (stages, 1)."""
        return self.text_size + self.codebook_size * np.arange(stages, dtype=np.int64)[:, None]
