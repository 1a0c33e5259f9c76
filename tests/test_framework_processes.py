"""A call in a process of its own, seen from outside: what it says, how it dies, what is left."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from sounds import tone

from voxlab import audio, data
from voxlab.cli import main
from voxlab.data.expectations import ShopState
from voxlab.errors import FrameworkError, ScriptError
from voxlab.evaluation.stack_figures import measure_stack
from voxlab.frameworks import processes, recorded
from voxlab.frameworks.processes import PYTHON, hold_in_process
from voxlab.timeline import Call, Event

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the worker here is a shell script")
STARTED = {"at_s": 0.0, "source": "transport", "kind": "call_started", "data": {}}
SAID = {"at_s": 1.5, "source": "agent", "kind": "said", "data": {"text": "Hello."}}


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Return a function that puts a shell script in the place of the frameworks' Python."""

    def put(script: str) -> Path:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setenv(PYTHON, str(python))
        monkeypatch.delenv("CI", raising=False)
        return python

    return put


def say(**message):
    return f"echo '{json.dumps(message)}'"


def test_a_missing_environment_names_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setenv(PYTHON, str(tmp_path / "nowhere"))
    with pytest.raises(FrameworkError, match="make frameworks"):
        hold_in_process("call.yaml", "pipecat", tmp_path)


def test_our_own_agents_need_no_other_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(PYTHON, str(tmp_path / "nowhere"))
    assert processes.find_python("voxlab") == Path(sys.executable)


def test_a_process_that_is_killed_leaves_its_call_up_to_there(worker, tmp_path):
    worker("\n".join([say(event=STARTED), say(event=SAID), "echo oh dear >&2", "kill -9 $$"]))
    heard: list[Event] = []
    held = hold_in_process("call.yaml", "livekit", tmp_path / "out", on_event=heard.append)
    assert held.cpu_s_per_call_s is held.memory_mb is None
    assert list(held.call.timeline) == heard
    assert [event.kind for event in heard] == ["call_started", "said", "failed", "call_ended"]
    assert heard[2].failure == (
        "livekit failed: the process of the agent was ended by SIGKILL: oh dear"
    )
    assert list(Call.load(tmp_path / "out").timeline) == heard


def test_the_sound_that_a_dead_process_has_saved_is_kept(worker, tmp_path):
    audio.write(tmp_path / "saved.wav", tone(), tone())
    folder = tmp_path / "out"
    worker(f"{say(event=STARTED)}\ncp {tmp_path}/saved.wav {folder}/call.wav\nexit 3")
    call = hold_in_process("call.yaml", "pipecat", folder).call
    assert "ended with 3" in call.timeline.failures[0].failure
    assert call.agent.duration_s == pytest.approx(0.5)
    assert Call.load(folder).user.duration_s == pytest.approx(0.5)


def test_the_record_of_an_earlier_call_is_not_taken_for_that_of_a_dead_process(worker, tmp_path):
    Call(processes.Timeline([Event(9.0, "caller", "hung_up")])).save(tmp_path)
    worker("exit 1")
    assert [
        event.kind for event in hold_in_process("call.yaml", "livekit", tmp_path).call.timeline
    ] == [
        "failed",
        "call_ended",
    ]


def test_what_the_worker_refuses_is_a_script_error(worker, tmp_path):
    worker(say(refused="line 2: unknown event"))
    with pytest.raises(ScriptError, match="line 2: unknown event"):
        hold_in_process("call.yaml", "livekit", tmp_path)


def test_a_finished_call_is_what_the_process_has_saved(worker, tmp_path):
    Call(processes.Timeline([Event(1.0, "caller", "hung_up")])).save(tmp_path / "made")
    folder = tmp_path / "out"
    used = {"cpu_s_per_call_s": 0.25, "memory_mb": 120.0}
    shop = ShopState.of(data.shop())
    worker(
        f"cp {tmp_path}/made/timeline.json {folder}/\n{say(shop=asdict(shop))}\n{say(used=used)}"
    )
    held = hold_in_process("call.yaml", "livekit", folder)
    assert [event.kind for event in held.call.timeline] == ["hung_up"]
    assert (held.cpu_s_per_call_s, held.memory_mb) == (0.25, 120.0)
    assert held.shop == shop


