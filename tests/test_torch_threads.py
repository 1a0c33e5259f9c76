"""Blocks on one thread may overlap in any order; what was set before them comes back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.models.torch_threads import inference, one_thread

pytestmark = pytest.mark.slow  # torch is loaded

WORKERS = 3
steps = st.lists(st.tuples(st.integers(0, WORKERS - 1), st.booleans(), st.integers(0, 9)))


def state():
    """What torch is set to, in the thread that asks."""
    import torch

    return torch.get_num_threads(), torch.is_inference_mode_enabled()


@pytest.fixture
def three_threads():
    """Let torch use three threads, a number that nobody else sets."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def close(blocks, which):
    block, _ = blocks.pop(which % len(blocks))
    block.__exit__(None, None, None)


@pytest.mark.usefixtures("three_threads")
@settings(max_examples=50)
@given(steps=steps)
def test_overlapping_blocks_give_back_the_settings_of_every_thread(steps):
    workers = [ThreadPoolExecutor(1) for _ in range(WORKERS)]
    opened = [[] for _ in workers]
    for number, opens, which in steps:
        worker, blocks = workers[number], opened[number]
        if opens:
            block = inference() if which % 2 else one_thread()
            worker.submit(block.__enter__).result()
            blocks.append((block, which % 2))
        elif blocks:
            worker.submit(close, blocks, which).result()
        if blocks:
            assert worker.submit(state).result() == (1, any(bare for _, bare in blocks))
    for worker, blocks in zip(workers, opened, strict=True):
        while blocks:
            worker.submit(close, blocks, 0).result()
    with ThreadPoolExecutor(1) as later:
        assert later.submit(state).result() == state() == (3, False)
    for worker in workers:
        assert worker.submit(state).result() == (3, False)
        worker.shutdown()


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_has_its_own_number_keeps_it_beside_others():
    import torch

    inside, done = threading.Event(), threading.Event()

    def with_two():
        torch.set_num_threads(2)
        with one_thread():
            inside.set()
            done.wait(10)
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(with_two)
        inside.wait(10)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        done.set()
        assert future.result() == 2
