"""Workers as processes: real sockets, real signals."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import websockets
from realtime_client import TURN
from websockets.exceptions import InvalidStatus
from worker_calls import PATIENCE_S, Phone, answers, ask, ask_for_call, run, workers

from voxlab.agents.rates import Rate
from voxlab.cli import main as voxlab
from voxlab.errors import VoxlabError
from voxlab.serving.realtime.transport.authentication import Authenticator, NotAdmitted
from voxlab.serving.twilio import sign
from voxlab.serving.workers import processes as processes_module
from voxlab.serving.workers.admission import Limits, Refuse
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.serving.workers.processes import Processes
from voxlab.serving.workers.protocols import CallProtocol
from voxlab.serving.workers.worker import WorkerOptions, serving_worker
from voxlab.timeline import Call


@pytest.mark.slow
def test_a_draining_worker_refuses_and_tells_where_to_go_and_the_deadline_ends_its_calls(tmp_path):
    async def main():
        async with workers("echo", tmp_path, 1, most_calls=2, drain_s=0.5) as (front, processes):
            phone = Phone("CA1", 1)
            url = await ask_for_call(front)
            holding = asyncio.create_task(phone.hold(url, lambda: False))
            worker = url.partition("/calls")[0].replace("ws", "http", 1)
            await answers(worker + "/readyz", lambda status, load: load["active"] == 1)
            draining = asyncio.create_task(processes.drain())
            load = await answers(worker + "/readyz", lambda status, load: status == 503)
            assert load["refuses"] == "draining"
            assert (await ask(worker + "/healthz"))[0] == 200
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(worker.replace("http", "ws") + "/calls/new/media")
            response = refused.value.response
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "1"
            assert front.url + "/calls" in response.body.decode()
            await answers(front.url + "/readyz", lambda status, load: status == 503)
            await draining
            await holding
            return phone.closed_s

    closed_s = run(main())
    assert 0.5 < closed_s < PATIENCE_S
    timeline = Call.load(tmp_path / "CA1").timeline
    assert timeline.end_reason == "the worker was stopped"
    said = timeline.select("agent", "said")[-1]
    assert said.data["text"].endswith("Goodbye.")
    assert said.at_s < timeline.select("transport", "call_ended")[0].at_s


@pytest.mark.slow
def test_while_twice_as_many_knock_those_inside_are_heard_in_time(tmp_path):
    async def main():
        async with workers("echo", tmp_path, 1, most_calls=3) as (front, _):
            urls = [await ask_for_call(front) for _ in range(6)]
            assert [url is None for url in urls] == [False] * 3 + [True] * 3
            status, headers, body = await ask(front.url + "/calls", "POST")
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "All lines are busy (3 calls)." in json.loads(body)["error"]["message"]
            assert (await ask(front.url + "/readyz"))[0] == 503
            is_enough = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    phone = Phone(f"CA{number}", number)
                    group.create_task(phone.hold(urls[number], is_enough.is_set))
                for _ in range(30):
                    assert await ask_for_call(front) is None
                    await asyncio.sleep(0.05)
                is_enough.set()
            await answers(front.url + "/readyz", lambda status, load: status == 200)
            assert await ask_for_call(front)
            with pytest.raises(InvalidStatus, match="404"):  # an address opens once
                await websockets.connect(urls[0])

    run(main())
    for number in range(3):
        timeline = Call.load(tmp_path / f"CA{number}").timeline
        played = [event.data["behind_s"] for event in timeline.select("transport", "played")]
        assert len(played) > 20
        assert max(played) < 1.0  # with no shedding it grows with the call


@pytest.mark.slow
def test_a_call_of_the_command_keeps_its_turns_over_a_restart_and_its_secrets_from_the_log():
    key = "key-that-nobody-may-read"
    command = [sys.executable, "-m", "voxlab", "serve", "worker", "--port", "0", "--processes", "1"]
    command += ["--providers", "scripted", "--verbose"]

    async def main():
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "VOXLAB_CALL_KEY": key},
        )
        seen = []
        while not (seen and "/calls" in seen[-1]):
            seen.append((await process.stdout.readline()).decode())
            assert seen[-1], (await process.stderr.read()).decode()
        front = seen[-1].partition("/calls")[0]
        with pytest.raises(InvalidStatus, match="401"):
            await websockets.connect(front.replace("http", "ws") + "/v1/realtime?model=realtime")
        assert (await ask(front + "/calls", "POST"))[0] == 401
        address = front.replace("http", "ws") + "/v1/realtime?model=gpt-realtime"
        headers = {"Authorization": f"Bearer {key}"}
        async with websockets.connect(address, additional_headers=headers, proxy=None) as call:
            words = [await one_turn(call)]
            process.send_signal(signal.SIGHUP)
            while sum("worker" in line for line in seen) < 2:
                seen.append((await process.stdout.readline()).decode())
            await answers(front + "/load", lambda status, load: len(load["workers"]) == 2)
            words.append(await one_turn(call))
        process.send_signal(signal.SIGTERM)
        rest, errors = await process.communicate()
        assert process.returncode == 0, errors
        return words, "".join(seen) + rest.decode() + errors.decode()

    words, log = run(main())
    assert all(text for turn in words for text in turn)
    assert "begins" in log
    assert key not in log
    assert TURN_64[:40] not in log
    for question, answer in words:
        assert question not in log
        assert answer not in log


TURN_64 = base64.b64encode(TURN).decode()


async def one_turn(call):
    """Say something to a Realtime session; return what it heard, and what it answered."""
    settings = {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}
    session = {"type": "realtime", "audio": {"input": settings}}
    await call.send(json.dumps({"type": "session.update", "session": session}))
    await call.send(json.dumps({"type": "input_audio_buffer.append", "audio": TURN_64}))
    found = {}
    async for raw in call:
        event = json.loads(raw)
        found[event["type"]] = event.get("transcript")
        assert event["type"] != "error", event
        if {"response.done", HEARD} <= found.keys():
            return found[HEARD], found["response.output_audio_transcript.done"]
    raise AssertionError("the call was cut off")


HEARD = "conversation.item.input_audio_transcription.completed"


# --- who may do what ------------------------------------------------------------------------


def test_who_asks_too_often_is_told_when_to_come_again_and_nobody_else_waits():
    async def main():
        options = FrontOptions(calls=Rate(per_s=0.5, burst=2))
        async with serving_front("twilio", options) as front:
            answers = [await ask(front.url + "/calls", "POST") for _ in range(3)]
            assert [status for status, *_ in answers] == [503, 503, 429]
            assert answers[-1][1]["Retry-After"] == "2"
            host, port = "127.0.0.2", int(front.url.rpartition(":")[2])  # another client
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
            writer.write(b"POST /calls HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 503")
            writer.close()

    run(main())


def test_only_who_has_the_token_joins_as_a_worker():
    async def main():
        async with serving_front("twilio", FrontOptions(worker_token="right")) as front:
            url = front.url.replace("http", "ws") + "/join"
            for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "right"}):
                with pytest.raises(InvalidStatus, match="401"):
                    await websockets.connect(url, additional_headers=header)
            async with websockets.connect(
                url, additional_headers={"Authorization": "Bearer right"}
            ) as liar:
                await liar.send('{"load": {"url": 1}}')
                await liar.wait_closed()
            assert front.loads == []

    run(main())


def test_with_a_token_of_twilios_only_signed_web_hooks_get_a_stream():
    async def main():
        async with serving_front("twilio", FrontOptions(auth_token="secret")) as front:
            assert (await ask(front.url + "/voice"))[0] == 403
            signed = f"X-Twilio-Signature: {sign(front.url + '/voice', 'secret')}\r\n"
            status, _, body = await ask(front.url + "/voice", headers=signed)
            assert (status, "<Reject" in body) == (200, True)

    run(main())


def test_a_worker_for_other_machines_needs_a_token(monkeypatch, capsys):
    monkeypatch.delenv("VOXLAB_WORKER_TOKEN", raising=False)
    for given in (["--host", "0.0.0.0"], ["--join", "http://127.0.0.1:1"]):
        assert voxlab(["serve", "worker", *given]) == 2
        assert "VOXLAB_WORKER_TOKEN" in capsys.readouterr().err


async def repeat(connection, tell):
    """Hold a call that says what it hears."""
    async for message in connection:
        await connection.send(message)


async def free(worker):
    """Wait until no call is on."""
    changed = asyncio.Event()
    worker.on_change = changed.set
    while worker.load.active:
        changed.clear()
        await changed.wait()


@asynccontextmanager
async def one_call(**options):
    """Open a call with a worker in this process."""

    def make(leaving):
        return CallProtocol("/media", repeat, 100, 8, {})

    options = WorkerOptions(limits=Limits(most_calls=1), **options)
    async with serving_worker("twilio", make, options) as worker:
        assert worker.place("call") is None
        async with websockets.connect(worker.url + "/calls/call/media", proxy=None) as socket:
            yield worker, socket


def test_a_client_that_floods_is_heard_at_its_rate_and_loses_nothing():
    async def main():
        async with one_call(messages=Rate(per_s=100, burst=5)) as (_, socket):
            began_s = asyncio.get_running_loop().time()
            for number in range(20):
                await socket.send(str(number))
            heard = [await socket.recv() for _ in range(20)]
            assert heard == [str(number) for number in range(20)]
            assert asyncio.get_running_loop().time() - began_s >= 0.149

    run(main())


def test_a_message_too_long_ends_its_call_and_the_place_is_free_again():
    async def main():
        async with one_call() as (worker, socket):
            await socket.send("x" * 101)
            await socket.wait_closed()
            assert socket.close_code == 1009
            await free(worker)
            assert worker.place("next") is None

    run(main())


def test_an_address_that_is_only_looked_at_stays_free_for_the_call():
    async def main():
        async with one_call() as (worker, socket):
            assert isinstance(worker.place("more"), Refuse)
            await socket.close()
            await free(worker)
            assert worker.place("next") is None
            address = worker.url + "/calls/next/media"
            assert (await ask(address))[0] == 426  # no WebSocket
            async with websockets.connect(address, proxy=None) as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"

    run(main())


def test_a_wrong_secret_may_have_any_bytes():
    async def main():
        options = FrontOptions(worker_token="token", key="key", auth_token="auth", measures=True)
        async with serving_front("twilio", options) as front:
            key, signature = "Authorization: Bearer \udcff\r\n", "X-Twilio-Signature: \udcff\r\n"
            assert (await ask(front.url + "/calls", "POST", key))[0] == 401
            assert (await ask(front.url + "/metrics", headers=key))[0] == 401
            assert (await ask(front.url + "/voice", headers=signature))[0] == 403
        make = lambda leaving: CallProtocol("/media", None, 100, 8, {})  # noqa: E731
        async with serving_worker("twilio", make) as worker:
            worker.place("call-1")
            assert worker.find("caf\u00e9") == ""  # of a SIP address
            assert worker.find("call-1") == "call-1"

    run(main())
    headers = {"Authorization": "Bearer \udcff"}
    with pytest.raises(NotAdmitted, match=r"Incorrect API key provided: \?\*\*\*"):
        Authenticator(key="right").admit("/v1/realtime?model=gpt-realtime", headers, (), now=0.0)


class SlowFront:
    """A front that a process joins when it is let: `joins` by the order in which they start."""

    def __init__(self, *joins):
        self.joins = list(joins)

    async def joined(self, pid):
        await self.joins.pop(0).wait()


def test_processes_drain_though_one_never_joined(monkeypatch):
    monkeypatch.setattr(processes_module, "STARTS_WITHIN_S", 0.05)

    async def main():
        now, never = asyncio.Event(), asyncio.Event()
        now.set()
        processes = Processes(SlowFront(now, never), ["sleep", "600"], {})
        with pytest.raises(VoxlabError, match="has not joined"):
            await processes.start(2)
        assert len(processes.pids) == 1
        await processes.drain()

    run(main())


def test_a_process_that_starts_for_a_dead_one_while_all_drain_is_drained(monkeypatch):
    monkeypatch.setattr(processes_module, "AGAIN_S", 0.0)

    async def main():
        now, later = asyncio.Event(), asyncio.Event()
        now.set()
        front = SlowFront(now, later)
        processes = Processes(front, ["sleep", "600"], {})
        await processes.start(1)
        os.kill(processes.pids[0], signal.SIGKILL)
        while front.joins:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        draining = asyncio.create_task(processes.drain())
        await asyncio.sleep(0)
        later.set()
        await draining

    run(main())
