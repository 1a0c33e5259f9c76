"""The realtime server over sockets on this machine, spoken to by real clients."""

import asyncio
import base64
import contextlib
import gc
import json
import shutil
import socket
import ssl
import subprocess
import sys
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets
from openai import AsyncOpenAI, AuthenticationError, BadRequestError
from openai.types.beta.realtime import realtime_server_event as beta_events
from realtime_automaton import Automaton, validated
from realtime_client import WEATHER_TOOL, engines, quiet, tone, weather_call

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.cli import main as voxlab
from voxlab.serving.realtime.admission import Doorkeeper, NotAdmitted
from voxlab.serving.realtime.certificate import certificate, tls_context
from voxlab.serving.realtime.engines import Engines, offline_engines, with_llm
from voxlab.serving.realtime.server import RealtimeServer, ServerOptions, serving
from voxlab.serving.realtime.session import SessionOptions

Event = dict[str, Any]
PATIENCE_S = 30.0
MODEL = "?model=gpt-realtime"
KEY = {"Authorization": "Bearer test"}
BETA = {**KEY, "OpenAI-Beta": "realtime=v1"}
LONG = "A long answer that goes on. " * 30
TURN = quiet(0.5) + tone(1.0) + quiet(0.8)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def in_time() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    return asyncio.run(in_time())


def scripted(*answers: Any) -> Engines:
    return lambda: engines(answers or ["Hello to you."])


def append(sound: bytes) -> str:
    sound64 = base64.b64encode(sound).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound64})


async def until(ws: Any, kind: str, automaton: Automaton | None = None) -> Event:
    async for raw in ws:
        event: Event = automaton.feed(raw) if automaton else json.loads(raw)
        if event["type"] == kind:
            return event
    raise AssertionError(f"the connection closed before {kind}")


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


# --- raw websockets, and the chapter's fragment ---------------------------------------------


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


def strictly_beta(raw: str) -> Event:
    """Return an event that the openai package's beta models accept, with every field known.

    The models list old names of the model, and not yet the names of functions in their events.
    """
    event: Event = json.loads(raw)
    if event["type"] == "response.function_call_arguments.done":
        assert event.pop("name")
    if "session" in event:
        assert event["session"].pop("object") == "realtime.session"
        assert event["session"].pop("expires_at")
    models = {}
    for model in beta_events.RealtimeServerEvent.__origin__.__args__:  # type: ignore[attr-defined]
        models[model.model_fields["type"].annotation.__args__[0]] = model
    return validated_beta(event, models)


def validated_beta(event: Event, models: dict[str, Any]) -> Event:
    parsed = models[event["type"]].model_validate_json(json.dumps(event), strict=True)
    assert not unknown_fields(parsed), event
    return event


def unknown_fields(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in unknown_fields(item)]
    if not hasattr(value, "model_extra"):
        return []
    below = [getattr(value, name) for name in value.model_fields_set]
    return [*(value.model_extra or {}), *unknown_fields(below)]


