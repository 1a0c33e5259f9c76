"""What a submission cannot do, whatever it tries."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voxlab.grading import fence
from voxlab.grading.fence import FenceError
from voxlab.grading.submission import Sandbox, Submission, SubmissionError, shared_sandbox

SECRET = Path(__file__)


def submitted(code: str) -> Submission:
    return Submission([("ex90.py", code)], forbidden=[SECRET.parent])


ATTACKS = {
    "ends the process": "import os\ndef f(): os._exit(0)",
    "ends the program": "def f(): raise SystemExit(0)",
    "crashes": "def f():\n    g = lambda n: g(n + 1)\n    return g(0)",
    "closes its pipes": "import os\ndef f(): os.closerange(0, 99)",
    "forges a reply": "import os\ndef f():\n    for fd in range(3, 20):\n        try:\n"
    "            os.write(fd, b'\\0\\0\\0\\x02[]')\n        except OSError: pass\n",
    "starts a process": "import os\ndef f(): return 0 if os.fork() else 1",
    "runs a program": "import subprocess\ndef f(): return subprocess.run(['true']).returncode",
    "reads a file": f"def f(): return open({str(SECRET)!r}).read()",
    "lists a folder": f"import os\ndef f(): return os.listdir({str(SECRET.parent)!r})",
    "reads a file through /proc": f"def f(): return open('/proc/self/root' + {str(SECRET)!r})",
    "writes a file": "def f(): return open('answer.txt', 'w').write('1')",
    "deletes a file": f"import os\ndef f(): os.remove({str(SECRET)!r})",
    "asks the network": "import socket\ndef f(): return socket.create_connection(('127.0.0.1', 9))",
    "opens a port": "import socket\ndef f(): return socket.socket().bind(('127.0.0.1', 0))",
    "kills its parent": "import os\ndef f(): os.kill(os.getppid(), 9)",
    "takes all memory": "def f(): return len(bytearray(64 << 30))",
    "returns too much": "import itertools\ndef f(): return 'x' * 80_000_000",
    "calls C": "import ctypes\ndef f(): return ctypes.CDLL(None).getpid()",
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_submission_gets_nothing_out_of_it_that(attack):
    with submitted(ATTACKS[attack]) as submission:
        submission.limit(5)
        with pytest.raises(SubmissionError):
            submission.module.f()
    assert SECRET.exists()


@pytest.mark.slow
def test_printing_for_ever_ends_with_the_time():
    with submitted("def f():\n    while True: print('x' * 1000)") as submission:
        submission.limit(0.5)
        with pytest.raises(SubmissionError, match="too long"):
            submission.module.f()


@pytest.mark.slow
def test_an_object_that_equals_everything_equals_nothing_here():
    code = """
class Yes:
    __eq__ = __ne__ = __lt__ = __gt__ = __contains__ = __bool__ = lambda *_: True
    __hash__ = None
class YesNumber(float):
    __eq__ = __lt__ = lambda *_: True
    __hash__ = None
class YesList(list):
    __eq__ = lambda *_: True
    __hash__ = None
def f(): return Yes()
def g(): return YesNumber(7)
def h(): return YesList([7])
"""
    with submitted(code) as submission:
        with pytest.raises(SubmissionError):
            assert submission.module.f() == 42
        assert submission.module.g() != 42
        assert submission.module.h() != [42]


@pytest.mark.slow
def test_no_key_and_no_path_of_the_user_is_in_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with submitted("import os\ndef f(): return dict(os.environ)") as submission:
        environment = submission.module.f()
    assert "sk-secret" not in environment.values()
    assert environment["HOME"] != os.environ.get("HOME")


@pytest.mark.slow
def test_what_it_leaves_running_ends_with_it():
    if "namespaces" not in shared_sandbox().fences:
        pytest.skip("this system gives no namespaces: only the audit hook refuses processes")
    code = "import _posixsubprocess, os\ndef f(): return 1\n"  # a way that the hook cannot see
    start = (
        "_posixsubprocess.fork_exec([b'/bin/sleep', b'4217'], [b'/bin/sleep'], True, (), None, "
        "None, -1, -1, -1, -1, -1, -1, *os.pipe(), True, True, -1, None, None, None, -1, None, "
        "False)"
    )
    with submitted(f"{code}x = {start}\n") as submission:
        assert submission.module.f() == 1
        assert submission.load_errors == []
        assert within(5, lambda: running("4217"))
    assert within(5, lambda: not running("4217"))


def within(limit_s: float, holds) -> bool:
    """Tell whether something comes true in time: the kernel needs a moment to start and end."""
    deadline_s = time.monotonic() + limit_s
    while not holds() and time.monotonic() < deadline_s:
        pass
    return bool(holds())


def running(argument: str) -> list[Path]:
    """Return the processes that were started with this argument."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(folder)
    return found


