"""A fault that a lesson shows is shown, and the lesson fails when it is gone."""

import pytest

from voxlab.notebook import expect_error


def test_the_expected_error_is_printed_and_goes_no_further(capsys):
    with expect_error(ValueError):
        int("seven")
    assert capsys.readouterr().out == (
        "ValueError: invalid literal for int() with base 10: 'seven'\n"
    )


def test_a_block_that_raises_nothing_fails():
    with pytest.raises(AssertionError, match="no ValueError came"), expect_error(ValueError):
        int("7")


def test_another_error_than_the_expected_one_passes_through():
    with pytest.raises(TypeError), expect_error(ValueError):
        int(None)
