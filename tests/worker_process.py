"""A worker process for tests, whose calls say what they hear, or answer each question.

python worker_process.py echo|sip|twilio|realtime FRONT_URL MOST_CALLS DRAIN_S FOLDER

echo: an agent on a Twilio line says what it hears a quarter of a second later; sip: on a SIP line.
twilio, realtime: scripted engines with a voice that is heard. The records of telephone calls go to
the folder.
"""

import asyncio
import itertools
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.audio import Audio
from voxlab.providers.protocols import Providers, Speech
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.serving.realtime.engines import LevelVAD
from voxlab.serving.workers.admission import Limits
from voxlab.serving.workers.joining import stay_joined
from voxlab.serving.workers.protocols import REALTIME, SIP, TWILIO, realtime_calls, twilio_calls
from voxlab.serving.workers.worker import WorkerOptions, serving_worker
from voxlab.telephony.g711 import MULAW
from voxlab.turn_taking.manager import TurnOptions

FRAME, DELAY_S = 320, 0.25
ANSWER, ANSWER_S = "It is here.", 0.5
SILENCE_S = 0.8  # that ends a turn: a busy machine does not cut one in two


def noise(seed, duration_s, rate_hz):
    """Return noise without a silent sample, which mu-law keeps as it is."""
    sizes = np.random.default_rng(seed).uniform(0.05, 0.3, round(rate_hz * duration_s))
    sizes[1::2] *= -1
    return MULAW.decode(MULAW.encode(sizes.astype(np.float32)))


class Echo:
    """Says what it hears."""

    async def run(self, line):
        end = 0
        async for frame in line.frames(FRAME):
            line.agent.lay(end / line.rate_hz + DELAY_S, Audio(frame, line.rate_hz))
            end += FRAME


class Voice:
    """Says everything in the same noise."""

    def __init__(self, rate_hz):
        self.audio = Audio(noise(0, ANSWER_S, rate_hz), rate_hz)

    async def synthesize(self, text):
        yield Speech(text, ANSWER_S, self.audio)


class TelephoneVAD(LevelVAD):
    """Hears the line as it is."""

    rate_hz, frame_size = 8000, 256


def engines(vad, voice):
    """Return engines that hear "Question 1?", "Question 2?" and so on."""
    stt = ScriptedSTT(f"Question {number}?" for number in itertools.count(1))
    return Providers(stt, ScriptedLLM(itertools.repeat(ANSWER)), voice, vad)


def answer_calls(start):
    """Return the agent of a Twilio call."""
    options = PipelineOptions(turns=TurnOptions(silence_s=SILENCE_S))
    return PipelineAgent(engines(TelephoneVAD(), Voice(8000)), options=options)


def serve_echo():
    """Return what runs a worker of echoing Twilio calls, in an actor."""
    calls = twilio_calls(lambda start: Echo(), ScriptedTTS())
    return partial(serving_worker, TWILIO, calls)


async def main(kind, front_url, most_calls, drain_s, folder):
    def keep(start, call):
        call.save(Path(folder) / start.call_sid)

    def keep_sip(start, call):
        call.save(Path(folder) / start.name)

    limits = Limits(int(most_calls), most_lag_s=9.0, opens_within_s=2.0, drain_s=float(drain_s))
    options = WorkerOptions(elsewhere=front_url + "/calls", limits=limits)
    if kind == REALTIME:
        calls = realtime_calls(lambda: engines(LevelVAD(), Voice(24_000)))
    else:
        answer = answer_calls if kind == TWILIO else lambda start: Echo()
        calls = twilio_calls(answer, ScriptedTTS(), keep)
    protocol = REALTIME if kind == REALTIME else TWILIO
    serving = serving_worker(protocol, calls, options)
    if kind == SIP:
        from voxlab.serving.workers.sip import serving_sip_worker

        options = replace(options, elsewhere=front_url.replace("http://", "sip:agent@"))
        serving = serving_sip_worker(lambda start: Echo(), ScriptedTTS(), keep_sip, options)
    async with serving as worker:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        joining = asyncio.create_task(
            stay_joined(worker, front_url, os.environ["VOXLAB_WORKER_TOKEN"])
        )
        await worker.stopped.wait()
        joining.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
