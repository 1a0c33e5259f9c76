"""Figures in a light and a dark theme: every text of every plot can be read."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from voxlab import data, plots
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.codec.quantizer import ResidualQuantizer
from voxlab.errors import VoxlabError
from voxlab.evaluation.recording_judge import ExpectedLine, JudgedRecording, JudgedTurn
from voxlab.evaluation.stage_times import StageTimes
from voxlab.latency.budgets import SCENARIOS, Budget
from voxlab.latency.provider_latencies import load_measurements
from voxlab.latency.random_turns import TurnModel, draw_turns, fit_turn_model
from voxlab.latency.simulation import Techniques, TurnTimings, simulate
from voxlab.plots.palette import LIGHT_AND_DARK, PAPER, THEMES, contrast, ink_on, use_theme
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.speech_lm import comparison
from voxlab.speech_lm.vocabulary import JointVocabulary
from voxlab.statistics.paired import compare_pairs
from voxlab.telephony import NetworkConditions, TelephoneCoder, carry, load_measured_lines
from voxlab.timeline import Call, Event, Timeline
from voxlab.turn_taking.end_of_turn_tradeoff import TradeoffPoint
from voxlab.vad.endpointing import SpeechSegment

READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3


@pytest.fixture(autouse=True)
def _light_again() -> Iterator[None]:
    yield
    plt.close("all")
    use_theme("light")


@cache
def busy_call() -> Call:
    """Return a call in which much happens: voices, states, stages, a failure, an interruption."""
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]
    call = play(script, shop_agent(scripted(texts, RuleLLM())))
    extra = [
        Event(3.0, "llm", "failed", {"message": "no answer", "fatal": False}),
        Event(6.0, "agent", "interrupted", {}),
        Event(7.0, "agent", "resumed", {}),
    ]
    return Call(Timeline(sorted([*call.timeline, *extra], key=lambda event: event.at_s)))


def realtime_call() -> Call:
    def note(at_s: float, kind: str, type: str, **fields: Any) -> Event:
        return Event(at_s, "transport", kind, {"event": {"type": type, **fields}})

    events = [note(0.1 * n, "sent", "input_audio_buffer.append") for n in range(40)]
    events.append(note(5, "received", "error", error={"code": "invalid_value"}))
    return Call(Timeline([Event(0.0, "transport", "call_started", {}), *events]), tone(), tone())


def tone(duration_s: float = 8.0) -> Audio:
    return Audio(0.3 * np.sin(np.arange(int(16_000 * duration_s)) / 9), 16_000)


def model() -> TurnModel:
    return fit_turn_model("stt/nova-3", "llm/gpt-4o-mini", "tts/sonic-3.5")


def one_turn() -> TurnTimings:
    return simulate(draw_turns(model().typical(), 1, rng()), Techniques(tool=True))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def budgets() -> list[Budget]:
    return list(next(iter(SCENARIOS.values())))


def quantizer() -> ResidualQuantizer:
    return ResidualQuantizer(rng().normal(0, [[[3.0]], [[1.0]]], (2, 6, 2)).astype(np.float32))


def cloud() -> np.ndarray:
    return rng().normal(0, 3, (200, 2)).astype(np.float32)


def stage_times() -> StageTimes:
    spans = tuple(one_turn().spans(0))
    return StageTimes("Hello.", 1.0, 1.2, 1.4, 1.5, 1.7, 1.9, 3.0, False, spans)


def judged() -> JudgedRecording:
    silence = SpeechSegment(8.0, 11.5)
    turns = [
        JudgedTurn(ExpectedLine(), 1.0, 3.0, False, None, reply_s, end_s)
        for reply_s, end_s in ((3.8, 5.0), (2.5, 3.5), (None, None))
    ]
    return JudgedRecording(tuple(turns), (SpeechSegment(3.8, 5.0),), 0.0, (silence,), ())


def joint_tokens() -> Figure:
    joint = JointVocabulary(5, stages=2, codebook_size=10)
    ids = joint.audio_ids(np.array([[1, 2, 3], [4, 5, 6]]))
    return plots.plot_joint_tokens(tone(1.0), {0: "four", 2: "seven"}, ids, joint)


def confusions() -> Any:
    kinds = ["backchannel", "request", "correction"]
    counts = {right: {name: 10 * (name == right) + 2 for name in kinds} for right in kinds}
    counts["request"] = dict.fromkeys(kinds, 0) | {"request": 5}  # as strong as it gets
    return plots.plot_confusions(counts)


def paired() -> Any:
    first, second = rng().normal(1.0, 0.1, (2, 12)).tolist()
    names = [f"trial {number}" for number in range(12)]
    return plots.plot_paired(compare_pairs(first, second, rng()), names, ("one", "two"))


def packets() -> Any:
    carried = carry(tone(2.0), TelephoneCoder(), NetworkConditions(loss=0.1, jitter_s=0.03), rng())
    return plots.plot_packets(carried)


def end_of_turn() -> Any:
    points = [TradeoffPoint(s, s, 0.5 - s / 2, 0.4 - s / 2, 0.6 - s / 2) for s in (0.2, 0.5, 0.8)]
    return plots.plot_end_of_turn({"fixed silence": points, "mine": points}, {"mine": 0.5})


DRAWINGS: dict[str, Callable[[], Any]] = {
    "plot_budget_bar": lambda: plots.plot_budget_bar(one_turn().budget()),
    "plot_budgets": lambda: plots.plot_budgets(budgets()),
    "plot_call": lambda: plots.plot_call(busy_call()),
    "plot_calls": lambda: plots.plot_calls({"one": busy_call(), "two": busy_call()}),
    "plot_cells": lambda: plots.plot_cells(quantizer().codebooks[0], cloud(), plt.gca()),
    "plot_code_use": lambda: plots.plot_code_use({"stage 1": np.array([1, 0, 3])}),
    "plot_comparison": lambda: plots.plot_comparison(comparison.load()),
    "plot_confusions": confusions,
    "plot_end_of_turn": end_of_turn,
    "plot_joint_tokens": joint_tokens,
    "plot_judged": lambda: plots.plot_judged(judged()),
    "plot_ladder": lambda: plots.plot_ladder({"mini": [(500, 0.7), (1000, 0.8)]}, "STOI"),
    "plot_latency_lab": lambda: plots.plot_latency_lab(one_turn(), np.linspace(0.3, 3, 100)),
    "plot_learning": lambda: plots.plot_learning(np.ones((99, 4)) * [1, 2, 3, 4]),
    "plot_measured_lines": lambda: plots.plot_measured_lines(load_measured_lines()),
    "plot_packets": packets,
    "plot_paired": paired,
    "plot_patterns": lambda: plots.plot_patterns(),
    "plot_profiles": lambda: plots.plot_profiles(list(load_measurements().values())[:4]),
    "plot_realtime_events": lambda: plots.plot_realtime_events(realtime_call()),
    "plot_residual_stages": lambda: plots.plot_residual_stages(quantizer(), cloud(), (4, -1), 1),
    "plot_spectrogram": lambda: plots.plot_spectrogram(tone()),
    "plot_spectrograms": lambda: plots.plot_spectrograms({"a": tone(), "b": tone()}),
    "plot_stages": lambda: plots.plot_stages({"pipeline": stage_times()}, 0.5),
    "plot_transitions": lambda: plots.plot_transitions(),
    "plot_turns": lambda: plots.plot_turns({"as it is": one_turn()}, 0, 0.5),
    "plot_vad": lambda: plots.plot_vad(
        tone(2.0), np.linspace(0, 1, 62, dtype=np.float32), turns=[SpeechSegment(1.0, 1.8)]
    ),
    "plot_votes": lambda: plots.plot_votes(tone(1.0), [1.0, -2.0, 3.0]),
    "plot_waits": lambda: plots.plot_waits({"even": np.linspace(0.2, 2, 50)}, 0.5),
}


def figure_of(drawn: Any) -> Figure:
    return drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)


def contrasts(figure: Figure) -> Iterator[tuple[str, float]]:
    """Yield each text of a figure with its contrast to what most of its place is filled with."""
    figure.set_dpi(60)
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # lays it out
    texts = [
        (text, to_rgb(text.get_color()), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible()
    ]
    for text, _, _ in texts:
        text.set_color("none")
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255  # from below, as extents are
    for text, color, box in texts:
        (left, low), (right, high) = np.maximum(box.get_points(), 0).astype(int)
        place = pixels[low : high + 1, left : right + 1].reshape(-1, 3)
        if len(place):
            yield text.get_text(), contrast(color, tuple(np.median(place, axis=0)))


def test_every_plot_is_drawn_in_both_themes() -> None:
    assert {name for name in plots.__all__ if name.startswith("plot_")} == set(DRAWINGS)


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", DRAWINGS)
def test_every_text_of_a_plot_can_be_read(name: str, theme: str) -> None:
    use_theme(theme)
    found = list(contrasts(figure_of(DRAWINGS[name]())))
    assert found
    assert [each for each in found if each[1] < READABLE] == []


@given(role=st.sampled_from(sorted(LIGHT_AND_DARK)), alpha=st.floats(0, 1), dark=st.booleans())
def test_a_text_on_a_bar_can_be_read_whatever_the_colour(
    role: str, alpha: float, dark: bool
) -> None:
    use_theme(THEMES[dark])
    under, over = to_rgb(PAPER), to_rgb(f"voxlab:{role}")
    mixed = tuple(alpha * a + (1 - alpha) * b for a, b in zip(over, under, strict=True))
    assert contrast(ink_on(f"voxlab:{role}", alpha), mixed) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
def test_the_colours_of_text_can_be_read_on_the_paper_and_those_of_bars_be_seen(theme: str) -> None:
    pair = {role: both[THEMES.index(theme)] for role, both in LIGHT_AND_DARK.items()}
    for role in ("ink", "muted", "failed", "user"):
        assert contrast(pair[role], pair["paper"]) >= READABLE, role
    for role in ("user", "agent", "stage", "error"):
        assert contrast(pair[role], pair["paper"]) >= 3.0, role  # WCAG 2.2, 1.4.11


def test_the_light_theme_takes_back_what_the_dark_one_set() -> None:
    before = dict(matplotlib.rcParams)
    use_theme("dark")
    assert to_rgb(matplotlib.rcParams["figure.facecolor"]) == to_rgb(PAPER) != to_rgb("white")
    use_theme("light")
    changed = [key for key, value in before.items() if matplotlib.rcParams[key] != value]
    assert all(to_rgb(matplotlib.rcParams[key]) == to_rgb(before[key]) for key in changed)


def test_an_unknown_theme_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(VoxlabError, match="'sepia'; there are light, dark"):
        use_theme("sepia")


@pytest.mark.slow
def test_the_environment_makes_figures_dark_from_the_start() -> None:
    ask = "import matplotlib, voxlab.plots; print(matplotlib.rcParams['figure.facecolor'])"
    environment = os.environ | {"VOXLAB_THEME": "dark"}
    asked = [sys.executable, "-c", ask]
    told = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == LIGHT_AND_DARK["paper"][1]
