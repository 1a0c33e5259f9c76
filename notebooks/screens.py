"""A page on the screens that the browser checks look at: light, dark, and a phone."""

from collections.abc import Iterator

from browser_check import HERE, expect
from playwright.sync_api import Browser, Page

SCREENS = {"light": (1100, 800), "dark": (1100, 800), "phone": (360, 740)}


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
