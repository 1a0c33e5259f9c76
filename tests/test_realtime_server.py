"""The realtime server over sockets on this machine, spoken to by real clients."""

import asyncio
import base64
import contextlib
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI, AuthenticationError, BadRequestError
from realtime_automaton import Automaton
from realtime_client import TURN, WEATHER_TOOL, weather_call
from realtime_models import validated
from realtime_sockets import BETA, KEY, LONG, MODEL, PATIENCE_S, append, run, scripted, until
from websockets.sync.client import connect

from voxlab.cli import main as voxlab
from voxlab.serving.realtime.engines import with_llm
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.authentication import Authenticator, NotAdmitted
from voxlab.serving.realtime.transport.server import RealtimeServer, ServerOptions, serving
from voxlab.serving.realtime.transport.tls import certificate, tls_context

Event = dict[str, Any]


@contextlib.asynccontextmanager
async def sdk(server: RealtimeServer, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="test", base_url=server.http_url, max_retries=0) as client:
        yield client.with_options(**options) if options else client


# --- the openai SDK -------------------------------------------------------------------------


@pytest.mark.slow
def test_the_openai_sdk_holds_a_conversation_with_a_tool():
    async def talk() -> None:
        answers = [["One moment. ", weather_call()], "It is sunny in Paris."]
        async with (
            serving(scripted(*answers)) as server,
            sdk(server) as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            detection = {"type": "server_vad", "silence_duration_ms": 300}
            session = {"type": "realtime", "tools": [WEATHER_TOOL]}
            await connection.session.update(
                session={**session, "audio": {"input": {"turn_detection": detection}}}
            )
            await connection.input_audio_buffer.append(audio=base64.b64encode(TURN).decode())
            automaton, said = Automaton(), []
            while len(said) < 2:
                raw = (await connection.recv_bytes()).decode()
                automaton.feed(raw)
                event = connection.parse_event(raw.encode())
                if event.type == "response.function_call_arguments.done":
                    output = {"type": "function_call_output", "call_id": event.call_id}
                    await connection.conversation.item.create(
                        item={**output, "output": '{"sky": "sunny"}'}
                    )
                elif event.type == "response.output_audio_transcript.done":
                    said.append(event.transcript)
                elif event.type == "response.done" and len(said) == 1:
                    await connection.response.create()
            assert said == ["One moment.", "It is sunny in Paris."]

    run(talk())


@pytest.mark.slow
def test_a_client_secret_of_the_sdk_opens_a_session_as_it_was_asked_for():
    async def talk() -> None:
        options = ServerOptions(key="test")
        async with serving(scripted(), options) as server, sdk(server) as client:
            secret = await client.realtime.client_secrets.create(
                session={"type": "realtime", "model": "gpt-realtime", "instructions": "Be nice."},
                expires_after={"anchor": "created_at", "seconds": 60},
            )
            assert secret.value.startswith("ek_")
            assert secret.session.instructions == "Be nice."
            protocols = ["realtime", f"openai-insecure-api-key.{secret.value}"]
            async with websockets.connect(server.url, subprotocols=protocols) as ws:
                created = validated(await ws.recv())
                assert ws.subprotocol == "realtime"
            assert created["session"]["instructions"] == "Be nice."
            assert created["session"]["model"] == "gpt-realtime"
            bad: Any = {"anchor": "created_at", "seconds": 5}
            with pytest.raises(BadRequestError, match="Expected a value >= 10"):
                await client.realtime.client_secrets.create(expires_after=bad)
            with pytest.raises(AuthenticationError, match="Incorrect API key"):
                await client.with_options(api_key="guess").realtime.client_secrets.create()

    run(talk())


# --- raw websockets -------------------------------------------------------------------------


@pytest.mark.slow
def test_g711_and_barge_in_work_over_a_socket():
    async def talk() -> None:
        async with (
            serving(scripted(LONG, "Yes?")) as server,
            websockets.connect(server.url + MODEL, additional_headers=KEY) as ws,
        ):
            automaton = Automaton()
            await ws.send(json.dumps({"type": "response.create"}))
            await until(ws, "response.output_audio.delta", automaton)
            await ws.send(append(TURN))
            done = await until(ws, "response.done", automaton)
            assert done["response"]["status_details"]["reason"] == "turn_detected"
            done = await until(ws, "response.done", automaton)
            assert done["response"]["status"] == "completed"
            await until(ws, "rate_limits.updated", automaton)
            automaton.finish()

    run(talk())


@pytest.mark.slow
def test_20_mib_of_base64_come_through():
    async def talk() -> None:
        async with (
            serving(scripted()) as server,
            websockets.connect(server.url + MODEL, additional_headers=KEY) as ws,
        ):
            off = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            await ws.send(json.dumps({"type": "session.update", "session": off}))
            await ws.send(append(bytes(15 * 2**20)))
            await ws.send(json.dumps({"type": "input_audio_buffer.commit"}))
            await until(ws, "input_audio_buffer.committed")

    run(talk())


# --- who may come in ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "query", "close_code", "code"),
    [
        ({}, MODEL, 3000, "invalid_api_key"),
        ({"Authorization": "Bearer ek_made_up"}, MODEL, 3000, "invalid_api_key"),
        (KEY, "", 4000, "missing_model"),
        (KEY, "?model=gpt-4o", 4000, "invalid_model"),
        (BETA, MODEL, 4000, "beta_api_shape_disabled"),
    ],
)
def test_who_is_turned_away_is_told_why_after_the_upgrade(
    headers: dict[str, str], query: str, close_code: int, code: str
):
    async def knock() -> None:
        async with (
            serving(scripted()) as server,
            websockets.connect(server.url + query, additional_headers=headers) as ws,
        ):
            assert validated(await ws.recv())["error"]["code"] == code
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == close_code

    run(knock())


