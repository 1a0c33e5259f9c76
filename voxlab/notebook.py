"""What only notebooks need."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxlab.timeline import Call


def show_source(thing: Callable[..., Any]) -> Any:
    """Show the live source of a function or class of the library, with colours."""
    import IPython.display

    code: Any = IPython.display.Code
    return code(inspect.getsource(thing), language="python")


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
