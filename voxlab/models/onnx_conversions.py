"""How a model file from a wheel becomes the file that our engines load.

Each conversion reads a verified member and writes the target; it may use a scratch folder.
onnx and onnxruntime are heavy: they are loaded inside, and only `voxlab models` calls this.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.models.llama_export import export_llama

Conversion = Callable[[Path, Path, Path], None]
Weights = NDArray[np.int8]

WORD_TIMES = "/CumSum_output_0"  # Hibari's running sum of symbol durations, in frames of 25 ms

BLOCK = 32  # weights that share a scale in MatMulNBits; the widths 416 and 1664 are multiples


def add_word_times(member: Path, target: Path, scratch: Path) -> None:
    """Let Hibari's graph also return when each symbol ends, which it computes and keeps to itself.

    The value is an inner tensor, so one more graph output is all it takes.
    """
    import onnx

    model = onnx.load(member)
    inner = onnx.shape_inference.infer_shapes(model).graph.value_info
    model.graph.output.extend(value for value in inner if value.name == WORD_TIMES)
    onnx.save(model, target)
    _demand_loadable(target)


def ort_to_onnx(member: Path, target: Path, scratch: Path) -> None:
    """Save an .ort file as ONNX: the portable format, which onnxruntime optimises as it loads."""
    import onnx

    onnx.save(_resaved(member, scratch), target)
    _demand_loadable(target)


def ort_to_onnx_int8(member: Path, target: Path, scratch: Path) -> None:
    """Save an .ort file as ONNX whose matrices stay 8-bit integers while they are multiplied.

    Moonshine's wheel keeps its weights as integers and expands them to floats before use: 160 MB
    to read for every token. MatMulNBits reads the integers. Its inputs are rounded to 8 bits in
    blocks of 32, which changed no word of ten minutes of human prompts, and a token takes half
    as long. Needs onnxruntime 1.23, the first with the kernel for x86 and ARM.
    """
    import onnx

    model = _resaved(member, scratch)
    _multiply_integers(model)
    onnx.save(model, target)
    _demand_loadable(target)


def gguf_to_onnx(member: Path, target: Path, scratch: Path) -> None:
    """Save the network of a GGUF file of the Llama family as ONNX, with its own 4-bit weights."""
    from gguf import GGUFReader

    export_llama(GGUFReader(member), target)
    _demand_loadable(target)


def gguf_to_vocabulary(member: Path, target: Path, scratch: Path) -> None:
    """Save the tokens of a GGUF file, which of them are special, and their merges, as JSON."""
    from gguf import GGUFReader, TokenType

    fields = GGUFReader(member).fields
    tokens, kinds, merges = (
        fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges")
    )
    special = [t for t, kind in zip(tokens, kinds, strict=True) if kind == TokenType.CONTROL]
    vocabulary = {"tokens": tokens, "special": special, "merges": merges}
    target.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")


CONVERSIONS: Mapping[str, Conversion] = {
    function.__name__: function
    for function in (
        *(add_word_times, ort_to_onnx, ort_to_onnx_int8),
        *(gguf_to_onnx, gguf_to_vocabulary),
    )
}


def _demand_loadable(target: Path) -> None:
    """Let onnxruntime refuse the file now, not in the middle of a call."""
    import onnxruntime

    onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])


def _resaved(member: Path, scratch: Path) -> Any:
    """Return an .ort file as an ONNX model.

    onnxruntime writes the branches of an If without a name, and refuses to read them back, so
    every unnamed subgraph gets one.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.load_model_format", "ORT")
    options.add_session_config_entry("session.save_model_format", "ONNX")
    options.optimized_model_filepath = str(scratch / "resaved.onnx")
    onnxruntime.InferenceSession(str(member), options, providers=["CPUExecutionProvider"])
    model = onnx.load(scratch / "resaved.onnx")
    for number, graph in enumerate(_graphs(model.graph)):
        graph.name = graph.name or f"graph_{number}"
    return model


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and every graph inside its nodes."""
    import onnx

    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A weight matrix kept as integers: weight = scale * integer + shift.

    `integers`, `scale` and `shift` name constants of the graph; `values` is int8 (rows, columns).
    """

    integers: str
    scale: str
    shift: str
    values: Weights
    step: float  # the value of the scale
    zero_point: int  # the unsigned integer that means a weight of 0