@pytest.mark.slow
def test_the_processor_time_of_a_submission_is_limited():
    code = "import resource\ndef f(): return resource.getrlimit(resource.RLIMIT_CPU)"
    with submitted(code) as submission:
        assert submission.module.f() == [fence.CPU_S, fence.CPU_S]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills orphans, and has /proc")
@pytest.mark.parametrize("victim", ["the grader", "the warm process"])
def test_no_submission_outlives_what_started_it(victim):
    grader = subprocess.Popen(
        [sys.executable, "-c", GRADER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with grader:
        warm, looping = map(int, grader.stdout.readline().split())
        os.kill(grader.pid if victim == "the grader" else warm, signal.SIGKILL)
        assert within(2, lambda: not is_alive(looping))
        assert within(2, lambda: not is_alive(warm))
        grader.kill()


GRADER = """
import threading
from voxlab.grading.submission import Submission, shared_sandbox

code = "def loop():\\n    while True: pass\\ndef one(): return 1"
submission = Submission([("ex90.py", code)])
submission.module.one()
warm = shared_sandbox()._process.pid
threading.Thread(target=submission.module.loop, daemon=True).start()
print(warm, submission._process, flush=True)
threading.Event().wait()
"""


def is_alive(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_does_not_close_is_a_fence_error(monkeypatch):
    monkeypatch.setattr(fence, "_landlock", lambda readable: None)
    monkeypatch.setattr(fence, "has_landlock", lambda: True)
    with pytest.raises(FenceError, match="Landlock does not close: a submission could list"):
        fence.close_in([], [])


class Broken(Sandbox):
    """A sandbox whose processes say that their fence does not close."""

    def __init__(self):
        self.ended = []

    def start(self):
        ours, theirs = socket.socketpair()
        reply = json.dumps({"error": {"type": "FenceError", "text": "Landlock does not close"}})
        theirs.sendall(len(reply).to_bytes(4, "big") + reply.encode())
        self.theirs = theirs
        return 17, ours

    def end(self, number):
        self.theirs.close()
        self.ended.append(number)


def test_a_fence_that_does_not_close_is_not_the_submissions_fault():
    sandbox = Broken()
    with Submission([("ex90.py", "x = 1")], sandbox=sandbox) as submission:
        with pytest.raises(FenceError, match="Landlock does not close"):
            submission.module.x  # noqa: B018
        assert submission.load_errors == []
    assert sandbox.ended == [17]


@pytest.mark.slow
@pytest.mark.skipif(not fence.has_landlock(), reason="this system has no Landlock")
def test_landlock_closes_what_the_hook_cannot_see():
    read = "soundfile.read({!r}, format='RAW', samplerate=8000, channels=1, subtype='PCM_U8')"
    code = f"import soundfile\ndef f(): return len({read.format(str(SECRET))}[0])"
    with Submission([("ex90.py", code)], is_fenced=False) as submission:
        assert submission.module.f() == SECRET.stat().st_size  # this is how it would be done
    with submitted(code) as submission, pytest.raises(SubmissionError, match="Error opening"):
        submission.module.f()
