"""What only notebooks need."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxlab.timeline import Call


def show_source(thing: Callable[..., Any]) -> Any:
    """Show the live source of a function or class of the library, with colours."""
    import IPython.display

    code: Any = IPython.display.Code
    return code(inspect.getsource(thing), language="python")


@contextmanager
def expect_error(kind: type[Exception]) -> Iterator[None]:
    """Print the error that a block is to raise; raises AssertionError if it raises none.

    kind: of the error. Another kind passes through: a lesson that shows a fault must fail when the
    fault is gone.

    >>> with expect_error(ZeroDivisionError):
    ...     1 / 0
    ZeroDivisionError: division by zero
    """
    try:
        yield
    except kind as error:
        print(f"{type(error).__name__}: {error}")
    else:
        raise AssertionError(f"no {kind.__name__} came: the fault that this cell shows is gone")


def show_calls_as_players() -> None:
    """Let IPython show a call that ends a cell as its player, which is loaded then.

    The call itself lives below all figures and cannot know its player.
    """
    import IPython

    shell: Any = IPython.get_ipython()
    if shell is not None:
        html = shell.display_formatter.formatters["text/html"]
        html.for_type_by_name("voxlab.timeline", "Call", _player)


def _player(call: "Call") -> str:
    from voxlab.plots.player import call_frame

    return call_frame(call)
