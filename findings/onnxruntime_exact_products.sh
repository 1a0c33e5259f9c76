#!/usr/bin/env bash
# onnxruntime 1.32.0: does the option for exact 8-bit products accept every network that loads
# without it?
#
# On x86 processors without VNNI the products of unsigned by signed 8-bit integers are added in 16
# bits and may overflow; the session option "session.x64quantprecision" = "1" rewrites signed weights
# as unsigned ones, which do not. One would guess that it changes digits at most. But two products
# that share a weight, or merely a zero point (as tied weights and exporters' constants do), are
# rewritten twice under one name, and the network does not load: "Attempt to replace the existing
# tensor". Processors with VNNI need no rewriting and fail alike. With a constant of its
# own for each product it loads, and gives the same numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/load.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WEIGHT = np.random.default_rng(0).integers(-100, 100, (8, 8), np.int8)


def network(weights, zeros):
    """Two products, one after the other. weights, zeros: the names of their constants."""
    constants = {"scale": np.array(0.1, np.float32)}
    constants |= dict.fromkeys(weights, WEIGHT) | dict.fromkeys(zeros, np.array(0, np.int8))
    nodes = [
        helper.make_node(
            "DynamicQuantizeMatMul", [x, weight, "scale", zero], [y], domain="com.microsoft"
        )
        for x, weight, zero, y in zip("xh", weights, zeros, "hy", strict=True)
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy"]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "two_products", ends[:1], ends[1:], stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def result(model, exact):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", exact)
    try:
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    except Exception as error:
        return str(error).strip().rsplit("graph.cc", 1)[-1].split(maxsplit=1)[-1]
    return session.run(None, {"x": np.ones((1, 8), np.float32)})[0].round(2).tolist()[0][:3]


CASES = {
    "each its own constants": (("w", "v"), ("z", "u")),
    "one weight": (("w", "w"), ("z", "u")),
    "one zero point": (("w", "v"), ("z", "z")),
}
print("onnxruntime", onnxruntime.__version__)
found = {name: [result(network(*names), exact) for exact in "01"] for name, names in CASES.items()}
for name, (without, given) in found.items():
    print(f"{name:24} without the option: {without}, with it: {given}")
fails = {name: isinstance(given, str) for name, (_, given) in found.items()}
same = found["each its own constants"][0] == found["each its own constants"][1]
raise SystemExit(0 if same and list(fails.values()) == [False, True, True] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/load.py"
