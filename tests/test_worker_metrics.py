"""What workers and their front tell Prometheus of the calls that are over."""

import asyncio
import json
from dataclasses import replace

import pytest
import websockets
from observed_calls import OUTCOMES, WORDS
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from worker_calls import OFTEN, answers, ask, run

from voxlab.cli import main as voxlab
from voxlab.observability.session_metrics import measure_session
from voxlab.serving.workers import joining
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.serving.workers.protocols import CallProtocol
from voxlab.serving.workers.watching import WATCH_PATH
from voxlab.serving.workers.worker import WorkerOptions, serving_worker
from voxlab.timeline import Timeline

TOKEN = "token-of-workers"
BEARER = f"Authorization: Bearer {TOKEN}\r\n"


HELD = Timeline()  # a worker hears its caller by the VAD alone
for each in OUTCOMES:
    HELD.add(replace(each, source="vad") if each.source == "caller" else each)
FOUND = measure_session(HELD)
ANSWERED = len(FOUND.ttfb_s)


async def live_through(connection, tell):
    """Hold a call of which everything has happened."""
    for event in HELD:
        tell(event)


def make_protocol(leaving):
    return CallProtocol("/media", live_through, 100, 8, {})


async def scrape(url):
    """Return (the samples by name and labels, the text)."""
    status, headers, text = await ask(url.replace("ws", "http", 1) + "/metrics", headers=BEARER)
    assert status == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {(s.name, s.labels.get("voice_turn_outcome", "")): s.value for s in samples}, text


async def hold_call(worker, name):
    """Hold a call of this name."""
    assert worker.place(name) is None
    async with websockets.connect(f"{worker.url}/calls/{name}/media", proxy=None) as call:
        await call.wait_closed()


async def watched(front):
    """Return the calls that are over, as a watcher of the front is told of them."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    address = front.url.replace("http", "ws") + WATCH_PATH
    async with websockets.connect(address, additional_headers=headers, proxy=None) as watching:
        told = json.loads(await watching.recv())
    return [call for call in told["calls"] if call["is_over"]]


async def hold_calls(worker, front, count):
    """Hold so many calls, and wait until the front knows."""
    for number in range(count):
        await hold_call(worker, f"{worker.url[-4:]}{number}")
    asked = ("voice_turns_total", "answered")
    while worker.load.active or (await scrape(front.url))[0].get(asked) != count * ANSWERED:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def test_a_scrape_counts_what_session_metrics_count_and_a_front_goes_on_over_a_restart():
    async def main():
        front_options = FrontOptions(worker_token=TOKEN, calls=OFTEN, measures=True)
        async with serving_front("twilio", front_options) as front:
            options = WorkerOptions(token=TOKEN, measures=True)
            async with serving_worker("twilio", make_protocol, options) as worker:
                joins = asyncio.create_task(joining.stay_joined(worker, front.url, TOKEN))
                await hold_calls(worker, front, 2)
                of_worker, text = await scrape(worker.url)
                assert (await ask(worker.url.replace("ws", "http") + "/metrics"))[0] == 401
                joins.cancel()
            await answers(front.url + "/load", lambda status, load: not load["workers"])
            return of_worker, text, (await scrape(front.url))[0]

    of_worker, text, of_front = run(main())
    for found in (of_worker, of_front):
        assert found["voice_turn_ttfb_seconds_count", ""] == 2 * ANSWERED
        assert found["voice_turn_ttfb_seconds_sum", ""] == pytest.approx(2 * sum(FOUND.ttfb_s))
        assert found.get(("voice_turns_total", "cut_in"), 0) == 2 * len(FOUND.cut_in_s)
        assert found.get(("voice_turns_total", "resumed"), 0) == 2 * FOUND.resumed
        assert found.get(("voice_turns_total", "unanswered"), 0) == 2 * FOUND.unanswered
        assert found["voice_interruptions_total", ""] == 2 * FOUND.interruptions
        assert found["voice_tool_calls_total", ""] == 2 * FOUND.tool_calls
        assert found["voice_errors_total", ""] == 2 * FOUND.errors
    assert [word for word in WORDS if word in text] == []


def test_a_front_counts_a_call_once_though_its_worker_joins_again():
    async def main():
        front_options = FrontOptions(worker_token=TOKEN, calls=OFTEN, measures=True)
        async with serving_front("twilio", front_options) as front:
            async with serving_worker("twilio", make_protocol, WorkerOptions()) as worker:
                for times_joined in (1, 2):
                    joins = asyncio.create_task(joining.stay_joined(worker, front.url, TOKEN))
                    await front.joined_at(worker.url)
                    if times_joined == 1:
                        await hold_calls(worker, front, 1)
                    joins.cancel()
                    await answers(front.url + "/load", lambda status, load: not load["workers"])
            return (await scrape(front.url))[0]

    assert run(main())["voice_turns_total", "answered"] == ANSWERED


def test_a_restarted_front_counts_the_calls_that_ended_meanwhile_and_none_again(monkeypatch):
    monkeypatch.setattr(joining, "AGAIN_S", 0.01)

    async def main():
        options = FrontOptions(worker_token=TOKEN, calls=OFTEN, measures=True)
        async with serving_worker("twilio", make_protocol, WorkerOptions()) as worker:
            async with serving_front("twilio", options) as front:
                stays = asyncio.create_task(joining.stay_joined(worker, front.url, TOKEN))
                await front.joined_at(worker.url)
                await hold_calls(worker, front, 3)
            await hold_call(worker, "meanwhile")
            port = int(front.url.rpartition(":")[2])
            async with serving_front("twilio", replace(options, port=port)) as front:
                await front.joined_at(worker.url)
                await hold_call(worker, "after")
                while (calls := len(await watched(front))) < 5:
                    pass
                stays.cancel()
                return calls, (await scrape(front.url))[0]

    calls, found = run(main())
    assert calls == 5  # whoever watches sees all of them
    assert found["voice_turns_total", "answered"] == 2 * ANSWERED


def test_a_worker_that_does_not_measure_has_no_metrics():
    async def main():
        async with serving_worker("twilio", make_protocol, WorkerOptions(token=TOKEN)) as worker:
            return await ask(worker.url.replace("ws", "http") + "/metrics", headers=BEARER)

    assert run(main())[0] == 404


def test_metrics_need_a_token(monkeypatch, capsys):
    monkeypatch.delenv("VOXLAB_WORKER_TOKEN", raising=False)
    assert voxlab(["serve", "worker", "--metrics"]) == 2
    assert "VOXLAB_WORKER_TOKEN" in capsys.readouterr().err