def test_a_client_secret_expires():
    door = Authenticator(key="right")
    secret = door.issue({"Authorization": "Bearer right"}, {}, now=1000.0)
    assert secret["expires_at"] == 1600
    headers = {"Authorization": f"Bearer {secret['value']}"}
    assert door.admit("/v1/realtime", headers, (), now=1599.0).model == "gpt-realtime"
    with pytest.raises(NotAdmitted, match="Incorrect API key"):
        door.admit("/v1/realtime", headers, (), now=1601.0)


def test_another_path_is_not_found():
    async def knock() -> None:
        async with serving(scripted()) as server:
            with pytest.raises(websockets.InvalidStatus, match="404"):
                await websockets.connect(server.url.replace("/v1/realtime", "/v2"))
            host = b" HTTP/1.1\r\nHost: here\r\n"
            for request, status in (
                (b"POST /v1/other" + host + b"Content-Length: 0\r\n\r\n", b"404"),
                (b"PUT /v1/realtime/client_secrets" + host + b"\r\n", b"405"),
                (b"POST /v1/realtime/client_secrets" + host + b"\r\n", b"401"),
                (b"POST nonsense\r\n\r\n", b"400"),
                (b"POST /" + host + b"Content-Length: 99999999\r\n\r\n", b"413"),
                (b"POST /" + host + b"X: " + b"x" * 20_000, b"431"),
            ):
                answer = await answered(server, request)
                assert answer.startswith(b"HTTP/1.1 " + status), (request, answer)

    run(knock())


async def answered(server: RealtimeServer, *pieces: bytes) -> bytes:
    """Send bytes, a piece at a time; return all that comes until the server closes."""
    host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await reader.read()
    writer.close()
    return answer


SECRET = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer x\r\n"
BODY = b'{"session": {"type": "realtime", "instructions": "Be brief."}}'


@given(cuts=st.lists(st.integers(1, len(BODY) - 1), max_size=4), chunked=st.booleans())
@settings(max_examples=20)
@pytest.mark.slow
def test_a_body_is_read_whole_however_it_is_cut_and_framed(cuts: list[int], chunked: bool):
    parts = [BODY[a:b] for a, b in pairwise([0, *sorted(set(cuts)), len(BODY)])]
    if chunked:
        head = SECRET + b"Transfer-Encoding: chunked\r\n\r\n"
        parts = [*(b"%x\r\n%s\r\n" % (len(part), part) for part in parts), b"0\r\n\r\n"]
    else:
        head = SECRET + b"Content-Length: %d\r\n\r\n" % len(BODY)

    async def post() -> bytes:
        async with serving(scripted()) as server:
            return await answered(server, head, *parts)

    status, _, content = run(post()).partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200")
    assert json.loads(content)["session"]["instructions"] == "Be brief."


