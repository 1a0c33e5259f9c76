"""Run every notebook from top to bottom in a fresh kernel, as many at a time as there are cores.

    python notebooks/run.py [NAME.ipynb ...]

These are the lessons, and the exercises with their solutions filled in. Executed copies go to
build/notebooks. Exit status 1 if a cell fails, which is shown, or if a notebook with its outputs is
too large.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from voxlab.grading import source

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "notebooks"
CELL_TIMEOUT_S = 300
MB_AT_MOST = 2.0  # so that lessons open quickly and exports stay light


async def run(path: Path, slots: asyncio.Semaphore) -> bool:
    """Execute one notebook and write the executed copy; return whether it ran through."""
    async with slots:
        start_s = time.perf_counter()
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            extra_arguments=["--IPKernelApp.log_level=40"],  # warns about TCP on loopback
            resources={"metadata": {"path": str(HERE)}},
        )
        try:
            await client.async_execute()
            failure = ""
        except CellExecutionError as error:
            failure = str(error)
        nbformat.write(notebook, BUILD / path.name)
        took_s = time.perf_counter() - start_s
        size_mb = (BUILD / path.name).stat().st_size / 1e6
        if size_mb > MB_AT_MOST:
            failure += f"{path.name}: {size_mb:.1f} MB with its outputs, at most {MB_AT_MOST}\n"
        print(f"{'FAIL' if failure else 'ok  '} {took_s:6.1f} s {size_mb:5.2f} MB  {path.name}")
        print(failure, end="")
        return not failure


def solved_exercises() -> list[Path]:
    """Write each exercise's notebook with its solution filled in; return the files."""
    files = []
    for solution in sorted((ROOT / "solutions").glob("ex*.py")):
        script = source.without_markers(solution.read_text("utf-8"), solution.name)
        files.append(BUILD / f"{solution.stem}.ipynb")
        files[-1].write_text(source.as_notebook(script, solution.name), encoding="utf-8")
    return files


async def main(names: list[str]) -> int:
    """Run the named notebooks, or all of them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    os.environ.pop("OPENAI_API_KEY", None)  # lesson 08 would use it, and somebody would pay
    paths = [Path(name) for name in names] or [*sorted(HERE.glob("*.ipynb")), *solved_exercises()]
    slots = asyncio.Semaphore(os.cpu_count() or 1)
    results = await asyncio.gather(*(run(path, slots) for path in paths))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
