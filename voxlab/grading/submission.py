"""A submission seen from the grader: a process of its own, whose functions can be called.

    with Submission(read_source(Path("ex01_sentence_chunks.py"))) as submission:
        submission.module.segments([0.9, 0.1])    # a plain value, whatever the code does

The code under test and the tests never share a process: what cannot be reached cannot be patched.
"""

import atexit
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from voxlab import data, models
from voxlab.errors import ExerciseError
from voxlab.grading import plain
from voxlab.grading.fence import FenceError, refuse_without_processes
from voxlab.grading.reading import Source

LOAD_LIMIT_S = 30.0
REPLY_BYTES_AT_MOST = 64_000_000


class SubmissionError(ExerciseError):
    """What a submission did wrong while a test ran.

    kind: the type of the error that was raised there, "" if it was stopped. is_to_do: it still
    says "Exercise ex01.1".
    """

    kind = ""
    is_to_do = False


class Sandbox:
    """The warm process from which each submission's process is forked (see `worker`).

    fences: those that close here. Raises FenceError if it does not start.
    """

    def __init__(self) -> None:
        refuse_without_processes()
        self._lock = threading.Lock()
        self._home = tempfile.TemporaryDirectory(prefix="voxlab-grading-")
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "voxlab.grading.worker"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._home.name,
                env=_environment(self._home.name),
                start_new_session=True,
            )
        with self._control.makefile("rb") as hello:
            self.fences: list[str] = json.loads(hello.readline() or b"[]")
        if not self.fences:
            self.close()
            raise FenceError(
                "the process for submissions does not start: see python -m voxlab.grading.worker"
            )

    def start(self) -> tuple[int, socket.socket]:
        """Start a submission's process; return its number and the socket that leads to it."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                if number := self._ask(0, theirs.fileno()):
                    return number, ours
            raise FenceError("no process starts for a submission: too many, or too little memory")
        except FenceError:
            ours.close()
            raise

    def end(self, number: int) -> None:
        """End a submission's process and all that it started."""
        self._ask(number)

    def _ask(self, number: int, *channels: int) -> int:
        with self._lock:
            try:
                socket.send_fds(self._control, [number.to_bytes(8, "big")], channels)
                if answer := self._control.recv(8):
                    return int.from_bytes(answer, "big")
            except OSError:
                pass
        raise FenceError("the process for submissions has ended")

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every submission's process, and the one that starts them."""
        self._control.close()
        self._process.wait()
        self._home.cleanup()


@cache
def shared_sandbox() -> Sandbox:
    """Return the sandbox of submissions that have none of their own; it ends with this process."""
    shared = Sandbox()
    atexit.register(shared.close)
    return shared


class Remote:
    """An object in the submission's process: attributes can be read, functions called.

    It has no value here: comparing it or asking whether it is true is an error.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, submission: "Submission", number: int, type_name: str) -> None:
        self._submission = submission
        self._number = number
        self._type_name = type_name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy, pickle and numpy ask for those
            raise AttributeError(name)
        return self._submission.request("get", self, name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it there; return what comes back."""
        return self._submission.request("call", self, arguments, options)

    def __bool__(self) -> bool:
        raise SubmissionError(self._refusal())

    def __eq__(self, other: object) -> bool:
        raise SubmissionError(self._refusal())

    def _refusal(self) -> str:
        return f"got an object of type {self._type_name}, need a plain value: number, text or list"


class _Requests(pickle.Pickler):
    """Writes a request; an object of the submission goes as its number."""

    def persistent_id(self, value: Any) -> Any:
        return value._number if isinstance(value, Remote) else None


