"""Whatever happens to a call, its record up to there is written, and the reason is told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.callers.script import load_script, parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call, play
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.cli import calls, main, reports
from voxlab.clock import run_virtual
from voxlab.evaluation.mishearing import find_misheard
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.manager import State

QUIET = {"text": "Hello.", "lasts_s": 1.0}


# --- strange values ------------------------------------------------------------------------


@dataclass
class Point:
    x: object


class Mute:
    def __repr__(self):
        raise RuntimeError("no words")


class Kind(IntEnum):
    LOUD = 3


ENDLESS = [1]
ENDLESS.append(ENDLESS)
ODD = [State.LISTENING, Kind.LOUD, Path("x"), {3, 1}, range(3), object, ENDLESS, 1j]
SOUND = Audio(np.zeros(5000, np.float32), 16_000)

strange = st.recursive(
    st.one_of(
        st.none(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.builds(Mute),
        st.builds(np.float32, st.floats(width=32)),
        st.builds(np.int64, st.integers(-(2**62), 2**62)),
        st.builds(np.array, st.lists(st.floats(), max_size=3)),
        st.sampled_from([*ODD, Decimal("0.1"), np.array([None, {}], object), SOUND]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(Point, inner),
        st.dictionaries(st.integers() | st.text(max_size=3) | st.tuples(), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(strange)
def test_no_value_in_an_event_costs_the_record(value):
    text = Timeline([Event(1.0, "tool", "finished", {"result": value})]).to_json()
    json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
    assert len(Timeline.from_json(text)) == 1


def test_strange_values_are_written_as_what_they_mean():
    means = [
        (np.float32(0.5), 0.5),
        (np.arange(2), [0, 1]),
        (float("nan"), None),
        (np.array([np.inf, 1.0]), [None, 1.0]),
        (Point(Path("a/b")), {"x": "a/b"}),
        ({2: (1, b"\xffx")}, {"2": [1, "\\xffx"]}),
        ((State.LISTENING, Kind.LOUD), ["listening", 3]),
    ]
    event = Event(np.float32(1.5), "tool", "finished", {"result": [value for value, _ in means]})
    (read,) = Timeline.from_json(Timeline([event]).to_json())
    assert read == Event(1.5, "tool", "finished", {"result": [meant for _, meant in means]})


# --- a party that breaks -------------------------------------------------------------------


class Broken:
    """A party that leaves in its own way."""

    def __init__(self, error):
        self._error = error

    async def run(self, line):
        await line.wait_until(2.0)
        raise self._error


@pytest.mark.parametrize(
    "error", [ValueError("why"), SystemExit("why"), asyncio.CancelledError("why")]
)
@pytest.mark.parametrize("who", ["agent", "caller"])
def test_whoever_breaks_however_the_record_is_there_and_says_who(error, who):
    caller = Caller(parse_script({"lines": [{**QUIET, "at": "0.5 s after the call starts"}]}))
    parties = {"agent": shop_agent_without_sound(), "caller": caller, who: Broken(error)}
    call = run_virtual(hold_call(parties["agent"], parties["caller"]))
    (failed,) = call.timeline.select("transport", "failed")
    assert failed.data["who"] == who
    assert "why" in failed.data["error"]
    assert "Broken" in failed.data["trace"] or "raise self._error" in failed.data["trace"]
    assert call.timeline.select("agent", "speech_started")[0:1] or who == "agent"


def shop_agent_without_sound():
    from voxlab.providers.rule_based.language_model import RuleLLM
    from voxlab.providers.scripted import scripted

    return shop_agent(scripted(["Hello."], RuleLLM()))


def test_a_notebook_shows_in_red_who_failed_and_folds_the_trace():
    events = [
        Event(1.0, "llm", "failed", {"error": "401: <wrong> key"}),
        Event(2.0, "transport", "failed", {"who": "agent", "error": "E", "trace": "Trace\nback"}),
        Event(3.0, "tool", "failed", {"error": "no order found"}),
    ]
    shown = Call(Timeline(events))._repr_html_()
    assert "color: #b3261e" in shown
    assert "1.00 s</b> llm failed: 401: &lt;wrong&gt; key" in shown
    assert "agent failed: E" in shown
    assert "<details><summary>trace</summary><pre>Trace\nback</pre></details>" in shown
    assert "no order found" not in shown


# --- signals -------------------------------------------------------------------------------

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
    long_call, send, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sounddevice", MagicMock())
    send(signal.SIGINT, "sentence")
    assert main([*long_call, "--mic"]) == 130
    assert stopped(tmp_path / "out")[0] == "stopped by SIGINT"


# --- what was said and what was heard ------------------------------------------------------


def compared(*said, heard=(), ends_s=30.0):
    """Compare what is said, (start_s, end_s, text), with what is heard, (began_s, at_s, text)."""
    events = [Event(ends_s, "transport", "call_ended", {"reason": ""})]
    for start_s, end_s, text in said:
        events += [Event(start_s, "caller", "speech_started", {"text": text})]
        events += [Event(end_s, "caller", "speech_stopped")]
    for began_s, at_s, text in heard:
        events += [Event(began_s, "stt", "started"), Event(at_s, "stt", "final", {"text": text})]
    return find_misheard(Timeline(events))


def test_what_differs_from_the_script_is_told():
    said = (1.0, 2.0, "Tuesday, please.")
    assert compared(said, heard=[(1.1, 2.5, "To stay, please.")]) == {1.0: "To stay, please."}
    assert compared(said, heard=[(1.1, 2.5, "")]) == {1.0: ""}


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Order 12345. Goodbye!", "order one, two, three four five; good-bye"),
        ("It is $86.50, today.", "it is 86 dollars and 50 cents to-day"),
        ("Grace@example.com", "grace at example dot com"),
    ],
)
def test_what_only_looks_different_is_not(said, heard):
    assert compared((1.0, 2.0, said), heard=[(1.1, 2.5, heard)]) == {}


def test_a_transcript_that_comes_while_the_caller_goes_on_belongs_to_what_they_said_before():
    said = (1.0, 2.0, "Stop."), (2.25, 3.0, "Go.")
    assert compared(*said, heard=[(1.1, 2.4, "Stop."), (2.4, 3.3, "Go.")]) == {}
    assert compared(*said, heard=[(1.1, 2.4, "Top."), (2.4, 3.3, "Go.")]) == {1.0: "Top."}


def test_a_line_in_pieces_and_two_lines_in_one_piece_are_what_was_said():
    pieces = [(1.1, 2.0, "Stop"), (2.1, 3.0, "it.")]
    assert compared((1.0, 2.5, "Stop it."), heard=pieces) == {}
    said = (1.0, 2.0, "Stop."), (2.25, 3.0, "Go.")
    assert compared(*said, heard=[(3.2, 3.3, "Stop. Go.")]) == {}


def test_a_line_that_nobody_heard_is_told_unless_the_call_was_just_over():
    said = (1.0, 2.0, "Stop."), (9.0, 10.0, "Go.")
    assert compared(*said, heard=[(9.1, 10.5, "Go.")]) == {1.0: ""}
    assert compared(*said, heard=[(1.1, 2.5, "Stop.")], ends_s=10.5) == {}
    close = (1.0, 2.0, "Stop."), (2.5, 3.0, "Go.")
    assert compared(*close, heard=[(2.6, 3.5, "Go.")]) == {1.0: ""}


def test_without_a_recogniser_nothing_is_misheard():
    assert compared((1.0, 2.0, "Stop.")) == {}


@pytest.mark.slow
def test_a_script_with_the_wrong_text_shows_in_the_report(tmp_path, capsys):
    sound = data.utterance("order_where").path
    script = {"lines": [{"say": str(sound), "text": "What is the weather?"}]}
    (tmp_path / "wrong.yaml").write_text(json.dumps(script))
    assert main(["call", str(tmp_path / "wrong.yaml"), "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "user   What is the weather?\n" in told
    assert "heard  Where is my order?" in told


# --- the command ---------------------------------------------------------------------------


def test_an_out_that_cannot_be_a_folder_is_refused_before_the_call(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    script = str(data.path("calls/minute_without_sound.yaml"))
    for out in ("file", "file/deeper"):
        assert main(["call", script, "--out", str(tmp_path / out)]) == 2
        assert "is no folder; choose another --out" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_without_a_microphone_an_earlier_record_stays(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    (tmp_path / "timeline.json").write_text("earlier")
    script = str(data.path("calls/minute_without_sound.yaml"))
    assert main(["call", script, "--mic", "--out", str(tmp_path)]) == 2
    assert "no sounddevice: .venv/bin/pip install" in capsys.readouterr().err
    assert (tmp_path / "timeline.json").read_text() == "earlier"


@pytest.mark.slow
def test_the_last_line_is_json_if_asked_for(tmp_path, capsys):
    script = str(data.path("calls/minute_without_sound.yaml"))
    assert main(["call", script, "--json", "--out", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["ended"] == "the caller hung up"
    assert len(figures["turns"]) == len(load_script(script).lines)


def test_a_report_names_the_line_that_waited_in_vain(tmp_path, capsys):
    lines = [{**QUIET, "id": "thanks", "at": '1 s after the agent says "never"'}]
    (tmp_path / "s.yaml").write_text(json.dumps({"lines": lines}))
    main(["call", str(tmp_path / "s.yaml"), "--out", str(tmp_path)])
    told = capsys.readouterr().out
    assert 'line thanks was not said: it waited for 1 s after the agent says "never".' in told
    assert "since the caller's last word: hello this is acme" in told


def test_a_tool_that_says_no_is_no_failed_call():
    call = Call(Timeline([Event(1.0, "tool", "failed", {"error": "no order"})]))
    assert reports.exit_status(call) == 0
    call.timeline.add(Event(2.0, "tts", "failed", {"error": "429"}))
    assert reports.exit_status(call) == 1


def test_play_gives_the_same_call_as_before():
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    agent = shop_agent_without_sound()
    assert play(script, agent).timeline.select("transport", "stopped") == []
