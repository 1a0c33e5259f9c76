"""Check the page of a trace in a real browser: by keyboard, in both themes, on a phone.

    python notebooks/trace_check.py [--out DIR]

Needs what browser_check.py needs. The page is a file without network. --out keeps screenshots.
"""

from pathlib import Path

from browser_check import expect
from playwright.sync_api import Browser, Page
from screens import browser_and_folders, on_screens

from voxlab import data, load_script, play, shop_agent
from voxlab.observability import build_trace, measure_session
from voxlab.plots.trace import trace_page


def chosen(page: Page) -> str:
    """Return the name of the span that has the focus."""
    return str(page.evaluate("document.activeElement.querySelector('.name').textContent")).strip()


def shown(page: Page) -> int:
    """Return how many spans are shown."""
    return int(page.evaluate("document.querySelectorAll('tbody tr:not([hidden])').length"))


def check_keyboard(page: Page) -> None:
    """Arrows go through the tree and fold it, Enter and Escape change the time that is shown."""
    everything = shown(page)
    page.keyboard.press("Tab")
    expect("session" in chosen(page), "Tab goes to the session")
    page.keyboard.press("ArrowDown")
    expect(chosen(page) == "TTS", "the arrow goes down")
    while "turn 1" not in chosen(page):
        page.keyboard.press("ArrowDown")
    told = page.inner_text("#about")
    expect("voice.turn.ttfb_s" in told and "answered after" in told, "a turn says what it holds")
    page.keyboard.press("ArrowLeft")
    folded = shown(page)
    expect(folded < everything, f"a folded turn hides {everything - folded} spans")
    page.keyboard.press("ArrowDown")
    expect("turn 2" in chosen(page), "the arrow goes past what is hidden")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(shown(page) == everything, "and unfolded it shows them again")
    before = page.evaluate("document.activeElement.querySelector('.bar').offsetWidth")
    page.keyboard.press("Enter")
    after = page.evaluate("document.activeElement.querySelector('.bar').offsetWidth")
    expect(after > 2 * before, f"Enter shows a turn on the whole width: {before} px, {after} px")
    page.keyboard.press("Escape")
    again = page.evaluate("document.activeElement.querySelector('.bar').offsetWidth")
    expect(again == before, "Escape shows the whole call")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(shown(page) == 1, "a folded session hides all")
    page.keyboard.press("ArrowRight")
    ringed = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    expect(ringed == "solid", "what has the focus has a ring")


def check_page(browser: Browser, path: Path, out: Path) -> None:
    """The page from a file, in each theme and on a phone."""
    for name, page in on_screens(browser, path.as_uri()):
        check_keyboard(page)
        page.screenshot(path=out / f"trace_{name}.png", full_page=True)


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    with browser_and_folders(__doc__) as (browser, folder, out):
        timeline = play(load_script(data.path("calls/barge_in.yaml")), shop_agent()).timeline
        path = folder / "trace.html"
        page = trace_page(build_trace(timeline), measure_session(timeline))
        path.write_text(page, encoding="utf-8")
        check_page(browser, path, out)


if __name__ == "__main__":
    main()
