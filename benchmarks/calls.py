"""How many calls one core holds, what a second of a call costs, and what overload does. Real time.

    python benchmarks/calls.py [--json] [--beside FOLDER] [--only offline|scripted] [--costs]

A worker (`voxlab serve worker`, the Realtime protocol) runs in a process of its own, pinned to one
core; its callers run in this process, on another core where there is one. A caller asks a question
of data/callers each 8 s, hears the answer out, and sends its microphone in frames of 20 ms all the
while. `reply` is what the caller waits: from the last frame of a question, as it was due, to the
first audio of the answer, server_vad's silence of 500 ms included.

Three tables. CPU-ms a call-second, of 4 calls with the offline engines and of 16 with scripted ones
that take no time. Then the calls rise until replies come too late: the most that hold are the
capacity. Then twice as many callers knock at a worker that takes so many, and at one that takes
all of them. At last what Silero costs on a frame of each of several calls: one call after the
other, and all in one run, as the worker does it.

--beside FOLDER: another checkout of voxlab. For the first table its worker holds as many calls on
the same core at the same time, so that whatever else the machine does disturbs both alike; after
that they take turns. --costs: the first table and the last. Beside other work a core is not a
whole one: run it on a quiet machine, twice.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import asyncio
import json
import math
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import websockets

sys.path.append(str(Path(__file__).parent))  # with --serve the other checkout comes first

from realtime import (
    LONG_ANSWERS,
    QUESTIONS,
    RATE_HZ,
    WINDOW_S,
    Caller,
    Step,
    Tally,
    engines,
    pin,
)

from voxlab import audio, data
from voxlab.serving.realtime.transport.server import use_few_threads
from voxlab.serving.workers.admission import RETRY_S, Limits
from voxlab.serving.workers.protocols import PATHS, REALTIME, realtime_calls
from voxlab.serving.workers.worker import CALLS, WorkerOptions, serving_worker

OURS, OTHER = "this checkout", "the other"
EVERY_S = 8.0  # a caller asks a question
FEW = {"offline": 4, "scripted": 16}  # calls, of which the first table tells the cost
COSTS_S = 40.0
RUNGS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)  # calls
RUNG_S = 24.0
OVERLOAD_S = 32.0
REPLY_LIMIT_S = 1.5
TOGETHER, VAD_ROUNDS = (1, 2, 4, 8, 32), 200  # calls, and frames of each


# --- the worker's process -------------------------------------------------------------------


async def serve(name: str, most_calls: int, most_lag_s: float) -> None:
    """Hold calls until stdin ends. It asks, a line each, for a call's address or our CPU-seconds.

    The answer to "place" is empty if the call is refused.
    """
    pin(0)
    use_few_threads()
    options = WorkerOptions(limits=Limits(most_calls=most_calls, most_lag_s=most_lag_s))
    async with serving_worker(REALTIME, realtime_calls(engines(name)), options) as worker:
        print("ready", flush=True)
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        placed = 0
        async for line in lines:
            if line.strip() == b"cpu":
                print(time.process_time(), flush=True)
                continue
            placed += 1
            url = f"{worker.url}{CALLS}call-{placed}{PATHS[REALTIME]}"
            print("" if worker.place(f"call-{placed}") else url, flush=True)


class Build:
    """A worker of one checkout, as its callers see it."""

    def __init__(self, answers: asyncio.StreamReader, questions: asyncio.StreamWriter) -> None:
        self._answers = answers
        self._questions = questions
        self._asking = asyncio.Lock()

    async def ask(self, line: str) -> str:
        """Return the worker's answer to a line."""
        async with self._asking:
            self._questions.write(f"{line}\n".encode())
            return (await self._answers.readline()).decode().strip()

    async def cpu_s(self) -> float:
        """Return how much processor time the worker has used."""
        return float(await self.ask("cpu"))


@asynccontextmanager
async def started(
    folder: Path, name: str, most_calls: int = 1000, most_lag_s: float = math.inf
) -> AsyncIterator[Build]:
    """Run the worker of a checkout."""
    command = [sys.executable, "-P", __file__, "--serve", name, str(most_calls), str(most_lag_s)]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, env=environment
    )
    if process.stdin is None or process.stdout is None:
        raise SystemExit("the worker has no pipes")
    if (await process.stdout.readline()).strip() != b"ready":
        raise SystemExit(f"the worker of {folder} does not start")
    try:
        yield Build(process.stdout, process.stdin)
    finally:
        process.stdin.close()
        await process.wait()


# --- callers --------------------------------------------------------------------------------


