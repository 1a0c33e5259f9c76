"""Silero for the calls of one process: one run of the network hears a frame of each of them.

    vad = SharedSilero()
    one, other = vad.stream(), vad.stream()
    vad.probabilities([one, other], frames)  # as one.probability(frames[0]) and the other's

The network and its weights are those of `silero.SileroVAD`. But its convolutions see four steps of
time at most, and for so few a convolution costs more to prepare than to compute: here each is one
product of matrices, over the steps of all calls. The sums are the same, their order is not: beside
the network in float64 these probabilities are 1e-6 off, those of `SileroVAD` 1e-5.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxlab import models
from voxlab.audio import Samples
from voxlab.errors import ModelError
from voxlab.models.onnx_sessions import open_session
from voxlab.vad.silero import (
    CONTEXT_SIZE,
    FRAME_SIZE,
    GRAPH_FILE,
    MEMORY_SIZE,
    RATE_HZ,
    WINDOW_SIZE,
    refuse_unusable,
)

if TYPE_CHECKING:
    import onnx

HOP = CONTEXT_SIZE * 2  # of the Fourier transform, whose windows are twice as long
STEPS = 4  # of time in a frame: the transform's windows
BINS = HOP + 1


class SharedSilero:
    """Silero's voice activity detector at 16 kHz: a network that hears several streams at once.

    Raises ModelError if the network's file is missing or damaged.
    """

    rate_hz = RATE_HZ
    frame_size = FRAME_SIZE

    def __init__(self) -> None:
        made = _with_matrices(models.path("silero", GRAPH_FILE))
        self._run = open_session(made.SerializeToString()).run

    def stream(self) -> "SharedStream":
        """Return a fresh stream that remembers nothing yet."""
        return SharedStream(self)

    def check(self, frame: Samples) -> None:
        """Raise AudioError unless a frame is 32 ms of finite audio in [-1, 1]."""
        refuse_unusable(frame, (FRAME_SIZE,))

    def probabilities(
        self, streams: Sequence["SharedStream"], frames: Sequence[Samples]
    ) -> list[float]:
        """Return how likely each stream's next frame is speech, in [0, 1].

        frames: float (512,) each, 32 ms at 16 kHz. No stream may come twice. Raises AudioError,
        and forgets nothing, if a frame has another shape or is not finite audio in [-1, 1].
        """
        for frame in frames:
            self.check(frame)
        return self.hear_checked(streams, frames)

    def hear_checked(
        self, streams: Sequence["SharedStream"], frames: Sequence[Samples]
    ) -> list[float]:
        """Return what `probabilities` returns, of frames that `check` has let pass."""
        windows = np.empty((len(streams), WINDOW_SIZE), np.float32)
        memories = np.empty((2, 1, len(streams), MEMORY_SIZE), np.float32)
        for index, (stream, frame) in enumerate(zip(streams, frames, strict=True)):
            windows[index, :CONTEXT_SIZE] = stream.context
            windows[index, CONTEXT_SIZE:] = frame
            memories[:, 0, index] = stream.memory
        fed = {"windows": windows, "h": memories[0], "c": memories[1]}
        probabilities, hidden, cells = self._run(None, fed)
        for index, stream in enumerate(streams):
            stream.context = windows[index, FRAME_SIZE:]
            stream.memory = np.stack([hidden[0, index], cells[0, index]])
        result: list[float] = probabilities.tolist()
        return result


class SharedStream:
    """One listener: the last 4 ms of sound, and the network's memory (2, 128), between frames."""

    def __init__(self, network: SharedSilero) -> None:
        self._network = network
        self.context = np.zeros(CONTEXT_SIZE, np.float32)
        self.memory = np.zeros((2, MEMORY_SIZE), np.float32)

    def probability(self, frame: Samples) -> float:
        """Return how likely the frame is speech: see `SharedSilero.probabilities`."""
        return self._network.probabilities([self], [frame])[0]


# --- the network with matrices for convolutions -----------------------------------------------


