"""A worker process for tests, whose calls say what they hear.

python worker_process.py mirror|agent FRONT_URL MOST_CALLS DRAIN_S FOLDER

mirror: each message comes back as it is. agent: an agent on a line speaks a quarter of a second
later, and each call's record is kept.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from voxlab.audio import Audio
from voxlab.providers.scripted import ScriptedTTS
from voxlab.serving.workers.admission import Limits
from voxlab.serving.workers.joining import stay_joined
from voxlab.serving.workers.protocols import PATHS, TWILIO, CallProtocol, twilio_calls
from voxlab.serving.workers.worker import WorkerOptions, serving_worker
from voxlab.telephony.twilio import Media, Start, Stop, parse, to_twilio

FRAME, DELAY_S = 320, 0.25


class Echo:
    """Says what it hears."""

    async def run(self, line):
        end = 0
        async for frame in line.frames(FRAME):
            line.agent.lay(end / line.rate_hz + DELAY_S, Audio(frame, line.rate_hz))
            end += FRAME


async def mirror(connection):
    """Send each message of sound back."""
    stream_sid = ""
    async for message in connection:
        match parse(message):
            case Start(sid):
                stream_sid = sid
            case Media(payload):
                await connection.send(to_twilio(Media(payload), stream_sid))
            case Stop():
                return


async def main(kind, front_url, most_calls, drain_s, folder):
    def keep(start, call):
        call.save(Path(folder) / start.call_sid)

    limits = Limits(int(most_calls), most_lag_s=9.0, opens_within_s=2.0, drain_s=float(drain_s))
    options = WorkerOptions(elsewhere=front_url + "/calls", limits=limits)
    calls = twilio_calls(lambda start: Echo(), ScriptedTTS(), keep)
    if kind == "mirror":
        calls = lambda leaving: CallProtocol(PATHS[TWILIO], mirror, 4096, 64, {})  # noqa: E731
    async with serving_worker(TWILIO, calls, options) as worker:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        joining = asyncio.create_task(
            stay_joined(worker, front_url, os.environ["VOXLAB_WORKER_TOKEN"])
        )
        await worker.stopped.wait()
        joining.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
