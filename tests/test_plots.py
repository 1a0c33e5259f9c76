from itertools import combinations

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.plots import plot_call
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.timeline import Call, Timeline

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def call() -> Call:
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]
    return play(script, shop_agent(scripted(texts, RuleLLM())))


def drawn(call: Call, width: float) -> tuple[Figure, list[Text]]:
    figure = Figure(figsize=(width, 6.2), layout="constrained")
    ax = plot_call(call, ax=figure.subplots())
    figure.canvas.draw()
    return figure, [text for text in ax.texts if text.get_text()]


@pytest.mark.slow
@pytest.mark.parametrize("width", [10, 30])
def test_no_two_labels_overlap(call: Call, width: float) -> None:
    _, texts = drawn(call, width)
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.9, 0.8)) for text in texts]
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not first.overlaps(second), f"{one!r} over {other!r}"
    assert boxes


@pytest.mark.slow
def test_a_wide_picture_shows_who_said_what_and_how_long_it_took(call: Call) -> None:
    _, texts = drawn(call, 30)
    words = " ".join(text.get_text().replace("\n", " ") for text in texts)
    assert "When will my package arrive?" in words
    assert "How can I" in words
    assert " ms" in words


def test_an_empty_call_is_an_empty_picture() -> None:
    figure = Figure()
    plot_call(Call(Timeline()), ax=figure.subplots())
    figure.canvas.draw()
