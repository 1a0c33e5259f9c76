"""Check the lessons in a real browser as a student has them: `make lab`, in the class kit as well.

    python notebooks/lesson_check.py

Needs what browser_check.py needs. It clicks the links to other files in each lesson.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from browser_check import FLAGS, HERE, WAIT_MS, browser_path, expect, jupyterlab, notebook_page
from playwright.sync_api import Browser, Page, sync_playwright

from voxlab.grading.kit import write_kit

ROOT = HERE.parent
VENV = Path(sys.prefix)
LINK = re.compile(r"\[([^\]]+)\]\(\.\./((?:exercises|docs)/[^)]+)\)")


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


def click(page: Page, label: str) -> None:
    """Click the first link with this text."""
    page.locator(".jp-RenderedMarkdown a", has_text=label).first.click(timeout=WAIT_MS)


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path(), args=FLAGS) as browser,
    ):
        students, *_ = write_kit(ROOT, Path(temporary) / "kit")
        for project in (ROOT, students):
            folder = Path(temporary) / f"jupyter_{project.name}"
            folder.mkdir()
            with jupyterlab(folder, make_lab(project)) as address:
                for lesson in sorted((project / "lessons").glob("[0-9]*.ipynb")):
                    check_links(browser, address, lesson)


if __name__ == "__main__":
    main()