class PatientCaller(Caller):
    """A caller who hears each answer out, and asks a question each EVERY_S."""

    async def _talk(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            next_s = clock() + EVERY_S
            await self._say(self._rng.choice((*LONG_ANSWERS, *QUESTIONS)))
            await self._wait(self._answered)
            await self._wait(self._done)
            played_s = self._begun_s + self._bytes / (2 * RATE_HZ)
            await asyncio.sleep(max(next_s, played_s + 0.5) - clock())


async def hold_call(build: Build, tally: Tally, rng: random.Random, refusals: list[float]) -> None:
    """Knock until there is a place, then talk until cancelled. refusals: when each one came."""
    while not (url := await build.ask("place")):
        refusals.append(asyncio.get_running_loop().time())
        await asyncio.sleep(RETRY_S * rng.uniform(0.5, 1.0))
    headers = {"Authorization": "Bearer any"}
    address = url + "?model=gpt-realtime"
    async with websockets.connect(
        address, additional_headers=headers, compression=None
    ) as connection:
        await PatientCaller(connection, rng, tally).call()


async def hold(build: Build, calls: int, duration_s: float, *, taken: int = 0) -> Step:
    """Let so many callers come over EVERY_S, and measure for duration_s after that.

    taken: how many of them the worker takes, if not all.
    """
    tally, refusals = Tally(), list[float]()
    async with asyncio.TaskGroup() as group:

        async def come(index: int) -> None:
            await asyncio.sleep(index * EVERY_S / calls)
            await hold_call(build, tally, random.Random(calls * 1000 + index), refusals)

        tasks = [group.create_task(come(index)) for index in range(calls)]
        await asyncio.sleep(EVERY_S)
        before, mine, start_s = await build.cpu_s(), time.process_time(), time.monotonic()
        tally.counts = True
        await asyncio.sleep(duration_s)
        tally.counts = False
        wall_s = time.monotonic() - start_s
        spent_s, mine = await build.cpu_s() - before, time.process_time() - mine
        for task in tasks:
            task.cancel()
    held = taken or calls
    return Step(held, 1000 * spent_s / held / wall_s, mine / wall_s, tally)


# --- the tables -----------------------------------------------------------------------------

HEADER = (
    f"{'engines':10}{'build':15}{'calls':>6}{'CPU ms a':>10}{'reply s':>16}{'replies':>9}"
    f"{'none':>6}{'late':>8}{'callers':>9}\n"
    f"{'':10}{'':15}{'':6}{'call-s':>10}{'P50':>8}{'P99':>8}{'':9}{'':6}{'ms':>8}{'CPU':>9}"
)


def reply_s(step: Step, percent: float) -> float:
    """Return a percentile of what callers waited."""
    return step.quantile_s("first_delta_s", percent) + WINDOW_S


def holds(step: Step) -> bool:
    """Tell whether nobody waited too long, or in vain."""
    return not step.tally.unanswered and reply_s(step, 99) <= REPLY_LIMIT_S


def show(name: str, build: str, step: Step) -> None:
    """Print a step as a line of a table."""
    print(
        f"{name:10}{build:15}{step.sessions:6}{step.cpu_ms_per_session_s:10.1f}"
        f"{reply_s(step, 50):8.3f}{reply_s(step, 99):8.3f}{len(step.tally.first_delta_s):9}"
        f"{step.tally.unanswered:6}{1000 * step.tally.late_s:8.0f}{100 * step.callers_core:8.0f}%",
        flush=True,
    )


async def compare_costs(name: str, builds: Mapping[str, Build]) -> dict[str, Step]:
    """Hold a few calls with each build, all at the same time: return what each cost."""
    steps = await asyncio.gather(*(hold(build, FEW[name], COSTS_S) for build in builds.values()))
    held = dict(zip(builds, steps, strict=True))
    for build, step in held.items():
        show(name, build, step)
    return held


async def climb(name: str, builds: Mapping[str, Build]) -> dict[str, Step]:
    """Hold more and more calls; return each build's last step that held, after two tries."""
    held: dict[str, Step] = {}
    left = dict(builds)
    for calls in RUNGS:
        for build in list(left):
            for _ in range(2):
                step = await hold(left[build], calls, RUNG_S)
                show(name, build, step)
                if holds(step):
                    held[build] = step
                    break
            else:
                del left[build]
        if not left:
            break
    return held


async def overload(name: str, folder: Path, capacity: int) -> tuple[Step, Step]:
    """Let twice the capacity knock: at a worker that takes so many, and at one that takes all."""
    steps = []
    for taken, lag_s in ((capacity, Limits().most_lag_s), (2 * capacity, math.inf)):
        async with started(folder, name, taken, lag_s) as build:
            steps.append(await hold(build, 2 * capacity, OVERLOAD_S, taken=taken))
        show(name, f"{2 * capacity} knock", steps[-1])
    return steps[0], steps[1]


async def measure(names: Sequence[str], folders: Mapping[str, Path], costs_only: bool) -> dict:
    """Print the tables; return the figures."""
    figures: dict[str, float] = {}
    for name in names:
        suffix = "" if name == "offline" else "_scripted"
        async with started(folders[OURS], name) as ours:
            if OTHER not in folders:
                costs, held = await measure_builds(name, {OURS: ours}, costs_only)
            else:
                async with started(folders[OTHER], name) as other:
                    builds = {OURS: ours, OTHER: other}
                    costs, held = await measure_builds(name, builds, costs_only)
        for build, step in costs.items():
            figures[key("cpu_ms_per_call_s", build) + suffix] = step.cpu_ms_per_session_s
        if OTHER in costs:
            ratio = costs[OURS].cpu_ms_per_session_s / costs[OTHER].cpu_ms_per_session_s
            figures["cpu_ratio" + suffix] = ratio
        for build, step in held.items():
            figures[key("calls_per_core", build) + suffix] = step.sessions
            figures[key("reply_p99_s", build) + suffix] = reply_s(step, 99)
        if OURS in held and name == "offline":
            shed, unshed = await overload(name, folders[OURS], held[OURS].sessions)
            figures["reply_p99_s_at_twice_capacity"] = reply_s(shed, 99)
            figures["reply_p99_s_at_twice_capacity_unshed"] = reply_s(unshed, 99)
    return figures


async def measure_builds(
    name: str, builds: Mapping[str, Build], costs_only: bool
) -> tuple[dict[str, Step], dict[str, Step]]:
    """Return what a few calls cost with each build, and the most that each holds."""
    costs = await compare_costs(name, builds)
    return costs, {} if costs_only or name != "offline" else await climb(name, builds)


def compare_vads() -> dict[str, float]:
    """Print what a frame costs Silero, call after call and in one run; return the figures."""
    from voxlab.vad.silero import SileroVAD  # a worker of another checkout may lack them
    from voxlab.vad.silero_batches import SharedSilero

    single, shared = SileroVAD(), SharedSilero()
    sound = data.utterance("book_table", data.VOICES[0]).audio.resample(single.rate_hz)
    frames = np.resize(audio.frames(sound, single.frame_size), (VAD_ROUNDS, single.frame_size))
    print(f"\n{'Silero, us a frame':25}" + "".join(f"{n:>4} calls" for n in TOGETHER))
    rows: dict[str, list[float]] = {"one after the other": [], "all in one run": []}
    for calls in TOGETHER:
        alone = [single.stream() for _ in range(calls)]
        together = [shared.stream() for _ in range(calls)]
        ways = (
            lambda frame, alone=alone: [stream.probability(frame) for stream in alone],
            lambda frame, streams=together: shared.probabilities(streams, [frame] * len(streams)),
        )
        times_s = np.zeros((2, VAD_ROUNDS))
        for number, frame in enumerate(frames):  # they take turns
            for index, way in enumerate(ways):
                begun_s = time.thread_time()
                way(frame)
                times_s[index, number] = time.thread_time() - begun_s
        for row, median_s in zip(rows.values(), np.median(times_s, axis=1), strict=True):
            row.append(1e6 * float(median_s) / calls)
    for name, row in rows.items():
        print(f"{name:25}" + "".join(f"{us:10.0f}" for us in row))
    alone, eight = rows["one after the other"], TOGETHER.index(8)
    at_once_us = rows["all in one run"][eight]
    return {"vad_us": alone[0], "vad_us_of_8": alone[eight], "vad_us_of_8_in_one_run": at_once_us}


def key(figure: str, build: str) -> str:
    """Return the name of a build's figure."""
    return figure if build == OURS else f"beside_{figure}"


def main() -> None:
    """Measure, print the tables, and with --json a last line for programs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--only", choices=("offline", "scripted"), help="these engines")
    parser.add_argument("--costs", action="store_true", help="no capacity, no overload")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        name, calls, lag_s = arguments.serve
        asyncio.run(serve(name, int(calls), float(lag_s)))
        return
    pin(1)
    folders = {OURS: Path(__file__).parents[1].resolve()}
    if arguments.beside:
        folders[OTHER] = arguments.beside.resolve()
    names = [arguments.only] if arguments.only else ["offline", "scripted"]
    limit = f"P99 of the reply at most {REPLY_LIMIT_S:g} s, every question answered, in two tries"
    print(f"load average {os.getloadavg()[0]:.1f} before the start; limit: {limit}\n\n{HEADER}")
    figures = asyncio.run(measure(names, folders, arguments.costs)) | compare_vads()
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
