"""A traced function does what torch does, also with inputs that the trace did not see."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.errors import ModelError
from voxlab.models.onnx_sessions import open_session
from voxlab.models.onnx_tracing import trace

SHAPE = (1, 3, 4)
TAPS = torch.linspace(-1, 1, 12).view(SHAPE)
LINEAR, NORM = torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)

STEPS = {
    "linear": LINEAR,
    "norm": NORM,
    "gelu": torch.nn.functional.gelu,
    "product": lambda x: x * TAPS,
    "added product": lambda x: torch.addcmul(x, x, TAPS),
    "joined and cut": lambda x: torch.cat([TAPS, x], 1)[:, 2:5],
    "cut from the end": lambda x: torch.cat([x[:, -1:], x[:, :-1].clone()], 1),
    "summed": lambda x: torch.cat([x.sum(1, True)] * 3, 1),
    "reshaped": lambda x: x.view(-1).reshape(1, 4, 3).reshape((1, 3, 4)),
    "times weights of its own": lambda x: x * (TAPS[0, 1] - TAPS[0, 0]),
}


@pytest.mark.slow
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_any_chain_of_steps_computes_in_onnxruntime_what_it_computes_in_torch(names, seed):
    def chain(x):
        for name in names:
            x = STEPS[name](x)
        return (x, TAPS)

    session = open_session(trace(chain, {"x": torch.zeros(SHAPE)}))
    given_x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        expected = chain(given_x)
    found = session.run(["output_0", "output_1"], {"x": given_x.numpy()})
    for tensor, array in zip(expected, found, strict=True):
        np.testing.assert_allclose(array, tensor, atol=1e-4, rtol=1e-4)


def write_into(x):
    """Return a tensor that an assignment has filled."""
    filled = torch.zeros(SHAPE)
    filled[:, :2] = x[:, 1:]
    return filled


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (torch.sin, "sin"),
        (lambda x: x[:, 0], "__getitem__"),
        (lambda x: x.addcmul_(TAPS, TAPS), "addcmul_"),
        (lambda x: x.chunk(2, -1)[0], "chunk"),
        (lambda x: torch.square(input=x), "square"),
        (write_into, "__setitem__"),
    ],
)
def test_an_operation_that_has_no_node_is_refused_by_its_name(function, name):
    with pytest.raises(ModelError, match=f"torch's {name} "):
        trace(lambda x: (function(x.clone()),), {"x": torch.zeros(SHAPE)})
