"""Budgets of one's own: written in YAML, and read as what they mean."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.cli import OWN_BUDGET, main
from voxlab.errors import DataError, LatencyError
from voxlab.latency import budget_files
from voxlab.latency.budget_files import budget_figures, read_budgets
from voxlab.latency.budgets import SCENARIOS, Budget, Stage, load_budgets

ROOT = Path(__file__).resolve().parents[1]
SHOP = Budget(
    "our shop",
    0.8,
    (
        Stage("STT", 0.15),
        Stage("LLM", 0.6, first_s=0.2),
        Stage("TTS", 0.13, first_s=0.06, overlaps=("LLM",)),
    ),
)


def read(text, tmp_path):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return read_budgets(tmp_path / "mine.yaml")


@pytest.mark.parametrize("page", ["help", "docs", "docstring"])
def test_the_example_that_people_read_is_the_budget_that_it_shows(page, tmp_path):
    pages = {"help": OWN_BUDGET, "docstring": budget_files.__doc__}
    text = pages.get(page) or (ROOT / "docs/commands.md").read_text("utf-8")
    example = re.search(r"^ *name: our shop\n([^`\n]+\n)*", text, re.MULTILINE)[0]
    assert read(example, tmp_path) == (SHOP,)


def as_written(budget):
    """Return a budget as somebody would write it."""
    stages = [
        {
            "name": stage.name,
            "latency_ms": 1000 * stage.latency_s,
            **({} if stage.first_s is None else {"first_ms": 1000 * stage.first_s}),
            "after": list(stage.after),
            "overlaps": list(stage.overlaps),
        }
        for stage in budget.stages
    ]
    head = {"name": budget.name, "about": budget.about, "heard": budget.heard}
    return {**head, "target_ms": 1000 * budget.target_s, "stages": stages}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_chapters_budgets_can_be_written_so(name, tmp_path):
    budgets = load_budgets(name)
    assert read(json.dumps([as_written(budget) for budget in budgets]), tmp_path) == budgets


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999)), min_size=1, max_size=4))
def test_a_budget_is_the_same_after_it_is_written_and_read(tmp_path_factory, times_ms):
    stages = tuple(
        Stage(f"no {n}", max(pair) / 1000, first_s=min(pair) / 1000)
        for n, pair in enumerate(times_ms)
    )
    budget = replace(SHOP, stages=stages)
    text = json.dumps(as_written(budget))
    assert read(text, tmp_path_factory.mktemp("budget")) == (budget,)


STAGES = "stages: [{name: STT, latency_ms: 150}]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a budget is None: needs the keys name"),
        ("[]", "no budget in it"),
        ("yuki", "a budget is 'yuki': needs the keys"),
        (STAGES, "target_ms is None"),
        (f"target_ms: fast\n{STAGES}", "target_ms is 'fast'"),
        (f"target_ms: yes\n{STAGES}", "target_ms is 'yes'"),
        (f"target_ms: -1\n{STAGES}", "needs a positive number"),
        (f"target_ms: .nan\n{STAGES}", "needs a positive number"),
        (f"target_ms: 1\ntarget_ms: 2\n{STAGES}", 'duplicate key "target_ms"'),
        (f"target: 800\n{STAGES}", "unknown key 'target'; did you mean target_ms?"),
        ("target_ms: 800", "stages is None: needs a list"),
        ("target_ms: 800\nstages: {STT: 150}", "needs a list"),
        ("target_ms: 800\nstages: [STT]", "a stage is 'STT': needs the keys name"),
        ("target_ms: 800\nstages: [{latency_ms: 1}]", "a stage without a name"),
        ("target_ms: 800\nstages: [{name: STT}]", "latency_ms is None"),
        ("target_ms: 800\nstages: [{name: A, latency_s: 1}]", "did you mean latency_ms?"),
        ("target_ms: 800\nstages: [{name: A, latency_ms: 1, after: B}]", "waits for 'B'"),
        ("target_ms: 800\nheard: B\nstages: [{name: A, latency_ms: 1}]", "heard='B'"),
    ],
)
def test_a_mistake_is_named_with_its_file(text, reason, tmp_path):
    with pytest.raises((LatencyError, DataError), match=re.escape(reason)) as caught:
        read(text, tmp_path)
    assert "mine.yaml" in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(DataError, match=r"nobody\.yaml cannot be read"):
        read_budgets("nobody.yaml")


@pytest.mark.slow
def test_the_command_draws_a_budget_of_ones_own_and_ends_with_its_figures(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(json.dumps(as_written(SHOP)))
    command = ["budget", str(tmp_path / "mine.yaml"), "--json", "--out", str(tmp_path / "new")]
    assert main(command) == 0
    assert (tmp_path / "new" / "mine.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {"budgets": [budget_figures(SHOP)]}
    assert told["budgets"][0]["first_audio_ms"] == 410


def test_a_budget_with_a_mistake_is_one_line_and_exit_status_2(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("target_ms: 800")
    assert main(["budget", str(tmp_path / "mine.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
