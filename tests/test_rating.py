"""Ratings by ear: kept beside the predictions, and there when the cell runs again."""

import numpy as np
import pytest

from voxlab.audio import Audio
from voxlab.errors import VoxlabError
from voxlab.timeline import Call, Timeline
from voxlab.widgets import rate


@pytest.fixture
def calls(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "exercises").mkdir()
    monkeypatch.chdir(tmp_path)
    sound = Audio(np.zeros(1600, np.float32), 16_000)
    return {name: Call(Timeline(), sound, sound) for name in ("hasty", "silent", "<b>")}


def buttons(widget):
    return widget.children[2:-1:2]


def test_ratings_are_there_when_the_cell_runs_again_and_may_be_changed(calls):
    widget = rate("13", "How satisfied?", calls)
    assert widget.values == [None, None, None]
    buttons(widget)[1].value = "4"
    buttons(widget)[2].value = "1"
    buttons(widget)[2].value = "2"
    assert widget.values == rate("13", "How satisfied?", calls).values == [None, 4, 2]
    assert rate("14", "Another question?", calls).values == [None, None, None]


def test_each_call_can_be_heard_with_its_name_as_it_is_written(calls):
    widget = rate("13", "How satisfied?", calls)
    page = widget._repr_mimebundle_()
    page = (page[0] if isinstance(page, tuple) else page)["text/html"]
    assert page.count("<audio") == 3
    assert "&lt;b&gt;" in page
    assert "&lt;b&gt;" in widget.children[5].value


def test_a_file_that_cannot_be_written_is_told_below_and_the_rating_counts(calls, tmp_path):
    widget = rate("13", "How satisfied?", calls)
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons/predictions.json").write_text("[")
    buttons(widget)[0].value = "5"
    assert "cannot read" in widget.children[-1].value
    assert widget.values[0] == 5


def test_a_call_without_sound_cannot_be_rated(calls):
    with pytest.raises(VoxlabError, match="hold it with a voice"):
        rate("13", "How satisfied?", {"mute": Call(Timeline())})
