"""How fast is the codec, and how good does it sound? Beside other codecs, in one run, one thread.

    python benchmarks/codec.py           a table
    python benchmarks/codec.py --json    ... whose last line is one JSON object of the figures

Speed: residual vector quantization of 60 s x 75 frames of 128 features with 8 codebooks of 1024,
as EnCodec does at 6 kbps; one such frame; and the mini codec both ways, whole and as a stream,
by onnxruntime and by torch. Every time is a median,
and the contestants take turns. faiss and vector-quantize-pytorch take part where installed.
Quality: STOI and PESQ on the prompts of data/, which no training heard, and on unseen speakers
where `data/make/codec_corpus.py` has been run. Opus and codec2 take part where installed. Needs
the extra voxlab[bench]. Four minutes.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import encodec
import numpy as np
import torch
from encodec.quantization import ResidualVectorQuantizer
from numpy.typing import NDArray

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.codec import corpus
from voxlab.codec.base import bitrate_of, round_trip
from voxlab.codec.classical_codecs import find_peers
from voxlab.codec.learning import LearningQuantizer
from voxlab.codec.mini import MiniCodec, MiniDecoder, MiniEncoder
from voxlab.codec.perceptual_metrics import PerceptualQuality, mean_quality
from voxlab.codec.quantizer import ResidualQuantizer
from voxlab.codec.streaming import CompiledPart, NetworkPart, NetworkParts
from voxlab.errors import DataError

CLIP_S, FRAME_RATE_HZ, FEATURES, STAGES, CODES = 60, 75, 128, 8, 1024
LANGUAGES = ("en", "es", "fr", "it", "ru")

Vectors = NDArray[np.float32]
Encoders = Mapping[str, Callable[[Vectors], object]]
Runs = Mapping[str, Callable[[], object]]


def main() -> None:
    """Measure, print the tables, and the JSON line if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    wants_json = parser.parse_args().json
    torch.set_num_threads(1)
    print(
        f"numpy {np.__version__}, torch {torch.__version__}, encodec {encodec.__version__}, ",
        end="",
    )
    print("one thread, medians\n")
    figures = quantizer_figures() | mini_figures() | quality_figures()
    if wants_json:
        print(json.dumps(figures))


# --- the quantizer -------------------------------------------------------------------------


def quantizer_figures() -> dict[str, float]:
    """Time a minute and one frame of each contestant; check that the codes are the same."""
    vectors, codebooks = minute()
    encoders = contestants(codebooks)
    expected = np.asarray(encoders["voxlab"](vectors))
    minute_s = take_turns(each_with(encoders, vectors), rounds=7)
    frame_s = take_turns(each_with(encoders, vectors[:1]), rounds=300)
    print(f"RVQ of {CLIP_S} s x {FRAME_RATE_HZ} Hz, {FEATURES} features, {STAGES} x {CODES}")
    print(f"  {'':26}{'ms':>9}{'x realtime':>12}{'one frame, us':>15}{'codes equal':>13}")
    for name, seconds in minute_s.items():
        equal = np.mean(np.asarray(encoders[name](vectors)) == expected)
        print(f"  {name:26}{seconds * 1e3:9.1f}{CLIP_S / seconds:12.0f}", end="")
        print(f"{frame_s[name] * 1e6:15.0f}{equal:13.5f}")
    print()
    figures = {}
    for name in minute_s:
        key = name.partition(" ")[0].replace("-", "_")
        figures[f"encode_ms_{key}"] = round(minute_s[name] * 1e3, 2)
        figures[f"encode_frame_us_{key}"] = round(frame_s[name] * 1e6, 1)
    return figures


def minute() -> tuple[Vectors, Vectors]:
    """Return a minute of latents, of which few features matter most, and codebooks learned of more.

    Returns float32 (frames, features) and (stages, codes, features).
    """
    rng = np.random.default_rng(0)
    spread = np.linspace(2, 0.2, FEATURES)
    count = CLIP_S * FRAME_RATE_HZ
    points = (rng.standard_normal((5 * count, FEATURES)) * spread).astype(np.float32)
    learner = LearningQuantizer(STAGES, CODES, FEATURES)
    generator = torch.Generator().manual_seed(0)
    learner.initialise(torch.from_numpy(points[count:]), count, generator)
    return points[:count], learner.codebooks.numpy()


