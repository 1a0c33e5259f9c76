"""Working copies of the lessons: always the newest, and no word of a student's is ever lost."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.course import copies
from voxlab.errors import ExerciseError

NAME = "00_first.ipynb"


def notebook(*sources):
    cells = [{"cell_type": "code", "id": str(i), "source": [s]} for i, s in enumerate(sources)]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def change(copy, *sources):
    """Save a copy as JupyterLab does: other cells, the metadata kept."""
    write(copy, notebook(*sources) | {"metadata": json.loads(copy.read_text())["metadata"]})


def sources(path):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


@pytest.fixture
def project(tmp_path):
    write(tmp_path / "notebooks" / NAME, notebook("1 + 1"))
    (tmp_path / "notebooks" / "run.py").write_text("")
    copies.update_copies(tmp_path)
    return tmp_path


def test_a_copy_has_the_cells_of_its_lesson_and_the_lesson_is_not_touched(project):
    assert [path.name for path in (project / "lessons").iterdir()] == [NAME]
    assert sources(project / "lessons" / NAME) == ["1 + 1"]
    assert json.loads((project / "notebooks" / NAME).read_text()) == notebook("1 + 1")


def test_while_the_lessons_stay_the_same_no_copy_is_written_to(project):
    change(project / "lessons" / NAME, "1 + 2")
    before = (project / "lessons" / NAME).read_bytes()
    assert copies.update_copies(project) == []
    assert (project / "lessons" / NAME).read_bytes() == before


def test_a_copy_that_was_only_run_follows_its_lesson(project):
    copy = project / "lessons" / NAME
    run = json.loads(copy.read_text())
    run["cells"][0] |= {"outputs": [{"output_type": "stream", "text": "2"}], "execution_count": 1}
    write(copy, run)
    write(project / "notebooks" / NAME, notebook("1 + 3"))
    assert copies.update_copies(project) == [f"lessons/{NAME}"]
    assert sources(copy) == ["1 + 3"]


@pytest.mark.parametrize("theirs", ['{"cells": [', "[]", '{"cells": [], "metadata": {}}'])
def test_a_file_that_is_no_copy_of_ours_is_set_aside(project, theirs):
    (project / "lessons" / NAME).write_text(theirs)
    copies.update_copies(project)
    assert (project / "lessons" / "00_first_yours_1.ipynb").read_text() == theirs
    assert sources(project / "lessons" / NAME) == ["1 + 1"]


@given(st.lists(st.tuples(st.sampled_from(["lesson", "student"]), st.integers(0, 3)), max_size=8))
def test_the_newest_lesson_is_there_and_what_the_student_wrote_last_is_somewhere(
    tmp_path_factory, history
):
    project = tmp_path_factory.mktemp("project")
    original, copy = project / "notebooks" / NAME, project / "lessons" / NAME
    write(original, notebook("lesson 0"))
    copies.update_copies(project)
    kept = set()
    for who, number in history:
        if who == "student":
            if sources(copy)[-1].startswith("student"):
                kept.discard(sources(copy)[-1])  # the student wrote over it
            change(copy, f"student {number}")
            kept.add(f"student {number}")
        else:
            write(original, notebook(f"lesson {number}"))
        copies.update_copies(project)
        there = {sources(path)[-1] for path in (project / "lessons").iterdir()}
        made_from = json.loads(copy.read_text())["metadata"][copies.MADE_FROM]
        assert kept <= there
        assert made_from == copies._digest(json.loads(original.read_text()))


def test_the_picture_of_the_system_names_lessons_that_there_are():
    project = copies.project_folder()
    named = re.findall(r'class="number"[^>]*>(\d\d)<', (project / "docs/system.svg").read_text())
    assert len(named) >= 10
    assert set(named) <= {path.name[:2] for path in copies.lesson_files(project)}


def test_outside_the_project_the_command_says_where_to_run_it(tmp_path, monkeypatch):
    (tmp_path / "voxlab" / "course").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(copies, "__file__", str(tmp_path / "voxlab" / "course" / "copies.py"))
    with pytest.raises(ExerciseError, match="run this in voxlab's folder"):
        copies.project_folder()
