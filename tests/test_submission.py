"""A submission in its own process: what is run, and what comes back."""

import ast
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.errors import ExerciseError
from voxlab.grading import plain
from voxlab.grading import submission as module
from voxlab.grading.reading import python_of, read_source
from voxlab.grading.submission import Submission, SubmissionError

SECRET = Path(__file__)


def submitted(code: str) -> Submission:
    return Submission([("ex90.py", code)], forbidden=[SECRET.parent])


# --- what comes back ------------------------------------------------------------------------


CODE = """
import asyncio
import enum
from dataclasses import dataclass

import numpy as np

@dataclass
class Segment:
    start_s: float
    end_s: float

class Mood(enum.Enum):
    CALM = "calm"

class Counter:
    def __init__(self, start=0):
        self.count = start
    def add(self, n):
        self.count += n
        return self.count

def same(x): return x
def segments(): return [Segment(0.5, 1.0)]
def mood(): return Mood.CALM
def squares(n): return (i * i for i in range(n))
def pair(): return (1, 2)
def array(): return np.arange(6, dtype=np.int16).reshape(2, 3)
def scalar(): return np.float32(0.5)
def count_of(counter): return counter.count
async def later():
    await asyncio.sleep(3600)
    return "an hour later"
def fails(): raise ValueError("no such frame")
def misspells(): return count
"""


@pytest.fixture(scope="module")
def exercise():
    with submitted(CODE) as submission:
        yield submission.module


@pytest.mark.slow
def test_values_come_back_plain(exercise):
    assert exercise.segments() == [SimpleNamespace(start_s=0.5, end_s=1.0)]
    assert exercise.mood() == "calm"
    assert exercise.pair() == [1, 2]
    assert exercise.squares(4) == [0, 1, 4, 9]
    assert exercise.scalar() == 0.5
    np.testing.assert_array_equal(exercise.array(), [[0, 1, 2], [3, 4, 5]])
    assert exercise.array().dtype == np.int16


@pytest.mark.slow
def test_an_object_stays_there_and_its_methods_are_called(exercise):
    counter = exercise.Counter(start=3)
    assert [counter.add(1), counter.add(2)] == [4, 6]
    assert counter.count == 6
    assert exercise.count_of(counter) == 6
    other = exercise.Counter()
    assert (other.count, counter.count) == (0, 6)


@pytest.mark.slow
def test_an_object_is_no_answer(exercise):
    with pytest.raises(SubmissionError, match="object of type Counter, need a plain value"):
        assert exercise.Counter()
    with pytest.raises(SubmissionError, match="need a plain value"):
        assert exercise.Counter() == 1


@pytest.mark.slow
def test_what_is_async_runs_in_virtual_time(exercise):
    assert exercise.later() == "an hour later"


@pytest.mark.slow
def test_an_error_says_what_and_where(exercise):
    with pytest.raises(SubmissionError, match=r"ValueError: no such frame \(ex90\.py, line 34\)"):
        exercise.fails()
    with pytest.raises(SubmissionError, match="NameError: nothing is not defined: keep its name"):
        exercise.nothing()
    with pytest.raises(SubmissionError, match=r"NameError: name 'count' is .*ex90\.py, line 35"):
        exercise.misspells()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_plain_values_survive_the_journey(value):
    def refuse(_):
        raise AssertionError("a plain value is not kept")

    assert repr(plain.decode(plain.encode(value, refuse), refuse)) == repr(value)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"is": "function"},
        {"is": "array", "type": "O", "shape": [1], "data": ""},
        {"is": "array", "type": "<f8", "shape": [9], "data": "AAAA"},
        {"is": "dict", "pairs": [[[1], 2]]},
        {"is": "record", "pairs": [[1, 2]]},
        {"is": "float", "text": "much"},
    ],
)
def test_a_forged_message_is_refused(message):
    with pytest.raises(ExerciseError, match="cannot read what the submission sent"):
        plain.decode(message, lambda number, name: None)


# --- what is run ----------------------------------------------------------------------------


@pytest.mark.slow
def test_definitions_are_run_and_other_statements_are_not():
    code = "limit: int = 3\nf = lambda: limit\nraise SystemExit\nfor i in range(3): limit = i\n"
    with submitted(code + "def g(): return limit\nlimit()\n") as submission:
        assert (submission.module.f(), submission.module.g()) == (3, 3)
        assert submission.load_errors == []


@pytest.mark.slow
def test_what_fails_to_load_is_reported_and_the_rest_still_works():
    cells = [
        ("cell 1", "import no_such_package\nx = 1 / 0"),
        ("cell 2", "def f(:"),
        ("cell 3", "def f(): return 1"),
    ]
    with Submission(cells) as submission:
        assert submission.module.f() == 1
    assert submission.load_errors == [
        "SyntaxError: invalid syntax (cell 2, line 1)",
        "ModuleNotFoundError: No module named 'no_such_package' (cell 1, line 1)",
        "ZeroDivisionError: division by zero (cell 1, line 2)",
    ]


