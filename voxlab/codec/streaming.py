"""Parts of a network that remember: many frames in one pass, or frame by frame.

A pass through torch costs about a millisecond however few frames it takes, nearly all of it for
calling a hundred small operations. `CompiledPart` has the same part as onnxruntime graphs, and
takes a fifth of that time for a frame. Two frames in one pass take 1.3 times as long as one: the
weights are read once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxlab.models.onnx_sessions import open_session
from voxlab.models.onnx_tracing import trace
from voxlab.models.torch_threads import inference

if TYPE_CHECKING:
    from torch import Tensor

    from voxlab.codec.network import Memory, MiniNetwork

    Part = Callable[[Tensor, Memory], Tensor]

Rows = NDArray[np.float32]  # (batch of 1, hops or frames, features)
State = NDArray[np.float32]  # the memory of all layers, one after the other

PAIR = 2  # frames that a compiled part takes in one pass
FEW = 16  # frames; more go through torch at once, which is faster then


class NetworkPart:
    """A part of a network whose layers keep a memory.

    part: its code. frame: an example of what it takes for one frame, (1, rows, features).
    """

    def __init__(self, part: "Part", frame: "Tensor") -> None:
        memory: Memory = {}
        with inference():
            part(frame, memory)
        self._part, self._frame = part, frame
        self._shapes = {layer: kept.shape for layer, kept in memory.items()}

    def fresh_state(self) -> State:
        """Return the state before the first frame: each layer saw zeros."""
        return np.zeros(sum(shape.numel() for shape in self._shapes.values()), np.float32)

    def run(self, rows: Rows, state: State) -> tuple[Rows, State]:
        """Return what the part makes of some whole frames, and its state after them."""
        import torch

        with inference():
            made, after = self._step(torch.from_numpy(rows), torch.from_numpy(state))
        return made.numpy(), after.numpy()

    def _step(self, rows: "Tensor", state: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        memory, start = {}, 0
        for layer, shape in self._shapes.items():
            end = start + shape.numel()
            memory[layer], start = state[start:end].view(shape), end
        made = self._part(rows, memory)
        return made, torch.cat([kept.view(-1) for kept in memory.values()])


class CompiledPart(NetworkPart):
    """The same, faster for few frames: graphs for one and for two, made from the code."""

    def __init__(self, part: "Part", frame: "Tensor") -> None:
        import torch

        super().__init__(part, frame)
        state = torch.from_numpy(self.fresh_state())
        self._sessions = {
            frames: open_session(
                trace(self._step, {"rows": frame.repeat(1, frames, 1), "state": state})
            )
            for frames in (1, PAIR)
        }

    def run(self, rows: Rows, state: State) -> tuple[Rows, State]:
        """Return what the part makes of some whole frames, and its state after them."""
        rows_a_frame = self._frame.shape[1]
        if rows.shape[1] > FEW * rows_a_frame:
            return super().run(rows, state)
        parts = []
        for start in range(0, rows.shape[1], PAIR * rows_a_frame):
            some = rows[:, start : start + PAIR * rows_a_frame]
            session = self._sessions[some.shape[1] // rows_a_frame]
            made, state = session.run(None, {"rows": some, "state": state})
            parts.append(made)
        return np.concatenate(parts, axis=1), state


class NetworkParts:
    """The parts of the mini codec's network that remember. kind: how they are run."""

    def __init__(self, network: "MiniNetwork", kind: type[NetworkPart]) -> None:
        import torch

        self.network = network
        spectrum = torch.zeros(1, 2, network.encoder.enter.in_features)
        self.latents = kind(network.encoder.latents, spectrum)
        self.polar = kind(network.decoder.polar, torch.zeros(1, 1, network.config.features))
