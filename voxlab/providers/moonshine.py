"""Speech to text on this machine: Moonshine base (English) with a small greedy decoder of our own.

The encoder turns a whole recording into states; the decoder then writes one token at a time and
looks back at the states and at what it has written (its key-value cache). Nothing here streams:
a partial transcript is the whole segment so far, recognised again. But the decoder need not write
again what it has written before: it checks that draft in one pass, and goes on where it differs
(speculative decoding, Leviathan et al. 2023, with the text so far as the draft).
Source: Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice
Commands". The weights come from the MIT-licensed wheel that models.toml names.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab import models
from voxlab.audio import Audio, audible_span, concatenate, frames, silence
from voxlab.clock import compute
from voxlab.errors import ProviderError
from voxlab.models.onnx_sessions import open_session
from voxlab.providers.protocols import MayEnd, Transcript

MODEL = "moonshine-base-en"
RATE_HZ = 16_000
LAYERS = 8  # of the decoder

START, END = 1, 2  # tokens of the tokenizer that frame a sentence; 0 stands for an unknown one
TOKENS_PER_S, SPARE_TOKENS = 6.5, 8  # in 60 human prompts nobody spoke 6 a second ...
LOOP = 3  # ... so, above that, as many tokens said twice in a row are the decoder's stutter
SHORTEST_S = 0.1  # no word is shorter
LONGEST_S = 28.0  # errors fall up to 29 s and rise beyond (1.0% of words there, 8.8% at 50 s)
MARGIN_S = 0.2  # of 33 sentences cut off sharply on both sides it misheard 7, with margins none
NARROWER_S = 0.15  # is cut off at both ends for a second look
INSIST_FROM_S = 6.0  # a longer piece has words if it has speech. What is written then is dropped
FEWEST_TOKENS, MUSIC = 3, "♪"  # if it is a "You" or music, the network's words for noise, or ...
LEAST_LOG_CHANCE = -0.5  # ... unsure: -0.05 to -0.4 in speech, -0.7 to -0.9 in a cafe's voices
PAUSE_S = 0.2  # a longer recording is cut in the middle of its quietest pause of this length ...
PAUSE_FROM = 0.6  # ... in the last 40% of LONGEST_S

# A line through the processor time of 54 recordings of 0.3 to 28 s, on one thread of a 2.8 GHz
# Xeon; the slope was 0.053 with the machine to itself and 0.074 with other work beside. That was
# the network as the wheel has it. On integers it takes half (0.026 a second of sound, 0.052 before,
# in one run): the charges stay those of a slower machine, so that recorded calls repeat.
COST_S, COST_PER_S = 0.02, 0.06
# Where a draft is checked, its parts are charged: the encoder and the decoder's look at its states
# (0.024 a second of sound, measured on the machine to itself), each step of the decoder (0.0053)
# and each word piece of a draft (0.0007), all with the eighth more that the line above has.
BASE_S, ENCODER_PER_S, STEP_S, DRAFT_TOKEN_S = 0.01, 0.0275, 0.006, 0.0008


def cost_s(duration_s: float) -> float:
    """Return how long recognising a recording takes: the charge in virtual time."""
    return COST_S + COST_PER_S * duration_s


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the decoder wrote for a piece of sound.

    tokens: as written, before a stutter is cut: a draft for the same piece when it has grown.
    steps: how often the decoder ran. drafted: how many tokens of a draft it checked.
    """

    text: str
    tokens: tuple[int, ...] = ()
    steps: int = 0
    drafted: int = 0

    def cost_s(self, duration_s: float) -> float:
        """Return how long this took for so much sound: the charge in virtual time."""
        decoder_s = STEP_S * self.steps + DRAFT_TOKEN_S * self.drafted
        return BASE_S + ENCODER_PER_S * duration_s + decoder_s


