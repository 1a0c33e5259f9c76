"""Check the page that plays a call in a real browser: by mouse, by keyboard, in both themes.

    python notebooks/player_check.py [--out DIR]

Needs what browser_check.py needs. The page is a file without network, at the width of a screen and
of a phone; then the same page is a cell's output in JupyterLab. --out keeps screenshots.
"""

from pathlib import Path

from browser_check import (
    WAIT_MS,
    expect,
    jupyterlab,
    live_notebook,
    notebook_page,
)
from playwright.sync_api import Browser, Page
from screens import browser_and_folders, on_screens

from voxlab import data, load_script, play, shop_agent
from voxlab.plots.player import call_page
from voxlab.timeline import Call

QUIET = 0.001  # a peak; speech is above 0.02


def at_s(page: Page) -> float:
    """Return the cursor's place, read off the cursor itself."""
    script = "parseFloat(cursor.style.left) / track.offsetWidth * call.duration_s"
    return float(page.evaluate(script))


def wait_until(page: Page, place_s: float) -> None:
    """Wait until the cursor has come past a place."""
    script = f"parseFloat(cursor.style.left) / track.offsetWidth * call.duration_s > {place_s}"
    page.wait_for_function(script, timeout=WAIT_MS)


def check_mouse(page: Page, call: Call) -> None:
    """A click on a waveform plays from there; words follow; each party can be muted."""
    cut = call.timeline.select("agent", "interrupted")[0]
    said = next(e for e in call.timeline.select("caller", "speech_started") if e.at_s > 11)
    box = page.locator(".voice.caller").bounding_box()
    place = {"x": box["width"] * said.at_s / call.timeline.duration_s, "y": box["height"] / 2}
    page.click(".voice.caller", position=place)
    wait_until(page, said.at_s + 0.2)
    expect(said.at_s < at_s(page) < said.at_s + 5, "a click on a waveform plays from there")
    current = page.locator("#words [aria-current]").first.inner_text()
    expect(said.data["text"] in current, f"the transcript is there: {current!r}")
    page.wait_for_function("window.peaks()[0] > 0.02", timeout=WAIT_MS)
    page.click("text=Mute caller")
    page.wait_for_timeout(600)
    page.click(".voice.caller", position=place)
    page.wait_for_timeout(600)
    expect(page.evaluate("window.peaks()")[0] < QUIET, "the muted caller is silent")
    page.click("text=Mute caller")
    page.click(".voice.caller", position=place)
    page.wait_for_function("window.peaks()[0] > 0.02", timeout=WAIT_MS)
    page.click(".voice.agent", position={"x": place["x"] * 8 / said.at_s, "y": 10})
    page.wait_for_function("window.peaks()[1] > 0.02", timeout=WAIT_MS)
    expect(True, "and audible again; the agent is on the other side")
    page.click("text=Pause")
    page.hover(".bar.interrupted >> nth=0")
    told = page.inner_text("#about")
    expect(cut.data["unheard"] in told, f"a barge-in explains itself: {told!r}")
    page.click("#words button >> nth=0")
    wait_until(page, 0.1)
    expect(at_s(page) < 5, "a click on a sentence plays it")
    page.click("text=Pause")


def check_keyboard(page: Page, call: Call) -> None:
    """Everything works with Tab, arrows, Enter and Space alone."""
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_until(page, 0.3)
    page.keyboard.press("Space")
    page.wait_for_selector("#play:has-text('Play')")
    expect(True, "Enter plays and Space pauses")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(at_s(page) > call.timeline.duration_s - 1, "the slider goes to the end")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_attribute("[data-mute='0']", "aria-pressed") == "true", "Space mutes")
    lanes = {}
    for _ in range(40):
        page.keyboard.press("Tab")
        lane = page.evaluate("document.activeElement.closest('[role=group]')?.ariaLabel")
        if lane:
            page.keyboard.press("End")
            lanes[lane] = page.inner_text("#about")
        elif lanes:
            break
    ringed = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    expect(ringed == "solid", "what has the focus has a ring")
    expect(
        set(lanes) >= {"wait", "barge-in", "VAD", "turn", "STT", "LLM", "tools", "TTS"},
        f"Tab goes to {[*lanes]}",
    )
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    start = page.inner_text("#about").partition(" ")[0]
    page.keyboard.press("ArrowRight")
    after = page.inner_text("#about").partition(" ")[0]
    expect(float(after) > float(start), f"arrows go from bar to bar: {start} s, {after} s")
    page.keyboard.press("Enter")
    wait_until(page, float(after))
    expect(at_s(page) < float(after) + 5, "Enter plays from a bar")


def check_looks(page: Page, name: str, out: Path) -> None:
    """No label lies over another."""
    page.wait_for_function("audio.readyState > 0")
    for zoom in ("as it is", "zoomed in"):
        overlaps = page.evaluate("window.overlaps()")
        expect(not overlaps, f"{name}, {zoom}: no label lies over another: {overlaps}")
        page.screenshot(path=out / f"player_{name}_{zoom.replace(' ', '_')}.png", full_page=True)
        page.click("[aria-label='Zoom in']")


def check_file(browser: Browser, path: Path, call: Call, out: Path) -> None:
    """The page from a file, in each theme and on a phone."""
    for name, page in on_screens(browser, path.as_uri()):
        check_looks(page, name, out)
        if name == "light":
            check_mouse(page, call)
            check_keyboard(page, call)


def check_in_jupyterlab(browser: Browser, folder: Path, saved: Path, out: Path) -> None:
    """A call that ends a cell is the same page, and follows JupyterLab's theme."""
    cell = f"from voxlab.timeline import Call\nCall.load({str(saved)!r})"
    with (
        jupyterlab(folder, live_notebook(folder, cell)) as address,
        notebook_page(browser, address, "live.ipynb") as page,
    ):
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        player = page.frame_locator("iframe.vx-call")
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
            page.evaluate(change, theme)
            player.locator(f"html[data-theme={theme.split()[1].lower()}]").wait_for(timeout=WAIT_MS)
            page.wait_for_timeout(500)
            page.screenshot(path=out / f"player_{theme.replace(' ', '_')}.png")
        player.locator("#play").click()
        player.locator("#play", has_text="Pause").wait_for(timeout=WAIT_MS)
        frame = "document.querySelector('iframe.vx-call')"
        hidden = page.evaluate(f"{frame}.contentDocument.body.offsetHeight - {frame}.clientHeight")
        expect(hidden <= 0, "in JupyterLab it plays, follows the theme and is shown in full")


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    with browser_and_folders(__doc__) as (browser, folder, out):
        call = play(load_script(data.path("calls/barge_in.yaml")), shop_agent())
        call.save(folder / "saved")
        path = folder / "call.html"
        path.write_text(call_page(call, "No wait, I meant Tuesday"), encoding="utf-8")
        check_file(browser, path, call, out)
        check_in_jupyterlab(browser, folder, folder / "saved", out)


if __name__ == "__main__":
    main()
