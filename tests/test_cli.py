import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voxlab import data
from voxlab.cli import main
from voxlab.timeline import Call


def written_call(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "script.yaml"
    path.write_text(script, encoding="utf-8")
    return path


WITHOUT_SOUND = """
title: On paper
lines:
  - {text: "Where is my order, one two three four five?", lasts_s: 2.5}
  - {text: "What is the weather in Paris tomorrow?", lasts_s: 2,
     at: 0.5 s after the agent says "shipped"}
"""


@pytest.mark.slow
def test_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "voxlab", "budget", "yuki", "--out", str(tmp_path)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_a_call_writes_its_record_and_tells_what_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = written_call(tmp_path, WITHOUT_SOUND)
    assert main(["call", str(script), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "caller  Where is my order" in told
    assert "ms  What is the weather" in told
    assert "interruption at" in told
    document = json.loads((tmp_path / "out" / "timeline.json").read_text(encoding="utf-8"))
    times = [event["at_s"] for event in document["events"]]
    assert document["version"] == 1
    assert times == sorted(times)
    assert (tmp_path / "out" / "call.png").read_bytes().startswith(b"\x89PNG")
    page, vtt, labels = (
        (tmp_path / "out" / name).read_text(encoding="utf-8")
        for name in ("call.html", "call.vtt", "call.labels.txt")
    )
    assert all("Where is my order" in text for text in (page, vtt, labels))


@pytest.mark.slow
def test_two_virtual_runs_of_the_command_are_identical_to_the_byte(tmp_path: Path) -> None:
    script = str(data.path("calls/real_person.yaml"))
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:  # two processes: nothing may depend on hash seeds or warm caches
        command = [sys.executable, "-m", "voxlab", "call", script, "--out", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
    for name in ("call.wav", "timeline.json", "call.png", "call.vtt"):
        assert folders[0].joinpath(name).read_bytes() == folders[1].joinpath(name).read_bytes()


@pytest.mark.slow
def test_both_voices_are_on_the_recording_left_and_right(tmp_path: Path) -> None:
    script = str(data.path("calls/real_person.yaml"))
    assert main(["call", script, "--out", str(tmp_path)]) == 0
    call = Call.load(tmp_path)
    assert call.user is not None
    assert call.agent is not None
    said = call.timeline.select("caller", "speech_started")[0].at_s
    answered = call.timeline.select("agent", "speech_started")[-1].at_s
    assert abs(call.user.between(said, said + 0.5).samples).max() > 0.05
    assert abs(call.agent.between(answered, answered + 0.5).samples).max() > 0.05
    assert abs(call.user.between(answered, answered + 0.5).samples).max() < 1e-3


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("lines: [{say: order_where, at: 1 s after the agent sneezes}]", "unknown event"),
        ("lines: [{say: nobody_says_this}]", "nobody_says_this"),
        ("lines: [{id: a, say: yeah, at: 1 s after line a ends}]", "circle"),
        ("lines: [{say: gone.wav, text: x}]", "gone.wav"),
        ("lines: [{say: yeah}, {text: Silent., lasts_s: 1}]", "some have none"),
        ("lines: []", "lines is empty"),
        ("[1, 2", "not YAML"),
    ],
)
def test_a_bad_script_is_one_line_and_exit_status_2(
    script: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written_call(tmp_path, script)
    assert main(["call", str(path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert reason in told.err
    assert str(path) in told.err or reason == "some have none"
    assert "Traceback" not in told.err
    assert not (tmp_path / "out").exists()


def test_openai_in_virtual_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    script = str(data.path("calls/real_person.yaml"))
    assert main(["call", script, "--providers", "openai"]) == 2
    assert "--live" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["models"], ["call"]])
def test_every_command_has_help_with_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    assert f"example: voxlab {command[0]}" in capsys.readouterr().out
