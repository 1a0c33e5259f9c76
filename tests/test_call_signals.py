"""A call that a signal ends keeps its record."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from unittest.mock import MagicMock

import pytest

from voxlab.cli import calls, main, reports
from voxlab.telephony.echo import has_echo_canceller
from voxlab.timeline import Call

QUIET = {"text": "Hello.", "lasts_s": 1.0}


SIGNALS = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM]
LONG = {"lines": [{**QUIET, "at": f"{n} s after the call starts"} for n in range(1, 200)]}


@pytest.fixture
def long_call(tmp_path):
    """Write a script of some minutes without sound; return the command that holds its call."""
    (tmp_path / "script.yaml").write_text(json.dumps(LONG))
    return ["call", str(tmp_path / "script.yaml"), "--out", str(tmp_path / "out")]


@pytest.fixture
def send(monkeypatch):
    """Let each event of a given kind send this process a signal."""

    def send(number, kind):
        def interrupt(event):
            if event.kind == kind:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(reports, "print_failure", interrupt)

    return send


def stopped(folder):
    """Return how a call ended whose record is whole."""
    timeline = Call.load(folder).timeline
    (ended,) = timeline.select("transport", "call_ended")
    assert (folder / "call.png").is_file()
    return ended.data["reason"], ended.at_s


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["voxlab", "realtime"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_virtual_time_ends_the_call_with_its_record(
    number, agent, long_call, send, tmp_path
):
    before = signal.getsignal(number)
    send(number, "sentence")
    assert main([*long_call, "--agent", agent]) == 128 + number
    reason, at_s = stopped(tmp_path / "out")
    assert reason == f"stopped by {number.name}"
    assert at_s < 1.0
    assert signal.getsignal(number) is before


def test_a_signal_before_the_first_word_ends_the_call_too(long_call, send, tmp_path):
    send(signal.SIGTERM, "call_started")
    assert main(long_call) == 128 + signal.SIGTERM
    assert stopped(tmp_path / "out") == ("stopped by SIGTERM", 0.0)


def test_who_presses_ctrl_c_twice_does_not_lose_the_record(long_call, send, tmp_path, monkeypatch):
    class Stuck:
        async def run(self, line):
            try:
                await asyncio.sleep(9999)
            finally:
                os.kill(os.getpid(), signal.SIGINT)  # nobody waits for what comes after it
                await asyncio.sleep(9999)

    monkeypatch.setattr(calls, "_agent", lambda *_: Stuck())
    send(signal.SIGINT, "speech_started")
    assert main(long_call) == 130
    assert stopped(tmp_path / "out") == ("stopped by SIGINT", 1.0)


def test_a_party_that_ends_the_program_does_not_end_the_record(long_call, tmp_path, monkeypatch):
    class Quits:
        async def run(self, line):
            async with asyncio.TaskGroup() as group:
                group.create_task(self.quit())

        async def quit(self):
            await asyncio.sleep(2.5)
            sys.exit("I quit")

    monkeypatch.setattr(calls, "_agent", lambda *_: Quits())
    assert main(long_call) == 1
    assert stopped(tmp_path / "out")[1] == 2.5
    (failed,) = Call.load(tmp_path / "out").timeline.select("transport", "failed")
    assert (failed.data["who"], failed.data["error"]) == ("agent", "SystemExit: I quit")


@pytest.mark.slow
def test_a_signal_while_the_record_is_written_lets_it_be_whole(long_call, tmp_path, monkeypatch):
    save = Call.save

    def interrupted(call, folder):
        os.kill(os.getpid(), signal.SIGINT)
        save(call, folder)

    monkeypatch.setattr(Call, "save", interrupted)
    script = json.dumps({"lines": LONG["lines"][:2]})
    (tmp_path / "script.yaml").write_text(script)
    assert main(long_call) == 130
    assert stopped(tmp_path / "out")[0] == "the caller hung up"


def test_a_signal_in_the_first_of_two_calls_leaves_out_the_second(long_call, send, tmp_path):
    send(signal.SIGINT, "sentence")
    assert main(["compare", *long_call[1:]]) == 130
    assert stopped(tmp_path / "out" / "voxlab")[0] == "stopped by SIGINT"
    assert not (tmp_path / "out" / "realtime").exists()


def test_what_nohup_ignores_stays_ignored(long_call, send, tmp_path):
    (tmp_path / "script.yaml").write_text(json.dumps({"lines": LONG["lines"][:2]}))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        send(signal.SIGHUP, "sentence")
        assert main(long_call) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stopped(tmp_path / "out")[0] == "the caller hung up"


@pytest.mark.slow
def test_a_signal_ends_a_live_call_in_a_process_of_its_own(long_call, tmp_path):
    command = [sys.executable, "-u", "-m", "voxlab", *long_call, "--live"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert any("Hello" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    assert stopped(tmp_path / "out")[0] == "stopped by SIGTERM"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_the_record_is_written_after_the_terminal_is_gone(long_call, tmp_path):
    ours, theirs = os.openpty()
    command = [sys.executable, "-u", "-m", "voxlab", *long_call, "--live"]
    take_terminal = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    take_terminal += "os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", take_terminal, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    while b"Hello" not in told:
        told += os.read(ours, 1000)
    os.close(ours)  # the window is closed
    assert process.wait(60) == 129
    assert stopped(tmp_path / "out")[0] == "stopped by SIGHUP"


@pytest.mark.slow
def test_ctrl_c_at_the_microphone_ends_the_call_with_its_record(
    long_call, send, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "sounddevice", MagicMock())
    send(signal.SIGINT, "sentence")
    assert main([*long_call, "--mic"]) == 130
    advice = "a loudspeaker will do" if has_echo_canceller() else "wear headphones"
    assert f"You are the caller ({advice}" in capsys.readouterr().out
    assert stopped(tmp_path / "out")[0] == "stopped by SIGINT"
