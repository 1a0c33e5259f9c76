"""A network of the Llama family in a GGUF file: its sizes, and its weights in blocks of integers.

The package gguf reads the container. Here the blocks are taken apart, so that their integers and
scales can go into another format as they are.
Source: llama.cpp's ggml-common.h (block_q4_1, block_q8_0).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # weights that share a scale


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """The sizes of a network of the Llama family. positions: of its longest text, in tokens."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    positions: int
    rope_base: float
    epsilon: float

    @property
    def head_width(self) -> int:
        """Features of one attention head."""
        return self.width // self.heads


def read_shape(reader: Any) -> LlamaShape:
    """Return the sizes that a gguf.GGUFReader's file tells."""

    def told(key: str) -> Any:
        return reader.fields[f"llama.{key}"].contents()

    return LlamaShape(
        layers=told("block_count"),
        width=told("embedding_length"),
        heads=told("attention.head_count"),
        kv_heads=told("attention.head_count_kv"),
        positions=told("context_length"),
        rope_base=told("rope.freq_base"),
        epsilon=told("attention.layer_norm_rms_epsilon"),
    )


def read_rows(reader: Any, shape: LlamaShape) -> dict[str, NDArray[Any]]:
    """Return each tensor as it lies in the file: uint8 (outputs, bytes) if in blocks, or float32.

    llama.cpp stores the rows of queries and keys so that two features that rotate together are
    neighbours; here they are back in the two halves of a head, where they were trained.
    """
    rows = {}
    for tensor in reader.tensors:
        name, data = tensor.name.removesuffix(".weight"), tensor.data
        if name.endswith(("attn_q", "attn_k")):
            heads = shape.heads if name.endswith("q") else shape.kv_heads
            pairs = data.reshape(heads, shape.head_width // 2, 2, -1)
            data = pairs.swapaxes(1, 2).reshape(data.shape)
        rows[name] = data
    return rows


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """A matrix in blocks: weight = scale * integer + least.

    integers: (outputs, blocks, 32); scale, least: float32 (outputs, blocks).
    """

    integers: NDArray[Any]
    scale: NDArray[np.float32]
    least: NDArray[np.float32]

    def weights(self) -> NDArray[np.float32]:
        """Return the matrix, float32 (outputs, inputs)."""
        values = self.integers * self.scale[..., None] + self.least[..., None]
        return values.reshape(len(values), -1)


def unpack_q4_1(rows: NDArray[np.uint8]) -> Blocks:
    """Take Q4_1 apart: a block is scale and least in float16, and 32 integers from 0 to 15.

    rows: uint8 (outputs, 20 bytes a block). A byte holds two integers; the first 16 are low halves.
    """
    blocks = rows.reshape(len(rows), -1, 20)
    packed = blocks[..., 4:]
    integers = np.concatenate([packed & 15, packed >> 4], axis=-1)
    return Blocks(integers, _halves(blocks, 0), _halves(blocks, 2))


def unpack_q8_0(rows: NDArray[np.uint8]) -> Blocks:
    """Take Q8_0 apart: a block is a scale in float16, and 32 integers from -127 to 127.

    rows: uint8 (outputs, 34 bytes a block).
    """
    blocks = rows.reshape(len(rows), -1, 34)
    integers = np.ascontiguousarray(blocks[..., 2:]).view(np.int8)
    scale = _halves(blocks, 0)
    return Blocks(integers, scale, np.zeros_like(scale))


def _halves(blocks: NDArray[np.uint8], at: int) -> NDArray[np.float32]:
    """Return the float16 that each block has at a byte."""
    return (
        np.ascontiguousarray(blocks[..., at : at + 2]).view(np.float16)[..., 0].astype(np.float32)
    )
