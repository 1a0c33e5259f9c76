"""What a worker of LiveKit Agents does with its call when it gets SIGTERM, measured.

    python -m voxlab.frameworks.livekit_drain > data/frameworks/drain.json

The worker is a process of its own, started as LiveKit starts it, with one call on: its agent reads
out a text, with pauses, for three quarters of a minute. The caller hangs up in time, or the
drain's deadline comes before. There are two ways to write the function that answers a call: it
starts the session and returns, or it waits until the call is over.
No LiveKit server is here: `livekit_endpoint` is the part of one that takes a worker on and offers
it calls, and in place of a room there is a line of ours.
"""

import asyncio
import contextlib
import inspect
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import numpy as np
from livekit.agents import AgentServer, AgentSession, JobContext, cli

from voxlab.agents.line import Line
from voxlab.audio import Audio
from voxlab.frameworks.engines import VOICE_HZ, CallEngines
from voxlab.frameworks.livekit import EngineTTS, LineOutput, make_agent
from voxlab.frameworks.livekit_endpoint import KEY, SECRET, LiveKitEndpoint
from voxlab.providers.protocols import Providers, Speech
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT
from voxlab.timeline import Timeline

SETTINGS = "VOXLAB_DRAIN"  # of the worker's process, as JSON
TEXT, SENTENCE_S = " ".join(f"This is sentence {number}." for number in range(1, 31)), 1.5
SPEAKS_S, DRAIN_S = 2.0, 4  # the text is being read for so long when SIGTERM comes; the deadline
ASKS_EVERY_S, STARTS_WITHIN_S, ENDS_WITHIN_S = 0.2, 300.0, 90.0
# when the caller hangs up after SIGTERM, the deadline, and whether the function waits
RUNS: dict[str, dict[str, Any]] = {
    "hangs up in time": {"hangs_up_s": 2.0, "drain_s": DRAIN_S, "waits": True},
    "the function has returned": {"hangs_up_s": 90.0, "drain_s": DRAIN_S, "waits": False},
    "the function waits": {"hangs_up_s": 90.0, "drain_s": DRAIN_S, "waits": True},
}


# --- the worker -----------------------------------------------------------------------------


class Tone:
    """A voice that says every sentence in the same tone."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Yield a sentence."""
        times_s = np.arange(round(SENTENCE_S * VOICE_HZ)) / VOICE_HZ
        sound = (0.1 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)
        yield Speech(text, SENTENCE_S, Audio(sound, VOICE_HZ))


async def answer(context: JobContext) -> None:
    """Hold a call in which the agent reads out the text."""
    settings = json.loads(os.environ[SETTINGS])
    folder, line = Path(settings["folder"]), Line()
    engines = CallEngines(Providers(ScriptedSTT(()), ScriptedLLM(()), Tone()), (), line)
    session: AgentSession = AgentSession(
        tts=EngineTTS(engines), vad=None, turn_handling={"turn_detection": None}
    )
    session.output.audio = LineOutput(engines)

    async def save(reason: str) -> None:
        line.hang_up(reason)
        (folder / "timeline.json").write_text(line.timeline.to_json())

    async def hang_up() -> None:
        await line.wait_until(SPEAKS_S + settings["hangs_up_s"])
        context.shutdown("the caller hung up")

    context.add_shutdown_callback(save)
    await session.start(make_agent(engines))
    session.say(TEXT)
    (folder / "began").write_text(str(time.time() - line.now_s))
    hanging_up = asyncio.create_task(hang_up())
    context.proc.userdata["hanging_up"] = hanging_up  # a task that nobody keeps may vanish
    if settings["waits"]:
        await hanging_up


def idle(server: AgentServer) -> float:
    """Return a load that refuses no call: the machine may be busy with something else."""
    return 0.0


def make_server() -> AgentServer:
    """Return the worker."""
    settings = json.loads(os.environ[SETTINGS])
    server = AgentServer(
        host="127.0.0.1",
        port=settings["port"],
        load_fnc=idle,
        num_idle_processes=1,
        initialize_process_timeout=60.0,
        drain_timeout=settings["drain_s"],
    )
    server.rtc_session(answer)
    calls = []

    def begin(*_: object) -> None:
        calls.append(asyncio.create_task(server.simulate_job(room="support", fake_job=True)))

    server.on("worker_registered", begin)
    return server


# --- what is measured -----------------------------------------------------------------------


async def drain(hangs_up_s: float, drain_s: int, waits: bool) -> dict[str, Any]:
    """Return what came of one worker that got SIGTERM; times in seconds after it."""
    async with LiveKitEndpoint() as endpoint:
        with TemporaryDirectory() as folder, socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            settings = {"folder": folder, "port": port, "hangs_up_s": hangs_up_s}
            settings |= {"drain_s": drain_s, "waits": waits}
            keys = {"LIVEKIT_URL": endpoint.url, "LIVEKIT_API_KEY": KEY}
            keys |= {"LIVEKIT_API_SECRET": SECRET, SETTINGS: json.dumps(settings)}
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "voxlab.frameworks.livekit_drain", "start"),
                env={**os.environ, **keys},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                return await _watch(worker, endpoint, port, Path(folder))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)


async def _watch(
    worker: asyncio.subprocess.Process, endpoint: LiveKitEndpoint, port: int, folder: Path
) -> dict[str, Any]:
    began = folder / "began"
    async with asyncio.timeout(STARTS_WITHIN_S):
        while not began.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(float(began.read_text()) + SPEAKS_S - time.time())
    stopped_s = time.time()
    worker.send_signal(signal.SIGTERM)
    await asyncio.sleep(ASKS_EVERY_S)
    takes_another = await endpoint.offer("another call")
    health = await _health_until_gone(worker, port)
    line_s = float(began.read_text()) - stopped_s  # the line's clock begins so long after SIGTERM
    timeline = Timeline.from_json((folder / "timeline.json").read_bytes())
    ended = timeline.select("transport", "call_ended")[0]
    silent = [each.at_s for each in timeline.select("agent", "speech_stopped")]
    return {
        "took_another_call": takes_another,
        "told_the_server": endpoint.statuses[-1],
        "health": sorted(set(health)),
        "agent_silent_s": round(line_s + max(silent), 1),
        "call_ended_s": round(line_s + ended.at_s, 1),
        "reason": ended.data["reason"],
        "process_ended_s": round(time.time() - stopped_s, 1),
        "exit_status": worker.returncode,
    }


async def _health_until_gone(worker: asyncio.subprocess.Process, port: int) -> list[int]:
    """Return the statuses that the page of health has, until the process ends."""
    statuses = []
    async with asyncio.timeout(ENDS_WITHIN_S), aiohttp.ClientSession() as client:
        while worker.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.get(f"http://127.0.0.1:{port}/") as response:
                    statuses.append(response.status)
            await asyncio.sleep(ASKS_EVERY_S)
    return statuses


async def measure() -> dict[str, Any]:
    """Return LiveKit's defaults, and what came of each run."""
    usual = inspect.signature(AgentServer).parameters
    runs = {name: {**run, **await drain(**run)} for name, run in RUNS.items()}
    return {
        "version": version("livekit-agents"),
        "default_drain_timeout_s": usual["drain_timeout"].default,
        "runs": runs,
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        cli.run_app(make_server())
    else:
        print(json.dumps(asyncio.run(measure()), indent=1))
