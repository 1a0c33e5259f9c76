"""The live dashboard: who may watch, and what the page is told."""

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
import websockets
from test_workers import one_call
from websockets.exceptions import InvalidStatus
from worker_calls import ask, ask_for_call, run

from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.calls import hold_call
from voxlab.agents.telephone.twilio_phone import StreamOptions, TwilioPhone
from voxlab.cli import main as voxlab
from voxlab.evaluation.turn_times import speech_spans
from voxlab.observability import measure_session
from voxlab.serving.dashboard import serving_dashboard
from voxlab.serving.realtime.engines import scripted_engines
from voxlab.serving.sockets import WebSocket
from voxlab.serving.workers import WorkerOptions, joining, serving_worker, watching
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.serving.workers.protocols import realtime_calls
from voxlab.timeline import Call


def watch(url, token):
    """Return the connection of a watcher."""
    headers = {"Authorization": f"Bearer {token}"}
    url = url.replace("http", "ws") + "/watch"
    return websockets.connect(url, additional_headers=headers, proxy=None)


@pytest.mark.parametrize("token", ["wrong", ""])
def test_only_who_has_the_token_watches_a_worker_or_a_front(token):
    async def main():
        async with (
            one_call(token="right") as (worker, _),
            one_call() as (private, _),
            serving_front("twilio", FrontOptions(worker_token="right")) as front,
        ):
            for url in (worker.url, private.url, front.url):
                with pytest.raises(InvalidStatus, match="401"):
                    await watch(url, token)

    run(main())


def test_a_watcher_too_many_is_refused_and_one_who_leaves_makes_room(monkeypatch):
    monkeypatch.setattr(watching, "MOST_WATCHERS", 1)

    async def main():
        async with one_call(token="right") as (worker, _):
            async with watch(worker.url, "right") as watcher:
                told = json.loads(await watcher.recv())
                assert (told["load"]["active"], told["calls"][0]["name"]) == (1, "call")
                with pytest.raises(InvalidStatus, match="503"):
                    await watch(worker.url, "right")
            while True:  # until the worker has seen them go
                with suppress(InvalidStatus):
                    await (await watch(worker.url, "right")).close()
                    return

    run(main())


def test_a_dashboard_too_many_logs_what_the_worker_answers(monkeypatch, caplog):
    monkeypatch.setattr(watching, "MOST_WATCHERS", 0)

    async def main():
        async with (
            one_call(token="right") as (worker, _),
            serving_dashboard("", worker.url, "right"),
        ):
            while "again in" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    run(main())
    assert "answers 503, '0 watch already, and more may not. Please close a dash" in caplog.text


# --- the page ----------------------------------------------------------------------------------

TOKEN = "token-that-nobody-may-read"
COMMAND = [sys.executable, "-m", "voxlab", "serve", "worker", "--port", "0", "--processes", "1"]
COMMAND += ["--protocol", "twilio", "--providers", "scripted"]


def says(*at_s, until_s):
    """Return a caller who says something at these moments, whatever the agent does."""
    lines = [
        {"say": name, "at": f"{start_s} s after the call starts"}
        for name, start_s in zip(("weather_friday", "order_where"), at_s, strict=True)
    ]
    return Caller(parse_script({"lines": lines, "hang_up": f"{until_s} s after the call starts"}))


async def telephone(url, name, caller):
    """Call an agent at the address of the call, as Twilio would."""
    async with websockets.connect(url, proxy=None) as connection:
        socket, options = WebSocket(connection), StreamOptions(call_sid=name)
        phone = TwilioPhone(socket, options)
        await hold_call(phone, caller, rate_hz=8000)
        await phone.stop()
        await connection.wait_closed()


class Page:
    """What an open page knows: the last row of each call, the last header, and all it was sent."""

    def __init__(self):
        self.rows, self.header, self.sent = {}, {}, []
        self._changed = asyncio.Condition()

    async def follow(self, url):
        address = url.replace("http", "ws") + "/live"
        async with websockets.connect(address, origin=url, proxy=None) as socket:
            async for message in socket:
                self.sent.append(message)
                self.header = json.loads(message)
                self.rows |= {row["name"]: row for row in self.header["calls"]}
                async with self._changed:
                    self._changed.notify_all()

    async def shows(self, is_so):
        async with self._changed:
            await self._changed.wait_for(lambda: self.header and is_so(self))

    @property
    def load(self):
        (load,) = self.header["workers"].values()
        return load


