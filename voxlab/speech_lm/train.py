"""Train the model that reads digits aloud: `python -m voxlab.speech_lm.train --steps 2000`.

Each batch is drawn from the seed and the number of its step, so the same command gives the same
weights on the same machine. The learning rate stays the same to the end, and the weights that are
used are a running mean, so a run may be stopped and two runs compared at any step.
"""

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from voxlab.codec.mini import MiniCodec
from voxlab.codec.quantizer import Vectors
from voxlab.errors import CodecError, VoxlabError
from voxlab.models.torch_threads import inference, one_thread
from voxlab.speech_lm import digits, patterns
from voxlab.speech_lm.digits import DigitReading
from voxlab.speech_lm.network import LMConfig, SpeechLM, nll
from voxlab.speech_lm.reader import save_weights

CLIP = 1.0  # the longest gradient that is followed as it is
NEIGHBOURS = 256  # readings of like length that a batch is drawn from: less is filled up
EVALUATED = 20  # readings a batch of the evaluation


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a training gives, beside the readings and the network's sizes.

    averaging: how much of the running mean of the weights stays at each step.
    """

    seed: int = 0
    items: int = 8
    rate: float = 2e-3
    warm_up: int = 50
    averaging: float = 0.99


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Readings side by side. prompt: (items, prompt); codes: (items, stages, longest); frames."""

    prompt: Tensor
    codes: Tensor
    frames: Tensor

    @staticmethod
    def of(readings: Sequence[DigitReading]) -> "Batch":
        """Fill readings up to the longest of them, with code 0."""
        longest = max(reading.codes.shape[1] for reading in readings)
        codes = [
            np.pad(each.codes, ((0, 0), (0, longest - each.codes.shape[1]))) for each in readings
        ]
        return Batch(
            torch.tensor([digits.text_tokens(reading.number) for reading in readings]),
            torch.from_numpy(np.stack(codes).astype(np.int64)),
            torch.tensor([reading.codes.shape[1] for reading in readings]),
        )

    def ids(self, config: LMConfig) -> Tensor:
        """Return the codes' ids in the joint vocabulary, `nothing` beyond each reading's end."""
        joint = config.vocabulary
        first = torch.tensor([joint.first_id(stage) for stage in range(config.stages)])
        beyond = torch.arange(self.codes.shape[2]) >= self.frames[:, None]
        return (self.codes + first[:, None]).masked_fill(beyond[:, None], config.nothing)


def losses(network: SpeechLM, batch: Batch) -> Tensor:
    """Return each stage's negative log-likelihood on a batch, in nats a frame, (stages,)."""
    log_probs = network.log_probs(batch.prompt, batch.ids(network.config))
    return nll(log_probs, batch.codes, batch.frames)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: steps done, processor seconds in them, the last batch's losses.

    by_stage: nats a frame for each stage's code.
    """

    steps: int
    seconds: float
    by_stage: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Nats a frame for all its codes."""
        return sum(self.by_stage)


class Trainer:
    """A speech language model under training. `averaged` is the network to use.

    codebooks: float (stages or more, codes, features) of the codec whose codes are learned; with
    them it learns much faster (see `SpeechLM.borrow`).
    """

    def __init__(
        self,
        readings: Sequence[DigitReading],
        config: LMConfig,
        plan: Plan | None = None,
        codebooks: Vectors | None = None,
    ) -> None:
        if not readings:
            raise CodecError("there is nothing to train on: digits.load().train has the readings")
        self.config, self.plan = config, plan or Plan()
        self._readings = sorted(readings, key=lambda reading: reading.codes.shape[1])
        with torch.random.fork_rng():
            torch.manual_seed(self.plan.seed)
            self.network = SpeechLM(config)
            if codebooks is not None:
                self.network.borrow(torch.from_numpy(codebooks))
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), self.plan.rate, (0.9, 0.98), weight_decay=0.05, fused=True
        )
        self.steps, self.seconds = 0, 0.0

    def step(self) -> Progress:
        """Take one step."""
        began = time.thread_time()
        with one_thread():
            by_stage = losses(self.network, self._batch())
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate * min(1.0, (self.steps + 1) / self.plan.warm_up)
            self.optimizer.zero_grad(set_to_none=True)
            (by_stage.sum() / self.config.stages).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            self.optimizer.step()
            self._average()
        self.steps += 1
        self.seconds += time.thread_time() - began
        return Progress(self.steps, self.seconds, tuple(by_stage.tolist()))

    def _batch(self) -> Batch:
        rng = np.random.default_rng((self.plan.seed, self.steps))
        start = rng.integers(max(1, len(self._readings) - NEIGHBOURS + 1))
        near = self._readings[start : start + NEIGHBOURS]
        return Batch.of([near[i] for i in rng.integers(len(near), size=self.plan.items)])

    @torch.no_grad()
    def _average(self) -> None:
        """Move the running mean; at first it forgets faster, for the start is worth nothing."""
        stays = min(self.plan.averaging, (1 + self.steps) / (10 + self.steps))
        pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 1 - stays)


def run(
    trainer: Trainer, steps: int | None = None, seconds: float | None = None
) -> Iterator[Progress]:
    """Train until so many steps or processor seconds are done; yield each step's progress.

    To stop, take no more from it: every step leaves a whole model.
    """
    while (steps is None or trainer.steps < steps) and (
        seconds is None or trainer.seconds < seconds
    ):
        yield trainer.step()


def evaluate(network: SpeechLM, readings: Sequence[DigitReading]) -> tuple[float, ...]:
    """Return each stage's negative log-likelihood on readings, in nats a frame."""
    ordered = sorted(readings, key=lambda reading: reading.codes.shape[1])
    total, frames = torch.zeros(network.config.stages), 0
    with inference():
        for start in range(0, len(ordered), EVALUATED):
            batch = Batch.of(ordered[start : start + EVALUATED])
            count = int(batch.frames.sum())
            total, frames = total + losses(network, batch) * count, frames + count
    return tuple((total / frames).tolist())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a training from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voxlab.speech_lm.train", description=__doc__)
    parser.add_argument("--pattern", default="depth", choices=patterns.PATTERNS)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--out", type=Path, default=Path("reader.npz"), help="default: %(default)s")
    arguments = parser.parse_args(argv)
    try:
        readings = digits.load()
        codebooks = MiniCodec().quantizer.codebooks
        plan = Plan(seed=arguments.seed)
        trainer = Trainer(readings.train, LMConfig(arguments.pattern), plan, codebooks)
        with tqdm(run(trainer, arguments.steps), total=arguments.steps, unit="step") as steps:
            for progress in steps:
                steps.set_postfix_str(f"{progress.loss:.2f} nats a frame", refresh=False)
    except VoxlabError as error:
        parser.exit(2, f"voxlab: {error}\n")
    save_weights(arguments.out, trainer.averaged)
    by_stage = evaluate(trainer.averaged, readings.unseen)
    print(f"{trainer.seconds:.0f} processor seconds; the weights are {arguments.out}")
    print(f"unseen numbers: {sum(by_stage):.2f} nats a frame, by stage", end=" ")
    print(*(f"{value:.2f}" for value in by_stage))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