class MoonshineSTT:
    """Recognises English speech without network, key or graphics card.

    partial_every_s: how much new audio makes a new partial transcript; None for none. A segment
    that grows long gets them more seldom, so that at most half of the time goes into them.
    threads: of the processor, for one recognition; instances with as many share the network, and
    calls may run side by side. drafts: whether the text so far is a draft for the next; the texts
    are the same, the time is not. Raises ModelError if the model was not fetched or is damaged.
    """

    guesses = True

    def __init__(
        self, *, partial_every_s: float | None = 1.5, threads: int = 1, drafts: bool = True
    ) -> None:
        self.partial_every_s = partial_every_s
        self.drafts = drafts
        self._network = _network(threads)

    def recognize(self, audio: Audio) -> str:
        """Return what is said in a recording of any rate and length; "" if nothing is.

        Raises ProviderError if the engine fails.
        """
        texts = (self._text(piece).text or self._second_text(piece) for piece in _pieces(audio))
        return " ".join(filter(None, texts))

    async def transcribe(self, audio: AsyncIterator[Audio | MayEnd]) -> AsyncIterator[Transcript]:
        """Hear one segment: a partial transcript whenever the text changed, then the final one.

        Each MayEnd gets a guess. The final text is that of `recognize` for the whole segment.
        Raises ProviderError.
        """
        segment = _Segment()
        due_s = self.partial_every_s or math.inf
        shown = ""
        async for frame in audio:
            if isinstance(frame, MayEnd):
                if segment.unheard_s:
                    shown = segment.update(await self._hear(segment.rest(), segment.draft))
                yield Transcript(segment.text, is_final=False, is_guess=True)
                continue
            segment.append(frame)
            while segment.is_long():
                piece, draft = segment.take_piece(), segment.draft
                heard = (await self._hear(piece, draft)).text
                segment.settle(heard or await self._hear_again(piece))
            if segment.unheard_s >= due_s:
                text = segment.update(await self._hear(segment.rest(), segment.draft))
                due_s = max(self.partial_every_s or 0.0, 2 * cost_s(segment.duration_s))
                if text != shown:
                    shown = text
                    yield Transcript(text, is_final=False)
        if segment.unheard_s:
            segment.update(await self._hear(segment.rest(), segment.draft))
        if not segment.latest and segment.duration_s:
            segment.latest = await self._hear_again(segment.rest())
        yield Transcript(segment.text, is_final=True)

    async def _hear(self, piece: Audio, draft: Sequence[int]) -> Recognised:
        lasts_s, run = piece.duration_s, self._network.run_options()
        charge_s = Recognised.cost_s if self.drafts else lambda _, lasts_s: cost_s(lasts_s)
        try:
            return await compute(
                self._text,
                piece,
                draft if self.drafts else (),
                run,
                cost_s=lambda heard: charge_s(heard, lasts_s),
            )
        finally:  # nobody waits any more: a thread that is still at it need not finish
            run.terminate = True

    async def _hear_again(self, piece: Audio) -> str:
        return await compute(self._second_text, piece, cost_s=cost_s(piece.duration_s))

    def _second_text(self, piece: Audio) -> str:
        """Look again at a piece in which nothing was heard: the decoder may stop for no reason.

        Before its first word it gave up 17 of 75 pieces of 10 to 28 s, half of them in noise; made
        to write one, it wrote all the words of each. Of 204 short utterances, two thirds of them in
        a cafe, it heard nothing in 31, and without their edges in 21; in 29 noises nothing, twice.
        """
        if piece.duration_s > INSIST_FROM_S:
            return self._ask(self._network.insist, piece).text
        return self._text(_narrower(piece)).text

    def _text(self, piece: Audio, draft: Sequence[int] = (), run: Any = None) -> Recognised:
        return self._ask(lambda audio: self._network.recognise(audio, draft, run), piece)

    def _ask(self, recognise: Callable[[Audio], Recognised], piece: Audio) -> Recognised:
        if piece.duration_s < SHORTEST_S:
            return Recognised("")
        try:
            return recognise(_with_margins(piece.resample(RATE_HZ)))
        except Exception as error:  # onnxruntime's and torch's failures have no common ancestor
            raise ProviderError(
                f"Moonshine cannot recognise {piece.duration_s:.1f} s at {piece.rate_hz} Hz: "
                f"{error}. Try: voxlab models --verify"
            ) from error


