"""Check the live dashboard in a real browser: a worker's calls, by keyboard, while it drains.

    python notebooks/dashboard_check.py [--out DIR]

Needs what browser_check.py needs. Three callers telephone a worker on scripted engines, a process
of its own; the dashboard is the command that users have. The worker is then told to stop. After it
a worker in this process holds a hundred calls that were recorded before. --out keeps screenshots.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websockets
from browser_check import WAIT_MS, expect
from playwright.sync_api import Browser, Page
from screens import browser_and_folders, on_screens

from voxlab import data, load_script, play, shop_agent
from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.telephone.twilio_phone import TwilioPhone
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.serving.sockets import WebSocket
from voxlab.serving.workers import Limits, WorkerOptions, serving_worker
from voxlab.serving.workers.protocols import TWILIO, CallProtocol
from voxlab.telephony.g711 import RATE_HZ
from voxlab.timeline import Timeline

TOKEN = "a-secret-of-this-check"
SECRET = {"VOXLAB_WORKER_TOKEN": TOKEN}
WORKER = ["worker", "--protocol", "twilio", "--providers", "scripted", "--processes", "1"]
CALLS = 100


@contextlib.contextmanager
def command(*given: str, port: str = "0") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `voxlab serve` until the block ends; yield its process and the address that it prints."""
    asked = [sys.executable, "-m", "voxlab", "serve", *given, "--port", port]
    process = subprocess.Popen(asked, env=os.environ | SECRET, stdout=subprocess.PIPE, text=True)
    try:
        found = (re.search(r"http://[\w.:]+", line) for line in process.stdout or ())
        yield process, next(each[0] for each in found if each)
    finally:
        process.terminate()
        process.communicate()


class Telephones:
    """Callers in a thread beside the block: each asks, speaks over the answer, and stays."""

    def __init__(self, front: str, count: int) -> None:
        self._front = front
        self._count = count
        self._hang_up: list[asyncio.Event] = []

    def hang_up(self) -> None:
        """Let one caller hang up."""
        self._loop.call_soon_threadsafe(self._hang_up.pop().set)

    def __enter__(self) -> "Telephones":
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        while self._hang_up:
            self.hang_up()
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hang_up = [asyncio.Event() for _ in range(self._count)]
        await asyncio.gather(*map(self._call, self._hang_up, range(self._count)))

    async def _call(self, hang_up: asyncio.Event, number: int) -> None:
        places = zip(("weather_friday", "order_where"), (2 + number, 6.5 + number), strict=True)
        lines = [{"say": name, "at": f"{at_s} s after the call starts"} for name, at_s in places]
        script = parse_script({"lines": lines, "hang_up": "200 s after the call starts"})
        hook = await asyncio.to_thread(read, f"{self._front}/voice")
        url = re.findall('<Stream url="([^"]+)"', hook)[0]
        async with websockets.connect(url, proxy=None) as connection:
            phone = TwilioPhone(WebSocket(connection))
            holding = asyncio.create_task(hold_call(phone, Caller(script), rate_hz=RATE_HZ))
            await hang_up.wait()
            await phone.stop()
            await holding