def contestants(codebooks: Vectors) -> dict[str, Callable[[Vectors], object]]:
    """Return what each package does for vectors, (stages, frames) codes, on the same codebooks."""
    theirs = ResidualVectorQuantizer(dimension=FEATURES, n_q=STAGES, bins=CODES).eval()
    for layer, codebook in zip(theirs.vq.layers, codebooks, strict=True):
        layer._codebook.embed.copy_(torch.from_numpy(codebook))
        layer._codebook.inited.fill_(1)

    @torch.no_grad()
    def by_encodec(vectors: Vectors) -> object:
        return theirs.vq.encode(torch.from_numpy(vectors).T[None])[:, 0].numpy()

    found = {"voxlab": ResidualQuantizer(codebooks).encode, "encodec": by_encodec}
    for add in (add_faiss, add_vector_quantize):
        try:
            found |= add(codebooks)
        except ImportError as error:
            print(f"not installed, left out: {error.name}")
    return found


def add_faiss(codebooks: Vectors) -> dict[str, Callable[[Vectors], object]]:
    """Return faiss's residual quantizer with a beam of one, which is the plain chain."""
    import faiss

    bits = CODES.bit_length() - 1
    quantizer = faiss.ResidualQuantizer(FEATURES, STAGES, bits)
    quantizer.max_beam_size = 1
    faiss.copy_array_to_vector(codebooks.ravel(), quantizer.codebooks)
    quantizer.is_trained = True
    faiss.omp_set_num_threads(1)

    def by_faiss(vectors: Vectors) -> object:
        packed = quantizer.compute_codes(vectors)
        loose = np.unpackbits(packed, axis=1, bitorder="little")[:, : STAGES * bits]
        return (loose.reshape(-1, STAGES, bits) @ (1 << np.arange(bits))).T

    return {"faiss": by_faiss}


def add_vector_quantize(codebooks: Vectors) -> dict[str, Callable[[Vectors], object]]:
    """Return vector-quantize-pytorch's ResidualVQ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from vector_quantize_pytorch import ResidualVQ

    quantizer = ResidualVQ(dim=FEATURES, num_quantizers=STAGES, codebook_size=CODES).eval()
    for layer, codebook in zip(quantizer.layers, codebooks, strict=True):
        layer._codebook.embed.data.copy_(torch.from_numpy(codebook)[None])
        layer._codebook.initted.fill_(True)

    @torch.no_grad()
    def by_vector_quantize(vectors: Vectors) -> object:
        return quantizer(torch.from_numpy(vectors)[None])[1][0].T.numpy()

    return {"vector-quantize-pytorch": by_vector_quantize}


def each_with(encoders: Encoders, vectors: Vectors) -> Runs:
    """Return what calls each encoder with the vectors."""
    return {name: partial(encode, vectors) for name, encode in encoders.items()}


def take_turns(runs: Runs, rounds: int) -> dict[str, float]:
    """Return each one's median seconds; each round runs all, another one first."""
    names = list(runs)
    times_s: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds + 1):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            start_s = time.perf_counter()
            runs[name]()
            times_s[name].append(time.perf_counter() - start_s)
    return {name: float(np.median(values[1:])) for name, values in times_s.items()}


# --- the mini codec ------------------------------------------------------------------------