def _with_matrices(file: Path) -> "onnx.ModelProto":
    """Return the network with matrices for convolutions, over any number of calls.

    Inputs: windows (calls, 576), h and c (1, calls, 128). Outputs: probabilities (calls,), and h
    and c as they are next.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    try:
        given = onnx.load(file)
    except Exception as error:  # at a damaged file onnx raises an error of protobuf's
        raise ModelError(
            f"onnx cannot read {file}: {error}. Run: voxlab models --verify"
        ) from error
    weights = {each.name: numpy_helper.to_array(each) for each in given.graph.initializer}
    lstm = next((node for node in given.graph.node if node.op_type == "LSTM"), None)
    if lstm is None:
        raise ModelError(f"{file} holds no Silero network. Run: voxlab models --verify")
    graph = _Graph()
    # the frame with its context, mirrored at its end: (calls, 5, 128), two neighbours are a window
    padded = graph.add("Pad", "windows", np.array([0, 0, 0, CONTEXT_SIZE]), mode="reflect")
    hops = graph.add("Reshape", padded, np.array([-1, STEPS + 1, HOP]))
    pairs = graph.join([graph.cut(hops, 0, STEPS), graph.cut(hops, 1, STEPS + 1)])
    basis = weights["stft.forward_basis_buffer"][:, 0].T
    spectrum = graph.add("MatMul", pairs, basis)
    parts = [graph.cut(spectrum, at, at + BINS, axis=2) for at in (0, BINS)]
    powers = [graph.add("Mul", part, part) for part in parts]
    values = graph.add("Sqrt", graph.add("Add", *powers))
    # kernels of three steps, and a step of silence before the first and after the last
    values = graph.pad_steps(values, 1, 1)
    values = graph.join([graph.cut(values, at, at + STEPS) for at in range(3)])
    values = graph.layer(values, _taps(weights, 0, (0, 1, 2)))
    values = graph.pad_steps(values, 1, 0)  # every second step: the last silence is never seen
    values = graph.join([graph.cut(values, at, at + 3, stride=2) for at in range(3)])
    values = graph.layer(values, _taps(weights, 1, (0, 1, 2)))
    values = graph.add("Reshape", values, np.array([1, -1, 2 * weights["encoder.2.bias"].size]))
    values = graph.layer(values, _taps(weights, 2, (1, 2)))  # the one step left is its second ...
    values = graph.layer(values, _taps(weights, 3, (1,)))  # ... and here nothing else is
    gates = [weights[name] for name in lstm.input[1:4]]
    graph.node("LSTM", [values, *gates, "", "h", "c"], ["", "hn", "cn"], hidden_size=MEMORY_SIZE)
    readout = weights["output.weight"][0], weights["output.bias"]
    logits = graph.add("MatMul", graph.add("Relu", "hn"), readout[0])
    chances = graph.add("Sigmoid", graph.add("Add", logits, readout[1]))
    graph.node("Reshape", [chances, np.array([-1])], ["probabilities"])
    memory: list[str | int | None] = [1, "calls", MEMORY_SIZE]
    shapes: dict[str, list[str | int | None]]
    shapes = {"windows": ["calls", WINDOW_SIZE], "h": memory, "c": memory}
    shapes |= {"probabilities": ["calls"], "hn": memory, "cn": memory}
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    made = helper.make_graph(graph.nodes, "silero", tensors[:3], tensors[3:], graph.constants)
    return helper.make_model(made, opset_imports=given.opset_import, ir_version=given.ir_version)


def _taps(weights: dict[str, Any], layer: int, taps: tuple[int, ...]) -> tuple[Samples, Samples]:
    """Return a convolution's matrix over so many neighbouring steps, and its bias."""
    kernel = weights[f"encoder.{layer}.weight"]  # (to, from, step)
    return np.concatenate([kernel[:, :, tap].T for tap in taps]), weights[f"encoder.{layer}.bias"]


class _Graph:
    """Nodes and constants, which are named as they come. Values are (calls, steps, features)."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[Any], outputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self.nodes.append(helper.make_node(kind, names, outputs, **attributes))

    def _constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = f"value_{len(self.nodes)}"
        self.node(kind, list(inputs), [name], **attributes)
        return name

    def cut(self, value: str, start: int, end: int, axis: int = 1, stride: int = 1) -> str:
        """Return a part of a value."""
        return self.add("Slice", value, *(np.array([n]) for n in (start, end, axis, stride)))

    def join(self, values: list[str]) -> str:
        """Return values side by side."""
        return self.add("Concat", *values, axis=2)

    def pad_steps(self, value: str, before: int, after: int) -> str:
        """Return a value with silent steps around it."""
        return self.add("Pad", value, np.array([0, before, 0, 0, after, 0]))

    def layer(self, value: str, weights: tuple[Samples, Samples]) -> str:
        """Return max(0, value @ matrix + bias)."""
        product = self.add("MatMul", value, weights[0])
        return self.add("Relu", self.add("Add", product, weights[1]))
