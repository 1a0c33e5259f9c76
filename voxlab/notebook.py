"""What only notebooks need."""

import inspect
from collections.abc import Callable
from typing import Any


def show_source(thing: Callable[..., Any]) -> Any:
    """Show the live source of a function or class of the library, with colours."""
    import IPython.display

    code: Any = IPython.display.Code
    return code(inspect.getsource(thing), language="python")