@asynccontextmanager
async def started(command, **environment):
    """Run a command until the block ends; yield its process and the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    try:
        while b"http://" not in (line := await process.stdout.readline()):
            assert line
        yield process, re.search(r"http://[\w.:]+", line.decode())[0]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest.mark.slow
def test_the_page_is_told_what_the_calls_timelines_hold_their_drain_and_no_word(tmp_path):
    page = Page()
    callers = {"CAone": says(1.0, 4.5, until_s=7.5), "CAtwo": says(1.5, 5.5, until_s=7)}

    async def main():
        command = [*COMMAND, "--out", str(tmp_path)]
        async with (
            started(command, VOXLAB_WORKER_TOKEN=TOKEN) as (process, url),
            serving_dashboard("", url, TOKEN) as dashboard,
            asyncio.TaskGroup() as group,
        ):
            front = SimpleNamespace(url=url)
            watching = group.create_task(page.follow(dashboard.url))
            urls = {name: await ask_for_call(front) for name in callers}
            calls = [group.create_task(telephone(urls[name], name, callers[name])) for name in urls]
            await page.shows(lambda page: len(page.rows) == 2)
            await page.shows(lambda page: any(row["ttfb_s"] for row in page.rows.values()))
            process.terminate()
            await page.shows(lambda page: page.load["status"] == "draining")
            assert (page.load["active"], page.load["refuses"]) == (2, "draining")
            await asyncio.gather(*calls)
            await page.shows(lambda page: all(row["is_over"] for row in page.rows.values()))
            await page.shows(lambda page: page.load["status"] == "stopped")
            watching.cancel()
            return urls

    rows = []
    for name, url in run(main()).items():
        timeline = Call.load(tmp_path / name).timeline
        metrics, row = measure_session(timeline), page.rows[url.partition("/calls/")[2][:6]]
        rows.append(row)
        assert tuple(row["ttfb_s"]) == metrics.ttfb_s
        assert metrics.ttfb_s
        assert len(row["cuts_s"]) == metrics.interruptions
        assert row["user"] == [list(span) for span in speech_spans(timeline, "vad")]
        assert row["agent"] == [list(span) for span in speech_spans(timeline, "agent")]
        assert (row["tool_calls"], row["lost"]) == (metrics.tool_calls, 0)
        assert row["lasted_s"] == timeline.duration_s
        words = [text for event in timeline for text in texts(event.data) if len(text) > 11]
        assert len(words) > 10
        assert [text for text in words if text in "".join(page.sent)] == []
    assert sum(len(row["cuts_s"]) for row in rows)
    assert sum(row["tool_calls"] for row in rows)
    assert TOKEN not in "".join(page.sent)


def texts(value):
    """Yield every text in an event's data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def test_only_our_own_page_under_our_own_name_is_told_anything():
    async def main():
        async with (
            one_call(token=TOKEN) as (worker, _),
            serving_dashboard("<p>the page", worker.url, TOKEN) as dashboard,
        ):
            address = dashboard.url.replace("http", "ws") + "/live"
            host = dashboard.url.removeprefix("http://")
            for origin in (None, "http://evil.example", dashboard.url + "0"):
                with pytest.raises(InvalidStatus, match="403"):
                    await websockets.connect(address, origin=origin, proxy=None)
            status, headers, body = await ask(dashboard.url + "/", host=host)
            assert (status, body) == (200, "<p>the page")
            assert headers["Content-Type"].startswith("text/html")
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert (await ask(dashboard.url + "/", host="evil.example"))[0] == 403
            assert (await ask(dashboard.url + "/else", host=host))[0] == 404
            async with websockets.connect(address, origin=dashboard.url, proxy=None) as socket:
                while not (told := json.loads(await socket.recv()))["calls"]:
                    pass
                assert told["calls"][0]["name"] == "call"

    run(main())


@pytest.mark.slow
def test_a_worker_that_comes_back_is_watched_again_and_its_new_calls_are_new_to_the_page(
    monkeypatch,
):
    monkeypatch.setattr(joining, "AGAIN_S", 0.01)
    page = Page()

    async def main():
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            async with one_call(token=TOKEN) as (worker, _):
                port = int(worker.url.rpartition(":")[2])
                dashboard = await stack.enter_async_context(
                    serving_dashboard("", worker.url.replace("ws", "http"), TOKEN)
                )
                watching = group.create_task(page.follow(dashboard.url))
                await page.shows(lambda page: page.rows)
                before = page.rows["call"]["id"]
            await page.shows(lambda page: not page.header["is_connected"])
            async with one_call(token=TOKEN, port=port):
                await page.shows(lambda page: before in page.header["gone"])
                await page.shows(lambda page: page.rows["call"]["id"] != before)
            watching.cancel()

    run(main())


def test_a_page_takes_no_call_for_one_of_a_dashboard_before():
    async def main():
        async with one_call(token=TOKEN) as (worker, _):
            for page in pages:
                async with serving_dashboard("", worker.url, TOKEN) as dashboard:
                    watching = asyncio.create_task(page.follow(dashboard.url))
                    await page.shows(lambda page: page.rows)
                    watching.cancel()

    pages = [Page(), Page()]
    run(main())
    one, other = (page.rows["call"] for page in pages)
    assert one["name"] == other["name"]
    assert one["id"] != other["id"]


@pytest.mark.slow
def test_a_realtime_session_of_a_worker_can_be_watched():
    async def main():
        calls = realtime_calls(scripted_engines())
        async with serving_worker("realtime", calls, WorkerOptions(token=TOKEN)) as worker:
            worker.place("call")
            address = f"{worker.url}/calls/call/v1/realtime?model=gpt-realtime"
            async with websockets.connect(address, proxy=None) as session:
                await session.recv()
                await session.send(json.dumps({"type": "response.create"}))
                async with watch(worker.url, TOKEN) as watcher:
                    told = []
                    while "speech_started" not in told:
                        for call in json.loads(await watcher.recv())["calls"]:
                            told += [kind for _, _, kind, _ in call["events"]]
                    assert told[:2] == ["call_started", "state"]

    run(main())


@pytest.mark.slow
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no address"])
def test_without_a_token_or_an_address_the_command_says_what_it_needs(url, monkeypatch, capsys):
    monkeypatch.delenv("VOXLAB_WORKER_TOKEN", raising=False)
    if url == "no address":
        monkeypatch.setenv("VOXLAB_WORKER_TOKEN", TOKEN)
    assert voxlab(["serve", "dashboard", url, "--port", "0"]) == 2
    assert ("is no address" if url == "no address" else "VOXLAB_W") in capsys.readouterr().err
