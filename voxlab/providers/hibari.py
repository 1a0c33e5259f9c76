"""Text to speech on this machine: Hibari (English, 24 kHz), with the time of every written word.

Hibari reads text as phoneme symbols, its network gives each symbol a duration and a spectrum, and
a few lines of signal processing make the waveform. The durations stay inside the network; our
conversion of the model (onnx_conversions.py) brings them out, and this file maps them back to
the words as they were written: "7:30" is one word on the page and two in the mouth. What is not
plain words is rewritten before it is read (read_aloud.py).
The engine is the Apache-2.0 package hibari-tts, pinned because we call its reading rules directly.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab import models
from voxlab.audio import Audio, audible_span, concatenate, silence
from voxlab.clock import compute
from voxlab.errors import ModelError, ProviderError
from voxlab.models.onnx_sessions import open_session
from voxlab.providers.protocols import Speech, Word
from voxlab.providers.read_aloud import read_aloud, spoken_text
from voxlab.providers.word_times import as_written, written_words
from voxlab.sentences import SentenceChunker

MODEL = "hibari"
RATE_HZ = 24_000
SENTENCE_PAUSE_S = 0.25  # between the sentences of one text

PAD = 0  # the symbol before and after a sentence
SYMBOL_S = 0.025  # one step of a symbol's duration: two spectral frames of 12.5 ms
LATE_S = 0.036  # the sound comes this much before its symbol: see _timed
PAUSES = frozenset(';:,.!?—…"“”()')  # symbols without a sound of their own
PITCHES = {  # of the voices, to that of the model's speaker
    **{"heart": 1.0, "marin": 1.0, "shimmer": 1.1, "coral": 1.05, "alloy": 0.95, "sage": 0.92},
    **{"verse": 0.89, "ballad": 0.86, "ash": 0.83, "echo": 0.8, "cedar": 0.77},
}
LONGEST_CHARS = 300  # a sentence without a stop is cut there, for the network's memory
KEPT_SENTENCES = 64  # an agent says the same in call after call; 0.1 MB a second of sound

Pronunciation = tuple[str, str]  # (a word as it is said, its phoneme symbols)

# A line through the processor time of 26 sentences of 0.3 to 7 s, on one thread of a 2.8 GHz
# Xeon; the slope was 0.010 with the machine to itself and 0.013 with other work beside.
COST_S, COST_PER_S = 0.01, 0.012


def cost_s(speech: Speech) -> float:
    """Return how long making a sentence takes: the charge in virtual time."""
    return COST_S + COST_PER_S * speech.duration_s


class HibariTTS:
    """Speaks English without network, key or graphics card.

    seed: of the noise in the voice; the same text gives the same samples each time.
    threads: of the processor, for one sentence; calls may run side by side.
    The model has one voice, "heart"; the others, named as those of OpenAI, are the same speaker
    with another pitch. Raises ModelError if the model was not fetched or is damaged.
    """

    voices: Sequence[str] = tuple(PITCHES)

    def __init__(self, *, seed: int = 0, threads: int = 1) -> None:
        self.seed = seed
        self._pitch = self._speed = 1.0
        self._engine = _engine(threads)

    def in_voice(self, voice: str, speed: float = 1.0) -> "HibariTTS":
        """Return one that speaks with another voice, and so much faster, 0.25 to 4 times.

        Raises ProviderError if there is no such voice, or it cannot speak so fast.
        """
        if voice not in PITCHES or not 0.25 <= speed <= 4:
            raise ProviderError(
                f"no voice {voice!r} at speed {speed}: choose a voice of {', '.join(PITCHES)} "
                "and a speed from 0.25 to 4"
            )
        other = copy(self)
        other._pitch, other._speed = PITCHES[voice], speed
        return other

    def speak(self, text: str) -> Speech:
        """Return the whole text as one speech; a text without words gives an empty one.

        Raises ProviderError if the engine cannot read the text.
        """
        pieces, words, at_s = [silence(0.0, RATE_HZ)], [], 0.0
        for sentence, pause_s in _sentences(text):
            speech = self._sentence(sentence, pause_s)
            words += [Word(w.text, w.start_s + at_s, w.end_s + at_s) for w in speech.words]
            at_s += speech.duration_s
            pieces += [speech.audio] if speech.audio else []
        return Speech(text, at_s, concatenate(pieces), tuple(words))

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Speak sentence by sentence, each with its word times.

        A speech starts with sound; all but the last end with a pause. The words are those of
        text.split(), in order, and a mark that is not spoken (a dash, an emoji) is part of the
        word before it. A sentence without any word yields nothing. Raises ProviderError.
        """
        for sentence, pause_s in _sentences(text):
            speech = await compute(self._sentence, sentence, pause_s, cost_s=cost_s)
            if speech.duration_s:
                yield speech

    def _sentence(self, sentence: str, pause_s: float) -> Speech:
        try:
            return _made(self._engine, sentence, pause_s, self.seed, self._pitch, self._speed)
        except Exception as error:  # hibari's and onnxruntime's failures have no common ancestor
            raise ProviderError(
                f"Hibari cannot say {sentence[:60]!r}: {type(error).__name__}: {error}. "
                "Try other words (English, numbers of up to 15 digits)"
            ) from error


