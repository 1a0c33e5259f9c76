"""The processes of one machine: started, replaced one after another, drained all together."""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence

from voxlab.errors import VoxlabError
from voxlab.serving.workers.front import Front

STARTS_WITHIN_S = 60.0  # real engines are loaded meanwhile
AGAIN_S = 1.0  # a process that died is replaced after so long
log = logging.getLogger(__name__)


class Processes:
    """Worker processes behind a front. command: of one; environment: its variables besides ours."""

    def __init__(
        self, front: Front, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._front = front
        self._command = command
        self._environment = {**os.environ, **environment}
        self._serving: list[Process] = []
        self._watching: set[asyncio.Task[None]] = set()
        self._restarting = asyncio.Lock()

    @property
    def pids(self) -> list[int]:
        """The processes that take calls."""
        return [process.pid for process in self._serving]

    async def start(self, count: int) -> None:
        """Start so many, and wait until they take calls.

        Raises VoxlabError if one does not; the others serve.
        """
        started = await asyncio.gather(
            *(self._start() for _ in range(count)), return_exceptions=True
        )
        self._serving += [process for process in started if isinstance(process, Process)]
        for error in started:
            if isinstance(error, BaseException):
                raise error

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(*self._command, env=self._environment)
        task = asyncio.create_task(self._watch(process))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                await self._front.joined(process.pid)
        except TimeoutError:
            process.kill()
            raise VoxlabError(
                f"worker process {process.pid} has not joined within {STARTS_WITHIN_S:g} s"
            ) from None
        except asyncio.CancelledError:  # a restart that is given up: `drain` waits for it
            _drain(process)
            raise
        return process

    async def restart(self) -> None:
        """Replace the processes one after another: the new one takes calls, the old one drains."""
        async with self._restarting:
            for old in tuple(self._serving):
                await self._replace(old)

    async def _replace(self, old: Process) -> None:
        """Let a new process take over, unless another one has, or all drain, when it has started.

        Raises VoxlabError if it does not start.
        """
        new = await self._start()
        if old in self._serving:
            self._serving[self._serving.index(old)] = new
            _drain(old)
            log.info("process %d takes over from %d", new.pid, old.pid)
        else:
            _drain(new)

    async def drain(self) -> None:
        """Let all calls finish; return when every process has ended, also those replaced before."""
        serving, self._serving = self._serving, []
        for process in serving:
            _drain(process)
        while self._watching:  # one that starts meanwhile is watched as well
            await asyncio.gather(*self._watching)

    async def _watch(self, process: Process) -> None:
        """Replace a process that ends without being asked to."""
        status = await process.wait()
        log.info("process %d has ended with status %d", process.pid, status)
        if process in self._serving:
            log.warning("process %d died: another one takes its place", process.pid)
        while process in self._serving:
            await asyncio.sleep(AGAIN_S)
            try:
                await self._replace(process)
            except VoxlabError as error:
                log.warning("%s", error)


def _drain(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
