"""Residual vector quantization: say a vector as the sum of a few entries of fixed tables.

The first codebook holds coarse positions. What it misses, the residual, is looked up in the second,
what that misses in the third, and so on: K codes of 10 bits stand where one table of the same
precision would need 2^(10 K) entries.

Source: Zeghidour et al. 2021 (SoundStream, arXiv:2107.03312), Algorithm 1; the note of section
39.1.2. How codebooks are learned is in `learning`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import CodecError

Vectors = NDArray[np.float32]  # (frames, features)
Codes = NDArray[np.int32]  # (stages, frames)

BLOCK = 512  # frames a pass: their distances to 1024 codewords stay in the processor's cache


def nearest_code(vectors: Vectors, codebook: Vectors) -> NDArray[np.int32]:
    """Return the index of the closest codeword for each vector, the first of equals.

    vectors: float (frames, features); codebook: float (codes, features). Returns int32 (frames,).
    Raises CodecError if the features differ.

    >>> nearest_code(np.array([[0.9, 0.2], [0.1, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([0, 1], dtype=int32)
    """
    return _nearest(_checked(vectors, np.shape(codebook)[-1]), _scorer(np.asarray(codebook)))


def _scorer(codebook: Vectors) -> Vectors:
    """Return (features + 1, codes), by which vectors with a 1 appended give r.e - |e|^2 / 2.

    |r - e|^2 is |r|^2 - 2 r.e + |e|^2, and |r|^2 is the same for all codewords: the closest has
    the largest such score. One matrix product gives them all. Its rows lie one after the other in
    memory: for two or four vectors that is five times faster.
    """
    half_squares = np.square(codebook, dtype=np.float32).sum(1) / 2
    return np.ascontiguousarray(np.vstack([codebook.T, -half_squares]), np.float32)


def _nearest(vectors: Vectors, scorer: Vectors) -> NDArray[np.int32]:
    found = np.empty(len(vectors), np.int32)
    with_one = np.ones((min(len(vectors), BLOCK), len(scorer)), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        with_one[: len(block), :-1] = block
        found[start : start + BLOCK] = (with_one[: len(block)] @ scorer).argmax(1)
    return found


def _checked(vectors: Vectors, features: int) -> Vectors:
    given = np.asarray(vectors)
    if given.ndim != 2 or given.shape[1] != features or given.dtype.kind != "f":
        raise CodecError(
            f"vectors are {given.dtype} {given.shape}, the codebook needs float (frames, "
            f"{features}): one row a frame"
        )
    if not np.isfinite(given).all():
        raise CodecError("vectors hold NaN or infinity: no codeword is near; check the sound")
    return given.astype(np.float32, copy=False)


class ResidualQuantizer:
    """Vectors to codes and back, through a chain of codebooks.

    codebooks: float (stages, codes, features). Raises CodecError if they are not that, or not
    finite.

    >>> coarse, fine = [[-1.0], [1.0]], [[-0.3], [0.3]]
    >>> quantizer = ResidualQuantizer(np.array([coarse, fine]))
    >>> codes = quantizer.encode(np.array([[0.8], [-1.2]]))
    >>> codes.tolist()
    [[1, 0], [0, 0]]
    >>> quantizer.decode(codes).round(1)
    array([[ 0.7],
           [-1.3]], dtype=float32)
    """

    def __init__(self, codebooks: NDArray[np.float32]) -> None:
        given = np.asarray(codebooks)
        if given.ndim != 3 or 0 in given.shape or not np.isfinite(given).all():
            raise CodecError(
                f"codebooks have shape {given.shape}, need finite (stages, codes, features)"
            )
        self.codebooks: NDArray[np.float32] = np.ascontiguousarray(given, np.float32)
        self._scorers = [_scorer(codebook) for codebook in self.codebooks]

    @property
    def stages(self) -> int:
        """How many codebooks there are."""
        return len(self.codebooks)

    @property
    def codes(self) -> int:
        """How many codewords each codebook has."""
        return len(self.codebooks[0])

    @property
    def features(self) -> int:
        """How many numbers a vector has."""
        return len(self.codebooks[0, 0])

    def encode(self, vectors: Vectors, stages: int | None = None) -> Codes:
        """Return the codes of each vector, int32 (stages, frames).

        vectors: float (frames, features). stages: use only the first so many (default: all).
        Raises CodecError for other shapes, NaN, or a number of stages that there is not.
        """
        stages = known_stages(stages, self.stages)
        residuals = _checked(vectors, self.features)
        codes = np.empty((stages, len(residuals)), np.int32)
        for stage in range(stages):
            codes[stage] = _nearest(residuals, self._scorers[stage])
            residuals = residuals - self.codebooks[stage, codes[stage]]
        return codes

    def decode(self, codes: Codes) -> Vectors:
        """Return the sum of the codewords, float32 (frames, features).

        codes: int (up to stages, frames). Raises CodecError if a code is out of range.
        """
        codes = checked_codes(codes, self.stages, self.codes)
        total = np.zeros((codes.shape[1], self.features), np.float32)
        for codebook, row in zip(self.codebooks, codes, strict=False):
            total += codebook[row]
        return total

    def residuals(self, vectors: Vectors) -> Iterator[Vectors]:
        """Yield what is left of the vectors before the first stage, and after each."""
        left = _checked(vectors, self.features)
        yield left
        for codebook, scorer in zip(self.codebooks, self._scorers, strict=True):
            left = left - codebook[_nearest(left, scorer)]
            yield left


def known_stages(stages: int | None, there_are: int) -> int:
    """Return the number of stages asked for, all by default. Raises CodecError if out of range."""
    if stages is None:
        return there_are
    if isinstance(stages, bool) or not isinstance(stages, int | np.integer):
        raise CodecError(f"stages is {stages!r}, need a whole number from 1 to {there_are}")
    if not 1 <= stages <= there_are:
        raise CodecError(f"{stages} stages asked for, the codec has 1 to {there_are}")
    return int(stages)


def checked_codes(codes: Codes, stages: int, size: int) -> Codes:
    """Return codes as an array. Raises CodecError if shape, type or range do not fit.

    codes: int (1 to stages, frames), each in [0, size).
    """
    given = np.asarray(codes)
    if given.ndim != 2 or given.dtype.kind not in "iu" or not 1 <= given.shape[0] <= stages:
        raise CodecError(
            f"codes are {given.dtype} {given.shape}, need whole numbers (1 to {stages} stages, "
            "frames)"
        )
    if given.size and (given.min() < 0 or given.max() >= size):
        bad = given.min() if given.min() < 0 else given.max()
        raise CodecError(f"there is a code {bad}, each must be in 0 to {size - 1}")
    return given.astype(np.int32, copy=False)
