"""A converted network computes what the wheel's network computes."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from voxlab.models import onnx_conversions

ROWS, COLUMNS = 64, 96
SCALE, SHIFT = 0.02, 0.1  # a weight is SCALE * integer + SHIFT


def compressed_network(rng):
    """Look up a row of an embedding, multiply by a matrix in both branches of an If, by the
    embedding's transpose at the end: the shapes that Moonshine's decoder has."""
    integers = {
        "embedding": rng.integers(-128, 128, (COLUMNS, ROWS), np.int8),
        "matrix": rng.integers(-128, 128, (ROWS, ROWS), np.int8),
    }
    constants = [numpy_helper.from_array(values, name) for name, values in integers.items()]
    constants += [
        numpy_helper.from_array(np.array([SCALE], np.float32), "scale"),
        numpy_helper.from_array(np.array([SHIFT], np.float32), "shift"),
    ]
    nodes = []
    for name in integers:
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", "scale"], [f"{name}_scaled"]),
            helper.make_node("Add", [f"{name}_scaled", "shift"], [f"{name}_weights"]),
        ]
    branches = []
    for sign in ("Neg", "Identity"):
        product, result = f"{sign}_product", f"{sign}_result"
        inner = [
            helper.make_node("MatMul", ["row", "matrix_weights"], [product]),
            helper.make_node(sign, [product], [result]),
        ]
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
        branches.append(helper.make_graph(inner, sign, [], [output]))
    nodes += [
        helper.make_node("Gather", ["embedding_weights", "index"], ["row"]),
        helper.make_node(
            "If", ["flip"], ["hidden"], then_branch=branches[0], else_branch=branches[1]
        ),
        helper.make_node("Transpose", ["embedding_weights"], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["hidden", "columns"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info("index", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("flip", TensorProto.BOOL, []),
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", inputs, [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model


def logits_of(model, index, flip):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, {"index": np.array([index]), "flip": np.array(flip)})
    return logits


@pytest.mark.parametrize("flip", [True, False])
def test_multiplying_integers_changes_the_result_by_less_than_a_percent(flip):
    model = compressed_network(np.random.default_rng(0))
    expected = logits_of(model, 7, flip)
    onnx_conversions._multiply_integers(model)
    converted = logits_of(model, 7, flip)
    assert np.abs(converted - expected).max() < 0.01 * np.abs(expected).max()


def test_no_float_matrix_is_left_to_expand():
    model = compressed_network(np.random.default_rng(0))
    onnx_conversions._multiply_integers(model)
    kinds = [node.op_type for graph in onnx_conversions._graphs(model.graph) for node in graph.node]
    assert kinds.count("MatMulNBits") == 3
    assert "MatMul" not in kinds
    assert "Transpose" not in kinds


def test_the_packed_integers_mean_exactly_the_weights_they_replace():
    model = compressed_network(np.random.default_rng(1))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    expected = (SCALE * constants["matrix"].astype(np.float64) + SHIFT).T
    onnx_conversions._multiply_integers(model)
    packed = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    blocks = packed["matrix_weights_packed"].astype(np.float64)
    shape = (ROWS, ROWS // onnx_conversions.BLOCK, 1)
    zero = packed["matrix_weights_zero_points"].reshape(shape)
    weights = packed["matrix_weights_scales"].reshape(shape) * (blocks - zero)
    np.testing.assert_allclose(weights.reshape(ROWS, ROWS), expected, atol=1e-6)