# --- what lesson 06 shows without the environment -------------------------------------------


@pytest.mark.parametrize("name", ["livekit", "pipecat"])
def test_without_the_environment_the_recorded_call_is_shown_and_said_to_be_one(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(PYTHON, str(tmp_path / "nowhere"))
    held = recorded.hold_or_recall(name)
    assert "make frameworks" in capsys.readouterr().out
    assert held.memory_mb > 0
    assert held.call.agent.duration_s == pytest.approx(held.call.user.duration_s)
    assert held.call.timeline.failures == []
    assert measure_stack(held.call.timeline).interrupted == 1


def test_the_recorded_run_of_the_harness_calls_the_right_tools(tmp_path, monkeypatch):
    monkeypatch.setenv(PYTHON, str(tmp_path / "nowhere"))
    runs = recorded.run_or_recall_texts(["Where is order 12345?"])
    assert [run[0]["name"] for run in runs] == ["lookup_order", "check_shipping"]


def test_a_harness_that_fails_says_why(worker):
    worker("echo no model >&2; exit 1")
    with pytest.raises(FrameworkError, match="no model"):
        recorded.run_or_recall_texts(["Hello."])


def test_a_part_of_an_adapter_is_shown_without_its_packages():
    assert "TranscriptSynchronizer" in recorded.adapter_source("livekit", "run")
    with pytest.raises(FrameworkError, match="no 'nothing'"):
        recorded.adapter_source("pipecat", "nothing")


# --- the commands ---------------------------------------------------------------------------

ON_PAPER = 'lines:\n  - {text: "When will my package arrive?", lasts_s: 1.5}\n'
SPOKEN = "lines:\n  - {say: goodbye}\n"


def command(name, tmp_path, script=SPOKEN, *more):
    (tmp_path / "call.yaml").write_text(script)
    return main([name, str(tmp_path / "call.yaml"), "--out", str(tmp_path / "out"), *more])


@pytest.mark.parametrize(
    ("options", "script", "told"),
    [
        (("call", "--agent", "pipecat"), SPOKEN, "make frameworks"),
        (("compare", "--on", "voxlab,realtime,livekit"), SPOKEN, "make frameworks"),
        (("call", "--agent", "livekit"), ON_PAPER, "hears sound"),
        (("call", "--agent", "livekit", "--over", "twilio"), SPOKEN, "leave out"),
    ],
)
def test_what_a_framework_cannot_do_is_one_line_and_exit_status_2(
    options, script, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(PYTHON, str(tmp_path / "nowhere"))
    assert command(options[0], tmp_path, script, *options[1:]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_call_whose_process_died_is_told_drawn_and_exits_with_1(worker, tmp_path, capsys):
    worker(f"{say(event=STARTED)}\n{say(event=SAID)}\nexit 7")
    assert command("call", tmp_path, SPOKEN, "--agent", "livekit") == 1
    said = capsys.readouterr()
    assert "livekit failed: the process of the agent ended with 7" in said.err
    assert (tmp_path / "out/call.png").is_file()
    assert len(Call.load(tmp_path / "out").timeline) == 4


def test_a_room_needs_a_server_and_its_keys(monkeypatch, capsys):
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:7880")
    for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["serve", "livekit"]) == 2
    said = capsys.readouterr().err
    assert "LIVEKIT_API_KEY, LIVEKIT_API_SECRET not set: a LiveKit server's address" in said
    assert said.count("\n") == 1


def test_without_the_frameworks_a_room_names_the_command_that_brings_them(monkeypatch, capsys):
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv(PYTHON, "/no/python")
    assert main(["serve", "livekit"]) == 2
    assert "make frameworks" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_to_the_command_reaches_the_worker_of_its_rooms(worker, monkeypatch):
    worker("echo $$; exec sleep 600")
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.setenv(name, "given")
    serve = [sys.executable, "-m", "voxlab", "serve", "livekit"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as command:
        number = int(command.stdout.readline())
        command.terminate()
        assert command.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
