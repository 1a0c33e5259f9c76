"""How soon does voxlab start? Each start in a process of its own, beside a bare Python.

    python benchmarks/start.py [--json] [--against CHECKOUT]

CHECKOUT: an older voxlab to start beside this one, with the same Python, turn by turn.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
RUNS = 9
STARTS = {
    "python": ["-c", "pass"],
    "import_voxlab": ["-c", "import voxlab"],
    "help": ["-m", "voxlab", "--help"],
    "models": ["-m", "voxlab", "models"],
}


def started_s(arguments: list[str], folder: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    begun_s = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - begun_s


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon voxlab starts.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, last")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="an older voxlab")
    arguments = parser.parse_args()
    folders = {"": ROOT} | ({"_before": arguments.against.resolve()} if arguments.against else {})
    found = {}
    for name, start in STARTS.items():
        times_s = {end: [] for end in folders}
        for _ in range(RUNS):
            for end, folder in folders.items():
                times_s[end].append(started_s(start, folder))
        for end, values in times_s.items():
            found[f"{name}_s{end}"] = round(median(values), 3)
            print(
                f"{name + end:22} {median(values):.3f} s ({min(values):.3f} to {max(values):.3f})"
            )
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
