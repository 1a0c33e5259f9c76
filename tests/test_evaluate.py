"""`voxlab evaluate`: calls end in results, a run goes on where it stopped, failures are rows."""

import json
import os
import shutil
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from voxlab import data
from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.variation import as_text, vary
from voxlab.cli import main, suite_calls
from voxlab.cli.suite_calls import SuiteCall, hold, hold_all
from voxlab.evaluation.call_result import Level, PlayedScript, _expected_lines
from voxlab.evaluation.suite_report import read_report
from voxlab.timeline import Call, Timeline

NEVER = '1 s after the agent says "abracadabra"'
SHIPPED = """\
title: Where is my order?
conditions: [clean]
lines:
  - {text: "Where is my order, one two three four five?", lasts_s: 3.0}
  - {text: "Thanks, that's all. Goodbye.", lasts_s: 1.8}
expect:
  says: [shipped]
  calls: [lookup_order: {order_id: "12345"}]
  shop: unchanged
"""
BOOKED = """\
title: A table
conditions: [correction]
lines:
  - {text: "I'd like to book a table for four people on Friday at seven.", lasts_s: 3.2}
  - {text: "Thanks, that's all. Goodbye.", lasts_s: 1.8}
expect:
  calls: [book_table: {day: Friday}]
  shop: {booked: [{day: Friday, time: "19:00", party_size: 4}]}
"""


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "booked.yaml").write_text(BOOKED)
    (folder / "shipped.yaml").write_text(SHIPPED)
    return folder


@pytest.fixture
def evaluate(suite, tmp_path):
    out = tmp_path / "out"

    def run(*more):
        command = [
            "evaluate",
            "--suite",
            suite,
            "--out",
            out,
            "--level",
            "text",
            "--jobs",
            1,
            *more,
        ]
        return main([*map(str, command)])

    run.out = out
    return run


@pytest.fixture
def held(monkeypatch):
    """Note which calls are held, by their folders' names."""
    names = []

    def noted(call):
        names.append(call.folder.name)
        hold(call)

    monkeypatch.setattr(suite_calls, "hold", noted)
    return names


def suite_call(folder, expect="unchanged", seed=0, **script):
    document = {"lines": [{"text": "Where is order 12345?", "lasts_s": 2.0}], "conditions": []}
    read = parse_script({**document, "expect": {"shop": expect}, **script})
    played = PlayedScript("order", "An order", (), Level.TEXT, seed)
    return SuiteCall("voxlab", played, read, folder / "order.yaml", folder / "order")


# --- holding and going on ------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_that_is_over_is_not_held_again(evaluate, held):
    assert evaluate() == 0
    first = (evaluate.out / "report.json").read_text()
    assert held == ["booked-0", "shipped-0"]
    assert evaluate() == 0
    assert len(held) == 2
    assert (evaluate.out / "report.json").read_text() == first


def test_ctrl_c_keeps_what_is_over_and_the_same_command_goes_on(evaluate, held, monkeypatch):
    def stop(call):
        if call.folder.name == "shipped-0":
            raise KeyboardInterrupt
        hold(call)

    with monkeypatch.context() as stopped:
        stopped.setattr(suite_calls, "hold", stop)
        assert evaluate() == 130
    assert not (evaluate.out / "report.json").exists()
    assert evaluate() == 0
    assert held == ["shipped-0"]
    assert len(read_report(evaluate.out / "report.json").calls) == 2


def test_a_result_that_was_cut_off_in_mid_write_is_none(evaluate, held):
    evaluate()
    result = evaluate.out / "calls/voxlab/text/booked-0/result.json"
    result.write_bytes(result.read_bytes()[:-20])
    evaluate()
    assert held == ["booked-0", "shipped-0", "booked-0"]


def test_a_result_belongs_to_all_that_was_asked_for(tmp_path):
    call = suite_call(tmp_path)
    others = [
        replace(call, agent="realtime"),
        replace(call, played=replace(call.played, level=Level.SPOKEN)),
        suite_call(tmp_path, seed=1),
        suite_call(tmp_path, patience_s=9),
        suite_call(tmp_path, {"orders": {"12345": "returned"}}),
        suite_call(tmp_path, tools={"lookup_order": {"fails": 1}}),
        suite_call(tmp_path, lines=[{"text": "Where is order 12345?", "lasts_s": 2.5}]),
        suite_call(tmp_path, lines=[{"say": "order_where"}]),
        suite_call(tmp_path, lines=[{"say": "order_where", "voice": "espeak"}]),
        suite_call(tmp_path, background={"noise": "white"}),
    ]
    keys = {each.asked() for each in (call, *others)}
    assert len(keys) == 1 + len(others)
    assert suite_call(tmp_path / "elsewhere").asked() == call.asked()
    assert replace(call, code="of another agent").asked() not in keys