def _sentences(text: str) -> list[tuple[str, float]]:
    """Return the sentences of a text, each with the pause that follows it in seconds."""
    chunker = SentenceChunker(first_clause_chars=LONGEST_CHARS, max_chars=LONGEST_CHARS)
    sentences = [*chunker.feed(text), *chunker.flush()]
    pauses = [SENTENCE_PAUSE_S] * (len(sentences) - 1) + [0.0]
    return list(zip(sentences, pauses, strict=False))


@dataclass(frozen=True, eq=False, slots=True)
class _Engine:
    """Hibari's reading rules, its symbols and the network; none of them changes once loaded."""

    rules: Any
    symbols: Mapping[str, int]
    network: Any

    def speak(
        self, sentence: str, pause_s: float, rng: np.random.Generator, pitch: float, speed: float
    ) -> Speech:
        """Return a sentence with its word times, or an empty speech if it has no words.

        What is spoken slower by the pitch, and then played faster, is higher and as long.
        """
        from hibari import dsp

        aloud = read_aloud(sentence)
        text = spoken_text(aloud)
        reading = self._read(text)
        if not any(map(_sounds, reading)):
            return Speech(sentence, 0.0, silence(0.0, RATE_HZ))
        symbols = " ".join(phonemes for _, phonemes in reading if phonemes)
        ids = [PAD, *(self.symbols[symbol] for symbol in symbols), PAD]
        tempo = np.full(1, speed / pitch, np.float32)
        inputs = {"ids": np.array([ids], np.int64), "speed": tempo}
        *spectrum, ends = self.network.run(None, inputs)
        audio = Audio(dsp.synth(*(part[0] for part in spectrum), rng), RATE_HZ)
        start_s, end_s = audible_span(audio)
        ends_s = (ends.reshape(-1) * SYMBOL_S - LATE_S - start_s).clip(0.0, end_s - start_s)
        said = written_words(text, list(_timed(reading, ends_s / pitch)), self._weight)
        raised = Audio(audio.between(start_s, end_s).samples, round(RATE_HZ * pitch))
        sound = concatenate([raised.resample(RATE_HZ), silence(pause_s, RATE_HZ)])
        return Speech(sentence, sound.duration_s, sound, as_written(aloud, said))

    def _read(self, text: str) -> list[Pronunciation]:
        """Return each word that Hibari makes of a text with its phonemes.

        Its tokens are smaller than words ("$" "9.99" ","); those without white space between them
        are joined. Symbols that the network does not know are left out.
        """
        from hibari.g2p.normalize import normalize

        reading, word, phonemes = [], "", ""
        for token in self.rules.phonemize_tokens(self.rules.tokenize(normalize(text))):
            word += token.text
            phonemes += "".join(c for c in token.phonemes or "" if c in self.symbols)
            if token.whitespace:
                reading.append((word, phonemes.strip()))
                word = phonemes = ""
        return [*reading, (word, phonemes.strip())]

    def _weight(self, word: str) -> float:
        """Return how many symbols a word has when it is read alone."""
        return sum(len(item[1]) for item in self._read(word) if _sounds(item))


@lru_cache(KEPT_SENTENCES)
def _made(
    engine: _Engine, sentence: str, pause_s: float, seed: int, pitch: float, speed: float
) -> Speech:
    """Return a sentence as the engine speaks it; one that was said before is not made again."""
    return engine.speak(sentence, pause_s, np.random.default_rng(seed), pitch, speed)


def _sounds(item: Pronunciation) -> bool:
    return not PAUSES.issuperset(item[1])


def _timed(reading: Sequence[Pronunciation], ends_s: NDArray[np.float64]) -> Iterator[Word]:
    """Give each word that is read its time: from its first to its last symbol with a sound.

    ends_s: float (symbols + 2,), when each symbol ends, with the pad before and after them.
    In fluent speech no gap separates words, so the space before a word is counted to it. Then the
    starts and ends of 263 words in 38 sentences all lie 0.036 s after those that forced alignment
    finds (pocketsphinx; median deviation 10 to 15 ms), and so do the first sounds.
    """
    at = 0  # the end of the symbol before the word
    for word, phonemes in reading:
        if not phonemes:
            continue
        sounding = [i for i, symbol in enumerate(phonemes, at) if symbol not in PAUSES]
        if sounding:
            first, last = sounding[0], sounding[-1]
            if first == at and at > 0:
                first -= 1  # the space before the word sounds as its beginning
            yield Word(word, float(ends_s[first]), float(ends_s[last + 1]))
        at += len(phonemes) + 1  # and the space


@cache
def _engine(threads: int) -> _Engine:
    """Load the engine once for each number of threads."""
    try:
        from hibari.g2p import G2P
        from hibari.tts import ASSETS
    except ImportError as error:
        raise ModelError(
            f"the package hibari-tts is missing or broken ({error}): pip install hibari-tts==0.2.1"
        ) from error
    network = open_session(models.path(MODEL, "hibari.onnx"), threads)
    symbols = json.loads(Path(ASSETS, "vocab.json").read_text(encoding="utf-8"))
    return _Engine(G2P(), symbols, network)
