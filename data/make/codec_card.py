"""Measure the shipped mini codec and renew the figures in data/codec/README.md.

    python data/make/codec_card.py [WEIGHTS.npz]

STOI, PESQ and the words that Moonshine hears, on clips that no training saw: the held-out English
prompts of the corpus, the prompts of data/ in five languages, and unseen speakers. Needs the
corpus (codec_corpus.py), the models and the extra voxlab[bench]; opus-tools and codec2 take part
where installed. Ten minutes.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from readme import DATA, replace_section
from tqdm import tqdm

from voxlab import data
from voxlab.audio import Audio
from voxlab.codec import corpus
from voxlab.codec.base import bitrate_of, round_trip
from voxlab.codec.classical_codecs import Peer, find_peers
from voxlab.codec.mini import MiniCodec
from voxlab.codec.perceptual_metrics import PerceptualQuality, mean_quality
from voxlab.evaluation.word_errors import word_error_rate
from voxlab.providers.moonshine import MoonshineSTT

STAGES = (1, 2, 4, 8)
SHORTEST_S, LONGEST_S = 1.0, 15.0
HEADER = (
    "| codec | kbps | STOI | PESQ-WB | WER % | unseen: STOI | PESQ-WB |",
    "|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, eq=False, slots=True)
class Tests:
    """What is listened to: prompts in five languages, unseen speakers, English with its text."""

    prompts: list[Audio]
    unseen: list[Audio]
    english: list[Audio]
    texts: list[str]


def tests() -> Tests:
    """Return the test clips of the corpus and of data/."""
    found = corpus.load()
    parts = found.split()
    prompts = [p.audio for lang in ("en", "es", "fr", "it", "ru") for p in data.prompts(lang)]
    english = [
        clip
        for clip in parts.held_out
        if (clip.speaker, clip.language) == ("allison", "en")
        and SHORTEST_S <= clip.samples / corpus.RATE_HZ <= LONGEST_S
    ]
    return Tests(
        prompts,
        [found.audio(clip) for clip in parts.unseen],
        [found.audio(clip) for clip in english],
        [clip.text for clip in english],
    )


def row(name: str, kbps: str, run: Callable[[Audio], Audio], given: Tests) -> str:
    """Return a line of the table."""
    known: PerceptualQuality = mean_quality(given.prompts, run)
    new: PerceptualQuality = mean_quality(given.unseen, run)
    stt = MoonshineSTT()
    heard = [stt.recognize(run(clip)) for clip in tqdm(given.english, name, leave=False)]
    wer = 100 * word_error_rate(given.texts, heard)
    return (
        f"| {name} | {kbps} | {known.stoi:.3f} | {known.pesq:.2f} | {wer:.1f} | "
        f"{new.stoi:.3f} | {new.pesq:.2f} |"
    )


if __name__ == "__main__":
    codec = MiniCodec(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    given = tests()
    lines = [row("original", "", lambda sound: sound, given)]
    for stages in STAGES:
        run = lambda sound, stages=stages: round_trip(codec, sound, stages)  # noqa: E731
        kbps = f"{bitrate_of(codec, stages) / 1000:g}"
        lines.append(row(f"mini, {stages} of 8 stages", kbps, run, given))
    for peer in find_peers():
        if peer in (Peer("opus", 6000), Peer("opus", 8000), Peer("codec2", 3200)):
            lines.append(row(peer.tool, f"{peer.bitrate_bps / 1000:g}", peer.round_trip, given))
    frames = [codec.encode(clip) for clip in given.prompts]
    codes = np.concatenate(frames, axis=1)
    used = [np.unique(stage).size for stage in codes]
    words = sum(len(text.split()) for text in given.texts)
    about = (
        f"{len(given.prompts)} prompts, {len(given.unseen)} clips of "
        f"{len({c.speaker for c in corpus.load().split().unseen})} unseen speakers; words from "
        f"{len(given.english)} English prompts, {words} words. Of 1024 codes, {min(used)} to "
        f"{max(used)} are used in a stage by {codes.shape[1]} frames of the prompts."
    )
    if len(sys.argv) == 1:
        replace_section("figures", [*HEADER, *lines, "", about], DATA / "codec/README.md")
    print("\n".join([*HEADER, *lines, about]))
