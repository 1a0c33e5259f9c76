"""What a failed test tells: what came, what was expected, and the smallest input that shows it.

expect(exercise.double(2), 4, "double(2)")
compare("double", [(7,), (31,)], lambda x: (exercise.double(x), x + x))
"""

import operator
import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from voxlab.errors import VoxlabError
from voxlab.grading.fence import FenceError
from voxlab.grading.submission import SubmissionError

SHRINK_S = 2.0  # so long we look for a smaller input
# What a smaller input raises that makes no sense, or that shows another fault.
_NO_ARGUMENTS = (ArithmeticError, LookupError, TypeError, ValueError, VoxlabError)
Same = Callable[[Any, Any], bool]


def expect(got: Any, expected: Any, told: str, same: Same = operator.eq) -> None:
    """Fail with "TOLD: got GOT, expected EXPECTED" unless both are the same."""
    if not same(got, expected):
        raise AssertionError(f"{told}: got {shown(got)}, expected {shown(expected)}")


def close(got: Any, expected: Any) -> bool:
    """Tell whether numbers, in whatever lists, are the same to a millionth."""
    import numpy as np

    try:
        is_alike = np.shape(got) == np.shape(expected)
        return is_alike and np.allclose(got, expected, rtol=0, atol=1e-6)
    except (TypeError, ValueError):  # not numbers, or lists of different lengths
        return bool(got == expected)


def compare(
    call: str | Callable[..., str],
    cases: Iterable[tuple[Any, ...]],
    run: Callable[..., tuple[Any, Any]],
    same: Same = operator.eq,
) -> None:
    """Fail on the smallest input for which a submission and the truth differ.

    call: a function's name, or a function that writes the call of a case. cases: arguments,
    numbers, texts and lists of them. run: returns what came for them and what is expected; it
    raises ValueError for arguments that make no sense.
    """
    for case in cases:
        if fault := _fault(run, case, same):
            case, (_, told) = _smallest(run, case, same, fault)
            arguments = ", ".join(map(shown, case))
            name = f"{call}({arguments})" if isinstance(call, str) else call(*case)
            raise AssertionError(f"{name}: {told}")


def _fault(run: Callable[..., Any], case: tuple[Any, ...], same: Same) -> tuple[str, str] | None:
    """Return what is wrong with a case, its kind and in words."""
    try:
        got, expected = run(*case)
        return (
            None if same(got, expected) else ("", f"got {shown(got)}, expected {shown(expected)}")
        )
    except SubmissionError as error:
        if error.kind in ("", "NameError"):  # whatever the input is
            raise
        return error.kind, str(error)


def _smallest(
    run: Callable[..., Any], case: tuple[Any, ...], same: Same, fault: tuple[str, str]
) -> tuple[tuple[Any, ...], tuple[str, str]]:
    """Return the simplest case with the same kind of fault that we find in time, and its fault."""
    deadline_s = time.monotonic() + SHRINK_S
    candidates = _simpler_items(case)
    while (candidate := next(candidates, None)) and time.monotonic() < deadline_s:
        try:
            found = _fault(run, candidate, same)
        except FenceError:
            raise
        except _NO_ARGUMENTS:
            continue
        if found and found[0] == fault[0]:
            case, fault = candidate, found
            candidates = _simpler_items(case)
    return case, fault


def _simpler_items(items: Any) -> Iterator[Any]:
    """Yield a sequence with one item a step simpler."""
    for index, item in enumerate(items):
        for simpler in _simpler(item):
            yield type(items)((*items[:index], simpler, *items[index + 1 :]))


def _simpler(value: Any) -> Iterator[Any]:
    """Yield values that are a step simpler: shorter, or with smaller and rounder numbers."""
    if hasattr(value, "__getitem__"):  # a text, a list or a tuple
        size = len(value)
        while size:
            yield from (value[:at] + value[at + size :] for at in range(0, len(value), size))
            size //= 2
        if not isinstance(value, str):
            yield from _simpler_items(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        rounder = [0, 1, value // 2, value - 1, round(value), round(value, 1), round(value, 2)]
        yield from (type(value)(each) for each in rounder if _effort(each) < _effort(value))


def _effort(number: float) -> tuple[int, float]:
    return len(f"{number:g}"), abs(number)


def shown(value: Any) -> str:
    """Return a value as a learner reads it: six digits are enough, an array is its list."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, SimpleNamespace):
        return shown(vars(value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = ", ".join(map(shown, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return shown(value.tolist()) if hasattr(value, "tolist") else repr(value)
