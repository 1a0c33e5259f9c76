"""The process that holds a call with a framework's agent, in the environment that has its packages.

    python -m voxlab.frameworks.worker livekit data/calls/barge_in.yaml --out out/livekit

It speaks to the process that started it in lines of JSON on its output: {"event": ...} as it
happens, at last {"shop": ...} and {"used": ...}. It leaves call.wav and timeline.json in the
folder, the sound also while the call lasts. A line on its input, the number of a signal, ends the
call; so does the end of that input, for then nobody waits for the call any more.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from voxlab import audio, data
from voxlab.agents.callers.script import load_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.callers.variation import vary
from voxlab.agents.calls import Party, hold_call
from voxlab.agents.line import Line
from voxlab.agents.shop import shop_agent, shop_realtime_agent, shop_tools
from voxlab.agents.tools import ToolFault, with_faults
from voxlab.clock import run_real
from voxlab.data.expectations import ShopState
from voxlab.errors import VoxlabError
from voxlab.frameworks.settings import SETTINGS
from voxlab.providers.offline import offline
from voxlab.providers.protocols import Providers
from voxlab.timeline import Event, to_plain

AGENTS = ("voxlab", "realtime", "livekit", "pipecat")
SAVE_EVERY_S = 2.0
REHEARSAL_S = 60.0  # loading takes so long on the slowest machine that we have seen


def make_agent(
    name: str,
    settings: Mapping[str, Any],
    database: sqlite3.Connection,
    faults: Mapping[str, ToolFault] | None = None,
    providers: Providers | None = None,
) -> Party:
    """Return the shop's agent on a database. settings: of a framework's.

    faults: of the systems behind its tools. providers: the offline engines if None.
    """
    providers = providers or offline()
    tools = with_faults(shop_tools(database), faults or {})
    match name:
        case "livekit":
            from voxlab.frameworks.livekit import LiveKitAgent

            return LiveKitAgent(providers, tools, settings)
        case "pipecat":
            from voxlab.frameworks.pipecat import PipecatAgent

            return PipecatAgent(providers, tools, settings)
        case "realtime":
            from voxlab.agents.pipeline.reply import ReplyOptions
            from voxlab.agents.realtime.settings import RealtimeSettings
            from voxlab.serving.realtime.session import SessionOptions
            from voxlab.serving.realtime.transport.in_memory import in_memory

            connect = in_memory(providers, SessionOptions(filler=ReplyOptions().filler))
            detects = None if providers.vad else RealtimeSettings(turn_detection=None)
            return shop_realtime_agent(connect, detects, database=database, faults=faults)
        case _:
            return shop_agent(providers, database=database, faults=faults)


class Rehearsal:
    """A caller who hangs up as soon as the agent speaks: by then everything is loaded."""

    async def run(self, line: Line) -> None:
        """Wait for the agent's first sound."""
        spoke = asyncio.Event()

        def note(event: Event) -> None:
            if (event.source, event.kind) == ("agent", "speech_started"):
                spoke.set()

        line.subscribe(note)
        await spoke.wait()


class Overheard:
    """A party whose call can be stopped from outside, and whose sound outlives its process."""

    def __init__(self, party: Party, folder: Path) -> None:
        self._party = party
        self._folder = folder
        self._line: Line | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, line: Line) -> None:
        """Hold the call as the party does."""
        self._line, self._loop = line, asyncio.get_running_loop()
        saving = asyncio.create_task(self._save(line))
        try:
            await self._party.run(line)
        finally:
            saving.cancel()

    async def _save(self, line: Line) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            call = line.call()
            if call.user is not None and call.agent is not None:
                await asyncio.to_thread(self._write, call.user, call.agent)

    def _write(self, user: audio.Audio, agent: audio.Audio) -> None:
        unfinished = self._folder / "unfinished.wav"
        audio.write(unfinished, user, agent)
        unfinished.replace(self._folder / "call.wav")

    def stop_from(self, orders: TextIO) -> None:
        """End the call when a line comes, the number of a signal, or nobody can send one."""
        number = orders.readline().strip()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the call is over
                self._loop.call_soon_threadsafe(self._hang_up, int(number or 0))

    def _hang_up(self, number: int) -> None:
        if self._line is None or self._line.closed.is_set():
            return
        if number:
            self._line.record("transport", "stopped", signal=number)
        self._line.hang_up("the program that asked for the call stopped it")


@contextlib.contextmanager
def own_output() -> Iterator[Callable[[str, Any], None]]:
    """Give a function that sends a line; what else is printed goes to the error stream."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def send(key: str, value: Any) -> None:
            channel.write(json.dumps({key: to_plain(value)}) + "\n")
            channel.flush()

        yield send


def quieten() -> None:
    """Let the frameworks log what is wrong, and nothing else."""
    logging.basicConfig(level=logging.WARNING)
    with contextlib.suppress(ImportError):  # Pipecat's
        from loguru import logger

        logger.remove()
        logger.add(sys.stderr, level="WARNING")


def memory_mb() -> float:
    """Return the resident memory of this process and of those it started."""
    import psutil

    me = psutil.Process()
    ours = (me, *me.children(recursive=True))
    return float(sum(each.memory_info().rss for each in ours)) / 1e6


def main() -> int:
    """Hold one call."""
    parser = argparse.ArgumentParser(prog="voxlab.frameworks.worker")
    parser.add_argument("agent", choices=AGENTS)
    parser.add_argument("script", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default="defaults")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with own_output() as send:
        quieten()
        try:
            script, database = vary(load_script(arguments.script), arguments.seed), data.shop()
            settings = SETTINGS.get(arguments.agent, {}).get(arguments.settings, {})
            agent = make_agent(arguments.agent, settings, database, script.faults)
        except VoxlabError as error:
            send("refused", str(error))
            return 2
        run_real(hold_call(agent, Rehearsal(), limit_s=REHEARSAL_S))
        party = Overheard(agent, arguments.out)
        threading.Thread(target=party.stop_from, args=(sys.stdin,), daemon=True).start()
        began_s, cpu_s = time.perf_counter(), time.process_time()
        call = run_real(
            hold_call(
                party,
                Caller(script),
                background=script.background,
                echo=script.echo,
                limit_s=script.limit_s,
                on_event=lambda event: send("event", event),
            )
        )
        lasted_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        call.save(arguments.out)
        used = {"cpu_s_per_call_s": cpu_s / lasted_s, "memory_mb": memory_mb()}
        send("shop", asdict(ShopState.of(database)))
        send("used", used)
    return 0


if __name__ == "__main__":
    sys.exit(main())
