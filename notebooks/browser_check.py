"""Check the live cell in a real browser: JupyterLab, headless Chromium, a recording as microphone.

    python notebooks/browser_check.py [--out DIR]

Needs playwright (`pip install -e '.[browser]'`) and a Chromium or Chrome: the one that the
environment variable CHROMIUM names, or one on the PATH. It presses Start, asks a question, waits
for the answer, interrupts it, and prints how long the agent took to fall silent, by the kernel's
reckoning and by what passed through the browser. Then come the bad cases. No outside request is
allowed. --out keeps the call, a screenshot and the picture of the call.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client import BlockingKernelClient
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.evaluation.turn_times import transcript
from voxlab.plots import plot_call
from voxlab.timeline import Call
from voxlab.widgets.live import round_trips
from voxlab.widgets.picture import picture

HERE = Path(__file__).resolve().parent
TAP = (HERE / "browser_tap.js").read_text("utf-8")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
FLAGS += ["--disable-component-update", "--disable-sync"]
CELL = """
from voxlab.agents.shop import shop_agent
from voxlab.widgets import live_call

live = live_call(shop_agent())
live
"""
QUIET = (
    0.02  # peaks below this are silence: the recordings have none, the echo canceller leaves some
)
TAP_S = 128 / 16000  # what browser_tap.js sums up in one pair
WAIT_MS = 60_000
NO_RESAMPLING = """() => {
  const { createMediaStreamSource } = AudioContext.prototype;
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    if (this.sampleRate === 16000) throw new DOMException("another rate", "NotSupportedError");
    return createMediaStreamSource.call(this, stream);
  };
}"""
SESSION = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session"


def browser_path() -> str:
    """Return the browser to use, or say what is missing."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise SystemExit("no Chromium or Chrome: install one, or set CHROMIUM=/path/to/it")
    return found


def fake_microphone(folder: Path) -> list[str]:
    """Return flags for a microphone at which a person asks, interrupts, and has time to listen."""
    order, weather = (data.utterance(name).audio for name in ("order_where", "weather_friday"))
    rate_hz = order.rate_hz
    pieces = [5.0, order, 4.0, weather.resample(rate_hz), 9.0]
    sounds = [p if isinstance(p, Audio) else audio.silence(p, rate_hz) for p in pieces]
    audio.write(folder / "person.wav", audio.concatenate(sounds))
    flags = [f"--use-file-for-fake-audio-capture={folder / 'person.wav'}"]
    return [*flags, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


# --- JupyterLab ----------------------------------------------------------------------------


@contextlib.contextmanager
def jupyterlab(folder: Path, command: Callable[[list[str]], list[str]]) -> Iterator[str]:
    """Run JupyterLab with settings of its own; yield its address, which ends in "/lab/tree/".

    folder: for settings, runtime files and the log. command: takes the flags.
    """
    settings = folder / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(news))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_SETTINGS_DIR": "settings"}
    places |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_RUNTIME_DIR": "runtime"}
    flags = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    flags += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    flags += ["--IdentityProvider.token=t", "--LabApp.expose_app_in_browser=True"]
    environment = os.environ | {name: str(folder / place) for name, place in places.items()}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command(flags), env=environment, stdout=log, stderr=log)
    try:
        wait_for_server(server, f"http://127.0.0.1:{port}/api/status?token=t", folder)
        yield f"http://127.0.0.1:{port}/lab/tree/"
    finally:
        server.terminate()
        server.wait(30)


def live_notebook(folder: Path, cell: str = CELL) -> Callable[[list[str]], list[str]]:
    """Write live.ipynb with one cell; return the command that runs JupyterLab on it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip())])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "live.ipynb")
    lab = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    return lambda flags: [*lab, *flags]


def wait_for_server(server: "subprocess.Popen[bytes]", address: str, folder: Path) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(f"JupyterLab did not start:\n{(folder / 'server.log').read_text()}")
        with contextlib.suppress(urllib.error.URLError, TimeoutError):
            urllib.request.urlopen(address, timeout=1)
            return
        time.sleep(0.1)
    raise SystemExit("JupyterLab did not answer within a minute")


def in_kernel(folder: Path, code: str) -> None:
    """Run code in the notebook's kernel, beside the page."""
    newest = max((folder / "runtime").glob("kernel-*.json"), key=lambda path: path.stat().st_mtime)
    client = BlockingKernelClient(connection_file=str(newest))
    client.load_connection_file()
    client.start_channels()
    try:
        # wait_for_ready and execute_interactive read all that the kernel publishes; in a call that
        # never pauses
        reply = client.execute(code, reply=True, timeout=60)
        if reply["content"]["status"] != "ok":
            raise AssertionError("\n".join(reply["content"]["traceback"]))
    finally:
        client.stop_channels()


