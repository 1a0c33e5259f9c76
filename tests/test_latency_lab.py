"""The latency lab's pictures and its sliders."""

import io
from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from voxlab.latency.budgets import SCENARIOS
from voxlab.latency.provider_latencies import load_measurements
from voxlab.latency.random_turns import draw_turns, fit_turn_model
from voxlab.latency.simulation import NAIVE, Techniques, monte_carlo, simulate
from voxlab.plots import (
    plot_budget_bar,
    plot_budgets,
    plot_latency_lab,
    plot_profiles,
    plot_turns,
    plot_waits,
)
from voxlab.plots.latency_lab import LatencyLab
from voxlab.widgets import explore_latency

matplotlib.use("Agg")
MODEL = fit_turn_model("stt/nova-3", "llm/gpt-4o-mini", "tts/sonic-3.5")


def timings(techniques: Techniques):
    return simulate(draw_turns(MODEL.typical(), 1, np.random.default_rng(0)), techniques)


def axes(width: float = 10, height: float = 6):
    return Figure(figsize=(width, height), layout="constrained").subplots()


def check_labels(figure: Figure) -> list[str]:
    """No label lies over another one; return what is written."""
    FigureCanvasAgg(figure).draw()
    texts = [text for ax in figure.axes for text in ax.texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.9, 0.8)) for text in texts]
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not first.overlaps(second), f"{one!r} over {other!r}"
    return [text for text, _ in boxes]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_budgets_waterfall_has_its_figures_and_no_labels_overlap(name):
    ax = plot_budgets(SCENARIOS[name], axes())
    written = check_labels(ax.figure)
    for budget in SCENARIOS[name]:
        ms = f"{1000 * budget.first_audio_s:.0f} ms"
        assert f"{budget.name}: first audio after {ms}" in written
    stages = [stage.name for budget in SCENARIOS[name] for stage in budget.stages]
    assert [label.get_text() for label in ax.get_yticklabels()] == stages


@pytest.mark.slow
def test_turns_and_their_budgets_are_drawn_without_overlapping_labels():
    turns = {"naive": timings(NAIVE), "with a tool": timings(Techniques(tool=True))}
    check_labels(plot_turns(turns, 0, 0.5, axes()).figure)
    for each in turns.values():
        written = check_labels(plot_budget_bar(each.budget(), axes(10, 1.7)).figure)
        assert any(label.startswith("LLM\n") for label in written)


def test_waits_and_profiles_carry_their_percentiles():
    waits_s = np.linspace(0.1, 1.1, 1001)
    ax = plot_waits({"even": waits_s}, 0.5, axes())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "even: P50 600 ms, P95 1050 ms",
        "target 500 ms",
    ]
    row = load_measurements()["llm/gpt-4o"]
    marks = plot_profiles([row], axes()).lines[1]
    assert marks.get_xdata().tolist() == [row.p50_s, row.p95_s, row.p99_s]


# --- the lab -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_quick_picture_is_the_whole_figure_pixel_by_pixel():
    lab = LatencyLab(0.5)
    ttfb_s = monte_carlo(MODEL, 500, np.random.default_rng(1)).ttfb_s
    lab.update(timings(NAIVE), 3 * ttfb_s)
    first = lab.png()
    lab.update(timings(Techniques(tool=True)), ttfb_s)
    quick = np.asarray(Image.open(io.BytesIO(lab.png())))
    whole = plot_latency_lab(timings(Techniques(tool=True)), ttfb_s)
    canvas = FigureCanvasAgg(whole)
    canvas.draw()
    differ = (quick != np.asarray(canvas.buffer_rgba())[..., :3]).any(axis=-1)
    assert differ.mean() < 0.01, "only where a curve crosses a line that stands still"
    assert lab.png() != first


@pytest.mark.slow
def test_a_slider_may_go_down_to_nothing():
    box = explore_latency(MODEL)
    for slider in box.children[0].children[0].children:
        slider.value = 0
    assert bytes(box.children[1].value).startswith(b"\x89PNG")


@pytest.mark.slow
def test_no_labels_overlap_in_the_lab_whatever_is_switched_on():
    for on in (NAIVE, Techniques(), Techniques(tool=True), replace(NAIVE, tool=True)):
        check_labels(plot_latency_lab(timings(on), np.linspace(0.3, 3, 100)))


@pytest.mark.slow
def test_every_slider_and_switch_changes_the_picture_and_goes_back():
    box = explore_latency(MODEL)
    (sliders, switches), image = box.children[0].children, box.children[1]
    switches.children[3].value = True  # a tool, so that its sliders matter
    start = bytes(image.value)
    assert start.startswith(b"\x89PNG")
    for slider in sliders.children:
        was = slider.value
        slider.value = slider.max
        assert bytes(image.value) != start, slider.description
        slider.value = was
        assert bytes(image.value) == start, slider.description
    for switch in switches.children:
        switch.value = not switch.value
        assert bytes(image.value) != start, switch.description
        switch.value = not switch.value
        assert bytes(image.value) == start, switch.description
