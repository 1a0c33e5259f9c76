"""The processes of submissions: one that is warm, and forks one for each of them.

    python -I -m voxlab.grading.worker

The warm one has imported what exercises import and runs no learner's code. It gets a socket for
each submission over its standard input, forks a process that serves it, and ends that process when
asked, or all of them when the grader is gone.

Requests (pickled, they come from the grader) arrive on the submission's socket, replies (JSON,
nobody needs to trust them) leave on it, each after its length in four bytes. What the submission
prints goes nowhere. A submission is its imports, definitions and assignments: other statements at
the top level (calls, loops, checks, plots) are for the notebook and are not run.
"""

import ast
import contextlib
import importlib
import inspect
import io
import json
import os
import pickle
import select
import signal
import socket
import sys
import traceback
import types
from collections.abc import Iterable
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from voxlab.clock import run_virtual
from voxlab.grading import fence, plain
from voxlab.grading.reading import Source

MODULE = "submission"
CHARS_AT_MOST = 400  # of an error message
_IMPORTS = (ast.Import, ast.ImportFrom)
_RUN = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Handles(pickle.Unpickler):
    """Reads a request; where it names an object by its number, the object itself is put in."""

    objects: list[Any]

    def persistent_load(self, pid: Any) -> Any:
        """Return the object with this number."""
        return self.objects[pid]