def _multiply_integers(model: Any) -> None:
    """Replace each MatMul with a constant integer matrix, and each look-up of an embedding in one.

    What only served to expand the matrices to floats is removed.
    """
    from onnx import helper

    producers = {name: n for g in _graphs(model.graph) for n in g.node for name in n.output}
    matrices = _matrices(model.graph, producers)
    for graph in _graphs(model.graph):  # lazily: extend copies, so inner graphs come after it
        nodes = [new for n in graph.node for new in _integer_nodes(n, matrices, producers)]
        del graph.node[:]
        graph.node.extend(nodes)
    packed = {name for g in _graphs(model.graph) for n in g.node for name in n.input}
    for name, matrix in matrices.items():
        for values, transposed in ((matrix.values.T, ""), (matrix.values, "_transposed")):
            if f"{name}{transposed}_packed" in packed:
                model.graph.initializer.extend(_packed(f"{name}{transposed}", matrix, values))
    _remove_unused(model.graph)
    if all(entry.domain != "com.microsoft" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _matrices(graph: Any, producers: Mapping[str, Any]) -> dict[str, _Matrix]:
    """Find Add(Mul(Cast(integers), scale), shift), by the name of the sum."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    found = {}
    for add in graph.node:
        times = producers.get(add.input[0]) if add.op_type == "Add" else None
        if times is None or times.op_type != "Mul":
            continue
        cast = producers.get(times.input[0])
        if cast is not None and cast.op_type == "Cast" and cast.input[0] in constants:
            values = numpy_helper.to_array(constants[cast.input[0]])
            scale = numpy_helper.to_array(constants[times.input[1]]).item()
            shift = numpy_helper.to_array(constants[add.input[1]]).item()
            if values.dtype == np.int8 and values.ndim == 2:
                names = cast.input[0], times.input[1], add.input[1]
                found[add.output[0]] = _Matrix(*names, values, scale, round(128 - shift / scale))
    return found


def _integer_nodes(
    node: Any, matrices: Mapping[str, _Matrix], producers: Mapping[str, Any]
) -> list[Any]:
    """Return what a node becomes: itself, or its equal on integers."""
    from onnx import TensorProto, helper

    output = node.output[0]
    if node.op_type == "Gather" and node.input[0] in matrices:
        matrix = matrices[node.input[0]]
        return [
            helper.make_node("Gather", [matrix.integers, node.input[1]], [f"{output}_rows"]),
            helper.make_node("Cast", [f"{output}_rows"], [f"{output}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{output}_cast", matrix.scale], [f"{output}_scaled"]),
            helper.make_node("Add", [f"{output}_scaled", matrix.shift], [output]),
        ]
    if node.op_type != "MatMul":
        return [node]
    name, transposed = node.input[1], ""
    if name in producers and producers[name].op_type == "Transpose":
        name, transposed = producers[name].input[0], "_transposed"
    if name not in matrices:
        return [node]
    inputs, outputs = matrices[name].values.shape[:: -1 if transposed else 1]
    name += transposed
    return [
        helper.make_node(
            "MatMulNBits",
            [node.input[0], f"{name}_packed", f"{name}_scales", f"{name}_zero_points"],
            [output],
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=8,
            block_size=BLOCK,
            accuracy_level=4,  # the products are of 8-bit integers, which processors do fastest
        )
    ]


def _packed(name: str, matrix: _Matrix, values: Weights) -> list[Any]:
    """Return the constants of MatMulNBits. values: int8 (outputs, inputs)."""
    from onnx import numpy_helper

    blocks = (values.astype(np.int16) + 128).astype(np.uint8).reshape(len(values), -1, BLOCK)
    count = blocks.shape[0] * blocks.shape[1]
    return [
        numpy_helper.from_array(blocks, f"{name}_packed"),
        numpy_helper.from_array(np.full(count, matrix.step, np.float32), f"{name}_scales"),
        numpy_helper.from_array(np.full(count, matrix.zero_point, np.uint8), f"{name}_zero_points"),
    ]


def _remove_unused(graph: Any) -> None:
    """Remove nodes and constants that nothing reads any more."""
    while True:
        graphs = list(_graphs(graph))
        read = {name for g in graphs for n in g.node for name in n.input}
        read |= {output.name for g in graphs for output in g.output}
        unused = [(g, n) for g in graphs for n in g.node if not read.intersection(n.output)]
        for owner, node in unused:
            owner.node.remove(node)
        if not unused:
            break
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
