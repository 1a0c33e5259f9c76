"""The sandbox of a submission: no network, no processes, no files, and little memory and time.

A submission reads what is installed and writes nothing.

Three fences, one behind the other, each where the system has it: process, network and user
namespaces of its own (Linux), Landlock (Linux 5.13), and Python's audit hook (everywhere). Without
the first two a determined attacker gets through: grade exams in a container that you throw away.
A fence that this system has and that does not close is a FenceError.
Sources: unshare(2), landlock(7), prctl(2), PEP 578.
"""

import ctypes
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxlab import data, models
from voxlab.errors import ExerciseError

MEMORY_BYTES = 4 << 30  # address space: numpy and a thread pool reserve far more than they use
PROCESSES = 64
OPEN_FILES = 256
CPU_S = 600  # of one submission: more than its tests may take, so that nothing runs for ever
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc", "/sys", "/nix/store")
_LINUX = sys.platform == "linux"


class FenceError(ExerciseError):
    """The sandbox does not close, or does not start: nobody's fault who handed something in."""


def readable_folders() -> list[Path]:
    """Return what a submission may read: Python, what is installed, voxlab, its data and models."""
    package = Path(__file__).parents[1]
    installed = [*SYSTEM, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
    folders = [*map(Path, installed), package, data.folder(), models.cache_dir()]
    return [folder.resolve() for folder in folders if folder.exists()]


def refuse_without_processes() -> None:
    """Raise FenceError where no sandbox can be built, with what works there."""
    if not hasattr(os, "fork"):
        raise FenceError(
            "grading runs each submission in a sandbox made of Linux's or macOS's processes, and "
            "this system has none: use WSL. `import voxlab`, the lessons and calls work here"
        )


def limit_resources() -> None:
    """Limit memory, processor time, open files and, within namespaces of our own, processes."""
    import resource  # not on Windows, where the rest of voxlab must still be importable

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CPU, CPU_S)
    if _LINUX:
        _lower(resource.RLIMIT_AS, MEMORY_BYTES)
        if os.getpid() == 1:  # elsewhere the limit counts what else the user runs
            _lower(resource.RLIMIT_NPROC, PROCESSES)


def _lower(kind: int, limit: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def close_in(readable: Sequence[Path], forbidden: Sequence[Path]) -> None:
    """Close the fence around this process, for good, and try it.

    readable: folders it may read. forbidden: folders within those that it may not.
    Raises FenceError if it does not hold.
    """
    if has_landlock():
        _landlock(readable)
        _try_out("Landlock")
    sys.addaudithook(_hook(readable, forbidden))
    _try_out("the audit hook")


def _try_out(fence: str) -> None:
    try:
        os.listdir("/")  # no submission needs it
    except PermissionError:
        return
    raise FenceError(f"{fence} does not close: a submission could list every folder")


def fences() -> list[str]:
    """Return the fences that this system has. Call it where no thread runs: it forks."""
    probe = os.fork()
    if not probe:
        os._exit(not enter_namespaces())
    has_namespaces = os.waitpid(probe, 0)[1] == 0
    return ["namespaces"] * has_namespaces + ["Landlock"] * has_landlock() + ["audit hook"]


# --- processes -----------------------------------------------------------------------------

_NEW_USER, _NEW_PID, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_SET_DEATH_SIGNAL, _SET_SUBREAPER, _NO_NEW_PRIVILEGES = 1, 36, 38


def enter_namespaces() -> bool:
    """Give this process no network, and an end to all it starts with the next one it forks.

    Returns whether the system lets us.
    """
    everything = _NEW_USER | _NEW_PID | _NEW_NETWORK
    return _LINUX and ctypes.CDLL(None).unshare(everything) == 0


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, where it can."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, 9, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, where the kernel can."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)


# --- Landlock ------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ALL_ACCESS = (1 << 13) - 1  # of Landlock's first version


def has_landlock() -> bool:
    """Tell whether this kernel can fence a process in."""
    ask_version = 1
    return _LINUX and ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, ask_version) > 0


def _landlock(readable: Sequence[Path]) -> None:
    """Let this process read the folders and write nothing. Raises FenceError if Linux refuses."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: Any) -> int:
        result = getattr(libc, name)(*arguments)
        if result < 0:
            raise FenceError(f"Landlock does not close: {os.strerror(ctypes.get_errno())}")
        return int(result)

    def allow(path: Path, access: int) -> None:
        opened = os.open(path, getattr(os, "O_PATH", 0))
        rule = access.to_bytes(8, sys.byteorder) + opened.to_bytes(4, sys.byteorder)
        call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        os.close(opened)

    handled = ctypes.c_uint64(_ALL_ACCESS)
    ruleset = call("syscall", _CREATE_RULESET, ctypes.byref(handled), 8, 0)
    for path in readable:
        allow(path, _EXECUTE | _READ_FILE | _READ_DIR)
    allow(Path(os.devnull), _READ_FILE | _WRITE_FILE)
    call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


# --- the audit hook ------------------------------------------------------------------------

_REFUSED = {
    "starts no process": "os.fork os.forkpty os.exec os.posix_spawn os.spawn os.system "
    "subprocess.Popen pty.spawn",
    "sends no signal": "os.kill os.killpg signal.pthread_kill",
    "uses no network": "socket.connect socket.bind socket.sendto socket.sendmsg "
    "socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr",
    "changes no file": "os.remove os.rename os.rmdir os.mkdir os.link os.symlink os.truncate "
    "os.chmod os.chown os.utime",
    "calls no foreign code": "ctypes.dlopen ctypes.dlsym ctypes.call_function ctypes.cdata "
    "ctypes.addressof ctypes.string_at",
}
_WHY = {event: why for why, events in _REFUSED.items() for event in events.split()}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _hook(readable: Sequence[Path], forbidden: Sequence[Path]) -> Any:
    may = tuple(os.path.join(path, "") for path in readable)
    may_not = tuple(os.path.join(path, "") for path in forbidden)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _WHY:
            raise PermissionError(f"a submission {_WHY[event]} ({event})")
        if event in ("open", "os.listdir", "os.scandir", "sqlite3.connect"):
            path = arguments[0]
            if path is None or isinstance(path, int) or path in (":memory:", b":memory:"):
                return
            full = os.path.join(os.path.realpath(os.fsdecode(path)), "")
            if full == os.path.join(os.devnull, ""):
                return
            if not full.startswith(may) or full.startswith(may_not):
                raise PermissionError(f"a submission does not read {path}")
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
                raise PermissionError(f"a submission writes no files ({path})")

    return refuse