# --- failures are rows ---------------------------------------------------------------------


def test_a_call_that_fails_is_told_in_words_and_fails_the_run(evaluate, suite, capsys):
    (suite / "booked.yaml").write_text(BOOKED.replace("four", "three"))
    assert evaluate() == 1
    assert (
        "a table for 4 on Friday at 19:00, for a guest should be booked" in capsys.readouterr().out
    )
    (case,) = ElementTree.parse(evaluate.out / "junit.xml").iterfind(".//testcase[failure]")
    assert case.get("name") == "booked, seed 0"
    assert "a table for 3 on Friday" in case.find("failure").text


def test_a_failure_that_is_known_is_a_skipped_test_and_no_failure(evaluate, suite):
    known = "known: {voxlab: it cannot count}\n"
    (suite / "booked.yaml").write_text(BOOKED.replace("four", "three") + known)
    assert evaluate() == 0
    (skipped,) = ElementTree.parse(evaluate.out / "junit.xml").iterfind(".//skipped")
    assert skipped.get("message") == "it cannot count"


@pytest.mark.parametrize("who", ["hold_script", "judge_call"])
def test_what_breaks_in_one_call_is_a_failed_row_and_the_others_are_held(
    evaluate, monkeypatch, who
):
    works = getattr(suite_calls, who)

    def breaks(name, *more, **how):
        if getattr(name, "name", name) == "booked":
            raise ZeroDivisionError("no people")
        return works(name, *more, **how)

    monkeypatch.setattr(suite_calls, who, breaks)
    assert evaluate() == 1
    booked, shipped = read_report(evaluate.out / "report.json").calls
    what = {"hold_script": "held", "judge_call": "judged"}[who]
    assert booked.unmet == (f"it could not be {what}: ZeroDivisionError: no people",)
    assert shipped.holds


