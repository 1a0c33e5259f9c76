"""Check that every prompt says what data/prompts/transcripts.yaml says, and record the figures.

    python data/make/check_prompts.py

English: Moonshine must hear exactly the text. Other languages have no recogniser offline. There
the text, and every other sentence of the same Debian package, is synthesised by espeak-ng; the
recording must be nearer to its own text's synthesis than to any other sentence's, and nearer than
to its own text with any one word left out. "Near" is dynamic time warping over the states of
Moonshine's encoder, which know phonetic content well even in languages it was not trained on.

Needs Debian or Ubuntu, the models (voxlab models) and the extra voxlab[espeak]. Takes half an hour.
Names the prompts that fail: drop them from transcripts.yaml then.
"""

import gzip
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import debian
import numpy as np
from numpy.typing import NDArray
from readme import DATA, replace_section

from voxlab import audio, models
from voxlab.audio import Audio
from voxlab.data.yaml_files import read_yaml
from voxlab.evaluation.word_errors import word_errors
from voxlab.models.onnx_sessions import open_session
from voxlab.providers.espeak import EspeakTTS
from voxlab.providers.moonshine import MoonshineSTT

# espeak-ng's voice and words a minute nearest to the person who speaks, and variants of the voice:
# no single one of them is near in every sound. Those with breath (+f2) vary a little between runs.
VOICES = {
    "es": ("es-419", 130, ("+f2", "+f3", "+f5")),
    "fr": ("fr", 130, ("+f2", "+f3", "+f5")),
    "it": ("it", 175, ("+m3", "+m1", "")),
    "ru": ("ru", 155, ("+f2", "+f3", "+f5")),
}
SIMILAR_LENGTH = (0.7, 1.4)  # a sentence much shorter or longer is no rival
CLEARLY = 0.9  # the right text must be this much nearer than the nearest rival

States = NDArray[np.float32]  # (frames, features)
Say = Callable[[str], States]


@dataclass(frozen=True, slots=True)
class Check:
    """How near a recording is to its text, to the nearest other text and to the text cut short."""

    right: float
    rival: float
    rivals: int
    cut: float
    length: float  # of the recording, over its text's synthesis

    @property
    def passed(self) -> bool:
        """Tell whether the right text is clearly the nearest, and as long as the recording."""
        low, high = SIMILAR_LENGTH
        near = self.right < CLEARLY * self.rival and self.right < self.cut
        return near and low < self.length < high


@cache
def encoder() -> Any:
    """Return the encoder of Moonshine, on one thread."""
    return open_session(models.path("moonshine-base-en", "encoder_int8.onnx"))


def states(recording: Audio) -> States:
    """Return the encoder's states of a recording without its silent ends, of length one."""
    sound = audio.trim(recording.resample(16_000)).samples
    hidden: States = encoder().run(None, {"audio": sound[None]})[0][0]
    hidden = hidden - hidden.mean(axis=0)
    return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)


def distance(a: States, b: States) -> float:
    """Return the mean cosine distance along the best alignment of two sequences.

    Source: Sakoe & Chiba 1978, symmetric form: a diagonal step counts twice.
    """
    cost = 1 - a @ b.T
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        step = cost[i - 1, j - 1]
        straight = np.minimum(total[i - 1, j], total[i, j - 1]) + step
        total[i, j] = np.minimum(straight, total[i - 1, j - 1] + 2 * step)
    return float(total[rows, columns]) / (rows + columns)


def espeak(voice: str, words_per_minute: int) -> Say:
    """Return a function that gives the states of a text as espeak-ng says it."""
    tts = EspeakTTS(voice, words_per_minute=words_per_minute)

    @cache
    def say(text: str) -> States:
        sound = tts.speak(text).audio
        if sound is None or not sound.duration_s:
            raise SystemExit(f"espeak-ng gives no sound for {text!r}")
        return states(sound)

    return say


def voices(language: str) -> list[Say]:
    """Return the voices that say the texts of a language."""
    voice, words_per_minute, variants = VOICES[language]
    return [espeak(voice + variant, words_per_minute) for variant in variants]


def nearness(heard: States, text: str, says: Sequence[Say]) -> float:
    """Return the distance of a recording from a text, the mean over the voices."""
    return float(np.mean([distance(heard, say(text)) for say in says]))


