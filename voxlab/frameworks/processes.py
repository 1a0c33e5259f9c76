"""Calls in a process of their own: what `voxlab.frameworks.worker` does, seen from outside."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from voxlab import audio
from voxlab.data.expectations import ShopState
from voxlab.errors import FrameworkError, ScriptError
from voxlab.frameworks import FRAMEWORKS
from voxlab.timeline import Call, Event, Timeline

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "VOXLAB_FRAMEWORKS_PYTHON"  # names the interpreter that has the frameworks
LAST_LINES = 3  # of what a process that died has said


@dataclass(frozen=True)
class HeldCall:
    """A call that a process of its own has held.

    cpu_s_per_call_s: of one core. memory_mb: resident, at the end. shop: what it holds then. None
    if the process died.
    """

    call: Call
    cpu_s_per_call_s: float | None = None
    memory_mb: float | None = None
    shop: ShopState | None = None


def find_python(agent: str) -> Path:
    """Return the interpreter that can run an agent. Raises FrameworkError if there is none."""
    if agent not in FRAMEWORKS:
        return Path(sys.executable)
    windows, unix = (
        ROOT / ".venv-frameworks/Scripts/python.exe",
        ROOT / ".venv-frameworks/bin/python",
    )
    python = Path(os.environ.get(PYTHON, windows if os.name == "nt" else unix))
    if not python.is_file():
        raise FrameworkError(
            "LiveKit Agents and Pipecat have an environment of their own, and there is no "
            f"{python}: run `make frameworks` in {ROOT}, or let {PYTHON} name their Python"
        )
    return python


def hold_in_process(
    script: str | Path,
    agent: str,
    folder: str | Path,
    *,
    settings: str = "defaults",
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
) -> HeldCall:
    """Return the call of a script that an agent holds in real time, in a process of its own.

    agent: voxlab, realtime, livekit or pipecat. folder: gets call.wav and timeline.json.
    settings: "closest" for a framework's that come closest to ours. seed: see `callers.variation`.
    A process that dies leaves the call up to there; the timeline says so (transport, `failed`).
    Ctrl-C hangs up.
    Raises FrameworkError if the packages are missing, ScriptError for a script it cannot follow.
    """
    python, folder = find_python(agent), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("call.wav", "timeline.json"):
        (folder / name).unlink(missing_ok=True)
    command = [python, "-m", "voxlab.frameworks.worker", agent, Path(script).resolve()]
    command += ["--out", folder.resolve(), "--settings", settings, "--seed", seed]
    timeline, used, shop = Timeline(), None, None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with _started([str(part) for part in command], errors) as process:
            for key, value in _messages(process):
                match key:
                    case "refused":
                        raise ScriptError(str(value))
                    case "used":
                        used = value
                    case "shop":
                        shop = ShopState.from_plain(value)
                    case "event":
                        event = timeline.add(Event(**value))
                        if on_event is not None:
                            on_event(event)
        if used is not None:
            return HeldCall(Call.load(folder), shop=shop, **used)
        errors.seek(0)
        said = " ".join("".join(errors.readlines()[-LAST_LINES:]).split())
    return HeldCall(_broken_call(agent, process.returncode, said, timeline, folder, on_event))


@contextmanager
def _started(command: list[str], errors: IO[str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that a Ctrl-C in the terminal does not reach; wait for its end."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        start_new_session=True,
    )
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _messages(process: "subprocess.Popen[str]") -> Iterator[tuple[str, Any]]:
    """Yield what a worker says, to its end. A Ctrl-C ends its call, a second one the worker."""
    is_stopped = False
    while True:
        try:
            line = process.stdout.readline() if process.stdout else ""
        except KeyboardInterrupt:
            if is_stopped or process.stdin is None:
                raise
            is_stopped = True
            process.stdin.write(f"{int(signal.SIGINT)}\n")
            process.stdin.flush()
            continue
        if not line:
            return
        yield from json.loads(line).items()


def _broken_call(
    agent: str,
    status: int,
    said: str,
    timeline: Timeline,
    folder: Path,
    on_event: Callable[[Event], None] | None,
) -> Call:
    """Return the call of a process that died, and write its record."""
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    error = f"the process of the agent {how}{': ' if said else ''}{said}"
    at_s = timeline.duration_s
    for event in (
        Event(at_s, "transport", "failed", {"who": agent, "error": error}),
        Event(at_s, "transport", "call_ended", {"reason": f"the {agent} agent failed: {error}"}),
    ):
        timeline.add(event)
        if on_event is not None:
            on_event(event)
    sound = folder / "call.wav"
    voices = audio.read_channels(sound, limit_s=float("inf")) if sound.is_file() else ()
    call = Call(timeline, *voices)
    call.save(folder)
    return call
