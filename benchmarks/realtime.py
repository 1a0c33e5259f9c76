"""How many realtime sessions one core holds, and how soon it answers and falls silent. Real time.

    python benchmarks/realtime.py [--json]

The server runs in a process of its own, pinned to one core; its callers run in this process, on
another core where there is one. Each caller streams recordings from data/callers over a WebSocket,
24 kHz in frames of 20 ms: a question with a long answer, over that answer another question, and
then it hears the reply out. server_vad waits 500 ms. From the last frame of speech to the first
audio delta, less that window, is `first_delta`; from the first frame of speech over a response to
the last delta of that response is `barge_in`; both as the caller sees them, from when a frame was
due. Figures are those of four sessions; then the number rises until callers wait too long. Beside
other work a core is not a whole one: run it on a quiet machine, twice.

Three servers: the offline engines (their language model pretends 0.2 s to the first token, which is
in `first_delta`); scripted engines that take no time, for what the protocol costs; and a bare
WebSocket that only reads JSON and base64, which is the floor of any such server in Python.
No peer stands beside them: of the local servers that speak this protocol, speech-to-speech 1.1.0
is the one on PyPI, and each of its engines loads weights from a hub; LocalAI and speaches are no
packages; aimock has neither audio nor VAD.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import asyncio
import base64
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import websockets

from voxlab import audio, data
from voxlab.audio import to_pcm16
from voxlab.providers.protocols import Providers
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.serving.realtime.engines import LevelVAD, offline_engines
from voxlab.serving.realtime.protocol.session_config import SERVER_VAD
from voxlab.serving.realtime.transport.server import serving, use_few_threads

RATE_HZ = 24_000
FRAME_S = 0.02
WINDOW_S = SERVER_VAD["silence_duration_ms"] / 1000
PATIENCE_S = 10.0  # a caller that waits longer has not been answered
LONG_ANSWERS = ("joke", "how_much", "repeat")  # the offline model answers each for about 5 s
QUESTIONS = (
    *("weather_tomorrow", "weather_friday", "order_where", "order_check", "order_unknown"),
    *("shipping_arrival", "return_shoes", "book_table", "book_full", "change_party"),
)
STORY = "I only know about orders, tables and the weather, and none of it is funny. Or is it?"

FIRST_DELTA_LIMIT_S = 1.0
BARGE_IN_LIMIT_S = 0.5
LIMIT = (
    f"P99 of the first delta beyond the window at most {FIRST_DELTA_LIMIT_S:g} s, of barge-in at "
    f"most {BARGE_IN_LIMIT_S:g} s, every turn answered; a step that breaks is tried once more"
)
WAITS = ("first_delta", "barge_in")
COME_IN_S = 3.0  # callers come one by one, so that they do not speak in time
FIRST_STEP, FEWER = 4, (3, 2, 1)  # sessions
FIRST_STEP_S, STEP_S = 28.0, 9.0


# --- the server's process -------------------------------------------------------------------


def engines(name: str) -> Any:
    """Return what makes the engines of a session, loaded and warm."""
    if name == "scripted":
        return lambda: Providers(
            ScriptedSTT(itertools.repeat("Hello."), final_s=0.0),
            ScriptedLLM(itertools.repeat(STORY), first_token_s=0.0, token_s=0.0),
            ScriptedTTS(first_audio_s=0.0, synthesis_rate=1e9),
            LevelVAD(),
        )
    made = offline_engines()
    stt, tts = made().stt, made().tts
    stt.recognize(tts.speak("Ready when you are.").audio)  # type: ignore[attr-defined]
    return made


@asynccontextmanager
async def server(name: str) -> AsyncIterator[str]:
    """Run a server; give its address."""
    if name != "wire":
        use_few_threads()
        async with serving(engines(name)) as running:
            yield running.url + "?model=gpt-realtime"
        return
    async with websockets.serve(read_only, "127.0.0.1", 0, compression=None) as bare:
        yield f"ws://127.0.0.1:{bare.sockets[0].getsockname()[1]}"


async def read_only(connection: websockets.ServerConnection) -> None:
    """Read what a client appends, and do nothing with it."""
    with suppress(websockets.ConnectionClosed):
        async for frame in connection:
            event = json.loads(frame)
            base64.b64decode(event.get("audio", ""), validate=True)


def serve(name: str, pipe: Connection) -> None:
    """Serve until the pipe says so. To each question it answers the processor seconds so far."""
    pin(0)

    async def run() -> None:
        over = asyncio.Event()

        def answer() -> None:
            if pipe.recv() == "stop":
                over.set()
            pipe.send(time.process_time())

        async with server(name) as url:
            pipe.send(url)
            asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
            await over.wait()
            asyncio.get_running_loop().remove_reader(pipe.fileno())

    asyncio.run(run())


def pin(index: int) -> None:
    """Stay on one core, the index-th of those we may use, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[index % len(cores)]})


