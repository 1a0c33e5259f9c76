"""Print each lesson of the book as a PDF, with headless Chromium.

    python notebooks/book_pdf.py

Needs what browser_check.py needs, and the pages that `make book` has made in build/book. A call's
player becomes its picture, folded results are unfolded.
"""

from browser_check import FLAGS, HERE, browser_path
from playwright.sync_api import Browser, sync_playwright

BOOK = HERE.parent / "build" / "book"
WIDTH_PX = 680  # of A4 less its margins, so that players have the width at which they are printed
FOOT = """<div style="width: 100%; text-align: center; font: 8px sans-serif">
<span class="title"></span> · <span class="pageNumber"></span></div>"""


def print_lesson(browser: Browser, name: str) -> None:
    """Print a page of the book to pdf/NAME.pdf."""
    with browser.new_page(viewport={"width": WIDTH_PX, "height": 900}) as page:
        page.emulate_media(media="print", color_scheme="light")
        page.goto((BOOK / "notebooks" / f"{name}.html").as_uri())
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        page.wait_for_timeout(200)  # frames take their height
        path = BOOK / "pdf" / f"{name}.pdf"
        page.pdf(
            path=path,
            prefer_css_page_size=True,
            print_background=True,
            outline=True,
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOT,
        )
        print(f"{path.stat().st_size / 1e6:5.2f} MB  {path.name}", flush=True)


def main() -> None:
    """Print all lessons."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path(), args=FLAGS) as browser,
    ):
        for lesson in sorted((BOOK / "notebooks").glob("*.html")):
            print_lesson(browser, lesson.stem)


if __name__ == "__main__":
    main()
