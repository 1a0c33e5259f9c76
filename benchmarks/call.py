"""How much computing a call takes, and its parts. One thread; run it on a quiet machine.

    python benchmarks/call.py [--json]

Targets: a minute of call in virtual time under 10 s of processor time, program start and picture
included; 60 s of call at event level under 50 ms; STT at most 0.1 of real time, TTS 0.02.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.timeline import Call

ROUNDS = 5


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    command_s, call_s = whole_command()
    scripted_s, scripted_call_s = scripted_calls()
    figures = {
        "virtual_cpu_s_per_60s": command_s * 60 / call_s,
        "scripted_ms_per_60s": scripted_s / 20 * 1000 * 60 / scripted_call_s,
        "scripted_20_calls_s": scripted_s,
        "stt_rtf": stt_rtf(),
        "tts_rtf": tts_rtf(),
    }
    print(f"`voxlab call data/calls/minute.yaml`: {command_s:.2f} CPU-s for {call_s:.1f} s of call")
    for name, value in figures.items():
        print(f"{name:24} {value:10.4f}")
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))


def whole_command() -> tuple[float, float]:
    """Return the processor seconds of the whole command, median of three, and the call's length."""
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            script = str(data.path("calls/minute.yaml"))
            command = [sys.executable, "-m", "voxlab", "call", script, "--out", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return statistics.median(spent), Call.load(Path(folder)).timeline.duration_s


def scripted_calls() -> tuple[float, float]:
    """Return the processor seconds of 20 calls at event level, and the length of one."""
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]

    def hold() -> float:
        return play(script, shop_agent(scripted(texts, RuleLLM()))).timeline.duration_s

    duration_s = hold()
    rounds = []
    for _ in range(ROUNDS):
        start_s = time.process_time()
        for _ in range(20):
            hold()
        rounds.append(time.process_time() - start_s)
    return statistics.median(rounds), duration_s


def stt_rtf() -> float:
    """Return processor seconds a second of speech, over the callers' utterances."""
    stt = MoonshineSTT()
    recordings = [data.utterance(name).audio for name in data.utterances()]
    stt.recognize(recordings[0])
    start_s = time.process_time()
    for recording in recordings:
        stt.recognize(recording)
    return (time.process_time() - start_s) / sum(r.duration_s for r in recordings)


def tts_rtf() -> float:
    """Return processor seconds a second of speech made, over the same texts."""
    tts = HibariTTS()
    texts = [data.utterance(name).text for name in data.utterances()]
    tts.speak("Ready when you are.")  # none of the texts: a sentence is made once
    start_s = time.process_time()
    made_s = sum(tts.speak(text).duration_s for text in texts)
    return (time.process_time() - start_s) / made_s


if __name__ == "__main__":
    main()
