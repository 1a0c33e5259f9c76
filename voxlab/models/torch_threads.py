"""Run a torch network on one thread, and without gradients."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# torch counts its threads apart for each thread of Python; one that meets torch for the first time
# takes what was set last anywhere. The first block of a thread changes its settings, and the last
# gives them back: blocks of several tasks need not close in the order in which they opened.


@dataclass(slots=True)
class _Process:
    """How many threads of Python are in a block, and what torch was set to when none was."""

    computing: int = 0
    usual_threads: int = 1


class _Thread(threading.local):
    """The blocks that are open in this thread of Python, and what it had before them."""

    blocks = 0
    threads = 1
    blocks_without_gradients = 0
    inference_mode: Any = None


_lock = threading.Lock()
_process = _Process()
_thread = _Thread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread; the caller's setting comes back when the last block is left.

    Our matrices are small: with two threads on a busy machine we measured a fifth of the speed.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    import torch

    with _lock:
        if not _thread.blocks:
            threads = torch.get_num_threads()
            if not _process.computing:
                _process.usual_threads = threads
            # Beside other blocks a new thread meets their setting of one: it is not its own.
            _thread.threads = _process.usual_threads if threads == 1 else threads
            _process.computing += 1
            torch.set_num_threads(1)
        _thread.blocks += 1


def _leave() -> None:
    import torch

    with _lock:
        _thread.blocks -= 1
        if not _thread.blocks:
            _process.computing -= 1
            torch.set_num_threads(_thread.threads)


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients on one thread; the caller's settings come back."""
    import torch

    with one_thread():
        if not _thread.blocks_without_gradients:
            _thread.inference_mode = torch.inference_mode()
            _thread.inference_mode.__enter__()
        _thread.blocks_without_gradients += 1
        try:
            yield
        finally:
            _thread.blocks_without_gradients -= 1
            if not _thread.blocks_without_gradients:
                _thread.inference_mode.__exit__(None, None, None)
