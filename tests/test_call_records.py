"""Whatever happens to a call, its record up to there is written, and the reason is told."""

import asyncio
import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
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
from voxlab.audio import Audio
from voxlab.cli import main, reports
from voxlab.clock import run_virtual
from voxlab.plots.player import player_data
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.manager import State

QUIET = {"text": "Hello.", "lasts_s": 1.0}


# --- strange values -------------------------------------------------------------------------


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


# --- a party that breaks --------------------------------------------------------------------


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


def test_the_page_of_a_call_tells_who_failed_with_the_trace_and_no_tools_answer():
    events = [
        Event(1.0, "llm", "failed", {"error": "401: wrong key"}),
        Event(2.0, "transport", "failed", {"who": "agent", "error": "E", "trace": "Trace\nback"}),
        Event(3.0, "tool", "failed", {"error": "no order found"}),
    ]
    assert player_data(Call(Timeline(events)))["failures"] == [
        {"at_s": 1.0, "what": "llm failed: 401: wrong key", "trace": ""},
        {"at_s": 2.0, "what": "agent failed: E", "trace": "Trace\nback"},
    ]


# --- the command ----------------------------------------------------------------------------


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
