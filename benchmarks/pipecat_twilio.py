"""Pipecat's Twilio serializer and VAD on a minute of messages, for benchmarks/telephony.py.

    .venv-frameworks/bin/python benchmarks/pipecat_twilio.py < messages.json

Reads {"messages": [texts as Twilio sends them], "reply_24k": [base64 of 40 ms of 16-bit samples]}
and prints the CPU-ms of one call-second, with everything at 8 kHz and at Pipecat's own rates.
"""

import asyncio
import base64
import json
import sys
import time
from importlib.metadata import version

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import OutputAudioRawFrame, StartFrame
from pipecat.serializers.twilio import TwilioFrameSerializer


async def cpu_ms_per_call_s(messages: list[str], replies: list[bytes], hears_hz: int) -> float:
    """Return what hearing each message and sending each piece of reply costs."""
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
    serializer = TwilioFrameSerializer("MZ1", params=params)
    await serializer.setup(StartFrame(audio_in_sample_rate=hears_hz))
    vad = SileroVADAnalyzer(sample_rate=hears_hz)
    vad.set_sample_rate(hears_hz)
    speaks_hz = 8_000 if hears_hz == 8_000 else 24_000
    begun_s = time.process_time()
    for message in messages:
        frame = await serializer.deserialize(message)
        if frame is not None:
            await vad.analyze_audio(frame.audio)
    for reply in replies:
        pcm = reply if speaks_hz == 24_000 else reply[: len(reply) // 3]
        await serializer.serialize(OutputAudioRawFrame(pcm, speaks_hz, 1))
    return 1000 * (time.process_time() - begun_s) / (0.02 * len(messages))


async def main() -> None:
    """Measure both ways, each after a run that warms it up."""
    given = json.load(sys.stdin)
    messages = given["messages"]
    replies = [base64.b64decode(each) for each in given["reply_24k"]]
    figures = {"pipecat": version("pipecat-ai")}
    for hears_hz in (8_000, 16_000):
        await cpu_ms_per_call_s(messages[:100], replies[:50], hears_hz)
        runs = [await cpu_ms_per_call_s(messages, replies, hears_hz) for _ in range(3)]
        figures[f"cpu_ms_at_{hears_hz}"] = min(runs)
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