class Deadly:
    """Ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.slow
def test_a_process_that_dies_costs_its_own_call_and_no_other(tmp_path):
    lives = suite_call(tmp_path)
    dies = replace(lives, folder=tmp_path / "dies", file=Deadly())
    [*hold_all([dies, lives], "local", 2)]
    assert lives.finished().holds
    assert dies.finished().unmet == ("it could not be held: its process died",)


# --- wrong use -----------------------------------------------------------------------------


def test_what_cannot_be_evaluated_is_refused_in_one_line(evaluate, suite, capsys, monkeypatch):
    monkeypatch.setenv("VOXLAB_FRAMEWORKS_PYTHON", os.devnull)
    assert evaluate("--agent", "livekit") == 2
    assert "make frameworks" in capsys.readouterr().err
    for file in suite.iterdir():
        file.unlink()
    assert evaluate() == 2
    assert capsys.readouterr().err.startswith(f"voxlab: no call scripts in {suite}")
    for wrong in (("--repeats", "0"), ("--jobs", "none"), ("--seed", "-1")):
        with pytest.raises(SystemExit, match="2"):
            evaluate(*wrong)


# --- against a baseline --------------------------------------------------------------------


@pytest.mark.slow
def test_with_a_baseline_the_exit_status_tells_what_is_worse_beyond_doubt(
    evaluate, suite, tmp_path, capsys
):
    for number in range(6):
        (suite / f"order_{number}.yaml").write_text(SHIPPED)
    assert evaluate() == 0
    baseline = tmp_path / "baseline.json"
    shutil.copy(evaluate.out / "report.json", baseline)

    (suite / "booked.yaml").write_text(BOOKED.replace("four", "three"))
    assert evaluate() == 1
    assert evaluate("--baseline", str(baseline)) == 0  # one of eight: it may be chance
    for number in range(6):
        (suite / f"order_{number}.yaml").write_text(SHIPPED.replace("12345", "48213"))
    assert evaluate("--baseline", str(baseline)) == 1
    printed = capsys.readouterr().out
    assert "tasks done, text: -87.5 points" in printed
    xml = ElementTree.parse(evaluate.out / "junit.xml")
    names = [case.get("name") for case in xml.find("testsuite[last()]") if len(case)]
    assert names == ["tasks done, text", "tool calls as expected, text"]
    assert "Against the baseline" in (evaluate.out / "report.html").read_text()
    assert "gate" in json.loads((evaluate.out / "report.json").read_text())


def test_a_baseline_that_cannot_be_compared_is_refused_before_the_first_call(
    evaluate, held, tmp_path, capsys
):
    assert evaluate("--baseline", str(tmp_path / "nowhere.json")) == 2
    assert evaluate() == 0
    other = ("--baseline", str(evaluate.out / "report.json"), "--seed", "7")
    assert evaluate(*other) == 2
    assert "name the same suite, --level and --seed" in capsys.readouterr().err
    assert len(held) == 2


# --- another day ---------------------------------------------------------------------------


def test_a_seed_moves_the_caller_a_little_and_the_same_each_time():
    script = parse_script(
        {"lines": [{"say": "order_where"}, {"say": "goodbye"}], "background": {"noise": "pink"}}
    )
    assert vary(script, 0) is script
    one, again, other = vary(script, 1), vary(script, 1), vary(script, 2)
    assert [line.at for line in one.lines] == [line.at for line in again.lines]
    assert (one.background.samples == again.background.samples).all()
    for was, now, then in zip(script.lines, one.lines, other.lines, strict=True):
        assert abs(now.at.delay_s - was.at.delay_s) <= 0.15
        assert now.at != then.at
        assert now.utterance.text == was.utterance.text
        assert now.utterance.audio.samples.size == was.utterance.audio.samples.size


def test_a_script_as_text_makes_no_sound_and_says_no_noise():
    script = parse_script(
        {
            "lines": [{"say": "order_where"}, {"id": "cough", "say": "goodbye"}],
            "background": {"noise": "pink"},
            "expect": {"shop": "unchanged", "means": {"cough": "noise"}},
        }
    )
    text = as_text(script)
    assert text.background is None
    assert [line.utterance.audio for line in text.lines] == [None, None]
    assert [line.utterance.text for line in text.lines] == [script.lines[0].utterance.text, ""]


def test_a_caller_who_types_is_read_also_when_they_put_it_in_other_words(tmp_path):
    ask = {
        **{"text": "Where is my order?", "lasts_s": 2.0, "wants": "shipped"},
        "rephrased": ["Where is order 12345?"],
    }
    call = suite_call(tmp_path, lines=[ask])
    hold(call)
    told = (call.folder / "timeline.json").read_text()
    assert '"kind": "reacted"' in told
    assert call.finished().holds, call.finished().unmet


# --- both levels, spoken -------------------------------------------------------------------


@pytest.mark.slow
def test_two_spoken_calls_end_to_end(tmp_path, capsys):
    """Held, judged and reported, with one line of JSON at the end."""
    suite = tmp_path / "suite"
    suite.mkdir()
    for name in ("order_clean", "uh_huh"):
        shutil.copy(data.path(f"suite/{name}.yaml"), suite)
    out = tmp_path / "out"
    status = main(["evaluate", "--suite", str(suite), "--out", str(out), "--jobs", "1", "--json"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    figures = json.loads(printed.splitlines()[-1])
    rate = next(each for each in figures["figures"]["spoken"] if each["name"] == "word error rate")
    assert rate["events"] > 20
    assert rate["low"] <= rate["value"] <= rate["high"] < 0.4
    report = read_report(out / "report.json")
    assert [(call.script.name, call.script.level) for call in report.calls] == [
        ("order_clean", "spoken"),
        ("uh_huh", "spoken"),
        ("order_clean", "text"),
        ("uh_huh", "text"),
    ]
    order = report.calls[0]
    assert [value.words for value in order.heard.values if value.is_heard] == ["1 2 3 4 5"]
    assert "data:audio/ogg" in (out / "calls/voxlab/spoken/uh_huh-0/call.html").read_text()


def test_the_missing_backend_names_its_extra(evaluate, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert evaluate("--backend", "dask") == 2
    assert "[dask]" in capsys.readouterr().err


@pytest.mark.slow
def test_a_local_dask_cluster_of_two_processes_holds_the_same_calls(tmp_path):
    pytest.importorskip("distributed")
    calls = [suite_call(tmp_path / str(seed), seed=seed) for seed in range(3)]
    assert sum(1 for _ in hold_all(calls, "dask", 2)) == 3
    for call in calls:
        here = replace(call, folder=call.folder / "here")
        hold(here)
        assert call.finished().holds
        assert replace(call.finished(), took_s=0.0) == replace(here.finished(), took_s=0.0)


def test_a_caller_who_never_speaks_has_no_line_to_judge(tmp_path):
    silent = suite_call(tmp_path, lines=[{"text": "Hello?", "lasts_s": 1.0, "at": NEVER}])
    hold(silent)
    assert silent.finished().unmet == (
        "the call ends otherwise: the caller gave up after 8 s of silence",
    )
    assert _expected_lines(Call(Timeline()), {}) == []