class Worker:
    """Holds the submission's module and every object of it that the grader has a handle for."""

    def __init__(self, channel: BufferedRWPair, namespaces: bool | None) -> None:
        """channel: the socket. namespaces: whether they closed; None: this system has none."""
        self._channel = channel
        self._namespaces = namespaces
        self._module = types.ModuleType(MODULE)
        self._objects: list[Any] = [self._module]
        self._statements: list[tuple[str, ast.stmt]] = []
        self._errors: list[dict[str, str]] = []
        self._files: set[str] = set()
        sys.modules[MODULE] = self._module  # dataclasses look their module up

    def serve(self) -> None:
        """Answer requests until there are no more."""
        while header := self._channel.read(4):
            request = Handles(io.BytesIO(self._channel.read(int.from_bytes(header, "big"))))
            request.objects = self._objects
            operation, *arguments = request.load()
            try:
                reply = {"value": plain.encode(getattr(self, operation)(*arguments), self._keep)}
                message = json.dumps(reply)
            except BaseException as error:  # SystemExit too: a submission does not end the grading
                message = json.dumps({"error": self._describe(error)})
            data = message.encode()
            self._channel.write(len(data).to_bytes(4, "big") + data)
            self._channel.flush()

    def _keep(self, value: Any) -> int:
        self._objects.append(value)
        return len(self._objects) - 1

    def _describe(self, error: BaseException) -> dict[str, str]:
        text = str(error)[:CHARS_AT_MOST]
        where = ""
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in self._files:
                where = f"{frame.filename}, line {frame.lineno}"
        if isinstance(error, SyntaxError):
            where, text = f"{error.filename}, line {error.lineno}", error.msg
        return {"type": type(error).__name__, "text": text, "where": where}

    # --- operations ------------------------------------------------------------------------

    def enclose(self, source: Source, forbidden: list[Path], is_fenced: bool) -> None:
        """Take a submission's source, run its imports, and close the fence before anything else.

        Imports come first so that what is installed can load itself.
        """
        for name, text in source:
            self._files.add(name)
            try:
                self._statements += [(name, node) for node in ast.parse(text, name).body]
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                self._errors.append(self._describe(error))
        self._run(_IMPORTS)
        if is_fenced:
            if self._namespaces is False:
                raise fence.FenceError("a process of its own for a submission: the system refuses")
            fence.close_in(fence.readable_folders(), forbidden)

    def load(self) -> list[dict[str, str]]:
        """Run its definitions and assignments; return what went wrong, statement by statement."""
        self._run(_RUN)
        return self._errors

    def _run(self, kinds: tuple[type[ast.stmt], ...]) -> None:
        for name, node in self._statements:
            if isinstance(node, kinds):
                try:
                    code = compile(ast.Module([node], []), name, "exec", dont_inherit=True)
                    exec(code, self._module.__dict__)
                except BaseException as error:  # the rest of the submission may still be right
                    self._errors.append(self._describe(error))

    def get(self, target: Any, name: str) -> Any:
        """Return an attribute. Raises NameError if it is one that the submission should define."""
        if target is self._module and name not in vars(target):
            raise NameError(f"{name} is not defined: keep its name, and run the cell that has it")
        return getattr(target, name)

    def call(self, target: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call something; what is async runs to its end in virtual time."""
        result = target(*arguments, **options)
        return run_virtual(result) if inspect.iscoroutine(result) else result


# --- the warm process ----------------------------------------------------------------------


# What exercises import, once for all submissions: before the first one, and while none asks.
FIRST = ["audio", "notebook", "timeline", "codec.mini", "latency", "statistics", "turn_taking"]
FIRST += ["turn_taking.interruptions", "vad"]
WHEN_IDLE = ["grading.notebook", "providers.offline", "agents", "agents.realtime", "telephony"]
WHEN_IDLE += ["observability", "serving.workers", "serving.realtime.transport.in_memory"]


def warm_up(modules: Iterable[str]) -> None:
    """Import modules of voxlab."""
    for name in modules:
        importlib.import_module(f"voxlab.{name}")


def start(channel: int, namespaces: bool) -> int:
    """Fork a process that serves a submission on a socket; return its number.

    namespaces: give it its own. The process that enters them stays outside, only what it forks is
    within; so there are two forks, and the second process becomes ours when the first has ended.
    """
    reader, writer = os.pipe()
    outside = os.fork()
    if outside:
        os.close(writer)
        answer = os.read(reader, 20)
        os.close(reader)
        os.waitpid(outside, 0)
        return int(answer or 0)
    try:
        closed = fence.enter_namespaces() if namespaces else None
        if number := os.fork():
            os.write(writer, str(number).encode())
        else:
            _serve(channel, closed)
    finally:
        os._exit(0)


def _serve(channel: int, namespaces: bool | None) -> None:
    os.setsid()
    os.dup2(channel, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    with open(os.devnull, "r+b") as nowhere:
        for standard in (0, 1, 2):
            os.dup2(nowhere.fileno(), standard)
    fence.limit_resources()
    with socket.socket(fileno=3) as connection, connection.makefile("rwb") as stream:
        first = stream.peek(1)  # the grader speaks when our first parent has ended
        if first:
            fence.die_with_parent()
            Worker(stream, namespaces).serve()


def end(number: int) -> None:
    """End a process and all that it started; 0 is one that did not start."""
    for kill in (os.kill, os.killpg) if number else ():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(number, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # where nobody adopts orphans
        os.waitpid(number, 0)


def main() -> None:
    """Serve a grader. A socket comes in, a process's number goes out; a number in: it is ended."""
    control = socket.socket(fileno=os.dup(0))
    fence.adopt_orphans()
    warm_up(FIRST)
    fences = fence.fences()
    control.sendall(json.dumps(fences).encode() + b"\n")
    running = set()
    cold = WHEN_IDLE[:]
    while True:
        while cold and not select.select([control], [], [], 0)[0]:
            warm_up([cold.pop(0)])
        message, channels, _, _ = socket.recv_fds(control, 8, 1)
        if not message:
            break
        number = int.from_bytes(message, "big")
        if channels:
            number = start(channels[0], "namespaces" in fences)
            os.close(channels[0])
            running.add(number)
        else:
            end(number)
            running.discard(number)
        control.sendall(number.to_bytes(8, "big"))
    for number in running:
        end(number)
    with contextlib.suppress(OSError):  # the grader was killed, or is quicker
        os.rmdir(os.getcwd())


if __name__ == "__main__":
    main()
