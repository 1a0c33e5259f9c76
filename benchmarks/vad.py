"""How fast is the voice activity detector? Beside silero-vad's own code, in one run, on one thread.

    python benchmarks/vad.py           a table
    python benchmarks/vad.py --json    ... whose last line is one JSON object of the figures

Every figure is a median; the contestants take turns, so that whatever else the machine does
disturbs them alike. The sound is synthetic speech in pink noise.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping

import hibari
import numpy as np
import onnxruntime
import torch

from voxlab import audio, models
from voxlab.audio import Audio
from voxlab.vad.silero import (
    FRAME_SIZE,
    GRAPH_FILE,
    RATE_HZ,
    SileroBatch,
    SileroVAD,
    speech_probabilities,
)

with warnings.catch_warnings():  # silero-vad loads TorchScript, which torch deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import silero_vad

    SILERO = silero_vad.load_silero_vad()
    SILERO_BATCH = silero_vad.load_silero_vad()
    SILERO_SEQUENCE = silero_vad.load_silero_vad(sequence=True)

TEXT = "I would like a table for two, please. Tomorrow at eight, if you have one left. "
CLIP_S = 60.0
STREAMS = 100

Contestants = Mapping[str, Callable[[int], object]]


def main() -> None:
    """Measure, print the table, and the JSON line if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    wants_json = parser.parse_args().json
    torch.set_num_threads(1)
    models.fetch(["silero"])
    clip = recording()
    stream_s, difference = stream_times_s(clip)
    file_s = file_times_s(clip)
    batch_s = batch_times_s(clip)

    print(f"silero-vad {silero_vad.__version__}, onnxruntime {onnxruntime.__version__}, ", end="")
    print(f"torch {torch.__version__}, one thread, medians\n")
    show("one stream, us a frame of 32 ms", {k: f"{v * 1e6:.0f}" for k, v in stream_s.items()})
    show("a file, times real time", {k: f"{clip.duration_s / v:.0f}" for k, v in file_s.items()})
    show(
        f"{STREAMS} streams, us a frame of each",
        {k: f"{v / STREAMS * 1e6:.0f}" for k, v in batch_s.items()},
    )
    print("largest difference of a probability from silero-vad's own")
    for name, value in difference.items():
        print(f"  {name:<48}{value:>10.1e}")
    figures = {
        "stream_us": stream_s["voxlab: SileroVAD"] * 1e6,
        "stream_us_silero": stream_s["silero-vad: its streaming loop"] * 1e6,
        "stream_us_raw": stream_s["onnxruntime: a bare call of the same graph"] * 1e6,
        "file_x_realtime": clip.duration_s / file_s["voxlab: speech_probabilities"],
        "file_x_realtime_silero": clip.duration_s / file_s["silero-vad: audio_forward"],
        "batch100_us": batch_s["voxlab: SileroBatch"] / STREAMS * 1e6,
    }
    if wants_json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def recording() -> Audio:
    """Return a minute of synthetic speech, 20 dB above pink noise, at 16 kHz."""
    voice = Audio(hibari.Hibari()(TEXT, seed=0), 24_000).resample(RATE_HZ)
    speech = Audio(np.resize(voice.samples, round(CLIP_S * RATE_HZ)), RATE_HZ)
    room = audio.noise("pink", CLIP_S, RATE_HZ, np.random.default_rng(0))
    return audio.mix(speech, room, snr_db=20)


def stream_times_s(clip: Audio) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds a frame takes each contestant, and voxlab's largest differences."""
    frames = audio.frames(clip, FRAME_SIZE)
    padded = np.concatenate([np.zeros(64, np.float32), frames.ravel()])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 64 + FRAME_SIZE)[::FRAME_SIZE]
    stream, tensors, graph = SileroVAD().stream(), torch.from_numpy(frames), bare_graph()
    memory = [np.zeros((1, 1, 128), np.float32)] * 2
    ours: list[float] = []
    theirs: list[float] = []

    def bare(index: int) -> None:
        _, memory[0], memory[1] = graph.run(
            None, {"input": inputs[index], "h": memory[0], "c": memory[1]}
        )

    inputs = [window[None].copy() for window in windows]
    contestants: Contestants = {
        "voxlab: SileroVAD": lambda i: ours.append(stream.probability(frames[i])),
        "onnxruntime: a bare call of the same graph": bare,
        "silero-vad: its streaming loop": lambda i: theirs.append(
            SILERO(tensors[i], RATE_HZ).item()
        ),
    }
    SILERO.reset_states()
    with torch.no_grad():
        times_s = take_turns(contestants, rounds=len(frames))
    expected = np.array(theirs)
    return times_s, {
        "one stream": float(np.abs(np.array(ours) - expected).max()),
        "a file": float(np.abs(speech_probabilities(clip) - expected).max()),
    }


def bare_graph() -> onnxruntime.InferenceSession:
    """Return onnxruntime's own session of the graph, as anybody would open it on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(models.path("silero", GRAPH_FILE))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def file_times_s(clip: Audio) -> dict[str, float]:
    """Return the seconds the whole clip takes each contestant."""
    tensor = torch.tensor(clip.samples)
    contestants: Contestants = {
        "voxlab: speech_probabilities": lambda _: speech_probabilities(clip),
        "silero-vad: sequence model (onnxruntime)": lambda _: SILERO_SEQUENCE.audio_forward(
            clip.samples
        ),
        "silero-vad: audio_forward": lambda _: SILERO.audio_forward(tensor, RATE_HZ),
    }
    return take_turns(contestants, rounds=5)


def batch_times_s(clip: Audio) -> dict[str, float]:
    """Return the seconds that one frame of every stream takes each contestant."""
    frames = np.resize(audio.frames(clip, FRAME_SIZE), (40, STREAMS, FRAME_SIZE))
    tensors, batch, detector = torch.from_numpy(frames), SileroBatch(STREAMS), SileroVAD()
    streams = [detector.stream() for _ in range(STREAMS)]
    contestants: Contestants = {
        "voxlab: SileroBatch": lambda i: batch.probabilities(frames[i % 40]),
        "voxlab: SileroVAD, one stream after the other": lambda i: [
            stream.probability(frame) for stream, frame in zip(streams, frames[i % 40], strict=True)
        ],
        "silero-vad: its network on the batch": lambda i: SILERO_BATCH(tensors[i % 40], RATE_HZ),
    }
    with torch.no_grad():
        return take_turns(contestants, rounds=120)


def take_turns(contestants: Contestants, rounds: int) -> dict[str, float]:
    """Return each contestant's median seconds; each round calls all, another one first."""
    names = list(contestants)
    times_s: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            start_s = time.perf_counter()
            contestants[name](index)
            times_s[name].append(time.perf_counter() - start_s)
    return {name: float(np.median(values)) for name, values in times_s.items()}


def show(title: str, values: Mapping[str, str]) -> None:
    """Print one block of the table."""
    print(title)
    for name, value in values.items():
        print(f"  {name:<48}{value:>10}")
    print()


if __name__ == "__main__":
    main()
