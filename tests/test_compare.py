"""`voxlab compare`: the same call with two agents."""

import pytest

from voxlab.cli import main
from voxlab.cli.apart import runs_of
from voxlab.timeline import Call

ON_PAPER = """
title: On paper
lines:
  - {text: "When will my package arrive?", lasts_s: 1.5}
  - {text: "It's four eight two one three.", lasts_s: 2}
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text(ON_PAPER, encoding="utf-8")
    return path


@pytest.mark.slow
def test_both_calls_are_held_measured_and_drawn(script, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", str(script), "--on", "realtime,voxlab", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    for name in ("voxlab", "realtime"):
        assert (out / name / "call.png").read_bytes().startswith(b"\x89PNG")
        assert len(Call.load(out / name).timeline.select("caller", "speech_started")) == 2
        rows = [line.split() for line in told.splitlines() if line.split()[:1] == [name]]
        assert len(rows) == 2
        assert all((row[3] == "-") == (name == "realtime") for row in rows)
    assert "When will my package arrive?\n" in told
    assert "TTFB: voxlab less realtime" in told
    assert '\n  voxlab:    1 turn, +0.50 s "' in told
    assert "2 pairs): these data do not tell which is quicker" in told


@pytest.mark.parametrize("on", ["voxlab", "voxlab,voxlab", "voxlab,siri", "voxlab,realtime,voxlab"])
def test_two_different_agents_at_least_are_needed(on, script, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", str(script), "--on", on, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "name two of voxlab, realtime" in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_framework_is_called_at_its_defaults_and_at_the_settings_closest_to_ours():
    agents = ["voxlab", "livekit"]
    assert runs_of(agents, "both") == [
        ("voxlab", "voxlab", "defaults"),
        ("livekit", "livekit", "defaults"),
        ("livekit_closest", "livekit", "closest"),
    ]
    assert [name for name, _, _ in runs_of(agents, "defaults")] == ["voxlab", "livekit"]
    assert [name for name, _, _ in runs_of(agents, "closest")] == ["voxlab", "livekit_closest"]


def test_a_missing_script_is_one_line_and_exit_status_2(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "none.yaml")]) == 2
    assert "no call script" in capsys.readouterr().err


def test_openai_is_compared_in_real_time_only(script, capsys):
    assert main(["compare", str(script), "--providers", "openai"]) == 2
    assert "--live" in capsys.readouterr().err


@pytest.mark.slow
def test_a_call_that_fails_is_named_and_the_exit_status_is_1(script, tmp_path, capsys, monkeypatch):
    async def break_off(self, line):
        raise RuntimeError("out of order")

    monkeypatch.setattr("voxlab.agents.realtime.agent.RealtimeAgent.run", break_off)
    assert main(["compare", str(script), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().out
    assert "realtime: agent failed: RuntimeError: out of order" in told
    assert "trials have a time from both" in told


def test_the_command_has_help_with_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "--help"])
    assert "example: voxlab compare data/calls" in capsys.readouterr().out
