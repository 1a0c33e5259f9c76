"""Make `import torchaudio` work beside a torch without CUDA, and say what was done.

The usual Linux wheel of torchaudio links its optional C++ extension to CUDA: beside a CPU torch
the import dies on a missing libcudart. torchaudio does without the extension if it is not there
(resampling, mel spectrograms and filters work), so its file is set aside.
Run: python -m voxlab.models.repair_torchaudio.
Undo: pip install --force-reinstall --no-deps torchaudio
"""

import importlib.util
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Try the import; set the extension aside if that is what breaks it. Return the exit status."""
    probe = _import()
    if probe.returncode == 0:
        return 0
    import torch

    spec = importlib.util.find_spec("torchaudio")
    if spec is None or spec.origin is None or torch.version.cuda or "cuda" not in probe.stderr:
        sys.stderr.write(probe.stderr)
        return 1
    for extension in (Path(spec.origin).parent / "lib").glob("_torchaudio*.so"):
        extension.rename(extension.with_suffix(".so.set-aside"))
        print(f"torchaudio: set {extension.name} aside, it needs CUDA and torch has none")
    return _import().returncode


def _import() -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "import torchaudio"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
