"""Open an ONNX network for inference on this machine's processor."""

from pathlib import Path
from typing import Any

from voxlab.errors import ModelError


def open_session(model: Path | bytes, threads: int = 1) -> Any:
    """Return an onnxruntime session of a network.

    model: a file that `voxlab models` has fetched, or the content of one. threads: of the
    processor, for one run; runs may go side by side. Raises ModelError if it is damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # a thread that spins between two runs would burn the core that the agent needs
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # folding constants in Moonshine's branches warns, harmlessly
    given = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's failures have no common ancestor
        name = "the network" if isinstance(model, bytes) else model
        raise ModelError(
            f"onnxruntime cannot load {name}: {error}. Run: voxlab models --verify"
        ) from error
