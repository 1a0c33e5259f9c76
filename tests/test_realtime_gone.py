"""Clients on sockets that do not read, send too much or vanish: nobody notices, nothing stays."""

import asyncio
import gc
import socket
import tracemalloc

import pytest
import websockets
from realtime_client import TURN
from realtime_sockets import KEY, LONG, MODEL, OPENING, append, masked, opened, run, scripted, until

from voxlab.serving.realtime.response_generation import Pace
from voxlab.serving.realtime.session import SessionOptions
from voxlab.serving.realtime.transport.server import RealtimeServer, ServerOptions, serving


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
def test_a_reader_that_stops_fills_its_own_socket_only():
    async def talk() -> None:
        options = ServerOptions(session=SessionOptions(pace=Pace(1e9)))
        async with serving(scripted(LONG * 20, LONG), options) as server:
            reader, writer = await opened(server)
            (stopped,) = server._server.connections
            writer.write(masked(b'{"type":"response.create"}'))
            await reader.read(1024)  # and no more: 1 KB in all the time that follows
            while not stopped.transport.get_write_buffer_size():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            async with websockets.connect(server.url + MODEL, additional_headers=KEY) as ws:
                await ws.send(append(TURN))
                assert await until(ws, "response.output_audio.delta")
            assert 0 < stopped.transport.get_write_buffer_size() < 2**20
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
        async with serving(scripted("An answer that nobody hears to its end.")) as server:
            for start in range(0, 1000, 20):
                if start == 900:  # caches are filled by now
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
            assert memory < 100 * 1024  # of 100 clients

    def open_sockets() -> int:
        every = (each for each in gc.get_objects() if issubclass(type(each), socket.socket))
        return sum(each.fileno() >= 0 for each in every)

    before = open_sockets() + 2  # the loop's own pair
    run(crowd())
