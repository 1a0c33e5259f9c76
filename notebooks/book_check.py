"""Check the book that `make book` has made: its links, and its pages in a real browser.

    python notebooks/book_check.py [--out DIR]

Needs what browser_check.py needs. Pages are opened from the folder, and under a sub-path of a
server on this machine; requests to other places are counted and cut. --out keeps screenshots.
"""

import argparse
import contextlib
import functools
import http.server
import re
import tempfile
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from browser_check import FLAGS, HERE, WAIT_MS, browser_path, expect, is_outside
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = HERE.parent
BOOK = ROOT / "build" / "book"
PHONE = {"width": 390, "height": 800}
SCREEN = {"width": 1280, "height": 900}


# --- links ---------------------------------------------------------------------------------


class Links(HTMLParser):
    """What a page points to, and the anchors that it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag's href, src and id; a link element loads what it points to."""
        given = {name: value for name, value in attrs if value}
        if "href" in given:
            (self.sources if tag == "link" else self.links).append(given["href"])
        if "src" in given:
            self.sources.append(given["src"])
        self.anchors.add(given.get("id", ""))


def check_links() -> None:
    """Every href and src of every page leads somewhere, anchors included; nothing is loaded."""
    pages = {page: Links(page.read_text("utf-8")) for page in sorted(BOOK.rglob("*.html"))}
    internal, external, broken = 0, set(), []
    for page, found in pages.items():
        for link in found.links + found.sources:
            if urlsplit(link).scheme in ("http", "https"):
                external.add(link)
                if link in found.sources or not urlsplit(link).hostname:
                    broken.append(f"{page.relative_to(BOOK)}: {link}")
            elif not link.startswith("data:"):
                internal += 1
                if not leads_somewhere(page, link, pages):
                    broken.append(f"{page.relative_to(BOOK)}: {link}")
    expect(not broken, f"{len(pages)} pages: {internal} links within the book hold: {broken}")
    print(f"     {len(external)} addresses of other sites, which are not asked")


def leads_somewhere(page: Path, link: str, pages: dict[Path, Links]) -> bool:
    """Tell whether a relative link has its file, and its anchor in that file."""
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if parts.scheme or not target.is_file() or not target.is_relative_to(BOOK):
        return False
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


def check_terms_and_findings() -> None:
    """The index has every term of the glossary, and the page of the findings every script."""
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    index = (BOOK / "genindex.html").read_text("utf-8")
    terms = ", ".join(re.findall(r"^\| \*\*(.+?)\*\* \|", glossary, re.MULTILINE)).split(", ")
    missing = [term for term in terms if f"<strong>{term}</strong>" not in index]
    expect(not missing, f"{len(terms)} terms are in the index: {missing}")
    scripts = sorted(path.name for path in (ROOT / "findings").glob("*.sh"))
    page = (BOOK / "findings.html").read_text("utf-8")
    missing = [name for name in scripts if f">{name}</summary>" not in page]
    expect(not missing, f"{len(scripts)} findings have their words and script: {missing}")


def check_pdfs() -> None:
    """Each lesson has its PDF."""
    for lesson in sorted((BOOK / "notebooks").glob("*.html")):
        pdf = (BOOK / "pdf" / f"{lesson.stem}.pdf").read_bytes()
        count = len(re.findall(rb"/Type\s*/Page\b", pdf))
        expect(pdf.startswith(b"%PDF") and count >= 4, f"{lesson.stem}: {count} pages to print")


# --- pages ---------------------------------------------------------------------------------


