"""Check the lessons in a real browser as a student has them: `make lab`, in the class kit as well.

    python notebooks/lesson_check.py

Needs what browser_check.py needs. It clicks the links to other files in each lesson. In the kit it
runs all of lesson 00 and makes a prediction: its result is hidden before, and shown afterwards.
Then it records a sentence in the cells of lesson 05, with a recording as microphone.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from browser_check import (
    FLAGS,
    HERE,
    TAP,
    WAIT_MS,
    browser_path,
    expect,
    fake_microphone,
    jupyterlab,
    notebook_page,
)
from playwright.sync_api import Browser, Page, sync_playwright

from voxlab import MoonshineSTT, audio
from voxlab.grading.kit import write_kit

ROOT = HERE.parent
VENV = Path(sys.prefix)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./((?:exercises|docs)/[^)]+)\)")


def make_lab(project: Path) -> Callable[[list[str]], list[str]]:
    """Return the command that students type, in a project that uses this environment."""
    make = ["make", "-C", str(project), "lab", f"VENV={VENV}", "-o", f"{VENV}/.ready"]
    return lambda flags: [*make, f"LAB_FLAGS={' '.join(flags)}"]


def check_links(browser: Browser, address: str, lesson: Path) -> None:
    """A click on each link of a lesson to another file opens that file."""
    cells = json.loads(lesson.read_text("utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    links = {target: label for label, target in LINK.findall(text)}
    expect(links, f"{lesson.name} has links: {', '.join(links)}")
    with notebook_page(browser, address, f"lessons/{lesson.name}") as page:
        for target, label in links.items():
            click(page, label)
            page.wait_for_function(
                "path => [...window.jupyterapp.shell.widgets('main')].some("
                "widget => widget.context?.path === path)",
                arg=target,
                timeout=WAIT_MS,
            )
            page.evaluate("window.jupyterapp.commands.execute('application:activate-previous-tab')")


def check_predictions(browser: Browser, address: str, project: Path) -> None:
    """After "Run All" each result waits for its prediction; what was predicted is kept."""
    with notebook_page(browser, address, "lessons/00_first_call.ipynb") as page:
        run_all(page)
        drawn = "() => document.querySelector('.jp-RenderedMarkdown img').naturalWidth > 0"
        page.wait_for_function(drawn, timeout=WAIT_MS)
        expect(True, "the picture of the system is there")
        questions = page.locator(".jp-Cell:has(.vx-predict-open)")
        asked = questions.count()
        results = questions.locator("+ .jp-Cell .jp-OutputArea-output")
        expect(asked >= 3 and results.count() >= 3, f"{asked} questions, and results below them")
        shown = [result for result in results.all() if result.is_visible()]
        expect(not shown, "no result is shown before its prediction")
        question = questions.first.locator(".vx-predict-open")
        result = page.locator(".jp-Cell:has(.vx-predict-1) + .jp-Cell .jp-OutputArea-output").first
        question.locator("label", has_text="speaking").click()
        question.locator("button", has_text="Keep").click()
        result.wait_for(state="visible", timeout=WAIT_MS)
        expect(questions.count() == asked - 1, "a kept prediction shows its result, and no other")
        run_all(page)
        expect(questions.count() == asked - 1, "it is kept when the lesson runs again")
    kept = json.loads((project / "lessons" / "predictions.json").read_text("utf-8"))
    expect(kept == {"00.1": "speaking"}, f"it is in the file: {kept}")


def check_recording(browser: Browser, address: str, project: Path) -> None:
    """A sentence that is recorded in the page is heard by the cell below, and kept."""
    lesson = nbformat.read(project / "lessons" / "05_vad_and_barge_in.ipynb", as_version=4)
    (first,) = (i for i, cell in enumerate(lesson.cells) if "record(fallback" in cell.source)
    imports = "from voxlab import data, speech_probabilities\nfrom voxlab.plots import plot_vad"
    lesson.cells = [nbformat.v4.new_code_cell(imports), *lesson.cells[first : first + 2]]
    nbformat.write(lesson, project / "lessons" / "recording.ipynb")
    with notebook_page(browser, address, "lessons/recording.ipynb", TAP) as page:
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        message = page.locator(".vx-message")
        message.filter(has_text="recording of ours").wait_for(timeout=WAIT_MS)
        page.click("button:text('Record')")
        page.locator(".vx-state", has_text="8.").wait_for(timeout=WAIT_MS)
        page.click("button:text('Stop')")
        message.filter(has_text="of yours, kept").wait_for(timeout=WAIT_MS)
        print(f"     {message.inner_text()}")
        states = page.evaluate("window.tracks.map((track) => track.readyState)")
        expect(set(states) == {"ended"}, "the microphone is closed")
        plays = "async () => { const a = document.querySelector('.vx-player audio');"
        plays += " await new Promise((done) => { a.oncanplaythrough = done; a.load(); });"
        plays += " return a.duration; }"
        duration_s = page.evaluate(plays)
        expect(duration_s > 7, f"the page plays it: {duration_s:.1f} s")
    recorded = audio.trim(audio.read(project / "lessons" / "recording.wav"))
    text = MoonshineSTT().recognize(recorded)
    expect("order" in text.lower(), f"it is what was said: {text!r}")


def run_all(page: Page) -> None:
    """Run all cells and wait for the last."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".jp-Cell:last-child .jp-OutputArea-output table", timeout=3 * WAIT_MS)


def click(page: Page, label: str) -> None:
    """Click the first link with this text."""
    page.locator(".jp-RenderedMarkdown a", has_text=label).first.click(timeout=WAIT_MS)


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=browser_path(), args=[*FLAGS, *fake_microphone(Path(temporary))]
        ) as browser,
    ):
        students, *_ = write_kit(ROOT, Path(temporary) / "kit")
        for project in (ROOT, students):
            folder = Path(temporary) / f"jupyter_{project.name}"
            folder.mkdir()
            with jupyterlab(folder, make_lab(project)) as address:
                for lesson in sorted((project / "lessons").glob("[0-9]*.ipynb")):
                    check_links(browser, address, lesson)
                if project is students:
                    check_predictions(browser, address, project)
                    check_recording(browser, address, project)


if __name__ == "__main__":
    main()
