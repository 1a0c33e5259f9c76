"""A second voice for this machine: eSpeak NG, which also tells when each word starts.

It is a formant synthesiser: it sounds like a robot and answers in milliseconds. Simulated callers
use it to be told apart from the agent. Its library is GPL-3, so it is an extra:
pip install 'voxlab[espeak]'.
Source of the constants and structures: espeak-ng 1.52, speak_lib.h.
"""

import _ctypes
import bisect
import ctypes
import itertools
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from voxlab.audio import Audio, audible_span, silence
from voxlab.clock import compute
from voxlab.errors import ProviderError, missing_extra
from voxlab.providers.protocols import Speech, Word
from voxlab.providers.read_aloud import read_aloud, spoken_text
from voxlab.providers.word_times import SILENT, as_written, timed_words
from voxlab.samples import from_int16
from voxlab.sentences import SentenceChunker

SYNCHRONOUS = 2  # the samples come to us, all before espeak_Synth returns
CHARACTERS, UTF8, RATE = 1, 1, 1  # how positions count, how text is encoded, the speed parameter
LIST_END, WORD_EVENT = 0, 1
BUFFER_MS = 100

# Processor time of texts of 3.5 to 46 s on one thread of a 2.8 GHz Xeon, fitted by a line.
COST_S, COST_PER_S = 0.004, 0.0024


def cost_s(speech: Speech) -> float:
    """Return how long making a sentence takes: the charge in virtual time."""
    return COST_S + COST_PER_S * speech.duration_s


class _Event(ctypes.Structure):
    """espeak_EVENT; the last member is a union of 8 bytes."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakTTS:
    """Speaks with eSpeak NG at 22.05 kHz, in any of its voices.

    voice: such as "en-us", "en" (British), or with a variant "en-us+f3"; words_per_minute: 80 to
    450. A word ends where the next one starts. Raises ProviderError if the package is missing.
    """

    def __init__(self, voice: str = "en-us", *, words_per_minute: int = 160) -> None:
        self.voice = voice
        self.words_per_minute = words_per_minute
        with _LOCK, _library():
            pass  # complain now, not in the middle of a call

    def speak(self, text: str) -> Speech:
        """Return the text as one speech; a text without words gives an empty one.

        Raises ProviderError if eSpeak has no such voice.
        """
        aloud = read_aloud(text, english=self.voice.startswith("en"))
        said = spoken_text(aloud)
        whole, starts = _synthesize(said, self.voice, self.words_per_minute)
        start_s, end_s = audible_span(whole)
        if not starts or end_s <= start_s:
            return Speech(text, 0.0, silence(0.0, whole.rate_hz))
        sound = whole.between(start_s, end_s)
        words = _words(said, [(at, at_s - start_s) for at, at_s in starts], sound.duration_s)
        return Speech(text, sound.duration_s, sound, as_written(aloud, words))

    async def synthesize(self, text: str) -> AsyncIterator[Speech]:
        """Speak sentence by sentence; one without words yields nothing. Raises ProviderError."""
        chunker = SentenceChunker()
        for sentence in [*chunker.feed(text), *chunker.flush()]:
            speech = await compute(self.speak, sentence, cost_s=cost_s)
            if speech.duration_s:
                yield speech


def _words(text: str, starts: list[tuple[int, float]], duration_s: float) -> tuple[Word, ...]:
    """Give each word of text.split() the time from its first event to that of the next word.

    starts: (character, seconds) of each word event, in order.
    """
    written = list(re.finditer(r"\S+", text))
    edges = [match.start() for match in written]
    first: dict[int, float] = {}
    for at, at_s in starts:
        first.setdefault(max(0, bisect.bisect_right(edges, at) - 1), min(max(at_s, 0), duration_s))
    ends = dict(zip(first, [*list(first.values())[1:], duration_s], strict=True))
    spans = [(first[i], ends[i]) if i in first else SILENT for i in range(len(written))]
    return timed_words([match.group() for match in written], spans)


_LOCK = threading.Lock()  # the library keeps its state in globals: one sentence at a time


@contextmanager
def _library() -> Iterator[tuple[Any, int]]:
    """Lend a fresh copy of the library, and its rate in Hz.

    What was said before lingers in its globals and changes the next samples; loading it anew
    (4 ms) is the only way to have the same text sound the same.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise ProviderError(
            f"eSpeak is not installed ({error}): {missing_extra('espeak')}"
        ) from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
        ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    data = str(espeakng_loader.get_data_path())
    rate_hz = library.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, data.encode(), 0)
    if rate_hz <= 0:
        raise ProviderError(f"eSpeak does not start with its data in {data}: reinstall it")
    try:
        yield library, rate_hz
    finally:
        library.espeak_Terminate()
        unload = getattr(_ctypes, "FreeLibrary", None) or _ctypes.dlclose  # Windows, elsewhere
        unload(library._handle)


def _synthesize(
    text: str, voice: str, words_per_minute: int
) -> tuple[Audio, list[tuple[int, float]]]:
    """Return the sound, and for each word its first character and when it starts."""
    pieces = [np.zeros(0, np.int16)]
    starts: list[tuple[int, float]] = []

    def collect(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(lambda event: event.type != LIST_END, events):
            if event.type == WORD_EVENT:
                starts.append((event.text_position - 1, event.audio_position_ms / 1000))
        return 0

    data = text.replace("\0", " ").encode(errors="replace")
    callback = _Callback(collect)
    with _LOCK, _library() as (library, rate_hz):
        if library.espeak_SetVoiceByName(voice.encode()):
            raise ProviderError(f"eSpeak has no voice {voice!r}: use 'en-us' or 'en-us+f3'")
        library.espeak_SetParameter(RATE, words_per_minute, 0)
        library.espeak_SetSynthCallback(callback)
        library.espeak_Synth(data, len(data) + 1, 0, CHARACTERS, 0, UTF8, None, None)
    return Audio(from_int16(np.concatenate(pieces)), rate_hz), starts