@contextlib.contextmanager
def cut_off(browser: Browser, **looks: Any) -> Iterator[Page]:
    """Yield a page that reaches no other machine; no request may have tried, and no script fail."""
    outside: list[str] = []
    errors: list[str] = []

    def judge(route: Any) -> None:
        if is_outside(route.request.url):
            outside.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    with browser.new_page(**looks) as page:
        page.add_init_script(path=HERE / "book_tap.js")
        page.route("**/*", judge)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda got: got.ok or errors.append(f"{got.status} {got.url}"))
        yield page
    expect(not outside and not errors, f"no request leaves, nothing fails: {outside} {errors}")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def copyfile(self, *files: Any) -> None:
            with contextlib.suppress(ConnectionError):  # the browser has left the page
                super().copyfile(*files)

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def check_every_page(browser: Browser, root: str, out: Path) -> None:
    """Every page and its players fit on a screen and on a phone; two are kept to look at."""
    names = sorted(page.relative_to(BOOK).as_posix() for page in BOOK.rglob("*.html"))
    for name, size in (("phone", PHONE), ("screen", SCREEN)):
        with cut_off(browser, viewport=size, color_scheme="dark") as page:
            faults = {}
            for each in names:
                page.goto(f"{root}/{each}")
                page.wait_for_timeout(50)  # frames take their height
                faults[each] = page.evaluate("window.faults()")
                if each in ("index.html", "notebooks/00_first_call.html"):
                    page.screenshot(path=out / f"book_{name}_{Path(each).stem}.png")
            faults = {each: told for each, told in faults.items() if told}
            expect(not faults, f"{name}: {len(names)} pages and their players fit: {faults}")


def check_lesson(page: Page, root: str) -> None:
    """A call plays, follows the theme, and a result waits for its prediction."""
    page.goto(f"{root}/notebooks/00_first_call.html")
    player = page.frame_locator("iframe.vx-call").first
    player.locator("#play").click()
    player.locator("#time", has_text=re.compile("^0:0[1-9]")).wait_for(timeout=WAIT_MS)
    player.locator("#play").click()
    expect(True, "a call plays")
    before = page.evaluate("window.playerColours()")
    page.click(".content-icon-container .theme-toggle")
    after = page.evaluate("window.playerColours()")
    expect(before != after, f"players change with the theme: {before[:1]} {after[:1]}")
    result = page.locator("details.hide .output").first
    expect(not result.is_visible(), "a predicted result is folded up")
    page.locator("details.hide summary").first.click()
    expect(result.is_visible(), "a click shows it")


def check_sound(page: Page, root: str) -> None:
    """A recording plays."""
    page.goto(f"{root}/notebooks/05_vad_and_barge_in.html")
    at_s = page.locator("article audio").first.evaluate("(audio) => window.plays(audio)")
    expect(at_s > 0.2, f"a recording plays: {at_s:.2f} s")


def check_search(page: Page, root: str) -> None:
    """A search finds pages with excerpts, and a term of the index is explained in the glossary."""
    page.goto(f"{root}/index.html")
    page.fill("input[name=q]", "backchannel")
    page.keyboard.press("Enter")
    page.get_by_text("Search finished").wait_for(timeout=WAIT_MS)
    page.locator("#search-results p.context", has_text="listener").first.wait_for(timeout=WAIT_MS)
    hits = page.locator("#search-results li a").all_inner_texts()
    expect("Glossary" in hits and any("10 ·" in hit for hit in hits), f"a search finds {hits}")
    page.locator("#search-results li a", has_text="10 ·").first.click()
    expect("10_interruptions" in page.url, "a click on a hit opens the lesson")
    page.goto(f"{root}/genindex.html")
    page.locator("article a", has_text="barge-in").first.click()
    row = page.locator(":target")
    expect("falls silent" in row.inner_text(), f"the index leads to {row.inner_text()!r}")


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="keep the screenshots here")
    arguments = parser.parse_args()
    check_links()
    check_terms_and_findings()
    check_pdfs()
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path(), args=FLAGS) as browser,
        served(BOOK.parent) as address,
    ):
        out = (arguments.out or Path(temporary)).resolve()
        out.mkdir(parents=True, exist_ok=True)
        check_every_page(browser, BOOK.as_uri(), out)
        for root in (BOOK.as_uri(), f"{address}/{BOOK.name}"):
            print(f"     {root}")
            with cut_off(browser, viewport=SCREEN) as page:
                check_lesson(page, root)
                check_sound(page, root)
                check_search(page, root)


if __name__ == "__main__":
    main()
