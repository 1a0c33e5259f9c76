"""Whatever happens to a call, its record up to there is written, and the reason is told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.callers.script import load_script, parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call, play
from voxlab.agents.shop import shop_agent
from voxlab.cli import main, reports
from voxlab.clock import run_virtual
from voxlab.evaluation.turn_times import misheard
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.manager import State

QUIET = {"text": "Hello.", "lasts_s": 1.0}


# --- strange values ------------------------------------------------------------------------


@dataclass
class Point:
    x: float


strange = st.recursive(
    st.one_of(
        st.none(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.builds(np.float32, st.floats(width=32)),
        st.builds(np.int64, st.integers(-(2**62), 2**62)),
        st.builds(np.array, st.lists(st.floats(), max_size=3)),
        st.sampled_from([State.LISTENING, Path("x"), Point(1.0), {3, 1}, range(3), object]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(strange)
def test_no_value_in_an_event_costs_the_record(value):
    text = Timeline([Event(1.0, "tool", "finished", {"result": value})]).to_json()
    json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
    assert len(Timeline.from_json(text)) == 1


def test_numbers_of_numpy_are_written_as_numbers():
    event = Event(1.0, "tool", "finished", {"a": np.float32(0.5), "b": np.arange(2)})
    assert '"data": {"a": 0.5, "b": [0, 1]}' in Timeline([event]).to_json()


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
    assert "llm failed.</b> 401: &lt;wrong&gt; key" in shown
    assert "<details><summary>trace</summary><pre>Trace\nback</pre></details>" in shown
    assert "no order found" not in shown


# --- signals -------------------------------------------------------------------------------


def run_and_send(number, tmp_path, *options):
    """Start a call in a process of its own, send it a signal in the middle, return its status."""
    script = tmp_path / "script.yaml"
    lines = [{**QUIET, "at": f"{n} s after the call starts"} for n in range(1, 200)]
    script.write_text(json.dumps({"lines": lines}))
    command = [sys.executable, "-m", "voxlab", "call", str(script), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Hello" in line or "A call" in line:
            break
    deadline_s = time.monotonic() + 20
    while not has_begun(process.pid) and time.monotonic() < deadline_s:
        os.sched_yield()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def has_begun(pid):
    """Tell whether a process has taken SIGINT over from Python: the call is on."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(x for x in status.splitlines() if x.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGHUP - 1) & 1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_the_call_with_its_record(number, tmp_path):
    status, errors = run_and_send(number, tmp_path, "--live")
    assert status == 128 + number, errors
    timeline = Call.load(tmp_path / "out").timeline
    (ended,) = timeline.select("transport", "call_ended")
    assert ended.data["reason"] == f"stopped by {number.name}"
    assert (tmp_path / "out" / "call.png").is_file()


# --- what was said and what was heard ------------------------------------------------------


def said_and_heard(said, heard):
    return misheard(
        Timeline(
            [
                Event(1.0, "caller", "speech_started", {"text": said}),
                Event(2.0, "caller", "speech_stopped"),
                Event(2.5, "stt", "final", {"text": heard}),
            ]
        )
    )


def test_what_differs_from_the_script_is_told():
    assert said_and_heard("Tuesday, please.", "To stay, please.") == {1.0: "To stay, please."}
    assert said_and_heard("Stop.", "") == {1.0: ""}


def test_what_only_looks_different_is_not():
    assert (
        said_and_heard("Order 12345. Goodbye!", "order one, two, three four five; good-bye") == {}
    )


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
    assert 'line thanks waited for: 1 s after the agent says "never"' in capsys.readouterr().out


def test_a_tool_that_says_no_is_no_failed_call():
    call = Call(Timeline([Event(1.0, "tool", "failed", {"error": "no order"})]))
    assert reports.exit_status(call) == 0
    call.timeline.add(Event(2.0, "tts", "failed", {"error": "429"}))
    assert reports.exit_status(call) == 1


def test_play_gives_the_same_call_as_before():
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    agent = shop_agent_without_sound()
    assert play(script, agent).timeline.select("transport", "stopped") == []
