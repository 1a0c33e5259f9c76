"""What the telephone costs: codec, resampler, one call over Twilio's protocol, and 200 at once.

    python benchmarks/telephony.py [--json] [--calls N] [--clients PYTHON]

G.711 beside CPython's audioop, frames of 20 ms; the streaming resampler beside soxr, with what each
holds back: the most that a stream's output lags its input, chunks of 20 ms. Then a minute of a
call: what it costs to hear Twilio's messages (JSON, base64, mu-law, VAD) and to write the reply's,
beside Pipecat's serializer and VAD on the same messages (`make frameworks`), and what the whole
agent costs with scripted engines, over Twilio's protocol and in a SIP call. Last, N calls (200) in
real time, in two processes, each fed a message of Twilio's every 20 ms: how late frames reach the
VAD, beyond the tenth of a second that a call waits for messages. Beside other work a core is not a
whole one: run it twice.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import asyncio
import base64
import contextlib
import json
import multiprocessing
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soxr

from voxlab import audio, data
from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.calls import hold_call
from voxlab.agents.datagrams import MemoryNetwork
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.sockets import MemorySocket, SocketClosed, socket_pair
from voxlab.agents.telephone.rtp_link import RtpLink
from voxlab.agents.telephone.sip_caller import LAG_S as SIP_LAG_S
from voxlab.agents.telephone.sip_caller import SipCaller
from voxlab.agents.telephone.twilio_caller import TwilioCaller
from voxlab.audio import Audio, to_pcm16
from voxlab.clock import run_real, run_virtual
from voxlab.providers.protocols import Providers, Speech
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT
from voxlab.samples import Samples
from voxlab.telephony.g711 import ALAW, MULAW
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.rtp import PAYLOAD_TYPES, RtpSender
from voxlab.telephony.sdp import Description, Direction
from voxlab.telephony.twilio import (
    Connected,
    Mark,
    Media,
    Start,
    Stop,
    from_twilio,
    parse,
    to_twilio,
)
from voxlab.vad.endpointing import SpeechDetector
from voxlab.vad.silero import SileroVAD

ROOT = Path(__file__).resolve().parents[1]
CALL_S, LOAD_S, FRAME = 60, 20, 160
PAIRS = ((8_000, 16_000), (16_000, 8_000), (24_000, 8_000))
SOXR = ("QQ", "LQ", "MQ", "HQ", "VHQ")


def per_call_us(work: Callable[[], object], times: int = 2000) -> float:
    """Return the CPU time of one call, the best of five rounds."""
    rounds = []
    for _ in range(5):
        begun_s = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - begun_s) / times)
    return 1e6 * min(rounds)


def speech(duration_s: float, rate_hz: int) -> Samples:
    """Return people who speak, one after the other, with pauses."""
    spoken = [prompt.audio.resample(rate_hz) for prompt in data.prompts("en")]
    pieces = [part for each in spoken for part in (each, audio.silence(0.8, rate_hz))]
    return np.resize(audio.concatenate(pieces).samples, round(duration_s * rate_hz))


def measure_codecs() -> dict[str, float]:
    """Return microseconds a frame of 20 ms."""
    frame = speech(5, 8_000)[8_000 : 8_000 + FRAME]
    coded, pcm = MULAW.encode(frame), to_pcm16(frame)
    works: dict[str, Callable[[], object]] = {
        "mulaw_encode": lambda: MULAW.encode(frame),
        "mulaw_decode": lambda: MULAW.decode(coded),
        "alaw_encode": lambda: ALAW.encode(frame),
        "alaw_decode": lambda: ALAW.decode(coded),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import audioop
        except ImportError:
            print("audioop left the standard library with Python 3.13: pip install audioop-lts")
        else:
            works["mulaw_encode_audioop"] = lambda: audioop.lin2ulaw(pcm, 2)
            works["mulaw_decode_audioop"] = lambda: audioop.ulaw2lin(coded, 2)
    return {f"{name}_us": round(per_call_us(work), 2) for name, work in works.items()}


def held_back_ms(feed: Callable[[Samples], Samples], from_hz: int, to_hz: int) -> float:
    """Return the most that a stream's output lags its input, in chunks of 20 ms."""
    fed = made = most = 0.0
    for chunk in speech(2, from_hz).reshape(-1, from_hz // 50):
        fed += chunk.size / from_hz
        made += len(feed(chunk)) / to_hz
        most = max(most, fed - made)
    return 1000 * most


def measure_resamplers() -> dict[str, float]:
    """Return microseconds a chunk of 20 ms, and what is held back."""
    figures = {}
    for from_hz, to_hz in PAIRS:
        chunk = speech(1, from_hz)[: from_hz // 50]
        makers: dict[str, Callable[[], Callable[[Samples], Samples]]] = {
            "voxlab": lambda a=from_hz, b=to_hz: LowDelayResampler(a, b).feed,
        } | {
            quality: lambda a=from_hz, b=to_hz, q=quality: (
                soxr.ResampleStream(a, b, 1, "float32", q).resample_chunk
            )
            for quality in SOXR
        }
        for name, make in makers.items():
            way = f"{from_hz // 1000}_to_{to_hz // 1000}k_{name}"
            feed = make()
            figures[f"{way}_us"] = round(per_call_us(lambda f=feed, c=chunk: f(c), 500), 1)
            figures[f"{way}_held_back_ms"] = round(held_back_ms(make(), from_hz, to_hz), 1)
    return figures


# --- one call ------------------------------------------------------------------------------


def call_messages(duration_s: float) -> list[str]:
    """Return what Twilio sends for so many seconds of a caller's speech."""
    frames = speech(duration_s, 8_000).reshape(-1, FRAME)
    return [
        from_twilio(Media(MULAW.encode(frame), "inbound", n + 1, 20 * n), n + 2, "MZ1")
        for n, frame in enumerate(frames)
    ]


def parts_ms(messages: list[str], replies: list[Samples]) -> float:
    """Return the CPU-ms of a call-second of our own serializer and VAD."""
    vad, detector, resampler = SileroVAD(8_000), SpeechDetector(), LowDelayResampler(24_000, 8_000)
    stream, waiting = vad.stream(), np.zeros(0, np.float32)
    begun_s = time.process_time()
    for message in messages:
        media = parse(message)
        assert isinstance(media, Media)
        waiting = np.concatenate([waiting, MULAW.decode(media.payload)])
        if waiting.size >= vad.frame_size:
            frame, waiting = waiting[: vad.frame_size], waiting[vad.frame_size :]
            detector.step(stream.probability(frame), float(audio.levels_db(frame)))
    for number, reply in enumerate(replies):
        made = resampler.feed(reply)
        for start in range(0, made.size - FRAME + 1, FRAME):
            to_twilio(Media(MULAW.encode(made[start : start + FRAME])), "MZ1")
        to_twilio(Mark(str(number)), "MZ1")
    return 1000 * (time.process_time() - begun_s) / (0.02 * len(messages))


def pipecat_ms(python: Path, messages: list[str], replies: list[Samples]) -> dict[str, Any]:
    """Return Pipecat's figures on the same messages; none without its environment."""
    if not python.exists():
        print(f"no {python}: make frameworks")
        return {}
    given = {
        "messages": messages,
        "reply_24k": [base64.b64encode(to_pcm16(each)).decode() for each in replies],
    }
    run = subprocess.run(
        [str(python), str(ROOT / "benchmarks" / "pipecat_twilio.py")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return figures


class Prompts:
    """A voice that says a recorded sentence, whatever the text is."""

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Yield the recording."""
        yield Speech(text, REPLY.duration_s, REPLY)


REPLY = Audio(speech(3, 24_000), 24_000)
VAD_8K = SileroVAD(8_000)


def agent() -> PipelineAgent:
    """Return an agent with a true VAD; its other engines are scripted and take no CPU."""
    texts = ["And then?"] * 1000
    return PipelineAgent(Providers(ScriptedSTT(texts), ScriptedLLM(["Yes."]), Prompts(), VAD_8K))


async def feed_call(near: MemorySocket, messages: list[str]) -> None:
    """Send a call's messages, each when it is due, and play what comes back to its marks."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    with contextlib.suppress(SocketClosed):  # the call has ended by itself: it says why
        await near.send(from_twilio(Connected(), 0, "MZ1"))
        await near.send(from_twilio(Start("MZ1", "CA1"), 1, "MZ1"))
        for n, message in enumerate(messages):
            await asyncio.sleep(max(0.0, begun_s + 0.02 * (n + 1) - loop.time()))
            await near.send(message)
        await near.send(from_twilio(Stop(), len(messages) + 2, "MZ1"))


async def drain(near: MemorySocket) -> None:
    """Take what the agent sends."""
    with contextlib.suppress(SocketClosed):
        while True:
            await near.receive()


async def hold(messages: list[str], late_s: list[float]) -> str:
    """Hold one call with an agent; note how late each frame reached its VAD. Return its end."""
    near, far = socket_pair()
    caller = TwilioCaller(far)

    class Watched(PipelineAgent):
        async def run(self, line: Any) -> None:
            watch(line, late_s)
            await super().run(line)

    async with asyncio.TaskGroup() as group:
        group.create_task(feed_call(near, messages))
        draining = group.create_task(drain(near))
        await caller.start()
        watched = Watched(agent().providers)
        call = await hold_call(watched, caller, lag_s=LAG_S, rate_hz=8_000)
        far.close()
        draining.cancel()
    return str(call.timeline.select("transport", "call_ended")[-1].data["reason"])


def watch(line: Any, late_s: list[float]) -> None:
    """Let a line note how long after it was due each of its frames was taken."""
    frames = line.frames

    async def timed(size: int) -> AsyncIterator[Samples]:
        due_s = LAG_S
        async for frame in frames(size):
            due_s += size / line.rate_hz
            late_s.append(line.now_s - due_s)
            yield frame

    line.frames = timed


def whole_ms(messages: list[str]) -> float:
    """Return the CPU-ms of a call-second of the whole agent, the phone's side included."""
    begun_s = time.process_time()
    run_virtual(hold(messages, []))
    return 1000 * (time.process_time() - begun_s) / (0.02 * len(messages))


def sip_ms() -> float:
    """Return the CPU-ms of a call-second of the whole agent in a SIP call, from PCMU to PCMU."""
    sender = RtpSender(PAYLOAD_TYPES["PCMU"], ssrc=1)
    frames = speech(CALL_S, 8_000).reshape(-1, FRAME)
    packets = [sender.packet(MULAW.encode(frame), FRAME).to_bytes() for frame in frames]

    async def hold_sip() -> None:
        network = MemoryNetwork()
        near, far = [await network.open("127.0.0.1", port) for port in (4000, 4002)]
        remote = Description("127.0.0.1", 4000, ((PAYLOAD_TYPES["PCMU"], "PCMU"),))
        link = RtpLink(far, np.random.default_rng(0))
        link.agree(remote, Direction.BOTH, "127.0.0.1")
        call = SimpleNamespace(link=link, ended="")

        async def feed() -> None:
            for packet in packets:
                near.send(packet, far.address)
                await asyncio.sleep(0.02)
            call.on_over("hung up")

        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            await hold_call(agent(), SipCaller(call), lag_s=SIP_LAG_S, rate_hz=8_000)

    begun_s = time.process_time()
    run_virtual(hold_sip())
    return 1000 * (time.process_time() - begun_s) / CALL_S


# --- many calls ----------------------------------------------------------------------------


def hold_many(calls: int, results: Any) -> None:
    """Hold calls in real time, begun within two seconds; put how late their frames were."""
    messages = call_messages(LOAD_S)
    late_s: list[float] = []

    async def main() -> list[str]:
        async with asyncio.TaskGroup() as group:
            held = []
            for _ in range(calls):
                held.append(group.create_task(hold(messages, late_s)))
                await asyncio.sleep(2 / calls)
        return [each.result() for each in held]

    begun_s = time.process_time()
    ends = run_real(main())
    results.put((late_s, time.process_time() - begun_s, ends))


def measure_load(calls: int) -> dict[str, float]:
    """Return how late frames are when so many calls are held in two processes."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=hold_many, args=(calls // 2, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=5 * LOAD_S) for _ in workers]
    for worker in workers:
        worker.join()
    late_s = np.concatenate([np.asarray(each, np.float64) for each, _, _ in found])
    ends = Counter(end for _, _, each in found for end in each)
    for end, count in ends.most_common():
        print(f"{count} calls: {end}")
    return {
        "load_calls": calls,
        "load_calls_complete": ends["the caller hung up"],
        "load_frames": int(late_s.size),
        "load_frames_over_32_ms_late": int((late_s > 0.032).sum()),
        "load_frames_over_100_ms_late": int((late_s > LAG_S).sum()),
        "load_late_p99_ms": round(1000 * float(np.quantile(late_s, 0.99)), 1),
        "load_late_most_ms": round(1000 * float(late_s.max()), 1),
        "load_cores": round(sum(cpu_s for _, cpu_s, _ in found) / (LOAD_S + 2), 2),
    }


def main() -> None:
    """Measure, print tables, and with --json a last line for programs."""
    parser = argparse.ArgumentParser(description="Measure what the telephone costs.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, last")
    parser.add_argument("--calls", type=int, default=200, help="held at once (default: 200)")
    parser.add_argument(
        "--clients",
        type=Path,
        default=ROOT / ".venv-frameworks" / "bin" / "python",
        metavar="PYTHON",
        help="where Pipecat is installed (default: the environment of make frameworks)",
    )
    arguments = parser.parse_args()
    figures: dict[str, Any] = {**measure_codecs(), **measure_resamplers()}
    messages = call_messages(CALL_S)
    sound = speech(CALL_S / 2, 24_000)  # the agent speaks half of the time
    replies = [*sound.reshape(-1, 960)]
    parts_ms(messages[:100], replies[:50])
    figures["twilio_parts_cpu_ms_per_call_s"] = min(parts_ms(messages, replies) for _ in range(3))
    peer = pipecat_ms(arguments.clients, messages, replies)
    figures |= {f"pipecat_{name}": each for name, each in peer.items() if name != "pipecat"}
    whole_ms(messages[:200])
    figures["twilio_call_cpu_ms_per_call_s"] = min(whole_ms(messages) for _ in range(3))
    figures["sip_call_cpu_ms_per_call_s"] = min(sip_ms() for _ in range(3))
    figures |= measure_load(arguments.calls)
    for name, value in figures.items():
        print(f"{name:44}{value:12.2f}" if isinstance(value, float) else f"{name:44}{value:12}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