# --- the page ------------------------------------------------------------------------------


@contextlib.contextmanager
def page_of(browser: Browser, address: str) -> Iterator[Page]:
    """Open the live notebook, run it, and hold it to requests to this machine."""
    with notebook_page(browser, address, "live.ipynb", TAP) as page:
        run_cells(page)
        yield page


@contextlib.contextmanager
def notebook_page(browser: Browser, address: str, path: str, first: str = "") -> Iterator[Page]:
    """Open a notebook, wait for its kernel, and hold it to requests to this machine.

    first: a script to run before all others.
    """
    outside: list[str] = []
    with browser.new_page(viewport={"width": 1100, "height": 800}) as page:
        page.on("request", lambda r: outside.append(r.url) if is_outside(r.url) else None)
        page.add_init_script(first)
        page.goto(f"{address}{path}?reset&token=t")
        page.wait_for_function(f"{SESSION}?.kernel?.status === 'idle'", timeout=WAIT_MS)
        yield page
    expect(not outside, f"no request leaves this machine: {outside}")


def is_outside(url: str) -> bool:
    """Tell whether a request goes to another machine."""
    return url.startswith(("http", "ws")) and "//127.0.0.1:" not in url


def run_cells(page: Page) -> None:
    """Run the notebook and wait until the widget waits for Start."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector("button:text('Start')", timeout=WAIT_MS)


def start(page: Page) -> None:
    """Press Start and wait until the agent has begun to speak."""
    page.click("button:text('Start')")
    # the kernel clears the last call's rows before its message: without this we would see those
    page.wait_for_function("!document.querySelector('.vx-message').textContent", timeout=WAIT_MS)
    page.wait_for_selector(".vx-row.vx-agent", timeout=WAIT_MS)


def message(page: Page, expected: str) -> str:
    """Wait for a message in the widget and return it."""
    page.wait_for_selector(f".vx-message:has-text('{expected}')", timeout=WAIT_MS)
    return page.inner_text(".vx-message")


def expect(condition: Any, claim: str) -> None:
    """Print a claim; stop if it does not hold."""
    print(f"{'ok  ' if condition else 'FAIL'} {claim}", flush=True)
    if not condition:
        raise SystemExit(1)


def expect_microphone_closed(page: Page) -> None:
    """No track of the microphone may be left open."""
    states = page.evaluate("window.tracks.map((track) => track.readyState)")
    expect(states and set(states) == {"ended"}, f"the microphone is closed: {states}")


# --- the checks ----------------------------------------------------------------------------


def check_barge_in(page: Page, folder: Path, out: Path) -> None:
    """The agent answers, is interrupted, falls silent in the browser, and the call is kept."""
    start(page)
    page.wait_for_function("document.querySelector('.vx-bar meter').value > 0.5", timeout=WAIT_MS)
    page.screenshot(path=out / "speaking.png")
    page.wait_for_selector(".vx-row.vx-agent s", timeout=3 * WAIT_MS)
    page.wait_for_timeout(1500)  # so that the tap sees the silence
    page.screenshot(path=out / "during.png")
    heard, cuts_s = np.array(page.evaluate("window.heard")), page.evaluate("window.cuts")
    page.click("button:text('Stop')")
    print(message(page, "Barge-in"))
    page.screenshot(path=out / "after.png")
    expect_microphone_closed(page)
    in_kernel(folder, f"live.call.save({str(out)!r})")
    call = Call.load(out)
    (out / "call.png").write_bytes(picture(lambda ax: plot_call(call, ax=ax)))
    for at_s, who, text in transcript(call.timeline):
        print(f"{at_s:7.2f} s  {who:6}  {text}")
    said = [text.lower() for _, who, text in transcript(call.timeline) if who == "caller"]
    expect(any("order" in text for text in said), "the question was understood")
    expect(call.timeline.select("agent", "interrupted"), "the barge-in cut the answer")
    trips, yields_s = round_trips(call.timeline), browser_yields(heard[:, 1:] > QUIET)
    expect(trips and yields_s and cuts_s, "the browser was told to be silent")
    trip, yield_s = trips[-1], yields_s[-1]  # the one that we waited for
    print(
        f"     from the caller's first sound: VAD {1000 * trip.heard_s:.0f} ms, agent cut "
        f"{1000 * trip.stopped_s:.0f} ms, browser silent {1000 * trip.silent_s:.0f} ms; "
        f"by what passed through the browser {1000 * yield_s:.0f} ms"
    )
    after = (heard[:, 0] > cuts_s[-1] + 0.1) & (heard[:, 0] < cuts_s[-1] + 0.4)
    expect(after.any() and heard[after, 2].max() < QUIET, "it dropped what it had in hand")
    expect(yield_s < 1.5, "all in all within 1.5 s, on a busy machine")
    expect(np.abs(call.agent.samples).max() > 0.1, "the agent is in the recording")


def browser_yields(loud: np.ndarray) -> list[float]:
    """Return the time from each onset at the microphone, over the agent, to the agent's silence.

    loud: bool (frames, 2), the microphone and the agent, as browser_tap.js saw them.
    """
    patience = round(0.4 / TAP_S)
    user, agent = loud.T
    onsets = [at for at in np.flatnonzero(user) if not user[max(0, at - patience) : at].any()]
    ends = [at for at in np.flatnonzero(agent) if not agent[at + 1 : at + patience].any()]
    over = [at for at in onsets if agent[max(0, at - patience) : at + 12].any() and at <= ends[-1]]
    return [(min(end for end in ends if end >= at) + 1 - at) * TAP_S for at in over]


def check_what_does_not_end_a_call(page: Page, folder: Path) -> None:
    """A second start and an interrupted kernel leave the call alone; Stop ends it."""
    start(page)
    other = {"kind": "start", "rate_hz": 16000, "page": "another"}
    in_kernel(folder, f"thread = live._thread; live._receive(live, {other}, [])")
    page.evaluate(f"{SESSION}.kernel.interrupt()")
    page.wait_for_timeout(2000)
    in_kernel(folder, "assert live._thread is thread and live.running, live.message")
    expect(True, "a second start and an interrupt leave the call alone")
    page.click("button:text('Stop')")
    print(message(page, "you pressed Stop"))
    expect_microphone_closed(page)


def check_the_cell_run_again(page: Page, folder: Path) -> None:
    """Running the cell again ends the call of the old widget."""
    in_kernel(folder, "old = live")
    start(page)
    run_cells(page)
    expect_microphone_closed(page)
    in_kernel(folder, "old._thread.join(5); assert old.call and not old.running, old.running")
    expect(True, "the cell run again ends the call")


def check_a_restarted_kernel(page: Page) -> None:
    """A kernel that is gone closes the microphone."""
    start(page)
    page.evaluate(f"{SESSION}.kernel.restart()")
    print(message(page, "kernel"))
    expect_microphone_closed(page)


def check_a_closed_tab(browser: Browser, address: str, folder: Path) -> None:
    """A tab that is closed ends the call after some seconds."""
    with page_of(browser, address) as page:
        start(page)
    in_kernel(folder, "live._thread.join(15)\nend = live.call.timeline.select('transport')[-1]")
    in_kernel(folder, "assert 'no sound came' in end.data['reason'], end")
    expect(True, "a closed tab ends the call")


def check_a_browser_that_does_not_resample(browser: Browser, address: str) -> None:
    """Firefox takes a microphone only at its own rate; then the kernel resamples."""
    with page_of(browser, address) as page:
        page.evaluate(NO_RESAMPLING)
        start(page)
        page.wait_for_selector(".vx-row.vx-user:has-text('order')", timeout=2 * WAIT_MS)
        page.click("button:text('Stop')")
        message(page, "you pressed Stop")
        expect_microphone_closed(page)
        expect(True, "a microphone at its own rate is understood")


def check_no_permission(playwright: Playwright, address: str) -> None:
    """Without permission, or without a microphone, the widget says so and waits for Start."""
    with (
        playwright.chromium.launch(executable_path=browser_path(), args=FLAGS) as browser,
        page_of(browser, address) as page,
    ):
        page.click("button:text('Start')")
        page.wait_for_selector(".vx-message.vx-error", timeout=WAIT_MS)
        print(message(page, "microphone"))
        page.wait_for_selector("button:text('Start'):enabled", timeout=WAIT_MS)
        expect(True, "without a microphone the widget says so")


def main() -> None:
    """Run all checks; the first that fails ends with status 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="keep the call and the screenshots here")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
    ):
        folder = Path(temporary)
        out = (arguments.out or folder / "out").resolve()
        out.mkdir(parents=True, exist_ok=True)
        fake = fake_microphone(folder)
        with (
            jupyterlab(folder, live_notebook(folder)) as address,
            playwright.chromium.launch(
                executable_path=browser_path(), args=FLAGS + fake
            ) as browser,
        ):
            with page_of(browser, address) as page:
                check_barge_in(page, folder, out)
                check_what_does_not_end_a_call(page, folder)
                check_the_cell_run_again(page, folder)
                check_a_restarted_kernel(page)
            check_a_closed_tab(browser, address, folder)
            check_a_browser_that_does_not_resample(browser, address)
            check_no_permission(playwright, address)


if __name__ == "__main__":
    main()