def sentences(language: str, work: Path) -> Mapping[str, str]:
    """Return the package's own list of what its prompts say, without sounds and single words."""
    package = f"asterisk-core-sounds-{language}"
    files = debian.unpack(package, work / language)
    packed = files / f"usr/share/doc/{package}/core-sounds-{language}.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode("utf-8-sig").splitlines()
    found = (re.match(r"([\w/-]+): *([^\[]+)$", line) for line in lines)
    listed = {match[1].replace("/", "-"): match[2].strip() for match in found if match}
    return {id: text for id, text in listed.items() if 3 <= len(text.split()) <= 30}


def letters(text: str) -> str:
    """Return the bare letters, to tell whether two prompts say the same."""
    return re.sub(r"\W", "", text.lower())


def without_one_word(text: str) -> Iterator[str]:
    """Yield the text with each of its words left out in turn."""
    words = re.findall(r"\S*\w\S*", text)
    for skip in range(len(words)):
        yield " ".join(words[:skip] + words[skip + 1 :])


def check(clip: Path, text: str, others: Mapping[str, str], says: Sequence[Say]) -> Check:
    """Compare a recording with its text and with the others (those by the first voice only)."""
    heard, say = states(audio.read(clip)), says[0]
    others = {i: t for i, t in others.items() if i != clip.stem and letters(t) != letters(text)}
    low, high = SIMILAR_LENGTH
    rivals = [say(t) for t in others.values() if low < len(say(t)) / len(heard) < high]
    return Check(
        right=nearness(heard, text, says),
        rival=min(distance(heard, rival) for rival in rivals),
        rivals=len(rivals),
        cut=min(nearness(heard, shorter, says) for shorter in without_one_word(text)),
        length=len(heard) / len(say(text)),
    )


def check_english(clips: Mapping[str, str]) -> Iterator[str]:
    """Yield a line of the table for each English clip that passes."""
    stt = MoonshineSTT(partial_every_s=None)
    for id, text in clips.items():
        heard = stt.recognize(audio.read(DATA / f"prompts/en/{id}.flac"))
        if not word_errors(text, heard).errors:
            yield f"| en/{id} | Moonshine: 0 word errors | | | | |"
        else:
            print(f"prompts/en/{id} FAILS: Moonshine hears {heard!r}", file=sys.stderr)


def check_language(language: str, clips: Mapping[str, str], work: Path) -> Iterator[str]:
    """Yield a line of the table for each clip of another language that passes."""
    others, says = sentences(language, work), voices(language)
    for id, text in clips.items():
        result = check(DATA / f"prompts/{language}/{id}.flac", text, others, says)
        if result.passed:
            figures = f"{result.right:.2f} | {result.rival:.2f} | {result.rivals} | "
            yield f"| {language}/{id} | {figures}{result.cut:.2f} | {result.length:.2f} |"
        else:
            print(f"prompts/{language}/{id} FAILS: {result}", file=sys.stderr)


def sensitivity(language: str, clips: Mapping[str, str]) -> tuple[int, int]:
    """Return how many of how many wrong texts the check notices: right ones and a word more.

    The word is one of the language's prompts, at a random place; four wrong texts a clip.
    """
    says, rng = voices(language), np.random.default_rng(0)
    vocabulary = [word for text in clips.values() for word in re.findall(r"\w+", text)]
    noticed = 0
    for id, text in clips.items():
        heard, words = states(audio.read(DATA / f"prompts/{language}/{id}.flac")), text.split()
        right = nearness(heard, text, says)
        for _ in range(4):
            at, extra = rng.integers(len(words) + 1), str(rng.choice(vocabulary))
            wrong = " ".join([*words[:at], extra, *words[at:]])
            noticed += nearness(heard, wrong, says) > right
    return noticed, 4 * len(clips)


if __name__ == "__main__":
    transcripts = read_yaml(DATA / "prompts/transcripts.yaml")
    table = [
        "| clip | right text | nearest other | others | nearest cut text | length |",
        "|---" * 6 + "|",
    ]
    noticed = tried = 0
    with tempfile.TemporaryDirectory() as work:
        for language, entry in transcripts.items():
            if entry["checked"] == "moonshine":
                table += check_english(entry["clips"])
            else:
                table += check_language(language, entry["clips"], Path(work))
                more = sensitivity(language, entry["clips"])
                noticed, tried = noticed + more[0], tried + more[1]
    found = f"Of {tried} texts with one random word too many, the check notices {noticed}."
    replace_section("prompts", [*table, "", found])
    clips = sum(len(entry["clips"]) for entry in transcripts.values())
    if clips > len(table) - 2:
        raise SystemExit("Some prompts fail: drop them from transcripts.yaml, run prompts.py")
    print(f"README.md: {clips} prompts pass")
