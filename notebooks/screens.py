"""What the checks of single pages share: a browser, and screens: light, dark, and a phone."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser_check import FLAGS, HERE, browser_path, expect
from playwright.sync_api import Browser, Page, sync_playwright

SCREENS = {"light": (1100, 800), "dark": (1100, 800), "phone": (360, 740)}


@contextmanager
def browser_and_folders(about: str | None) -> Iterator[tuple[Browser, Path, Path]]:
    """Read --out from the command line; lend a browser, a passing folder, and --out or that one."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="keep the screenshots here")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path(), args=FLAGS) as browser,
    ):
        out = (arguments.out or Path(temporary)).resolve()
        out.mkdir(parents=True, exist_ok=True)
        yield browser, Path(temporary), out


def on_screens(
    browser: Browser, address: str, own: tuple[str, ...] = ("file:", "data:")
) -> Iterator[tuple[str, Page]]:
    """Yield a page on each screen by name; then hold it to what every page must be.

    own: how the addresses begin that it may ask for. Its texts can be read, it is not wider than
    the screen, and its script has no errors.
    """
    for name, (width, height) in SCREENS.items():
        scheme = "dark" if name == "dark" else "light"
        size = {"width": width, "height": height}
        with browser.new_page(viewport=size, color_scheme=scheme) as page:
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            errors: list[str] = []
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.add_init_script(path=HERE / "player_tap.js")
            page.goto(address)
            yield name, page
            faint = page.evaluate("window.faint()")
            expect(not faint, f"{name}: every text has a contrast of 4.5 or more: {faint}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            expect(wide <= width, f"{name}: the page is not wider than the screen")
            outside = [url for url in asked if not url.startswith(own)]
            expect(not outside and not errors, f"{name}: no network, no errors {outside} {errors}")
