"""A speech language model choosing its own codes, one after the other, frame by frame.

The model keeps in memory what it has seen, so each position is computed once. A frame is given out
as soon as all its codes are chosen: the codec's streaming decoder can sound it at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voxlab.errors import CodecError
from voxlab.models.torch_threads import inference
from voxlab.speech_lm.network import Memory, SpeechLM

ENDED = -1  # stands for the end where a code of stage 0 is chosen


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are chosen.

    temperature: 1 draws as the model thinks, towards 0 takes the likeliest. likeliest: only so
    many are in the draw. frames: speech that has not ended by then is cut off.
    Raises CodecError for values that leave nothing to draw.
    """

    temperature: float = 0.7
    likeliest: int = 20
    frames: int = 150

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.likeliest >= 1 and self.frames >= 1):
            raise CodecError(f"{self} draws nothing: need values above 0")


@dataclass(frozen=True, eq=False, slots=True)
class SpokenFrame:
    """A frame that the model has said: codes int32 (stages,), and the log-probability of each.

    The log-probabilities are the model's own, before temperature and choice of the likeliest.
    """

    codes: NDArray[np.int32]
    log_probs: NDArray[np.float64]


@dataclass(slots=True)
class _Sampler:
    """A model with its memory, and the draw: shared by the four ways of speaking."""

    network: SpeechLM
    sampling: Sampling
    rng: np.random.Generator
    memory: Memory = field(default_factory=list)

    def hear(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Take positions in, each a list of ids; return the last one's state, (width,)."""
        return self.network.states(torch.tensor(ids)[None], self.memory)[0, -1]

    def draw(self, states: Tensor, stage: int) -> tuple[int, float]:
        """Return a code of a stage (or ENDED, of stage 0) and its log-probability."""
        scores = torch.log_softmax(self.network.scores(states, stage), -1).double().numpy()
        best = np.argsort(-scores, kind="stable")[: self.sampling.likeliest]
        weights = np.exp((scores[best] - scores[best[0]]) / self.sampling.temperature)
        chosen = int(best[self.rng.choice(best.size, p=weights / weights.sum())])
        return chosen - (stage == 0), float(scores[chosen])

    def id(self, stage: int, code: int) -> int:
        return self.network.config.vocabulary.audio_id(stage, code)


def speak(
    network: SpeechLM,
    prompt: Sequence[int],
    rng: np.random.Generator,
    sampling: Sampling | None = None,
) -> Iterator[SpokenFrame]:
    """Yield the frames that a model says to a prompt, until it says the end.

    prompt: ids of the text, such as `digits.text_tokens`. Raises CodecError for an empty prompt,
    tokens that are no text, or more frames than the model has positions for.
    """
    config = network.config
    sampling = sampling or Sampling()
    first = [config.vocabulary.text_id(token) for token in prompt]
    most = len(first) + sampling.frames * (config.stages if config.pattern == "flattened" else 1)
    if not first or most + config.stages > config.positions:
        raise CodecError(
            f"a prompt of {len(first)} tokens and {sampling.frames} frames do not fit the model's "
            f"{config.positions} positions: need one token at least, and fewer frames"
        )
    way: Callable[[_Sampler, list[int]], Iterator[SpokenFrame]]
    way = {"flattened": _flattened, "delay": _delayed}.get(config.pattern, _by_frame)
    return way(_Sampler(network, sampling, rng), first)


def _by_frame(sampler: _Sampler, prompt: list[int]) -> Iterator[SpokenFrame]:
    config = sampler.network.config
    frame = _depth if config.pattern == "depth" else _parallel
    heard = [[token, *[config.nothing] * (config.stages - 1)] for token in prompt]
    for _ in range(sampler.sampling.frames):
        with inference():
            said = frame(sampler, sampler.hear(heard))
        if said is None:
            return
        yield said
        heard = [[sampler.id(stage, int(code)) for stage, code in enumerate(said.codes)]]


def _parallel(sampler: _Sampler, state: Tensor) -> SpokenFrame | None:
    """Return a frame drawn from one state, each stage for itself; None at the end."""
    drawn = [sampler.draw(state, stage) for stage in range(sampler.network.config.stages)]
    return None if drawn[0][0] == ENDED else _frame(drawn)


def _depth(sampler: _Sampler, state: Tensor) -> SpokenFrame | None:
    """Return a frame whose stages are drawn one after the other; None at the end."""
    network, last = sampler.network, 0
    memory: Memory = []
    drawn: list[tuple[int, float]] = []
    for stage in range(network.config.stages):
        step = network.depth_input(state, stage, torch.tensor(last))
        drawn.append(sampler.draw(network.depth(step[None, None], memory)[0, 0], stage))
        if drawn[0][0] == ENDED:
            return None
        last = sampler.id(stage, drawn[-1][0])
    return _frame(drawn)


def _flattened(sampler: _Sampler, prompt: list[int]) -> Iterator[SpokenFrame]:
    heard = [[token] for token in prompt]
    for _ in range(sampler.sampling.frames):
        drawn: list[tuple[int, float]] = []
        for stage in range(sampler.network.config.stages):
            with inference():
                drawn.append(sampler.draw(sampler.hear(heard), stage))
            if drawn[0][0] == ENDED:
                return
            heard = [[sampler.id(stage, drawn[-1][0])]]
        yield _frame(drawn)


def _delayed(sampler: _Sampler, prompt: list[int]) -> Iterator[SpokenFrame]:
    """Yield frames as their last stage comes: K - 1 positions after the first."""
    config = sampler.network.config
    heard = [[token, *[config.nothing] * (config.stages - 1)] for token in prompt]
    waiting: list[list[tuple[int, float]]] = []  # frames with stages still to come, oldest first
    ended = False
    for place in range(sampler.sampling.frames + config.stages - 1):
        ended = ended or place == sampler.sampling.frames
        column = [config.nothing] * config.stages
        with inference():
            state = sampler.hear(heard)
            if not ended:
                drawn = sampler.draw(state, 0)
                ended = drawn[0] == ENDED
                if not ended:
                    waiting.append([])
            for frame in waiting:
                stage = len(frame)
                frame.append(sampler.draw(state, stage) if stage else drawn)
                column[stage] = sampler.id(stage, frame[-1][0])
        if waiting and len(waiting[0]) == config.stages:
            yield _frame(waiting.pop(0))
        if ended and not waiting:
            return
        heard = [column]


def _frame(drawn: Sequence[tuple[int, float]]) -> SpokenFrame:
    codes, log_probs = zip(*drawn, strict=True)
    return SpokenFrame(np.array(codes, np.int32), np.array(log_probs))
