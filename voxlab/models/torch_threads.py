"""Run a torch network on one thread, and without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread; the caller's setting comes back.

    Our matrices are small: with two threads on a busy machine we measured a fifth of the speed.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients on one thread; the caller's setting comes back."""
    import torch

    with one_thread(), torch.inference_mode():
        yield
