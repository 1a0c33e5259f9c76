"""Run a torch network without gradients, on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients on one thread; the caller's setting comes back.

    Our matrices are small: with two threads on a busy machine we measured a fifth of the speed.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)
