"""Graded tests under pytest: against the solutions, or the exercises where there are none."""

import pytest

from voxlab.grading.graded import tests_folder
from voxlab.grading.reading import read_source
from voxlab.grading.submission import Submission


@pytest.fixture(scope="module")
def submission(request):
    root = tests_folder().parents[1]
    name = request.path.name.removeprefix("test_")
    folder = "solutions" if (root / "solutions").is_dir() else "exercises"
    with Submission(read_source(root / folder / name)) as submission:
        yield submission


@pytest.fixture
def exercise(submission, request):
    submission.limit(request.function.graded.limit_s)
    return submission.module