@pytest.mark.slow
def test_every_event_of_the_beta_shim_is_one_of_the_betas():
    async def talk() -> set[str]:
        answers = [["One moment.", weather_call()], "Text.", LONG]
        options = ServerOptions(allows_beta=True)
        protocols = ["realtime", "openai-insecure-api-key.test", "openai-beta.realtime-v1"]
        async with (
            serving(scripted(*answers), options) as server,
            websockets.connect(server.url + MODEL, subprotocols=protocols) as ws,
        ):
            kinds = set()

            async def see(kind: str) -> Event:
                async for raw in ws:
                    event = strictly_beta(raw)
                    kinds.add(event["type"])
                    if event["type"] == kind:
                        return event
                raise AssertionError(kind)

            settings = {
                "modalities": ["text", "audio"],
                "voice": "echo",
                "temperature": 0.7,
                "input_audio_format": "pcm16",
                "output_audio_format": "g711_ulaw",
                "input_audio_transcription": {"model": "whisper-1"},
                "max_response_output_tokens": 500,
                "turn_detection": {"type": "server_vad", "threshold": 0.5},
            }
            await ws.send(json.dumps({"type": "session.update", "session": settings}))
            told = (await see("session.updated"))["session"]
            assert told["output_audio_format"] == "g711_ulaw"
            assert told["max_response_output_tokens"] == 500
            assert told["modalities"] == ["text", "audio"]
            await ws.send(append(TURN))
            await see("rate_limits.updated")
            part = {"type": "text", "text": "Earlier."}
            item = {"type": "message", "role": "assistant", "content": [part]}
            await ws.send(json.dumps({"type": "conversation.item.create", "item": item}))
            request = {"modalities": ["text"], "max_response_output_tokens": 50}
            await ws.send(json.dumps({"type": "response.create", "response": request}))
            await see("response.done")
            await ws.send(json.dumps({"type": "response.create"}))
            await see("response.audio.delta")
            await ws.send(json.dumps({"type": "response.cancel"}))
            await see("response.done")
            await ws.send(json.dumps({"type": "session.update", "session": {"voice": 3}}))
            await see("error")
            return kinds

    kinds = run(talk())
    assert not [kind for kind in kinds if "output_audio" in kind or "output_text" in kind]
    assert {
        "conversation.item.created",
        "response.audio.delta",
        "response.audio_transcript.done",
        "response.text.delta",
        "response.output_item.done",
        "response.function_call_arguments.done",
        "conversation.item.input_audio_transcription.completed",
    } <= kinds


# The chapter's fragment 39.1.1a, word for word but for its two faults: websockets has renamed
# extra_headers, and the body of the function is indented as Python needs it. Its open names
# (OPENAI_API_KEY, play_audio_chunk, execute_tool) and the microphone are ours.
async def fragment_39_1_1a(url: str, question: Audio) -> tuple[Audio, list[Event]]:
    heard, calls = [], []

    async def play_audio_chunk(chunk: bytes) -> None:
        heard.append(np.frombuffer(chunk, "<i2").astype(np.float32) / 32768)

    async def execute_tool(name: str, arguments: Event) -> Event:
        calls.append({"name": name, **arguments})
        return {"id": arguments["order_id"], "status": "shipped", "items": 2, "total": 40.0}

    async with websockets.connect(url, additional_headers=BETA) as ws:
        parameters = {"type": "object", "properties": {"order_id": {"type": "string"}}}
        await ws.send(
            json.dumps(
                {
                    "type": "session.update",
                    "session": {
                        "modalities": ["text", "audio"],
                        "voice": "alloy",
                        "instructions": "You are a helpful customer service agent for Acme Corp.",
                        "tools": [
                            {
                                "type": "function",
                                "name": "lookup_order",
                                "description": "Look up an order by order ID or customer email",
                                "parameters": parameters,
                            },
                        ],
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.5,
                            "silence_duration_ms": 500,
                        },
                    },
                }
            )
        )
        speech = np.concatenate([question.resample(24_000).samples, np.zeros(24_000, np.float32)])
        await ws.send(append((speech * 32767).astype("<i2").tobytes()))
        async for message in ws:
            event = json.loads(message)
            if event["type"] == "response.audio.delta":
                await play_audio_chunk(base64.b64decode(event["delta"]))
            elif event["type"] == "response.function_call_arguments.done":
                result = await execute_tool(event["name"], json.loads(event["arguments"]))
                await ws.send(
                    json.dumps(
                        {
                            "type": "conversation.item.create",
                            "item": {
                                "type": "function_call_output",
                                "call_id": event["call_id"],
                                "output": json.dumps(result),
                            },
                        }
                    )
                )
                await ws.send(json.dumps({"type": "response.create"}))
            elif event["type"] == "response.done" and heard:  # 39.1.1a listens for ever
                break
    return Audio(np.concatenate(heard), 24_000), calls