def read(url: str) -> str:
    """Return what an address answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def check_calls_and_drain(browser: Browser, out: Path) -> None:
    """Three calls move, the keyboard chooses one, and the page tells how the worker drains."""
    with (
        command(*WORKER) as (worker, front),
        command("dashboard", front) as (dashboard, address),
        browser.new_page(viewport={"width": 1100, "height": 800}, bypass_csp=True) as page,
    ):
        page.goto(address)
        with Telephones(front, 3) as callers:
            check_calls(page)
            page.screenshot(path=out / "dashboard_calls.png")
            check_keyboard(page)
            worker.send_signal(signal.SIGTERM)
            page.wait_for_selector("#total:has-text('draining, 3 calls left')", timeout=WAIT_MS)
            expect(True, "the page tells that the worker drains, and how many calls are left")
            told = page.inner_text("[role=status]")
            expect("draining, 3 calls left" in told, f"so does a screen reader: {told!r}")
            callers.hang_up()
            page.wait_for_selector("#total:has-text('2 calls left')", timeout=WAIT_MS)
            told = page.inner_text("[role=status]")
            expect("3 calls" in told, "it counts down, which a screen reader is not told each time")
            page.screenshot(path=out / "dashboard_drain.png")
        page.wait_for_selector("#workers:has-text('stopped')", timeout=WAIT_MS)
        states = page.locator("td.state").all_inner_texts()
        expect(states == ["ended"] * 3, f"it says when the worker has stopped; calls: {states}")
        page.wait_for_selector("#source:has-text('No connection')", timeout=WAIT_MS)
        expect(True, "without a worker it says so, and keeps what was last")
        dashboard.terminate()
        page.wait_for_selector("#source:has-text('to the dashboard')", timeout=WAIT_MS)
        with command("dashboard", front, port=address.rpartition(":")[2]):
            page.wait_for_selector(f"#source:has-text('to {front}')", timeout=WAIT_MS)
            expect(True, "the page finds a dashboard that has come back")


def check_calls(page: Page) -> None:
    """Calls come, their timelines move, states are words, answers are timed."""
    page.wait_for_function("document.querySelectorAll('#calls tr').length === 3", timeout=WAIT_MS)
    box = "document.querySelector('#calls svg').getAttribute('viewBox')"
    before = page.evaluate(box)
    page.wait_for_function(f"{box} !== {before!r}", timeout=WAIT_MS)
    expect(True, "the timelines move")
    page.wait_for_function(
        "[...document.querySelectorAll('#calls tr')].some(row => row.cells[3].innerText > '0')",
        timeout=WAIT_MS,
    )
    states = page.locator("td.state").all_inner_texts()
    expect(set(states) <= {"listening", "thinking", "speaking", "interrupted"}, f"{states}")
    page.wait_for_function(
        "[...document.querySelectorAll('#calls tr')].some(row => row.cells[5].innerText > '0')",
        timeout=WAIT_MS,
    )
    drawn = page.evaluate("document.querySelectorAll('#calls .cut').length")
    expect(drawn, "an interruption is counted, and drawn")


def chosen(page: Page) -> str:
    """Return the name of the call that has the focus; the pane below must be about the same."""
    name = str(page.evaluate("document.activeElement.cells[0].innerText"))
    title = page.inner_text("#about p >> nth=0")
    expect(f"Call {name}," in title, f"the pane is about the chosen call: {title!r}")
    selected = page.evaluate("document.activeElement.ariaSelected")
    expect(selected == "true", "which is the selected one")
    return name


def check_keyboard(page: Page) -> None:
    """Tab goes to the calls, arrows choose one, and what it was is shown below."""
    names = page.locator("td.name").all_inner_texts()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.role === 'row'"):
            break
    expect(chosen(page) == names[0], "Tab goes to the first call")
    ringed = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    expect(ringed == "solid", "what has the focus has a ring")
    page.keyboard.press("ArrowDown")
    expect(chosen(page) == names[1], "the arrow goes down")
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    expect(chosen(page) == names[-1], "End goes to the last call, and the arrow stays there")
    page.wait_for_timeout(1500)  # rows are told of meanwhile
    expect(chosen(page) == names[-1], "the choice stays while calls go on")
    page.keyboard.press("Home")
    expect(chosen(page) == names[0], "Home goes to the first")


# --- a hundred calls ---------------------------------------------------------------------------


def recorded() -> Timeline:
    """Return a minute of a call, without sound."""
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]
    return play(script, shop_agent(scripted(texts, RuleLLM()))).timeline


class Replaying:
    """A worker in a thread whose calls are those that were recorded, each a little later."""

    def __init__(self) -> None:
        self._timeline = recorded()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self.url = ""

    async def replay(self, connection: Any, tell: Any) -> None:
        """Hold one call."""
        at_s = 0.0
        for event in self._timeline:
            await asyncio.sleep(event.at_s - at_s)
            at_s = event.at_s
            tell(event)

    async def run(self) -> None:
        """Hold a hundred calls until `stop`."""
        self._loop = asyncio.get_running_loop()
        options = WorkerOptions(limits=Limits(most_calls=CALLS, most_lag_s=60.0), token=TOKEN)
        make = lambda leaving: CallProtocol("/media", self.replay, 100, 8, {})  # noqa: E731
        async with (
            serving_worker(TWILIO, make, options) as worker,
            contextlib.AsyncExitStack() as calls,
        ):
            self.url = worker.url.replace("ws", "http", 1)
            self._ready.set()
            for number in range(CALLS):
                worker.place(f"{number:04}")
                url = f"{worker.url}/calls/{number:04}/media"
                await calls.enter_async_context(websockets.connect(url, proxy=None))
                await asyncio.sleep(0.1)
            await self._stop.wait()

    def __enter__(self) -> str:
        self._thread = threading.Thread(target=asyncio.run, args=(self.run(),))
        self._thread.start()
        self._ready.wait()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def check_a_hundred_calls(browser: Browser, out: Path) -> None:
    """A hundred calls on each screen can be read, and gone through by keyboard."""
    with Replaying() as url, command("dashboard", url) as (_, address):
        for name, page in on_screens(browser, address, (address, address.replace("http", "ws"))):
            page.locator("#calls tr").nth(CALLS - 1).wait_for(timeout=WAIT_MS)
            page.wait_for_timeout(1000)
            page.screenshot(path=out / f"dashboard_{name}.png")
            page.locator("#calls tr >> nth=0").click()
            page.keyboard.press("End")
            last = page.evaluate(
                "[document.activeElement.getBoundingClientRect().bottom,"
                " document.getElementById('about').getBoundingClientRect().top]"
            )
            expect(last[0] <= last[1] + 1, f"{name}: the last of {CALLS} calls is in sight")
            busy_ms = page.evaluate(BUSY)
            expect(busy_ms < 50, f"{name}: a step of all timelines takes {busy_ms:.1f} ms")


BUSY = """() => {
  const from = performance.now();
  for (let i = 0; i < 20; i++) tick();
  return (performance.now() - from) / 20;
}"""


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    with browser_and_folders(__doc__) as (browser, _, out):
        check_calls_and_drain(browser, out)
        check_a_hundred_calls(browser, out)


if __name__ == "__main__":
    main()
