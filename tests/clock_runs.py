"""Runs of a coroutine in virtual and in real time, inside and outside a running loop."""

import asyncio

from voxlab.clock import run_virtual


def now_s():
    return asyncio.get_running_loop().time()


async def beside_a_loop(run, main):
    """Call run(main) as a notebook cell does: from within a loop that runs already."""
    return run(main)


def in_a_notebook(main):
    return asyncio.run(beside_a_loop(run_virtual, main))