# --- callers --------------------------------------------------------------------------------


@dataclass
class Tally:
    """What all callers of a step have seen, while it counts."""

    first_delta_s: list[float] = field(default_factory=list)
    barge_in_s: list[float] = field(default_factory=list)
    unanswered: int = 0
    late_s: float = 0.0  # the latest frame: a caller's own lag, or a server that does not read
    counts: bool = False


class Caller:
    """Holds one session: a mouth that never stops, an ear, and a head that says what comes next."""

    def __init__(self, connection: Any, rng: random.Random, tally: Tally) -> None:
        self._connection = connection
        self._rng = rng
        self._tally = tally
        self._waiting: deque[tuple[str, asyncio.Future[float] | None]] = deque()
        self._speech = (0.0, 0.0)  # when the latest question began and ended
        self._begun_s = self._last_delta_s = 0.0  # of the response that comes in
        self._bytes = 0
        self._answered = asyncio.Event()
        self._done = asyncio.Event()

    async def call(self) -> None:
        """Talk until cancelled."""
        async with asyncio.TaskGroup() as group:
            for task in (self._stream(), self._hear(), self._talk()):
                group.create_task(task)

    async def _stream(self) -> None:
        """Send a frame each 20 ms: speech if there is any, else silence."""
        clock = asyncio.get_running_loop().time
        start_s = clock()
        for count in itertools.count():
            due_s = start_s + count * FRAME_S
            await asyncio.sleep(max(0.0, due_s - clock()))
            frame, sent = self._waiting.popleft() if self._waiting else (SILENCE, None)
            if sent:
                sent.set_result(due_s)
            await self._connection.send(frame)
            if self._tally.counts:
                self._tally.late_s = max(self._tally.late_s, clock() - due_s)

    async def _say(self, name: str) -> None:
        """Ask a question; returns when its last frame was due."""
        frames = frames_of(name, self._rng.choice(data.VOICES))
        begins, ends = (asyncio.get_running_loop().create_future() for _ in range(2))
        self._waiting += [(frames[0], begins), *((f, None) for f in frames[1:-1])]
        self._waiting.append((frames[-1], ends))
        self._speech = (await begins, float("inf"))
        self._answered.clear()
        self._done.clear()
        self._speech = (self._speech[0], await ends)

    async def _talk(self) -> None:
        while True:
            await self._say(self._rng.choice(LONG_ANSWERS))
            await self._wait(self._answered)
            await asyncio.sleep(self._rng.uniform(0.05, 0.25))
            await self._say(self._rng.choice(QUESTIONS))
            await self._wait(self._answered)
            await self._wait(self._done)
            played_s = self._begun_s + self._bytes / (2 * RATE_HZ)
            now_s = asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, played_s - now_s) + self._rng.uniform(0.2, 0.6))

    async def _wait(self, event: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await event.wait()
        except TimeoutError:
            self._tally.unanswered += self._tally.counts

    async def _hear(self) -> None:
        begins_s = 0.0  # when the response was created
        async for raw in self._connection:
            now_s = asyncio.get_running_loop().time()
            if raw.startswith('{"type":"response.output_audio.delta"'):
                if not self._bytes:
                    self._begun_s = now_s
                    if begins_s > self._speech[1]:
                        self._note(self._tally.first_delta_s, now_s - self._speech[1] - WINDOW_S)
                        self._answered.set()
                self._bytes += len(json.loads(raw)["delta"]) * 3 // 4
                self._last_delta_s = now_s
            elif raw.startswith('{"type":"response.created"'):
                begins_s, self._bytes = now_s, 0
            elif raw.startswith('{"type":"response.done"'):
                details = json.loads(raw)["response"]["status_details"] or {}
                over = self._bytes and begins_s < self._speech[0]
                if details.get("reason") == "turn_detected" and over:
                    self._note(self._tally.barge_in_s, self._last_delta_s - self._speech[0])
                if begins_s > self._speech[1]:
                    self._done.set()

    def _note(self, figures: list[float], figure_s: float) -> None:
        if self._tally.counts:
            figures.append(figure_s)


def append(samples: np.ndarray) -> str:
    """Return the event that appends samples."""
    event = {"type": "input_audio_buffer.append"}
    return json.dumps({**event, "audio": base64.b64encode(to_pcm16(samples)).decode()})


SILENCE = append(np.zeros(round(FRAME_S * RATE_HZ), np.float32))


@cache
def frames_of(name: str, voice: str) -> Sequence[str]:
    """Return a recording, from its first audible sample to its last, as events of 20 ms."""
    sound = audio.trim(data.utterance(name, voice).audio).resample(RATE_HZ)
    return [append(frame) for frame in audio.frames(sound, round(FRAME_S * RATE_HZ))]


# --- measuring ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What so many sessions cost and saw."""

    sessions: int
    cpu_ms_per_session_s: float
    callers_core: float  # how much of their core the callers used
    tally: Tally

    def quantile_s(self, name: str, percent: float) -> float:
        """Return a percentile of what the callers saw; nan if they saw nothing."""
        values = getattr(self.tally, name)
        return float(np.percentile(values, percent)) if values else float("nan")

    @property
    def holds(self) -> bool:
        """Whether nobody waited too long."""
        answered = self.tally.first_delta_s and not self.tally.unanswered
        waits_s = self.quantile_s("first_delta_s", 99), self.quantile_s("barge_in_s", 99)
        if not answered or waits_s[0] > FIRST_DELTA_LIMIT_S:
            return False
        return not waits_s[1] > BARGE_IN_LIMIT_S  # nan: nobody has spoken over an answer yet

    def row(self, name: str) -> str:
        """Return the step as a line of the table."""
        waits = [f"{self.quantile_s(f'{of}_s', p):8.3f}" for of in WAITS for p in (50, 99)]
        seen = f"{len(self.tally.first_delta_s)}+{len(self.tally.barge_in_s)}"
        return (
            f"{name:10}{self.sessions:5}{self.cpu_ms_per_session_s:10.1f}{''.join(waits)}{seen:>9}"
            f"{1000 * self.tally.late_s:9.0f}{100 * self.callers_core:8.0f}%"
        )


HEADER = (
    f"{'engines':10}{'n':>5}{'CPU ms':>10}{'first delta':>16}{'barge-in':>16}"
    f"{'turns':>9}{'late':>9}{'callers':>9}\n"
    f"{'':10}{'':5}{'a sess.-s':>10}{'P50 s':>8}{'P99 s':>8}{'P50 s':>8}{'P99 s':>8}"
    f"{'':9}{'ms':>9}{'CPU':>9}"
)


@contextmanager
def started(name: str) -> Iterator[tuple[str, Connection]]:
    """Start a server in a process of its own; give its address and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=serve, args=(name, its), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
        ours.send("stop")
        ours.recv()
    finally:
        process.join(10)
        process.kill()


async def hold(url: str, pipe: Connection, sessions: int, duration_s: float) -> Step:
    """Hold sessions for so long and measure, once all callers are there."""
    tally = Tally()
    rng = random.Random(sessions)

    async def call(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        headers = {"Authorization": "Bearer any"}
        connecting = websockets.connect(url, additional_headers=headers, compression=None)
        async with connecting as connection:
            await Caller(connection, random.Random(rng.random()), tally).call()

    calls = [asyncio.create_task(call(rng.uniform(0, COME_IN_S))) for _ in range(sessions)]
    await asyncio.sleep(COME_IN_S)
    before, mine, start_s = cpu_s(pipe), time.process_time(), time.monotonic()
    tally.counts = True
    await asyncio.sleep(duration_s)
    tally.counts = False
    wall_s = time.monotonic() - start_s
    spent_s, mine = cpu_s(pipe) - before, time.process_time() - mine
    for task in calls:
        if task.done():
            task.result()  # a caller never ends on its own: say why
        task.cancel()
    for task in calls:
        with suppress(asyncio.CancelledError):
            await task
    return Step(sessions, 1000 * spent_s / sessions / wall_s, mine / wall_s, tally)


def cpu_s(pipe: Connection) -> float:
    """Ask the server how much processor time it has used."""
    pipe.send("cpu")
    return float(pipe.recv())


def climb(name: str, more: Sequence[int]) -> tuple[Step, int]:
    """Hold four sessions, then more (or fewer); return that first step and the most that held."""
    with started(name) as (url, pipe):

        def step(sessions: int, duration_s: float) -> Step:
            held = asyncio.run(hold(url, pipe, sessions, duration_s))
            print(held.row(name), flush=True)
            return held

        first = step(FIRST_STEP, FIRST_STEP_S if name == "offline" else STEP_S)
        if not (first.holds or step(FIRST_STEP, STEP_S).holds):
            return first, next((n for n in FEWER if step(n, STEP_S).holds), 0)
        most = FIRST_STEP
        for sessions in more:
            if not (step(sessions, STEP_S).holds or step(sessions, STEP_S).holds):
                break
            most = sessions
        return first, most


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    pin(1)
    print(f"load average {os.getloadavg()[0]:.1f} before the start; limit: {LIMIT}\n\n{HEADER}")
    first, most = climb("offline", range(8, 41, 4))
    _, most_scripted = climb("scripted", (32, 64, 96))
    with started("wire") as (url, pipe):
        print(asyncio.run(hold(url, pipe, 16, 5.0)).row("bare wire"))
    print(f"\nsessions a core: offline {most}, scripted {most_scripted}")
    figures = {
        "cpu_ms_per_session_s": first.cpu_ms_per_session_s,
        **{f"{of}_p{p}_s": first.quantile_s(f"{of}_s", p) for of in WAITS for p in (50, 99)},
        "sessions_per_core": most,
    }
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