class Submission:
    """Runs the submission in a process of its own, started when first needed, ended by `close`.

    source: (name, text) of each cell, see `reading`. forbidden: folders that it must not read even
    if they lie among installed things, such as the solutions. is_fenced=False leaves the fences
    open, for code that is known to be good. sandbox: by default the shared one. What is asked of
    `module` raises SubmissionError when the submission fails, stops or is too slow, and FenceError
    when it cannot be fenced in.
    """

    def __init__(
        self,
        source: Source,
        forbidden: Sequence[Path] = (),
        is_fenced: bool = True,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.load_errors: list[str] = []
        self._source = (list(source), [path.resolve() for path in forbidden], is_fenced)
        self._sandbox = sandbox
        self._process: int | None = None
        self._channel: socket.socket | None = None
        self._deadline_s: float | None = None
        self._unusable = ""

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def module(self) -> Remote:
        """The submitted module."""
        return Remote(self, 0, "module")

    def limit(self, limit_s: float | None) -> None:
        """Give what follows so many seconds, all together; None: no limit."""
        self._deadline_s = None if limit_s is None else time.monotonic() + limit_s

    def request(self, *request: Any) -> Any:
        """Send one request and return the value of the reply."""
        if self._channel is None:
            self._start()
        reply = self._exchange(request, self._deadline_s)
        if "error" in reply:
            raise _failure(reply["error"])
        return plain.decode(reply.get("value"), lambda number, name: Remote(self, number, name))

    def close(self) -> None:
        """End the process and all that it started."""
        channel, self._channel = self._channel, None
        if channel is not None and self._process is not None:
            channel.close()
            (self._sandbox or shared_sandbox()).end(self._process)

    def _start(self) -> None:
        if self._unusable:
            raise SubmissionError(self._unusable)
        started_s = time.monotonic()
        self._process, self._channel = (self._sandbox or shared_sandbox()).start()
        try:
            reply = self._exchange(("enclose", *self._source), started_s + LOAD_LIMIT_S)
            if "error" in reply:  # none of the submission's code has run yet
                raise FenceError(str(reply["error"].get("text")))
            reply = self._exchange(("load",), started_s + LOAD_LIMIT_S)
        except SubmissionError as error:
            self._unusable = f"it cannot be loaded: {error}"
            raise SubmissionError(self._unusable) from error
        errors = plain.decode(reply.get("value"), lambda number, name: None)
        self.load_errors = [str(_failure(error)) for error in errors or ()]
        if self._deadline_s is not None:  # loading is not the test's time
            self._deadline_s += time.monotonic() - started_s

    def _exchange(self, request: Sequence[Any], deadline_s: float | None) -> dict[str, Any]:
        message = BytesIO()
        _Requests(message).dump(tuple(request))
        body = message.getvalue()
        try:
            self._open(deadline_s).sendall(len(body).to_bytes(4, "big") + body)
            reply = json.loads(self._receive(deadline_s))
        except TimeoutError as error:
            self.close()
            why = "it takes too long: is there a loop that never ends?"
            raise SubmissionError(why) from error
        except (OSError, ValueError, RecursionError) as error:
            self.close()
            raise SubmissionError("it ended the process that runs it") from error
        except SubmissionError:
            self.close()
            raise
        if not isinstance(reply, dict):
            raise SubmissionError("it sent a reply that nobody can read")
        return reply

    def _receive(self, deadline_s: float | None) -> bytes:
        message, size = bytearray(), 0
        while len(message) < 4 + size or not message:
            part = self._open(deadline_s).recv(1 << 16)
            if not part:
                raise OSError("the submission's process has ended")
            message += part
            size = int.from_bytes(message[:4], "big")
            if size > REPLY_BYTES_AT_MOST:
                raise SubmissionError(f"it returned {size / 1e6:.0f} MB: far too much")
        return bytes(message[4:])

    def _open(self, deadline_s: float | None) -> socket.socket:
        """Return the channel, which waits until the deadline at most."""
        if self._channel is None:
            raise OSError("no process")
        left_s = None if deadline_s is None else max(0.001, deadline_s - time.monotonic())
        self._channel.settimeout(left_s)
        return self._channel


def _environment(home: str) -> Mapping[str, str]:
    """Return the environment of a submission: no keys, no paths of the user's."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "VOXLAB_CACHE": str(models.cache_dir().parent),
        "VOXLAB_DATA": str(data.folder()),
    }


def _failure(error: Mapping[str, str]) -> SubmissionError:
    kind, text, where = (str(error.get(key, "")) for key in ("type", "text", "where"))
    place = f" ({where})" if where else ""
    is_to_do = kind == "NotImplementedError" and text.startswith("Exercise ")
    told = text if is_to_do else f"{kind}: {text}{place}"
    failure = SubmissionError(
        told if kind != "SystemExit" else f"it tried to end the program{place}"
    )
    failure.kind, failure.is_to_do = "" if is_to_do else kind, is_to_do
    return failure