def test_tls_to_a_server_without_fails_at_once():
    async def greet() -> None:
        async with serving(scripted()) as server:
            secure = server.url.replace("ws:", "wss:") + MODEL
            async with asyncio.timeout(2.0):  # websockets waits 10 s for an opening
                with pytest.raises(ssl.SSLError):
                    await websockets.connect(secure, additional_headers=KEY)

    run(greet())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the program openssl")
def test_tls_serves_clients_that_know_the_certificate(tmp_path: Path):
    file = certificate(tmp_path)
    assert certificate(tmp_path) == file  # made once
    assert file.stat().st_mode & 0o077 == 0

    async def talk() -> None:
        async with serving(scripted(), ServerOptions(tls=tls_context(file))) as server:
            assert server.url.startswith("wss://")
            trusting = ssl.create_default_context(cafile=str(file))
            connecting = websockets.connect(
                server.url + MODEL, additional_headers=KEY, ssl=trusting
            )
            async with connecting as ws:
                assert json.loads(await ws.recv())["type"] == "session.created"

    run(talk())


# --- a language model by address, and the command -------------------------------------------


@pytest.mark.slow
def test_another_language_model_answers_by_its_address():
    requests: list[Event] = []

    async def complete(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        requests.append(json.loads(await reader.readexactly(length)))
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        parts = [{"content": "From afar."}, {}]
        body = ""
        for part in parts:
            choice = {"index": 0, "delta": part, "finish_reason": None if part else "stop"}
            body += f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"
        body += "data: [DONE]\n\n"
        writer.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    async def talk() -> Event:
        model = await asyncio.start_server(complete, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{model.sockets[0].getsockname()[1]}/v1"
        async with (
            model,
            serving(with_llm(scripted(), url, "qwen3:4b")) as server,
            websockets.connect(server.url + MODEL, additional_headers=KEY) as ws,
        ):
            await ws.send(append(TURN))
            return (await until(ws, "response.done"))["response"]

    response = run(talk())
    assert response["output"][0]["content"][0]["transcript"] == "From afar."
    assert requests[0]["model"] == "qwen3:4b"
    assert requests[0]["messages"][-1] == {"role": "user", "content": "Hello there."}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_and_says_goodbye_when_it_is_stopped(stop: signal.Signals):
    command = [sys.executable, "-m", "voxlab", "serve", "realtime", "--port", "0"]
    command += ["--providers", "scripted", "--verbose"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:
        try:
            assert server.stdout is not None
            assert server.stderr is not None
            url = server.stdout.readline().split()[0]
            assert url.startswith("ws://127.0.0.1:")
            address = url.replace("ws", "http", 1) + "/client_secrets"
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(urllib.request.Request(address, b"{}"))
            with connect(url + MODEL, additional_headers=KEY) as client:
                assert json.loads(client.recv())["type"] == "session.created"
                client.send('{"type": "input_audio_buffer.append", "audio": "secret!"}')
                assert json.loads(client.recv())["type"] == "error"
                server.send_signal(stop)
                with pytest.raises(websockets.ConnectionClosed):
                    client.recv(timeout=PATIENCE_S)
                assert client.close_code == 1001  # going away
            server.wait(PATIENCE_S)
            told = server.stderr.read()
        finally:
            server.kill()
    for line in (
        "HTTP, /v1/realtime/client_secrets: 401 invalid_api_key",
        r"session \w+: opened by 127.0.0.1:\d+",
        r"session \w+: error invalid_\w+",
        r"session \w+: closed after \d\.\d s",
    ):
        assert re.search(line, told)
    assert "secret!" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--llm-url", "http://localhost"], "needs both --llm-url and --llm-model"),
        (["--port", "70000"], "needs 0 to 65535"),
        (["--host", "203.0.113.1", "--port", "0"], "cannot listen on 203.0.113.1"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
):
    assert voxlab(["serve", "realtime", "--providers", "scripted", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_the_session_options_reach_the_session():
    async def talk() -> None:
        options = ServerOptions(session=SessionOptions(longest_s=0.05))
        async with (
            serving(scripted(), options) as server,
            websockets.connect(server.url + MODEL, additional_headers=KEY) as ws,
        ):
            error = await until(ws, "error")
            assert error["error"]["code"] == "session_expired"
            with pytest.raises(websockets.ConnectionClosedOK):
                await ws.recv()

    run(talk())
