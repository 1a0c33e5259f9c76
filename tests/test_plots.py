import ast
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from voxlab import data, plots
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.plots import plot_call
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.timeline import Call, Timeline

matplotlib.use("Agg")
FOLDER = Path(plots.__file__).parent


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


def fontsizes_and_widths(code: str) -> Iterator[tuple[str, float]]:
    """Yield each size of text (pt) and width of a figure (in) that code writes down."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg in ("fontsize", "labelsize", "figsize"):
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            if isinstance(value, ast.Constant):
                yield node.arg, value.value


def test_figures_are_as_wide_as_a_notebook_and_their_texts_have_nine_points() -> None:
    """A wider figure would be shown smaller, and its texts with it."""
    code = [(path.name, path.read_text("utf-8")) for path in FOLDER.glob("*.py")]
    for path in (FOLDER.parents[1] / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code += [(path.name, "".join(c["source"])) for c in cells if c["cell_type"] == "code"]
    found = {(name, *each) for name, text in code for each in fontsizes_and_widths(text)}
    assert {each for each in found if each[1] == "figsize" and each[2] > 10} == set()
    assert {each for each in found if each[1] != "figsize" and each[2] < 9} == set()
    assert len(found) > 20