@pytest.mark.slow
def test_one_call_that_never_ends_does_not_spoil_the_next_test():
    with submitted("def loop():\n    while True: pass\ndef f(): return 1\n") as submission:
        submission.limit(0.3)
        with pytest.raises(SubmissionError, match="too long"):
            submission.module.loop()
        submission.limit(5)
        assert submission.module.f() == 1


@pytest.mark.slow
def test_a_submission_that_never_loads_is_tried_once(monkeypatch):
    monkeypatch.setattr(module, "LOAD_LIMIT_S", 1.0)
    start_s = time.monotonic()
    with submitted("x = [0 for _ in iter(int, 1)]\ndef f(): return 1\n") as submission:
        for _ in range(5):
            with pytest.raises(SubmissionError, match="cannot be loaded: it takes too long"):
                submission.module.f()
    assert time.monotonic() - start_s < 5


# --- files ----------------------------------------------------------------------------------


def test_a_link_is_not_a_submission(tmp_path):
    (tmp_path / "ex90_copy.py").symlink_to(SECRET)
    with pytest.raises(ExerciseError, match="is a link, not a file"):
        read_source(tmp_path / "ex90_copy.py")


def test_a_file_that_is_far_too_large_is_refused(tmp_path):
    (tmp_path / "ex90.py").write_bytes(b"#" * 1_200_000)
    with pytest.raises(ExerciseError, match=r"1\.2 MB of code, at most 1"):
        read_source(tmp_path / "ex90.py")
    with (tmp_path / "ex91.ipynb").open("wb") as file:
        file.truncate(400_000_000)
    with pytest.raises(ExerciseError, match="400 MB: clear its outputs"):
        read_source(tmp_path / "ex91.ipynb")


def notebook(*cells):
    code = [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    return {"cells": [{"cell_type": "markdown", "source": "text"}, *code]}


def test_a_notebook_with_sounds_in_it_counts_by_its_code(tmp_path):
    heard = notebook("x = 1")
    heard["cells"][1]["outputs"] = [{"data": {"audio/wav": "A" * 8_000_000}}]
    file = tmp_path / "ex90.ipynb"
    file.write_text(json.dumps(heard))
    assert read_source(file) == [("cell 2", "x = 1")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_another_encoding_are_read(tmp_path, mark):
    script, lesson = tmp_path / "ex90.py", tmp_path / "ex90.ipynb"
    script.write_bytes(mark + "name = 'Jürgen'\r\n".encode())
    assert ast.literal_eval(read_source(script)[0][1].partition("= ")[2].strip()) == "Jürgen"
    lesson.write_bytes(mark + json.dumps(notebook("x = 1")).encode())
    assert read_source(lesson) == [("cell 2", "x = 1")]
    script.write_bytes("# -*- coding: latin-1 -*-\nname = 'Jürgen'".encode("latin-1"))
    assert "'Jürgen'" in read_source(script)[0][1]
    script.write_bytes("# coding: nonsense\nname = 'Jürgen'".encode())
    assert "'Jürgen'" in read_source(script)[0][1]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (
            "%matplotlib inline\nx = 1",
            "get_ipython().run_line_magic('matplotlib', 'inline')\nx = 1",
        ),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%capture out\n%%time\nx = 1", "\n\nx = 1"),
        ("%%bash\necho x", ""),
        ("x = 1\nx?", "x = 1\nget_ipython().run_line_magic('pinfo', 'x')"),
        (
            "def f():\n    !ls\n    return 1",
            "def f():\n    get_ipython().system('ls')\n    return 1",
        ),
        ("def f(:", "def f(:"),
    ],
)
def test_magics_become_python_and_lines_stay_where_they_are(cell, code):
    assert python_of(cell).rstrip() == code


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [1]}', "\x00"])
def test_a_broken_notebook_is_refused(tmp_path, text):
    (tmp_path / "ex90.ipynb").write_text(text)
    with pytest.raises(ExerciseError, match=r"ex90\.ipynb is not a notebook"):
        read_source(tmp_path / "ex90.ipynb")


IMPORTS = """
import ast, sys
from pathlib import Path
from voxlab.grading import worker

worker.warm_up([*worker.FIRST, *worker.WHEN_IDLE])
warm = set(sys.modules)
for file in sorted(Path(sys.argv[1]).glob("ex*.py")):
    body = ast.parse(file.read_text()).body
    nodes = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(ast.Module(nodes, []), file.name, "exec"), {})
print(*sorted(name for name in set(sys.modules) - warm if name.startswith("voxlab")))
"""


@pytest.mark.slow
def test_a_submission_imports_nothing_that_the_warm_process_has_not_imported():
    solutions = Path(__file__).parents[1] / "solutions"
    asked = [sys.executable, "-c", IMPORTS, str(solutions)]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
