"""Low-rank adapters: a few megabytes that change what the network has learned.

A trained matrix W becomes W + (alpha / rank) B A. Source: Hu et al. 2021, "LoRA: Low-Rank
Adaptation of Large Language Models".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import ModelError
from voxlab.models.network_files import UNREADABLE

MATRICES = {  # of each part of a layer, as an adapter's file names them
    "qkv": ("q", "k", "v"),
    "out": ("o",),
    "gate_up": ("gate", "up"),
    "down": ("down",),
}
SCALE = ".scale"  # behind the name of a matrix of integers
LEVELS = (
    31  # of a weight on each side of zero: 8 bits would choose no better, and take a third more
)
ALPHA = 16.0  # a product is scaled by alpha / rank; a file may tell another alpha

Weights = NDArray[np.float32]


def write_adapter(file: Path, matrices: Mapping[str, Weights]) -> None:
    """Write an adapter: 6 bits a weight, and a scale for each of the `rank` directions.

    matrices: by the names that `read_matrices` tells. One of rank 0, which changes nothing, is
    written as rank 1 of zeros.
    """
    arrays: dict[str, Any] = {"alpha": np.float32(ALPHA)}
    for name, matrix in matrices.items():
        weights = matrix if matrix.size else np.zeros([max(size, 1) for size in matrix.shape])
        along = 1 if name.endswith(".a") else 0  # a direction: a row of A, a column of B
        scale = np.maximum(np.abs(weights).max(along, keepdims=True), 1e-30) / LEVELS
        arrays[name] = np.rint(weights / scale).astype(np.int8)
        arrays[f"{name}{SCALE}"] = scale.astype(np.float32)
    np.savez_compressed(file, **arrays)


def read_matrices(file: Path) -> tuple[dict[str, Weights], float]:
    """Return an adapter's matrices by name, and alpha.

    file: .npz with blocks.N.NAME.a (rank, inputs) and blocks.N.NAME.b (outputs, rank) for the
    matrices of MATRICES, and alpha. Beside a matrix may stand its scale, by which it is multiplied.
    Raises ModelError if the file cannot be read.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            held = {name: arrays[name].astype(np.float32) for name in arrays.files}
        for name in [each for each in held if each.endswith(SCALE)]:
            held[name.removesuffix(SCALE)] *= held.pop(name)
        alpha = float(held.pop("alpha", ALPHA))
    except UNREADABLE as error:
        raise ModelError(
            f"cannot read the adapter {file}: {error}. It must be a .npz of matrices A and B"
        ) from error
    return held, alpha


def read_adapter(file: Path, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Weights]:
    """Return an adapter as inputs of the network: lora_PART_N_a and lora_PART_N_b.

    file: as `read_matrices` wants it. sizes: inputs and outputs of each PART_N of the network.
    Raises ModelError if the file cannot be read or does not fit.
    """
    held, alpha = read_matrices(file)
    made = {}
    for name, size in sizes.items():
        part, _, layer = name.rpartition("_")
        try:
            pairs = [
                (held[f"blocks.{layer}.{matrix}.a"], held[f"blocks.{layer}.{matrix}.b"])
                for matrix in MATRICES[part]
            ]
            made[f"lora_{name}_a"], made[f"lora_{name}_b"] = _fuse(pairs, size, alpha)
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"the adapter {file} does not fit the network at {name}: {error}. It needs A "
                f"(rank, inputs) and B (outputs, rank) of {', '.join(MATRICES[part])}"
            ) from error
    return made


def _fuse(
    pairs: Sequence[tuple[Weights, Weights]], size: tuple[int, int], alpha: float
) -> tuple[Weights, Weights]:
    """Return A and B of matrices that lie side by side: (inputs, ranks) and (ranks, outputs).

    Each matrix has its own rows of B, which change its own outputs only.
    """
    low = np.concatenate([a for a, _ in pairs]).T
    high = np.zeros((low.shape[1], sum(len(b) for _, b in pairs)), np.float32)
    row = column = 0
    for a, b in pairs:
        outputs, rank = b.shape
        if not rank:
            raise ValueError("its rank is 0, and 1 or more is needed")
        high[row : row + len(a), column : column + outputs] = b.T * (alpha / rank)
        row, column = row + rank, column + outputs
    if (low.shape[0], high.shape[1]) != size:
        raise ValueError(f"it is for {low.shape[0]} inputs and {high.shape[1]} outputs, not {size}")
    return np.ascontiguousarray(low), high
