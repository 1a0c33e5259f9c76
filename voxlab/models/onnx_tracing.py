"""Write what a torch function does to its inputs as an ONNX model: tracing.

The function runs once, and each operation on tensors is noted down as a node. What does not depend
on the inputs, weights above all, becomes a constant. Shapes and branches are those of that one run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voxlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

OPSET, IR_VERSION = 20, 10  # the first opset with Gelu, and the file format of its time


def trace(function: "Callable[..., Sequence[Tensor]]", inputs: "Mapping[str, Tensor]") -> bytes:
    """Return the ONNX model of a torch function, its outputs named output_0, output_1, ...

    inputs: examples of the arguments by name, in order. The model takes inputs of their shapes.
    Raises ModelError if the function does what no entry of `WRITERS` describes.
    """
    import torch
    from onnx import helper
    from torch.overrides import TorchFunctionMode

    graph = _Graph(inputs)

    class Notes(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            if _is_computed(result):
                graph.note(function.__name__, args, kwargs or {}, result)
            return result

    with torch.no_grad(), Notes():
        results = function(*inputs.values())
    outputs = {f"output_{number}": result for number, result in enumerate(results)}
    for name, result in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [graph.name_of(result)], [name]))
    traced = helper.make_graph(
        graph.nodes, "traced", _described(inputs), _described(outputs), graph.constants
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(traced, opset_imports=[opset], ir_version=IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _is_computed(result: Any) -> bool:
    """Tell whether a function computed tensors: one, several, or None if it wrote into one."""
    import torch

    results = result if isinstance(result, tuple | list) else [result]
    return result is None or any(isinstance(each, torch.Tensor) for each in results)


def _described(tensors: "Mapping[str, Tensor]") -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(tensor.shape))
        for name, tensor in tensors.items()
    ]


class _Graph:
    """The nodes noted so far, and the name that each tensor has in them."""

    def __init__(self, inputs: "Mapping[str, Tensor]") -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        # a tensor is known by its id, which stays its own as long as the tensor is kept here
        self._names = {id(tensor): (name, tensor) for name, tensor in inputs.items()}
        self._computed = set(self._names)  # those that depend on the inputs

    def note(
        self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> None:
        """Append the nodes of one operation, if it depends on the inputs."""
        given = (*args, *kwargs.values())
        flat = [each for arg in given for each in (arg if isinstance(arg, list | tuple) else [arg])]
        if not any(id(each) in self._computed for each in flat):
            return
        try:
            name = WRITERS[function](self, *args, **kwargs)
        except (KeyError, TypeError) as error:
            raise ModelError(
                f"no ONNX node is known for torch's {function} with {len(args)} arguments and "
                f"{dict(kwargs)}: add one to onnx_tracing.WRITERS"
            ) from error
        self._names[id(result)] = name, result  # what an in-place operation changes is renamed
        self._computed.add(id(result))

    def node(self, kind: str, *inputs: "Tensor | str", **attributes: Any) -> str:
        """Append a node and return the name of its output. inputs: tensors, or names of them."""
        from onnx import helper

        name = f"value_{len(self.nodes)}"
        given = [each if isinstance(each, str) else self.name_of(each) for each in inputs]
        self.nodes.append(helper.make_node(kind, given, [name], **attributes))
        return name

    def name_of(self, tensor: "Tensor") -> str:
        """Return a tensor's name. One that is not known yet is a constant."""
        from onnx import numpy_helper

        if id(tensor) not in self._names:
            self._names[id(tensor)] = f"constant_{len(self.constants)}", tensor
            array = tensor.detach().contiguous().numpy()
            self.constants.append(numpy_helper.from_array(array, self._names[id(tensor)][0]))
        return self._names[id(tensor)][0]

    def whole_numbers(self, numbers: Sequence[int]) -> str:
        """Return the name of a constant list of whole numbers, as Slice and Reshape want them."""
        import torch

        return self.name_of(torch.tensor(numbers))


def _linear(graph: _Graph, x: Any, weight: Any, bias: Any) -> str:
    return graph.node("Add", graph.node("MatMul", x, weight.T), bias)


def _layer_norm(graph: _Graph, x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> str:
    return graph.node("LayerNormalization", x, weight, bias, axis=-len(shape), epsilon=eps)


def _add_product(graph: _Graph, total: Any, a: Any, b: Any) -> str:
    return graph.node("Add", total, graph.node("Mul", a, b))


def _slice(graph: _Graph, x: Any, index: Any) -> str:
    cuts = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(cut, slice) for cut in cuts):
        raise TypeError
    bounds = [cut.indices(size) for cut, size in zip(cuts, x.shape, strict=False)]
    starts, ends, steps = zip(*bounds, strict=True)
    return graph.node(
        "Slice", x, *map(graph.whole_numbers, (starts, ends, range(len(cuts)), steps))
    )


def _sum(graph: _Graph, x: Any, axis: int, keep: bool) -> str:
    return graph.node("ReduceSum", x, graph.whole_numbers([axis]), keepdims=int(keep))


def _reshape(graph: _Graph, x: Any, *shape: Any) -> str:
    sizes = shape[0] if isinstance(shape[0], tuple) else shape
    return graph.node("Reshape", x, graph.whole_numbers(sizes))


# torch's functions by name: what appends their nodes and returns the name of the result
WRITERS: Mapping[str, Callable[..., str]] = {
    "__getitem__": _slice,
    "addcmul": _add_product,
    "cat": lambda graph, tensors, dim=0: graph.node("Concat", *tensors, axis=dim),
    "clone": lambda graph, x: graph.node("Identity", x),
    "gelu": lambda graph, x: graph.node("Gelu", x),
    "layer_norm": _layer_norm,
    "linear": _linear,
    "mul": lambda graph, a, b: graph.node("Mul", a, b),
    "reshape": _reshape,
    "sum": _sum,
    "view": _reshape,
}
