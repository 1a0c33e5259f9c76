"""A submission seen from the grader: a process of its own, whose functions can be called.

    with Submission(read_source(Path("ex01_hysteresis.py"))) as submission:
        submission.module.segments([0.9, 0.1])    # a plain value, whatever the code does

The code under test and the tests never share a process: what cannot be reached cannot be patched.
"""

import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from voxlab import data, models
from voxlab.errors import ExerciseError
from voxlab.grading import fence, plain

LOAD_LIMIT_S = 30.0
BYTES_AT_MOST = 5_000_000  # of a submitted file
REPLY_BYTES_AT_MOST = 64_000_000


class SubmissionError(ExerciseError):
    """What a submission did wrong while a test ran. is_to_do: it still says "Exercise ex01.1"."""

    is_to_do = False


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

    source: (name, text) of each cell, see `read_source`. forbidden: folders that it must not read
    even if they lie among installed things, such as the solutions. is_fenced=False leaves the
    fences open, for code that is known to be good. What is asked of `module` raises
    SubmissionError when the submission fails, stops or is too slow.
    """

    def __init__(
        self,
        source: Sequence[tuple[str, str]],
        forbidden: Sequence[Path] = (),
        is_fenced: bool = True,
    ) -> None:
        self.load_errors: list[str] = []
        self._load = ("load", list(source), [path.resolve() for path in forbidden], is_fenced)
        self._is_fenced = is_fenced
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline_s: float | None = None
        self._unusable = ""
        self._home = tempfile.TemporaryDirectory(prefix="voxlab-grading-")

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
        if self._process is None:
            self._start()
        reply = self._exchange(request, self._deadline_s)
        if "error" in reply:
            raise _failure(reply["error"])
        return plain.decode(reply.get("value"), lambda number, name: Remote(self, number, name))

    def close(self) -> None:
        """End the process and all that it started."""
        self._kill()
        self._home.cleanup()

    def _start(self) -> None:
        if self._unusable:
            raise SubmissionError(self._unusable)
        python = [sys.executable, "-I", "-B", "-m", "voxlab.grading.worker"]
        self._process = subprocess.Popen(
            [*(fence.own_namespaces() if self._is_fenced else ()), *python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._home.name,
            env=_environment(self._home.name),
            start_new_session=True,
        )
        started_s = time.monotonic()
        try:
            reply = self._exchange(self._load, started_s + LOAD_LIMIT_S)
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
        process = self._process
        if process is None or process.stdin is None:
            raise SubmissionError("the submission's process has ended")
        try:
            process.stdin.write(len(body).to_bytes(4, "big") + body)
            process.stdin.flush()
            size = int.from_bytes(self._read(4, deadline_s), "big")
            if size > REPLY_BYTES_AT_MOST:
                raise SubmissionError(f"it returned {size / 1e6:.0f} MB: far too much")
            reply = json.loads(self._read(size, deadline_s))
        except (OSError, ValueError, RecursionError) as error:
            self._kill()
            raise SubmissionError("it ended the process that runs it") from error
        except SubmissionError:
            self._kill()
            raise
        if not isinstance(reply, dict):
            raise SubmissionError("it sent a reply that nobody can read")
        return reply

    def _read(self, size: int, deadline_s: float | None) -> bytes:
        """Return so many bytes of the reply. Raises EOFError's kin if the process has ended."""
        process = self._process
        if process is None or process.stdout is None:
            raise OSError("no process")
        parts = bytearray()
        file = process.stdout.fileno()
        while len(parts) < size:
            left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            if not select.select([file], [], [], left_s)[0]:
                raise SubmissionError("it takes too long: is there a loop that never ends?")
            part = os.read(file, size - len(parts))
            if not part:
                raise OSError("the submission's process has ended")
            parts += part
        return bytes(parts)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # a request that nobody reads any more
                    pipe.close()


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
    if kind == "NotImplementedError" and text.startswith("Exercise "):
        failure = SubmissionError(text)
        failure.is_to_do = True
        return failure
    if kind == "SystemExit":
        return SubmissionError(f"it tried to end the program{f' ({where})' if where else ''}")
    return SubmissionError(f"{kind}: {text}" + (f" ({where})" if where else ""))


def read_source(file: Path) -> list[tuple[str, str]]:
    """Return the code of a submitted script or notebook: (name, text) of each cell.

    Raises ExerciseError if it is a link, is too large, or is not a script or notebook.
    """
    if file.is_symlink():
        raise ExerciseError(f"{file.name} is a link, not a file: submit the file itself")
    if file.stat().st_size > BYTES_AT_MOST:
        size_mb = file.stat().st_size / 1e6
        raise ExerciseError(f"{file.name} has {size_mb:.0f} MB, at most {BYTES_AT_MOST / 1e6:.0f}")
    text = file.read_bytes().decode("utf-8", errors="replace")
    if file.suffix == ".py":
        return [(file.name, text)]
    try:
        cells = json.loads(text)["cells"]
        code = [(index, cell) for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
        return [(f"cell {index + 1}", "".join(cell["source"])) for index, cell in code]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExerciseError(f"{file.name} is not a notebook that can be read: {error!r}") from error