@dataclass(slots=True)
class _Segment:
    """The audio of one segment: pieces already settled, and the rest that still grows."""

    settled: list[str] = field(default_factory=list)
    latest: str = ""  # the text of the rest, as last recognised
    draft: tuple[int, ...] = ()  # and the tokens in which it was written
    unheard_s: float = 0.0  # audio that came after that
    duration_s: float = 0.0  # of the rest
    _frames: list[Audio] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(filter(None, [*self.settled, self.latest]))

    def append(self, frame: Audio) -> None:
        if self._frames and frame.rate_hz != self._frames[0].rate_hz:
            raise ProviderError(
                f"the audio's rate changed from {self._frames[0].rate_hz} to {frame.rate_hz} Hz "
                "within a segment: resample the frames to one rate first"
            )
        self._frames.append(frame)
        self.unheard_s += frame.duration_s
        self.duration_s += frame.duration_s

    def rest(self) -> Audio:
        self._frames = [concatenate(self._frames)]
        self.unheard_s = 0.0
        return self._frames[0]

    def update(self, heard: Recognised) -> str:
        self.latest, self.draft = heard.text, heard.tokens
        return self.text

    def is_long(self) -> bool:
        return self.duration_s > LONGEST_S

    def take_piece(self) -> Audio:
        whole = concatenate(self._frames)
        at_s = _pause_s(whole)
        self._frames = [whole.between(at_s, whole.duration_s)]
        self.duration_s = self.unheard_s = self._frames[0].duration_s
        return whole.between(0.0, at_s)

    def settle(self, text: str) -> None:
        self.settled.append(text)
        self.latest, self.draft = "", ()


def _pieces(audio: Audio) -> Iterator[Audio]:
    """Cut a long recording at pauses into pieces that the network was trained for."""
    while audio.duration_s > LONGEST_S:
        at_s = _pause_s(audio)
        yield audio.between(0.0, at_s)
        audio = audio.between(at_s, audio.duration_s)
    yield audio


def _narrower(audio: Audio) -> Audio:
    """Return a recording without its edges."""
    return audio.between(NARROWER_S, max(NARROWER_S, audio.duration_s - NARROWER_S))


def _with_margins(audio: Audio) -> Audio:
    """Put silence around a recording that starts or ends with sound, up to MARGIN_S."""
    start_s, end_s = audible_span(audio)
    before = silence(max(0.0, MARGIN_S - start_s), audio.rate_hz)
    after = silence(max(0.0, MARGIN_S - (audio.duration_s - end_s)), audio.rate_hz)
    return concatenate([before, audio, after])


def _pause_s(audio: Audio) -> float:
    """Return the middle of the quietest pause near the end of the first LONGEST_S seconds."""
    hop_s = 0.01
    window = audio.between(PAUSE_FROM * LONGEST_S, LONGEST_S)
    power = np.square(frames(window, round(hop_s * audio.rate_hz)), dtype=np.float64).mean(axis=1)
    width = round(PAUSE_S / hop_s)
    smooth = np.convolve(power, np.ones(width) / width, mode="valid")
    return PAUSE_FROM * LONGEST_S + (int(smooth.argmin()) + width / 2) * hop_s