def mini_figures() -> dict[str, float]:
    """Time the mini codec on ten seconds of speech: whole, and in pieces as a call has them.

    A stream runs through onnxruntime; beside it stands the same network run by torch. Its latency
    grows by 20 ms for each frame more that a piece holds.
    """
    codec = MiniCodec()
    clip = audio.concatenate([prompt.audio for prompt in data.prompts("en")]).between(0, 10)
    codes = codec.encode(clip)
    start_s = time.perf_counter()
    engines = {"": NetworkParts(codec.network, CompiledPart)}
    compile_s = time.perf_counter() - start_s
    engines["_torch"] = NetworkParts(codec.network, NetworkPart)
    runs: dict[str, Callable[[], NDArray[np.generic]]] = {
        "encode": lambda: codec.encode(clip),
        "decode": lambda: codec.decode(codes).samples,
    }
    for frames, name in itertools.product((1, 2, 4), engines):
        key = f"stream{frames if frames > 1 else ''}{name}"
        encoder = partial(MiniEncoder, engines[name], codec.quantizer, codec.stages)
        decoder = partial(MiniDecoder, engines[name], codec.quantizer)
        runs[f"encode_{key}"] = partial(stream, encoder, clip.samples, 320 * frames)
        runs[f"decode_{key}"] = partial(stream, decoder, codes, frames)
    seconds = take_turns(runs, rounds=5)
    rates = {f"{name}_rtf": value / clip.duration_s for name, value in seconds.items()}
    print("the mini codec, seconds of work a second of sound; how far from the whole file")
    for name, run in runs.items():
        whole = runs[name.partition("_")[0]]().astype(np.float64)
        far = np.abs(run() - whole).max()
        print(f"  {name.replace('_', ', '):26}{rates[f'{name}_rtf']:9.4f}{far:12.1e}")
    print(f"  before the first stream its network is compiled in {compile_s:.2f} s\n")
    figures = rates | {"compile_s": compile_s}
    return {name: round(value, 5) for name, value in figures.items()}


def stream(
    start: Callable[[], MiniEncoder | MiniDecoder], given: NDArray[np.generic], size: int
) -> NDArray[np.generic]:
    """Send samples or codes in pieces of a size through a fresh stream, and return what comes."""
    coder = start()
    cuts = range(size, given.shape[-1], size)
    parts = [coder.push(part) for part in np.split(given, cuts, axis=-1)]
    return np.concatenate([*parts, coder.finish()], axis=-1)


# --- quality -------------------------------------------------------------------------------


def quality_figures() -> dict[str, dict[str, float]]:
    """Return STOI, PESQ and bitrate by stages, and by bitrate of the older codecs."""
    codec = MiniCodec()
    rows: dict[str, tuple[float, Callable[[Audio], Audio]]] = {}
    for stages in range(1, codec.stages + 1):
        run = lambda sound, stages=stages: round_trip(codec, sound, stages)  # noqa: E731
        rows[f"mini {stages}"] = bitrate_of(codec, stages), run
    for peer in find_peers():
        rows[f"{peer.tool} {peer.bitrate_bps}"] = peer.bitrate_bps, peer.round_trip
    held_out = [p.audio for language in LANGUAGES for p in data.prompts(language)]
    known = show("prompts no training heard", held_out, rows)
    new = show("speakers no training heard", unseen(), rows)
    return by_tool(rows, known, "") | by_tool(rows, new, "_unseen")


def unseen() -> list[Audio]:
    """Return recordings of unseen speakers, none where the corpus was not fetched."""
    try:
        found = corpus.load()
    except DataError as error:
        print(f"no unseen speakers: {error}")
        return []
    return [found.audio(clip) for clip in found.split().unseen]


def show(
    title: str,
    clips: Sequence[Audio],
    rows: Mapping[str, tuple[float, Callable[[Audio], Audio]]],
) -> dict[str, PerceptualQuality]:
    """Measure every row on the clips and print the table."""
    found: dict[str, PerceptualQuality] = {}
    if clips:
        print(f"{title} ({len(clips)} clips)\n  {'':16}{'kbps':>8}{'STOI':>8}{'PESQ':>8}")
    for name, (bitrate_bps, run) in rows.items() if clips else ():
        found[name] = quality = mean_quality(clips, run)
        print(
            f"  {name:16}{bitrate_bps / 1000:8.1f}{quality.stoi:8.3f}{quality.pesq:8.2f}",
            flush=True,
        )
    print()
    return found


def by_tool(
    rows: Mapping[str, tuple[float, Callable[[Audio], Audio]]],
    found: Mapping[str, PerceptualQuality],
    suffix: str,
) -> dict[str, dict[str, float]]:
    """Return the figures as JSON wants them: by stages for ours, by bits a second for others."""
    figures: dict[str, dict[str, float]] = {}
    for name, quality in found.items():
        tool, _, key = name.partition(" ")
        end = "by_stages" if tool == "mini" else tool
        values = {"stoi": quality.stoi, "pesq": quality.pesq, "bitrate": rows[name][0]}
        for measure, value in values.items():
            figures.setdefault(f"{measure}_{end}{suffix}", {})[key] = round(value, 4)
    return figures


if __name__ == "__main__":
    main()
