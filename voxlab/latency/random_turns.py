"""Random turns: the draws that a turn is made of, all taken up front, as named arrays.

Every engine and every technique can be given the same draws, and compared turn by turn.
Nothing is computed from them here: see `latency.simulate`.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab.errors import LatencyError
from voxlab.latency.provider_latencies import Array, Profile, find_profile

Latency = float | Profile
GRID_S = 2.0**-20  # sums of multiples of this are exact in float64: about a microsecond

WORDS_PER_TOKEN = 0.75
TOKENS_PER_S = 140.0  # gpt-4o-mini, a weak secondary source
THREE_ROUND_TRIPS_S = 0.15  # ours: DNS, TCP and TLS, at 50 ms each


@dataclass(frozen=True, slots=True)
class TurnModel:
    """How long each part of a turn takes: seconds, or a profile to draw them from.

    stt_s: from the request for a final transcript to the transcript. llm_s: to the first token,
    for the first request and for the one after a tool. tts_s: to the first audio of a sentence.
    uplink_s, downlink_s: network, jitter buffer and playout, one way. vad_silence_s: silence that
    the VAD calls a pause; end_silence_s: silence that ends the turn. doubt_s: silence after which
    the end is only possible, never longer than vad_silence_s. word_s: from word to word of
    the model. connect_s: to a server that we have no connection to. filler_s: how long the filler
    lasts (the chapter's 1.5 s); filler_after_s: a tool that is no slower than this needs none.
    synthesis_rate: seconds of speech made in a second. sentences, words: (fewest, most) of an
    answer and of a sentence, all equally likely (ours). Raises LatencyError for a number that is
    negative or not finite, and names it.
    """

    stt_s: Latency
    llm_s: Latency
    tts_s: Latency
    uplink_s: Latency = 0.025
    downlink_s: Latency = 0.025
    vad_silence_s: Latency = 0.2
    end_silence_s: Latency = 0.5
    doubt_s: Latency = 0.032
    word_s: Latency = 1 / (WORDS_PER_TOKEN * TOKENS_PER_S)
    connect_s: Latency = THREE_ROUND_TRIPS_S
    tool_s: Latency = 0.5
    filler_s: float = 1.5
    filler_after_s: float = 0.2
    words_per_s: float = 2.8
    synthesis_rate: float = 20.0
    sentences: tuple[int, int] = (1, 4)
    words: tuple[int, int] = (4, 14)

    def __post_init__(self) -> None:
        for name, value in ((each.name, getattr(self, each.name)) for each in fields(self)):
            if isinstance(value, Profile | tuple):
                continue
            least = 0.0 if name.endswith("_s") and name != "words_per_s" else math.ulp(0.0)
            if not least <= value < math.inf:
                needed = "0 or more" if not least else "more than 0"
                raise LatencyError(f"{name} is {value}, needs {needed}")
        for name, (fewest, most) in (("sentences", self.sentences), ("words", self.words)):
            if not 1 <= fewest <= most:
                raise LatencyError(f"{name} is ({fewest}, {most}), needs (fewest, most), 1 or more")

    def with_medians(self, **medians_s: float) -> "TurnModel":
        """Return the model with other medians: a profile keeps its shape, a number is replaced."""
        parts: dict[str, Any] = {}
        for name, median_s in medians_s.items():
            was: Latency = getattr(self, name)
            parts[name] = was.scaled(median_s) if isinstance(was, Profile) else median_s
        return replace(self, **parts)

    def typical(self) -> "TurnModel":
        """Return a model of one turn: every profile at its median, middling numbers of words."""
        parts: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for name, value in parts.items():
            if isinstance(value, Profile):
                parts[name] = value.percentile(50)
            elif isinstance(value, tuple):
                parts[name] = (sum(value) // 2,) * 2
        return TurnModel(**parts)


def fit_turn_model(stt: str, llm: str, tts: str, **parts: float | Profile) -> TurnModel:
    """Return the model of a turn with three measured providers.

    stt, llm, tts: names of profiles whose definitions are finalisation, first-token and
    first-audio; LatencyError for others. parts: other fields of TurnModel.
    """
    return TurnModel(
        stt_s=find_profile(stt, "finalisation"),
        llm_s=find_profile(llm, "first-token"),
        tts_s=find_profile(tts, "first-audio"),
        **parts,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class TurnDraws:
    """Everything that is random in a number of turns.

    float64 (turns,) each, in seconds; `words` int, and the three after it float64,
    (sentences, turns): the answer's sentences, first to last; 0 words: the turn has no such
    sentence. What a turn does not need (a tool, a filler, connections) is drawn all the same.
    Raises LatencyError if a value is negative or not finite, with its name.
    """

    uplink_s: Array
    downlink_s: Array
    vad_silence_s: Array
    end_silence_s: Array
    doubt_s: Array
    stt_s: Array
    llm_connect_s: Array
    llm_first_token_s: Array
    word_s: Array
    tts_connect_s: Array
    tool_s: Array
    llm_after_tool_s: Array
    filler_after_s: Array
    filler_first_audio_s: Array
    filler_synthesis_s: Array
    filler_speech_s: Array
    words: NDArray[np.int64]
    tts_first_audio_s: Array
    tts_synthesis_s: Array
    speech_s: Array

    def __post_init__(self) -> None:
        for name, values in self.named().items():
            wanted = self.words.shape[-values.ndim :]
            if values.shape != wanted:
                raise LatencyError(f"{name} has the shape {values.shape}, needs {wanted}")
            if values.size and not (values.min() >= 0 and values.max() < math.inf):
                wrong = values[~(values >= 0) | (values == math.inf)][0]
                raise LatencyError(f"{name} holds {wrong}, needs seconds, 0 or more")
        if self.words.ndim != 2 or not (self.words[0] > 0).all():
            raise LatencyError("words needs the shape (sentences, turns), and a first sentence")

    def named(self) -> dict[str, Array]:
        """Return the arrays by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __len__(self) -> int:
        return int(self.words.shape[1])

    def quantised(self, grid_s: float = GRID_S) -> "TurnDraws":
        """Return the draws rounded to multiples of grid_s, of which all sums are exact."""
        rounded: dict[str, Any] = {
            name: np.round(values / grid_s) * grid_s
            for name, values in self.named().items()
            if name != "words"
        }
        return replace(self, **rounded)


def draw_turns(model: TurnModel, turns: int, rng: np.random.Generator) -> TurnDraws:
    """Draw the given number of turns.

    Each array has a generator of its own, spawned from rng: two models that differ in one part
    have equal draws in all others (common random numbers).
    """
    if turns < 1:
        raise LatencyError(f"{turns} turns: needs 1 or more")
    size = (model.sentences[1], turns)
    streams = dict(zip(_STREAMS, rng.spawn(len(_STREAMS)), strict=True))
    words = streams["words"].integers(*model.words, size, endpoint=True, dtype=np.int64)
    sentences = streams["sentences"].integers(*model.sentences, turns, endpoint=True)
    words *= np.arange(size[0])[:, np.newaxis] < sentences
    speech_s = words / model.words_per_s
    filler_s = np.full(turns, model.filler_s)

    def draw(stream: str, latency: Latency, shape: int | tuple[int, int] = turns) -> Array:
        if isinstance(latency, Profile):
            return latency.draw(streams[stream], shape)
        return np.full(shape, float(latency))

    return TurnDraws(
        uplink_s=draw("uplink", model.uplink_s),
        downlink_s=draw("downlink", model.downlink_s),
        vad_silence_s=draw("vad", model.vad_silence_s),
        end_silence_s=draw("end", model.end_silence_s),
        doubt_s=draw("doubt", model.doubt_s),
        stt_s=draw("stt", model.stt_s),
        llm_connect_s=draw("llm_connect", model.connect_s),
        llm_first_token_s=draw("llm", model.llm_s),
        word_s=draw("word", model.word_s),
        tts_connect_s=draw("tts_connect", model.connect_s),
        tool_s=draw("tool", model.tool_s),
        llm_after_tool_s=draw("llm_after_tool", model.llm_s),
        filler_after_s=np.full(turns, model.filler_after_s),
        filler_first_audio_s=draw("filler", model.tts_s),
        filler_synthesis_s=filler_s / model.synthesis_rate,
        filler_speech_s=filler_s,
        words=words,
        tts_first_audio_s=draw("tts", model.tts_s, size),
        tts_synthesis_s=speech_s / model.synthesis_rate,
        speech_s=speech_s,
    )


_STREAMS = (
    *("uplink", "downlink", "vad", "end", "stt", "llm_connect", "llm", "word", "tts_connect"),
    *("tool", "llm_after_tool", "filler", "sentences", "words", "tts", "doubt"),
)
