"""The order in which a model says K codes a frame: four ways, and how many positions each takes.

A language model has one row of positions. A frame of a codec has K codes, and the later ones
depend on the earlier. What goes where?

    flattened   one code a position: L x K of them
    parallel    a frame a position, its K codes guessed at once, each as if it knew nothing of
                the others
    delay       a frame a position, but stage k comes k positions late: when it is guessed, the
                earlier codes of its frame are known
    depth       a frame a position; a second, small model says its K codes one after the other

Source: Copet et al. 2023 (MusicGen, arXiv:2306.05284), section 2.2, for the first three; Defossez
et al. 2024 (Moshi, arXiv:2410.00037), section 3.4, for the depth transformer and the text stream.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import CodecError
from voxlab.speech_lm.vocabulary import Ids

PATTERNS = ("flattened", "parallel", "delay", "depth")


def positions(pattern: str, frames: int, stages: int) -> int:
    """Return how many positions of the large model so many frames take.

    Ten seconds at 50 frames a second and 8 codes:

    >>> {pattern: positions(pattern, 500, 8) for pattern in PATTERNS}
    {'flattened': 4000, 'parallel': 500, 'delay': 507, 'depth': 500}
    """
    known(pattern)
    if frames < 0 or stages < 1:
        raise CodecError(
            f"{frames} frames of {stages} stages: need 0 frames or more, 1 stage or more"
        )
    if not frames:
        return 0
    return {"flattened": frames * stages, "delay": frames + stages - 1}.get(pattern, frames)


def known(pattern: str) -> str:
    """Return the pattern. Raises CodecError if it is none of `PATTERNS`."""
    if pattern not in PATTERNS:
        raise CodecError(f"there is no pattern {pattern!r}, use one of {', '.join(PATTERNS)}")
    return pattern


def flatten(codes: NDArray[Any]) -> NDArray[Any]:
    """Return codes in one row, frame by frame, (..., frames * stages).

    codes: (..., stages, frames).

    >>> flatten(np.array([[1, 2, 3], [10, 20, 30]]))
    array([ 1, 10,  2, 20,  3, 30])
    """
    return _grid(codes).swapaxes(-1, -2).reshape(*codes.shape[:-2], -1)


def unflatten(row: NDArray[Any], stages: int) -> NDArray[Any]:
    """Return a row of `flatten` as codes again, (..., stages, frames).

    Raises CodecError if the row does not hold whole frames.
    """
    given = np.asarray(row)
    if given.ndim < 1 or stages < 1 or given.shape[-1] % stages:
        raise CodecError(f"a row of {given.shape} does not hold whole frames of {stages} codes")
    return given.reshape(*given.shape[:-1], -1, stages).swapaxes(-1, -2)


def delay(codes: NDArray[Any], fill: int) -> NDArray[Any]:
    """Return codes with stage k moved k places to the right, (..., stages, frames + stages - 1).

    codes: (..., stages, frames). fill: what stands where there is no code.

    >>> delay(np.array([[1, 2, 3], [10, 20, 30]]), fill=0)
    array([[ 1,  2,  3,  0],
           [ 0, 10, 20, 30]])
    """
    *batch, stages, frames = _grid(codes).shape
    moved = np.full((*batch, stages, frames + stages - 1), fill, codes.dtype)
    for stage in range(stages):
        moved[..., stage, stage : stage + frames] = codes[..., stage, :]
    return moved


def undelay(moved: NDArray[Any]) -> NDArray[Any]:
    """Return codes as they were before `delay`, (..., stages, frames).

    Raises CodecError if there are fewer places than the delay alone takes.
    """
    *_, stages, places = _grid(moved).shape
    frames = places - stages + 1
    if frames < 0:
        raise CodecError(
            f"{places} places are too few: the delay of {stages} stages needs {stages - 1}"
        )
    rows = [moved[..., stage, stage : stage + frames] for stage in range(stages)]
    return np.stack(rows, axis=-2)


def align(tokens: Sequence[int], starts: Sequence[int], frames: int, pad: int) -> Ids:
    """Return the text as a row beside the sound: each token at the frame it begins in, else pad.

    >>> align([4, 7], starts=[1, 3], frames=5, pad=9)
    array([9, 4, 9, 7, 9])
    """
    row = np.full(frames, pad, np.int64)
    if len(tokens) != len(starts) or len(set(starts)) < len(starts):
        raise CodecError(f"{len(tokens)} tokens begin at {list(starts)}: need a frame for each")
    if any(not 0 <= start < frames for start in starts):
        raise CodecError(f"tokens begin at {list(starts)}, there are the frames 0 to {frames - 1}")
    row[list(starts)] = tokens
    return row


def interleave(text: Ids, ids: Ids) -> Ids:
    """Return text and sound as one stream: a text token, the K ids of its frame, the next token ...

    text: int (frames,), see `align`; ids: int (stages, frames), see `JointVocabulary.audio_ids`.
    Returns int64 (frames * (1 + stages),).

    >>> interleave(np.array([4, 9]), np.array([[100, 101], [200, 201]]))
    array([  4, 100, 200,   9, 101, 201])
    """
    if text.ndim != 1 or ids.ndim != 2 or text.size != ids.shape[1]:
        raise CodecError(
            f"text of {text.shape} and ids of {ids.shape} do not fit: need (frames,) and (stages, "
            "frames); align puts the text on the frames"
        )
    return np.asarray(flatten(np.vstack([text[None], ids])), np.int64)


def deinterleave(stream: Ids, stages: int) -> tuple[Ids, Ids]:
    """Return the text (frames,) and the ids (stages, frames) of a stream of `interleave`."""
    rows = unflatten(stream, stages + 1)
    return rows[0], rows[1:]


def _grid(codes: NDArray[Any]) -> NDArray[Any]:
    if codes.ndim < 2 or not codes.shape[-2]:
        raise CodecError(f"codes have shape {codes.shape}, need (..., stages, frames)")
    return codes