@pytest.mark.slow
def test_the_chapters_fragment_holds_a_conversation_from_wav_to_wav(tmp_path: Path):
    async def talk() -> tuple[Audio, list[Event]]:
        question = audio.read(data.path("callers/heart/order_where.wav"))
        async with serving(offline_engines(), ServerOptions(allows_beta=True)) as server:
            url = server.url + "?model=gpt-4o-realtime-preview"
            return await fragment_39_1_1a(url, question)

    spoken, calls = run(talk())
    audio.write(tmp_path / "answer.wav", spoken)
    from voxlab.providers.moonshine import MoonshineSTT

    said = MoonshineSTT().recognize(audio.read(tmp_path / "answer.wav"))
    assert calls == [{"name": "lookup_order", "order_id": "12345"}]
    assert "shipped" in said.lower()


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
    door = Doorkeeper(key="right")
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
            for request, status in (
                (b"POST /v1/other HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
                (b"PUT /v1/realtime/client_secrets HTTP/1.1\r\n\r\n", b"405"),
                (b"POST /v1/realtime/client_secrets HTTP/1.1\r\n\r\n", b"401"),
                (b"POST nonsense\r\n\r\n", b"400"),
                (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
                (b"POST / HTTP/1.1\r\nX: " + b"x" * 20_000, b"431"),
                (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),  # TLS to a server without
            ):
                host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(request)
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 " + status), (request, answer)
                writer.close()

    run(knock())


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


# --- clients that do not behave -------------------------------------------------------------


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


async def opened(server: RealtimeServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a session with bare hands, for clients that no library would let us be."""
    host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(OPENING)
    await reader.readuntil(b"session.created")
    return reader, writer


OPENING = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer x\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """Return a short text frame of a client, masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def test_a_frame_above_24_mib_closes_the_connection():
    async def talk() -> None:
        async with serving(scripted()) as server:
            reader, writer = await opened(server)
            writer.write(bytes([0x81, 0xFF]) + (25 * 2**20).to_bytes(8, "big") + bytes(4))
            rest = await reader.read()
            assert (1009).to_bytes(2, "big") in rest  # message too big
            writer.close()

    run(talk())


@pytest.mark.slow
def test_a_slow_reader_keeps_nobody_waiting():
    async def talk() -> None:
        async with serving(scripted(LONG, LONG)) as server:
            reader, writer = await opened(server)
            writer.write(masked(b'{"type":"response.create"}'))
            await reader.read(1024)  # and no more: 1 KB in all the time that follows
            async with websockets.connect(server.url + MODEL, additional_headers=KEY) as ws:
                await ws.send(append(TURN))
                done = await until(ws, "response.output_audio.delta")
                assert done
            writer.close()

    run(talk())


@pytest.mark.slow
def test_a_thousand_abrupt_disconnects_leave_nothing_behind():
    async def vanish(server: RealtimeServer, n: int) -> None:
        host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(OPENING if n % 10 else OPENING[:40])  # some leave in mid-handshake
            if n % 10:
                writer.write(masked(b'{"type":"response.create"}'))
                await reader.readuntil(b"response.created" if n % 2 else b"session.created")
        finally:
            writer.transport.abort()

    async def crowd() -> None:
        async with serving(scripted(LONG)) as server:
            for start in range(0, 1000, 20):
                if start == 800:  # caches are filled by now
                    gc.collect()
                    tracemalloc.start()
                await asyncio.gather(*(vanish(server, start + n) for n in range(20)))
            for _ in range(200):
                if len(asyncio.all_tasks()) <= 2 and not server.connections:
                    break
                await asyncio.sleep(0.01)
            gc.collect()
            assert server.connections == 0
            assert len(asyncio.all_tasks()) <= 2  # this one, and the timeout's
            assert open_sockets() == before + 1  # the one that listens
            memory, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert memory < 200 * 1024  # of 200 clients

    def open_sockets() -> int:
        every = (each for each in gc.get_objects() if issubclass(type(each), socket.socket))
        return sum(each.fileno() >= 0 for each in every)

    before = open_sockets() + 2  # the loop's own pair
    run(crowd())


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
def test_the_command_prints_its_address_and_serves():
    command = [sys.executable, "-m", "voxlab", "serve", "realtime", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--providers", "scripted"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[0]
        assert url.startswith("ws://127.0.0.1:")
        address = url.replace("ws", "http", 1) + "/client_secrets"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(address, b"{}"))
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


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
