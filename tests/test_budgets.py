"""Budgets: the chapter's scenarios to the millisecond, the longest path, and what breaks it."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.cli import main
from voxlab.errors import LatencyError
from voxlab.latency.budgets import SCENARIOS, Budget, Stage, budget_table, load_budgets

MS = st.integers(0, 1000).map(lambda ms: ms / 1000)


def test_figure_39_1_3_is_900_against_280_and_600_ms():
    sequential, streaming = load_budgets("figure-39-1-3")
    assert (sequential.first_audio_s, sequential.total_s) == (0.9, 0.9)
    assert (streaming.first_audio_s, streaming.total_s) == (0.28, 0.6)
    assert sequential.broken_by == "LLM"
    assert streaming.broken_by is None
    work = [{stage.name: stage.latency_s for stage in each.stages} for each in load_budgets("yuki")]
    assert work[0]["STT"] == 0.15
    assert [s.latency_s for s in sequential.stages] == [s.latency_s for s in streaming.stages]


def test_the_figure_is_split_within_the_ranges_of_the_text():
    ranges_s = {"STT": (0.05, 0.2), "LLM": (0.1, 0.5), "TTS": (0.05, 0.2)}
    for budget in load_budgets("figure-39-1-3"):
        for stage in budget.stages:
            low_s, high_s = ranges_s[stage.name]
            assert low_s <= stage.output_s <= stage.latency_s <= high_s


def test_yuki_spends_530_of_800_ms():
    (budget,) = load_budgets("yuki")
    assert {stage.name: stage.latency_s for stage in budget.stages} == {
        "network": 0.05,
        "STT": 0.15,
        "LLM": 0.2,
        "TTS": 0.13,
    }
    assert (budget.first_audio_s, budget.target_s, budget.slack_s) == (0.53, 0.8, 0.27)


def test_yukis_filler_outlasts_the_tool_and_leaves_no_gap():
    (budget,) = load_budgets("yuki-tool")
    spans = {span.name: span for span in budget.spans}
    assert budget.first_audio_s == 0.53
    assert spans["filler speech"].end_s == spans["answer starts"].start_s == budget.total_s == 2.03
    assert spans["tool"].end_s - spans["tool"].start_s == 0.5
    assert budget.room_s("tool") == 0.8  # before the answer would come later than the filler ends
    assert budget.room_s("LLM") == 0.27  # before the filler itself would be late


def test_carlos_pipeline_adds_80_ms_and_stays_below_500():
    realtime, pipeline = load_budgets("carlos")
    assert realtime.first_audio_s == 0.4
    assert pipeline.first_audio_s == 0.48
    assert pipeline.slack_s == 0.02


@given(st.lists(MS, min_size=1, max_size=6))
def test_stages_in_a_row_add_up_and_share_the_whole_wait(latencies_s):
    stages = [Stage(f"s{k}", latency_s) for k, latency_s in enumerate(latencies_s)]
    budget = Budget("row", 1.0, tuple(stages))
    assert budget.total_s == pytest.approx(sum(latencies_s), abs=1e-9)
    if budget.total_s:
        assert sum(budget.share(stage.name) for stage in stages) == pytest.approx(1)


@given(st.lists(st.tuples(MS, MS), min_size=2, max_size=6), st.sampled_from([0.2, 0.5, 2.0]))
def test_overlap_never_makes_a_turn_longer_than_a_row(pairs, target_s):
    row = [Stage(f"s{k}", max(pair), min(pair)) for k, pair in enumerate(pairs)]
    overlapped = [row[0]] + [
        replace(stage, overlaps=(before.name,)) for before, stage in itertools.pairwise(row)
    ]
    slow, quick = Budget("row", target_s, tuple(row)), Budget("quick", target_s, tuple(overlapped))
    assert quick.first_audio_s <= slow.first_audio_s
    assert quick.total_s <= slow.total_s
    assert quick.first_audio_s == pytest.approx(sum(stage.output_s for stage in row), abs=1e-9)


@pytest.mark.parametrize("budget", [b for group in SCENARIOS.values() for b in group],
                         ids=lambda b: b.name)  # fmt: skip
def test_a_stage_can_use_its_room_and_no_more(budget):
    for name in budget.path:
        room_s = budget.room_s(name)
        stages = tuple(s.slower(room_s) if s.name == name else s for s in budget.stages)
        if all(stage.output_s >= 0 for stage in stages):
            assert replace(budget, stages=stages).slack_s == pytest.approx(0, abs=1e-9)
        late = tuple(s.slower(max(room_s, 0) + 0.001) if s.name == name else s
                     for s in budget.stages)  # fmt: skip
        assert replace(budget, stages=late).broken_by is not None


def test_the_stage_that_breaks_a_budget_is_at_work_when_the_target_passes():
    stages = (Stage("STT", 0.1), Stage("LLM", 0.3), Stage("TTS", 0.2))
    assert Budget("a", 0.05, stages).broken_by == "STT"
    assert Budget("a", 0.39, stages).broken_by == "LLM"
    assert Budget("a", 0.59, stages).broken_by == "TTS"
    assert Budget("a", 0.60, stages).broken_by is None


@pytest.mark.parametrize("value", [-0.001, math.nan, math.inf])
def test_a_latency_that_is_none_names_its_stage_and_value(value):
    with pytest.raises(LatencyError, match=rf"'LLM'.*{value}"):
        Budget("bad", 0.5, (Stage("STT", 0.1), Stage("LLM", value)))
    with pytest.raises(LatencyError, match=rf"'LLM'.*{value}"):
        Budget("bad", 0.5, (Stage("LLM", 0.1, first_s=value),))


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ((), "no stages"),
        ((Stage("a", 0.1, overlaps=("b",)), Stage("b", 0.1, overlaps=("a",))), "a -> b -> a"),
        ((Stage("a", 0.1), Stage("b", 0.1, after=("b",))), "b -> b"),
        ((Stage("a", 0.1, after=("nobody",)),), "'a' waits for 'nobody': there are a"),
        ((Stage("a", 0.1), Stage("a", 0.2)), "two stages are named 'a'"),
        ((Stage("a", 0.1, first_s=0.2),), r"'a'.*0.2 s comes later"),
    ],
)
def test_stages_that_make_no_budget_are_refused(stages, reason):
    with pytest.raises(LatencyError, match=reason):
        Budget("bad", 0.5, stages)


@pytest.mark.parametrize("target_s", [0, -1, math.nan, math.inf])
def test_a_target_is_a_positive_time(target_s):
    with pytest.raises(LatencyError, match=str(target_s)):
        Budget("bad", target_s, (Stage("a", 0.1),))


def test_what_is_heard_is_one_of_the_stages():
    with pytest.raises(LatencyError, match="'voice' is no stage"):
        Budget("bad", 0.5, (Stage("a", 0.1),), heard="voice")


# --- the command ---------------------------------------------------------------------------


def test_the_table_has_a_row_a_stage_and_says_what_breaks_the_budget():
    sequential, _ = load_budgets("figure-39-1-3")
    table = budget_table(sequential)
    assert "900 of 500 ms, 400 ms too late: LLM breaks it" in table
    rows = [line.split() for line in table.splitlines()[-3:]]
    assert rows[1] == ["LLM", "500", "200", "700", "700", "56%", "-400"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_command_prints_the_table_and_draws_the_waterfall(name, tmp_path: Path, capsys):
    assert main(["budget", name, "--out", str(tmp_path / "new")]) == 0
    told = capsys.readouterr().out
    for budget in load_budgets(name):
        assert budget_table(budget) in told
    assert (tmp_path / "new" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_budget_is_one_line_with_the_names_and_exit_status_2(capsys):
    assert main(["budget", "nobody"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert all(name in told for name in SCENARIOS)


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_status_2(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["budget", "yuki", "--out", str(tmp_path / "file")]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_the_command_has_help_with_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["budget", "--help"])
    told = capsys.readouterr().out
    assert "example: voxlab budget yuki" in told
    assert all(name in told for name in SCENARIOS)
