"""Pages that need nothing but themselves: a template beside this module, in our colours."""

from functools import cache
from pathlib import Path
from typing import Any

from voxlab.plots import palette


def render_page(template: str, **shown: Any) -> str:
    """Return a page in a light and a dark theme. template: such as player.html."""
    page = _environment().get_template(template)
    return str(page.render(colours=palette.LIGHT_AND_DARK, **shown))


@cache
def _environment() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True)
    environment.policies["json.dumps_kwargs"] = {}  # lanes stay in their order
    return environment