@dataclass(frozen=True, eq=False, slots=True)
class _Network:
    """The three sessions and the tokens; onnxruntime lets several threads run one session."""

    encoder: Any
    memory: Any
    decoder: Any
    tokens: tuple[bytes, ...]

    def run_options(self) -> Any:
        """Return the options of a recognition: if its `terminate` is set, it fails at once."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4  # it would report a run that was stopped as an error
        return options

    def recognise(self, audio: Audio, draft: Sequence[int] = (), run: Any = None) -> Recognised:
        """Recognise up to LONGEST_S of audio at RATE_HZ.

        draft: what may have been said. run: of `run_options`.
        """
        natural = int(audio.duration_s * TOKENS_PER_S)
        longest = natural + SPARE_TOKENS
        draft, passes = draft[: longest - 1], list[int]()
        written = (token for token, _ in self._write(audio, longest, passes, draft, run))
        tokens = [token for token in written if token > END]
        said = _without_loop(tokens) if len(tokens) > natural else tokens
        return Recognised(self._spell(said), tuple(tokens), len(passes), len(draft))

    def insist(self, audio: Audio) -> Recognised:
        """Recognise audio in which `recognise` finds nothing; what is too unsure is dropped."""
        tokens, log_chances = [], []
        longest = int(audio.duration_s * TOKENS_PER_S)
        for token, logits in self._write(audio, longest, [], insist=True):
            tokens += [token] if token > END else []
            log_chances.append(-np.log(np.exp(logits - logits[token]).sum()))
        text, log_chance = self._spell(tokens), np.mean(log_chances)
        is_noise = len(tokens) < FEWEST_TOKENS or log_chance < LEAST_LOG_CHANCE or MUSIC in text
        return Recognised("" if is_noise else text)

    def _spell(self, tokens: Sequence[int]) -> str:
        spoken = b"".join(self.tokens[token] for token in tokens)
        return spoken.decode(errors="replace").replace("\N{LOWER ONE EIGHTH BLOCK}", " ").strip()

    def _write(
        self,
        audio: Audio,
        longest: int,
        passes: list[int],
        draft: Sequence[int] = (),
        run: Any = None,
        *,
        insist: bool = False,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Write the likeliest token after the tokens so far, until the end or `longest`.

        The first pass reads a whole draft and gives the likeliest token after each of its tokens:
        they are the draft's own up to where the sound says otherwise. What the decoder keeps of
        the encoder's states is made once; its past grows by the tokens that are right.
        passes: collects how many tokens each pass reads. insist: the end is not the first.
        Yields each token and the logits (tokens,).
        """
        states = self.encoder.run(None, {"audio": audio.samples[None]}, run)[0]
        memory = self.memory.run(None, {"states": states}, run)[0]
        always = {name: memory[at : at + 1] for at, name in enumerate(_kept("memory"))}
        nothing = np.zeros((1, memory.shape[1], 0, memory.shape[3]), np.float32)
        past = dict.fromkeys(_kept("past"), nothing)
        read, written = [START, *draft], 0
        while True:
            feed = {"tokens": np.array([read]), "past": np.array([written])}
            logits_of_new, *present = self.decoder.run(None, feed | always | past, run)
            passes.append(len(read))
            for logits, drafted in zip(logits_of_new[0], [*read[1:], None], strict=True):
                if insist and not written:
                    logits[END] = -np.inf
                token = int(logits.argmax())
                yield token, logits
                written += 1
                if token == END or written == longest:
                    return
                if token != drafted:
                    break
            past = {name: kept[:, :, :written] for name, kept in zip(past, present, strict=True)}
            read = [token]


def _without_loop(tokens: list[int]) -> list[int]:
    """Cut the tokens where a run of LOOP or more comes a second time in a row.

    A decoder that is given half a word may repeat its last phrase until it is stopped.

    >>> _without_loop([7, 1, 2, 3, 1, 2, 3, 1, 2])
    [7, 1, 2, 3]
    """
    for end in range(2 * LOOP, len(tokens) + 1):
        for run in range(LOOP, end // 2 + 1):
            if tokens[end - run : end] == tokens[end - 2 * run : end - run]:
                return tokens[: end - run]
    return tokens


@cache
def _network(threads: int) -> _Network:
    """Load the network once for each number of threads."""
    tokens = _read_tokens(models.path(MODEL, "tokenizer.bin").read_bytes())
    encoder, memory, decoder = (
        open_session(models.path(MODEL, f"{name}_int8.onnx"), threads)
        for name in ("encoder", "memory", "decoder")
    )
    return _Network(encoder, memory, decoder, tokens)


def _kept(prefix: str) -> list[str]:
    """Return the names of the keys and values of each layer, in the order of the network."""
    return [f"{prefix}_{kind}_{layer}" for layer in range(LAYERS) for kind in ("key", "value")]


def _read_tokens(data: bytes) -> tuple[bytes, ...]:
    """Read the tokenizer: for each token its length (one byte, or two from 128 on) and its bytes.

    >>> _read_tokens(bytes([2]) + b"he" + bytes([3]) + b"llo")
    (b'he', b'llo')
    """
    tokens, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = data[at] * 128 + length - 128, at + 1
        tokens.append(data[at : at + length])
        at += length
    return tuple(tokens)
