"""Four ways of predicting K codes a frame: what they cost, and what is heard of them.

    python benchmarks/speech_lm.py               train, test, a table
    python benchmarks/speech_lm.py --json        ... whose last line is one JSON object
    python benchmarks/speech_lm.py --seconds 20  a quick look, which says little

The same transformer, the same readings, the same batches, and as many processor seconds of
training for each, on one thread. On the way: the likelihood of unseen numbers every 100 steps. At
the end each model reads all unseen numbers aloud, and Moonshine listens; it also hears the shipped
model, and the codec alone, the best that any of them can do. What is done is kept in --out, and a
run that was broken off goes on after the last model that was finished. --save puts the result where
lesson 04 finds it. Twenty minutes of one core.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import hashlib
import json
import platform
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from voxlab import data, models
from voxlab.audio import Audio, silence
from voxlab.codec.mini import MiniCodec
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.speech_lm import comparison, digits, patterns
from voxlab.speech_lm.digits import Readings
from voxlab.speech_lm.network import LMConfig, SpeechLM
from voxlab.speech_lm.reader import WEIGHTS, DigitReader, load_weights, save_weights
from voxlab.speech_lm.train import Plan, Trainer, evaluate, run
from voxlab.statistics.intervals import wilson_interval

EVALUATED_EVERY = 100  # steps
SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to do for each pattern, and where its results are kept."""

    seconds: float
    seed: int
    out: Path


def main() -> None:
    """Measure, print the table, and the JSON line if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--save", action="store_true", help=f"write data/{comparison.FILE}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of training, for each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=models.cache_dir().with_name("speech_lm"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    job = Job(given.seconds, given.seed, given.out / f"{given.seconds:g}-{given.seed}")
    job.out.mkdir(parents=True, exist_ok=True)
    readings, weights = digits.load(), data.path(WEIGHTS)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    found: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "command": " ".join(["python benchmarks/speech_lm.py", *sys.argv[1:]]),
        "numbers": len(readings.unseen),
        "heard_codec": kept(job.out / "codec.json", lambda: codec_alone(readings)),
        "heard_reader": kept(
            job.out / f"reader_{digest}.json", lambda: heard(load_weights(weights), readings)[1]
        ),
        "patterns": {
            pattern: kept(job.out / f"{pattern}.json", lambda p=pattern: measured(p, readings, job))
            for pattern in ("depth", "parallel", "delay", "flattened")
        },
    }
    if given.save:
        text = json.dumps(found, indent=1)
        (data.folder() / comparison.FILE).write_text(text + "\n", "utf-8")
    print_table(comparison.Comparison.of(found))
    if given.json:
        print(json.dumps(found))


def kept(file: Path, measure: Any) -> Any:
    """Return what is in the file, or measure it and write it there."""
    if not file.exists():
        text = json.dumps(measure())
        file.write_text(text, "utf-8")
    return json.loads(file.read_text("utf-8"))


def machine() -> str:
    """Return what this was measured on."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{name}, one thread, torch {torch.__version__}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return []


# --- one pattern ---------------------------------------------------------------------------


def measured(pattern: str, readings: Readings, job: Job) -> dict[str, Any]:
    """Train a model, and return its curve, its costs, and what is heard of it."""
    network, curve, seconds = trained(pattern, readings, job)
    said, right = heard(network, readings)
    frames = np.mean([reading.codes.shape[1] for reading in readings.unseen])
    rows = patterns.positions(pattern, round(float(frames)), network.config.stages)
    return {
        "parameters": sum(each.numel() for each in network.parameters()),
        "positions": digits.PROMPT + rows,
        "steps": curve[-1]["steps"],
        "ms_per_step": 1000 * seconds / curve[-1]["steps"],
        "curve": curve,
        "heard": right,
        **said,
    }


def trained(
    pattern: str, readings: Readings, job: Job
) -> tuple[SpeechLM, list[dict[str, Any]], float]:
    """Return a model after so many processor seconds, and its likelihoods on the way."""
    weights, log = job.out / f"{pattern}.npz", job.out / f"{pattern}_curve.json"
    if log.exists():
        curve, seconds = json.loads(log.read_text("utf-8"))
        return load_weights(weights), curve, seconds
    plan, codebooks = Plan(seed=job.seed), MiniCodec().quantizer.codebooks
    trainer, curve = Trainer(readings.train, LMConfig(pattern), plan, codebooks), []
    with tqdm(run(trainer, seconds=job.seconds), pattern, unit="step", mininterval=5) as steps:
        for progress in steps:
            last = progress.seconds >= job.seconds
            if last or progress.steps % EVALUATED_EVERY == 0:
                nats = evaluate(trainer.averaged, readings.unseen)
                curve.append({"steps": progress.steps, "seconds": progress.seconds, "nats": nats})
                steps.set_postfix_str(f"{sum(nats):.2f} nats a frame")
    save_weights(weights, trainer.averaged)
    log.write_text(json.dumps([curve, trainer.seconds]), "utf-8")
    return load_weights(weights), curve, trainer.seconds


def heard(network: SpeechLM, readings: Readings) -> tuple[dict[str, float], list[bool]]:
    """Let a model read each unseen number once; return what that costs, and which are right."""
    reader, stt = DigitReader(network), MoonshineSTT()
    right, seconds, sound_s = [], 0.0, 0.0
    for index, reading in enumerate(tqdm(readings.unseen, "reading", mininterval=5)):
        began = time.thread_time()
        codes = reader.codes(reading.number, np.random.default_rng(index))
        seconds += time.thread_time() - began
        sound = reader.codec.decode(codes) if codes.size else silence(0.5, reader.codec.rate_hz)
        sound_s += codes.shape[1] / reader.codec.frame_rate_hz
        right.append(understood(stt, sound, reading.number))
    costs = {"cpu_s_per_s": seconds / max(sound_s, 0.02), "spoken_s": sound_s}
    return costs, right


def codec_alone(readings: Readings) -> list[bool]:
    """Return which unseen numbers are heard right when the codec carries a true reading."""
    codec, stt = MiniCodec(), MoonshineSTT()
    return [understood(stt, codec.decode(each.codes), each.number) for each in readings.unseen]


def understood(stt: MoonshineSTT, sound: Audio, number: str) -> bool:
    """Tell whether the recogniser hears exactly that number."""
    return digits.as_number(stt.recognize(sound)) == number


# --- the table -----------------------------------------------------------------------------


def print_table(found: "comparison.Comparison") -> None:
    """Print the patterns below each other, with the intervals of what was heard."""
    steps = found.equal_steps
    print(f"{found.machine}, {found.date}")
    print(f"{'':10}{'positions':>10}{'ms/step':>9}{'steps':>7}", end="")
    print(f"{'nats, same time':>17}{f'at {steps} steps':>15}{'heard right':>24}{'CPU-s/s':>9}")
    for name, each in found.patterns.items():
        print(f"{name:10}{each.positions:10}{each.ms_per_step:9.0f}{each.steps:7}", end="")
        print(f"{sum(each.nats):17.2f}{sum(each.nats_at(steps)):15.2f}", end="")
        print(f"{share(each.heard):>24}{each.cpu_s_per_s:9.2f}")
    for name, right in {"shipped": found.heard_reader, "codec": found.heard_codec}.items():
        print(f"{name:10}{'':58}{share(right):>24}")


def share(right: tuple[bool, ...]) -> str:
    """Return a share with its interval."""
    low, high = wilson_interval(sum(right), len(right))
    return f"{sum(right)}/{len(right)} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
