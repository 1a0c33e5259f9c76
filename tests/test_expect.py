"""What failed tests tell: got and expected, and the smallest input that shows the fault."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab.grading import expect as module
from voxlab.grading.expect import close, compare, expect, shown
from voxlab.grading.fence import FenceError
from voxlab.grading.submission import SubmissionError


def failed(kind, text):
    """Return an error as a submission's function raises it."""
    error = SubmissionError(f"{kind}: {text}")
    error.kind = kind
    return error


def test_what_differs_is_told_with_both_values():
    expect([1, 2], [1, 2], "the same")
    with pytest.raises(AssertionError, match=r"^double\(2\): got 5, expected 4$"):
        expect(5, 4, "double(2)")
    with pytest.raises(AssertionError, match=r"^x: got None, expected \[0.333333, \'a\'\]$"):
        expect(None, [1 / 3, "a"], "x")


@given(st.lists(st.integers(-100, 100), min_size=1))
def test_a_list_is_shrunk_to_the_one_item_that_matters(values):
    def run(values):
        return [min(value, 7) for value in values], values

    if max(values) <= 7:
        compare("low", [(values,)], run)
    else:
        with pytest.raises(AssertionError) as told:
            compare("low", [(values,)], run)
        assert str(told.value) == "low([8]): got [7], expected [8]"


def test_texts_numbers_and_several_arguments_are_shrunk_together():
    def run(text, times, scale):
        return (text * times)[:5], text * times

    with pytest.raises(AssertionError) as told:
        compare("repeat", [("ab", 2, 0.5), ("a longer text", 12, 3.75)], run)
    assert str(told.value).startswith("repeat(")
    text, times, scale = str(told.value).partition("(")[2].partition(")")[0].split(", ")
    assert len(text.strip("'")) * int(times) == 6
    assert scale == "0"


def test_what_makes_no_sense_is_no_counterexample_and_neither_is_another_fault():
    def run(values):
        if not values:
            raise ValueError("values, please")
        if len(values) == 1:
            raise failed("IndexError", "list index out of range")
        return values[0], values[-1]

    with pytest.raises(AssertionError, match=r"^last\(\[0, 1\]\): got 0, expected 1$"):
        compare("last", [([5, 3, 9, 4],)], run)


def test_an_error_of_the_submission_is_told_with_the_smallest_input_that_raises_it():
    def run(values):
        if 3 in values:
            raise failed("KeyError", "3")
        return values, values

    with pytest.raises(AssertionError, match=r"^look_up\(\[3\]\): KeyError: 3$"):
        compare("look_up", [([1],), ([5, 3, 8],)], run)


@pytest.mark.parametrize(
    "error", [failed("NameError", "name 'x' is not defined"), SubmissionError("it takes too long")]
)
def test_what_no_input_can_help_is_told_as_it_is(error):
    def run(values):
        raise error

    with pytest.raises(SubmissionError, match=str(error)):
        compare("f", [([1, 2],)], run)


def test_a_fence_that_does_not_close_while_we_look_is_no_counterexample():
    def run(values):
        if len(values) < 3:
            raise FenceError("the process for submissions has ended")
        return 1, 2

    with pytest.raises(FenceError):
        compare("f", [([1, 2, 3],)], run)


def test_the_search_ends_in_time(monkeypatch):
    monkeypatch.setattr(module, "SHRINK_S", 0.0)
    with pytest.raises(AssertionError, match=r"^f\(\[5, 5\]\): got 1, expected 2$"):
        compare("f", [([5, 5],)], lambda values: (1, 2))


@pytest.mark.parametrize(
    ("got", "wanted", "same"),
    [
        (1.0, 1.0 + 1e-9, True),
        ([1, 2], np.array([1.0, 2.0]), True),
        ([1, 2], [1, 2, 3], False),
        ([1, [2]], [1, 2], False),
        (None, None, True),
        (None, 1.0, False),
        ("1", 1.0, False),
        (float("nan"), 1.0, False),
    ],
)
def test_numbers_are_close_and_nothing_else_is(got, wanted, same):
    assert close(got, wanted) == same


def test_values_are_shown_as_a_learner_reads_them():
    assert shown({"a": [0.1 + 0.2, (1, "b")]}) == "{'a': [0.3, (1, 'b')]}"
    assert shown(np.arange(3)) == "[0, 1, 2]"
