"""What a submission may not do: network, processes, files, more memory than it needs.

It reads what is installed and writes nothing.

Three fences, one behind the other, each where the system has it: a process, network and user
namespace of its own (Linux, `unshare`), Landlock (Linux 5.13), and Python's audit hook
(everywhere). Without the first two a determined attacker gets through: grade exams in a container
that you throw away.
Sources: unshare(1), landlock(7), PEP 578.
"""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from voxlab import data, models

MEMORY_BYTES = 4 << 30  # address space: numpy and a thread pool reserve far more than they use
PROCESSES = 64
OPEN_FILES = 256
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc", "/sys", "/nix/store")


@cache
def own_namespaces() -> tuple[str, ...]:
    """Return the command that gives a process no network, and an end to all it starts with its own.

    Empty where the system refuses.
    """
    command = ("unshare", "--user", "--net", "--pid", "--fork", "--kill-child")
    if not shutil.which(command[0]):
        return ()
    works = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if works else ()


def readable_folders() -> list[Path]:
    """Return what a submission may read: Python, what is installed, voxlab, its data and models."""
    package = Path(__file__).parents[1]
    installed = [*SYSTEM, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
    folders = [*map(Path, installed), package, data.folder(), models.cache_dir()]
    return [folder.resolve() for folder in folders if folder.exists()]


def limit_resources() -> None:
    """Limit memory, open files and, within namespaces of our own, processes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, MEMORY_BYTES)
        if os.getpid() == 1:  # elsewhere the limit counts what else the user runs
            _lower(resource.RLIMIT_NPROC, PROCESSES)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def close_in(readable: Sequence[Path], forbidden: Sequence[Path]) -> None:
    """Close the fence around this process, for good.

    readable: folders it may read. forbidden: folders within those that it may not.
    """
    _landlock(readable)
    sys.addaudithook(_hook(readable, forbidden))


# --- Landlock ------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ALL_ACCESS = (1 << 13) - 1  # of Landlock's first version
_NO_NEW_PRIVILEGES = 38


def has_landlock() -> bool:
    """Tell whether this kernel can fence a process in."""
    if sys.platform != "linux":
        return False
    ask_version = 1
    return bool(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, ask_version) > 0)


def _landlock(readable: Sequence[Path]) -> None:
    """Let this process read the folders and write nothing, where Linux can."""
    if not has_landlock():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.c_uint64(_ALL_ACCESS)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), 8, 0)
    for path in readable:
        _allow(libc, ruleset, path, _EXECUTE | _READ_FILE | _READ_DIR)
    _allow(libc, ruleset, Path(os.devnull), _READ_FILE | _WRITE_FILE)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(libc: Any, ruleset: int, path: Path, access: int) -> None:
    opened = os.open(path, getattr(os, "O_PATH", 0))
    rule = access.to_bytes(8, sys.byteorder) + opened.to_bytes(4, sys.byteorder)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(opened)


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
