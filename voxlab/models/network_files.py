"""Networks in small files: weights as 16-bit floats, with the sizes to build the network again.

Nothing in such a file is executed when it is read.
"""

import json
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG = "config"  # the array that is no weight

# what numpy and torch raise at a file that is cut short, damaged or of another kind
UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
)


def write(file: Path, network: "nn.Module", **more: NDArray[np.float32]) -> None:
    """Write a network whose `config` is a dataclass, and more arrays by their names."""
    config: Any = network.config
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    halves = {name: array.astype(np.float16) for name, array in (more | state).items()}
    np.savez(file, **{CONFIG: np.array(json.dumps(asdict(config))), **halves})


def read(file: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    """Return the sizes, as they are read from JSON, and all arrays as float32.

    Raises one of UNREADABLE: what the file should have held, the caller knows.
    """
    import torch

    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        sizes = json.loads(str(arrays[CONFIG]))
        names = set(arrays.files) - {CONFIG}
        return sizes, {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in names}
