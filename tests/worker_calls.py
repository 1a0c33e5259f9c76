"""Workers as processes behind a front, and telephones that call them, through real sockets."""

import asyncio
import json
import re
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import websockets
from worker_process import noise

from voxlab.agents.rates import Rate
from voxlab.agents.telephone.twilio_phone import StreamOptions
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.serving.workers.processes import Processes
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.twilio import Connected, Mark, Media, Start, Stop, from_twilio, parse_command

WORKER = str(Path(__file__).with_name("worker_process.py"))
FRAME, FRAME_S = 160, 0.02
OFTEN = Rate(per_s=100, burst=100)
PATIENCE_S = 180.0  # on a machine that is busy with other things, a process starts in 20 s


def run(main):
    async def in_time():
        async with asyncio.timeout(PATIENCE_S):
            return await main

    return asyncio.run(in_time())


async def ask(url, method="GET", headers="", host="x"):
    """Return (status, headers, body) of a request."""
    address, port, path = re.fullmatch(r"\w+://([^:/]+):(\d+)(/.*)", url).groups()
    reader, writer = await asyncio.open_connection(address, int(port))
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}\r\n"
    writer.write(head.encode(errors="surrogateescape"))
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    lines = head.split("\r\n")
    found = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), found, body


async def answers(url, is_so):
    """Ask until the status and the load that come back are so; return the load."""
    while True:
        status, _, body = await ask(url)
        if is_so(status, load := json.loads(body)):
            return load


async def ask_for_call(front):
    """Return the address of a new call by Twilio's web hook."""
    _, _, body = await ask(front.url + "/voice")
    found = re.search('<Stream url="([^"]+)"', body)
    return found[1] if found else None


class Phone:
    """Twilio's side of one call: sound out frame by frame, and what comes back."""

    def __init__(self, name, seed):
        self.name, self.sound = name, noise(seed, PATIENCE_S, 8000)
        self.heard = b""
        self.frames = []
        self.closed_s = None

    def next_frame(self):
        """Return the next 20 ms of the caller's voice."""
        return self.sound[len(self.frames) * FRAME :][:FRAME]

    async def hold(self, url, is_enough):
        """Hold the call until `is_enough()`, or the other side ends it."""
        options = StreamOptions(call_sid=self.name)
        sid = options.stream_sid
        async with websockets.connect(url, proxy=None) as socket:
            await socket.send(from_twilio(Connected(), 0, sid))
            await socket.send(from_twilio(Start(sid, self.name), 1, sid))
            listening = asyncio.create_task(self._listen(socket, sid))
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            while not is_enough() and not listening.done():
                number = len(self.frames)
                await asyncio.sleep(began_s + number * FRAME_S - loop.time())
                self.frames.append(MULAW.encode(self.next_frame()))
                media = Media(self.frames[-1], "inbound", number + 1, 20 * number)
                with suppress(websockets.ConnectionClosed):
                    await socket.send(from_twilio(media, number + 2, sid))
            if listening.done():
                self.closed_s = loop.time() - began_s
            else:
                await socket.send(from_twilio(Stop(), len(self.frames) + 2, sid))
            await listening

    async def _listen(self, socket, sid):
        async for message in socket:
            command = parse_command(message, sid)
            if isinstance(command, Media):
                self.heard += command.payload
            elif isinstance(command, Mark):
                with suppress(websockets.ConnectionClosed):  # it has hung up meanwhile
                    await socket.send(from_twilio(command, 1, sid))


def serving(protocol, options):
    """Return what runs the front of a protocol."""
    if protocol == "sip":
        from voxlab.serving.workers.sip import serving_sip_front

        return serving_sip_front(options)
    return serving_front(protocol, options)


@asynccontextmanager
async def workers(kind, folder, count, most_calls, drain_s=60.0):
    """Run a front with so many processes of `worker_process.py` behind it."""
    options = FrontOptions(calls=OFTEN)
    protocol = "twilio" if kind == "echo" else kind
    async with serving(protocol, options) as front:
        command = [sys.executable, WORKER, kind, front.url]
        command += [str(most_calls), str(drain_s), str(folder)]
        processes = Processes(front, command, {"VOXLAB_WORKER_TOKEN": options.worker_token})
        await processes.start(count)
        try:
            yield front, processes
        finally:
            await processes.drain()
