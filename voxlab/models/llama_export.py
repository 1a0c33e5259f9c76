"""A GGUF network of the Llama family as ONNX with a key-value cache, number for number.

GGUF's Q4_1 keeps weights as w = d q + m in blocks of 32. onnxruntime's MatMulNBits multiplies
with d (q - 8); what is missing is small: the sum of the inputs over each block, times m + 8 d. So
nothing is rounded twice, and the file stays about as small as it was.
A low-rank adapter (LoRA, Hu et al. 2021) adds x A B to the product of a matrix. A and B are inputs
of the graph, so that one file serves every adapter.
Source: onnx's docs/Syntax.md; onnxruntime's docs/ContribOperators.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.models.gguf_blocks import (
    BLOCK,
    LlamaShape,
    read_rows,
    read_shape,
    unpack_q4_1,
    unpack_q8_0,
)

PARTS = {  # a layer's products; matrices that read the same input are one
    "qkv": ("attn_q", "attn_k", "attn_v"),
    "out": ("attn_output",),
    "gate_up": ("ffn_gate", "ffn_up"),
    "down": ("ffn_down",),
}
PRODUCTS_OF_INT8 = 4  # MatMulNBits' accuracy_level: inputs are rounded to 8 bits, the fastest
PRODUCTS_OF_FLOATS = 1

Constants = dict[str, NDArray[Any]]


def export_llama(reader: Any, target: Path, accuracy_level: int = PRODUCTS_OF_INT8) -> None:
    """Write the network that a gguf.GGUFReader has open as ONNX.

    Inputs: tokens int64 (1, new); mask int64 (1, past + new), all ones; wanted int64 (n), which of
    the new tokens' logits are returned, -1 for the last; for each layer N past_key_N and
    past_value_N (1, kv_heads, past, head_width), and for each of PARTS lora_PART_N_a (inputs, rank)
    and lora_PART_N_b (rank, outputs). Outputs: logits (1, n, vocabulary), key_N and value_N.
    """
    import onnx
    from onnx import numpy_helper

    shape = read_shape(reader)
    rows = read_rows(reader, shape)
    constants = _constants(rows, shape)
    text = _model_text(shape, len(rows["token_embd"]), constants, accuracy_level)
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
    )
    onnx.save(model, target)


def _constants(rows: Mapping[str, NDArray[Any]], shape: LlamaShape) -> Constants:
    """Return all weights of the graph by name, and the rotations of each position."""
    rate = shape.rope_base ** (-np.arange(0, shape.head_width, 2) / shape.head_width)
    angles = np.outer(np.arange(shape.positions), rate)
    embedding = unpack_q8_0(rows["token_embd"])
    constants: Constants = {
        "cos": np.cos(angles).astype(np.float32),
        "sin": np.sin(angles).astype(np.float32),
        "embedding_q": (embedding.integers.astype(np.int16) + 128).astype(np.uint8),
        "embedding_d": embedding.scale,
        "final_norm": rows["output_norm"],
    }
    for layer in range(shape.layers):
        for name in ("attn_norm", "ffn_norm"):
            constants[f"{name}_{layer}"] = rows[f"blk.{layer}.{name}"]
        for part, names in PARTS.items():
            blocks = unpack_q4_1(np.concatenate([rows[f"blk.{layer}.{name}"] for name in names]))
            pairs = blocks.integers[..., ::2] | (blocks.integers[..., 1::2] << 4)
            constants[f"{part}_{layer}_q"] = pairs
            constants[f"{part}_{layer}_d"] = blocks.scale
            constants[f"{part}_{layer}_m"] = (blocks.least + 8 * blocks.scale).T
    return constants


def _model_text(shape: LlamaShape, vocabulary: int, constants: Constants, level: int) -> str:
    """Return the graph in ONNX's text syntax, without its constants' values."""
    layers, width = range(shape.layers), shape.width
    kept = [f"{kind}_{n}" for n in layers for kind in ("key", "value")]
    heads, features = shape.kv_heads, shape.head_width
    past = [f"float[1,{heads},past,{features}] past_{name}" for name in kept]
    present = [f"float[1,{heads},held,{features}] {name}" for name in kept]
    offsets = {part: constants[f"{part}_0_m"].shape for part in PARTS}
    sizes = {part: (blocks * BLOCK, outputs) for part, (blocks, outputs) in offsets.items()}
    lora = [
        f"float[{inputs},rank] lora_{part}_{n}_a, float[rank,{outputs}] lora_{part}_{n}_b"
        for n in layers
        for part, (inputs, outputs) in sizes.items()
    ]
    taken = ["int64[1,new] tokens", "int64[1,all] mask", "int64[n] wanted", *past, *lora]
    return f"""
    <ir_version: 10, opset_import: ["": 20, "com.microsoft": 1]>
    llama ({", ".join(taken)}) => ({", ".join([f"float[1,n,{vocabulary}] logits", *present])}) {{
      axis_1 = Constant <value_ints: ints = [1]> ()
      axis_3 = Constant <value_ints: ints = [3]> ()
      one = Constant <value_int: int = 1> ()
      rows_of_width = Constant <value_ints: ints = [1, -1, {width}]> ()
      zero = Constant <value_float: float = 128.0> ()
      lengths = ReduceSum <keepdims: int = 0> (mask, axis_1)
      last_places = Sub (lengths, one)
      last_place = Cast <to: int = 6> (last_places)
      length = Squeeze (lengths)
      total = Cast <to: int = 6> (length)
      token_bytes = Gather <axis: int = 0> (embedding_q, tokens)
      token_floats = Cast <to: int = 1> (token_bytes)
      token_integers = Sub (token_floats, zero)
      token_scales = Gather <axis: int = 0> (embedding_d, tokens)
      token_scale = Unsqueeze (token_scales, axis_3)
      token_blocks = Mul (token_integers, token_scale)
      stream_0 = Reshape (token_blocks, rows_of_width)
      normed_0 = SimplifiedLayerNormalization <axis: int = -1, stash_type: int = 1,
        epsilon: float = {shape.epsilon!r}> (stream_0, attn_norm_0)
      {"".join(_layer_text(n, shape, sizes, level) for n in layers)}
      last = Gather <axis: int = 1> (normed_{shape.layers}, wanted)
      logits = com.microsoft.MatMulNBits <K: int = {width}, N: int = {vocabulary}, bits: int = 8,
        block_size: int = {BLOCK}, accuracy_level: int = {level}> (last, embedding_q, embedding_d)
    }}"""


def _layer_text(n: int, shape: LlamaShape, sizes: Mapping[str, tuple[int, int]], level: int) -> str:
    """Return the nodes of layer n: from stream_n and its norm to those of layer n + 1."""
    norm = f"<epsilon: float = {shape.epsilon!r}>"
    after = f"attn_norm_{n + 1}" if n + 1 < shape.layers else "final_norm"
    products = {part: _product_text(part, n, *sizes[part], level) for part in PARTS}
    return f"""
      {products["qkv"].format(x=f"normed_{n}")}
      attended_{n}, key_{n}, value_{n} = com.microsoft.GroupQueryAttention <
        num_heads: int = {shape.heads}, kv_num_heads: int = {shape.kv_heads}, do_rotary: int = 1,
        scale: float = {shape.head_width**-0.5}> (qkv_{n}, , , past_key_{n}, past_value_{n},
        last_place, total, cos, sin)
      {products["out"].format(x=f"attended_{n}")}
      between_{n}, , , middle_{n} = com.microsoft.SkipSimplifiedLayerNormalization {norm} (
        stream_{n}, out_{n}, ffn_norm_{n})
      {products["gate_up"].format(x=f"between_{n}")}
      gate_{n}, up_{n} = Split <axis: int = -1, num_outputs: int = 2> (gate_up_{n})
      open_{n} = com.microsoft.QuickGelu <alpha: float = 1.0> (gate_{n})
      hidden_{n} = Mul (open_{n}, up_{n})
      {products["down"].format(x=f"hidden_{n}")}
      normed_{n + 1}, , , stream_{n + 1} = com.microsoft.SkipSimplifiedLayerNormalization {norm} (
        middle_{n}, down_{n}, {after})"""


def _product_text(part: str, n: int, inputs: int, outputs: int, level: int) -> str:
    """Return the nodes of PART_n = {x} W + {x} A B."""
    me = f"{part}_{n}"
    return f"""
      {me}_nodes = com.microsoft.MatMulNBits <K: int = {inputs}, N: int = {outputs}, bits: int = 4,
        block_size: int = {BLOCK}, accuracy_level: int = {level}> ({{x}}, {me}_q, {me}_d)
      {me}_shape = Constant <value_ints: ints = [1, -1, {inputs // BLOCK}, {BLOCK}]> ()
      {me}_blocks = Reshape ({{x}}, {me}_shape)
      {me}_sums = ReduceSum <keepdims: int = 0> ({me}_blocks, axis_3)
      {me}_offset = MatMul ({me}_sums, {me}_m)
      {me}_base = Add ({me}_nodes, {me}_offset)
      {me}_low = MatMul ({{x}}, lora_{me}_a)
      {me}_change = MatMul ({me}_low, lora_{me}_b)
      {me} = Add ({me}_base, {me}_change)"""
