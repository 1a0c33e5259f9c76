"""Train the mini codec: `python -m voxlab.codec.train --steps 16000`.

`--start data/codec/mini.npz` goes on from trained weights instead, without k-means: give it a
lower `--rate` and another `--seed`, or it sees the same crops again.

The corpus comes from `data/make/codec_corpus.py`. A run keeps its state in a folder (by default in
voxlab's cache) and goes on from there when started again. Every batch is drawn from the seed and
the number of its step, so on a processor the same command gives the same weights, with or without
a break. CUDA is used where there is one.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxlab import models
from voxlab.codec import corpus
from voxlab.codec.batches import Crops
from voxlab.codec.learning import LearningQuantizer, Quantized, draw_stages
from voxlab.codec.losses import EnvelopeLoss, ReconstructionLoss
from voxlab.codec.mini import load_weights, save_weights
from voxlab.codec.network import MiniConfig, MiniNetwork
from voxlab.errors import ModelError, VoxlabError
from voxlab.models.training_log import append_row
from voxlab.models.wheels import sha256

BETAS = (0.8, 0.99)  # of AdamW; a first below 0.9 suits the noise of small batches
CLIP = 2.0  # the longest gradient that is followed as it is
COMMITMENT = 0.25  # weight of the pull of the latents towards the codewords
STATE, WEIGHTS, LOG = "state.pt", "mini.npz", "log.csv"
COLUMNS = ("step", "hours", "loss", "commitment", "perplexity_first", "perplexity_last")
LOG_EVERY = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a training gives, beside the corpus.

    crop: samples an item. unquantized: steps before k-means, while the latents take shape.
    start: the SHA-256 of the trained weights to go on from, "" for none; then all steps quantize.
    decoder_alone: encoder and codebooks, and so all codes, stay as they are.
    envelopes: weight of the distance of envelopes (`EnvelopeLoss`).
    adversarial: train the decoder alone, against a discriminator (`adversarial`).
    """

    steps: int = 16_000
    seed: int = 0
    items: int = 8
    crop: int = 12_800
    rate: float = 1e-3
    warm_up: int = 200
    unquantized: int = 600
    k_means_batches: int = 40
    start: str = ""
    decoder_alone: bool = False
    envelopes: float = 0.0
    adversarial: bool = False

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a ramp, then half a cosine down to 2%."""
        fall = 0.51 + 0.49 * math.cos(math.pi * step / self.steps)
        return self.rate * min(1.0, (step + 1) / self.warm_up) * fall


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step measured; perplexity: codes in use, by the entropy of a batch."""

    loss: float
    commitment: float
    perplexity_first: float
    perplexity_last: float


class Trainer:
    """The mini codec under training. Call `step` until `finished`."""

    parts: tuple[str, ...] = ("network", "quantizer", "optimizer")  # what makes up its state

    def __init__(self, crops: Crops, plan: Plan, config: MiniConfig, device: str = "cpu") -> None:
        self.crops, self.plan, self.config, self.device = crops, plan, config, device
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = MiniNetwork(config).to(device)
        self.quantizer = LearningQuantizer(config.stages, config.codes, config.features).to(device)
        self.loss = ReconstructionLoss(config.rate_hz).to(device)
        self.envelope_loss = EnvelopeLoss(config.rate_hz).to(device)
        self.network.encoder.requires_grad_(not plan.decoder_alone)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=plan.rate,
            betas=BETAS,
            weight_decay=1e-3,
            fused=True,
        )
        self.steps_done, self.seconds = 0, 0.0

    @property
    def finished(self) -> bool:
        """Tell whether all steps are done."""
        return self.steps_done >= self.plan.steps

    def step(self) -> Progress:
        """Take one step of the optimizer, and one of the codebooks."""
        began, step = time.perf_counter(), self.steps_done
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + step)
        if step == self.plan.unquantized and not self.plan.start:
            self._k_means(generator)
        loss, quantized = self._learn(self._batch(step), generator)
        first, last = (codes_in_use(quantized.codes[stage]) for stage in (0, -1))
        self.steps_done += 1
        self.seconds += time.perf_counter() - began
        return Progress(loss.item(), quantized.commitment.item(), first, last)

    def _learn(self, sound: Tensor, generator: torch.Generator) -> tuple[Tensor, Quantized]:
        """Learn from a batch; return its loss and what the quantizer made of it."""
        latents = self.network.encode(sound)
        quantized = self._quantize(latents, generator)
        loss = self._distance(self.network.decode(quantized.latents), sound)
        self._descend(loss + COMMITMENT * quantized.commitment)
        if quantized.codes.numel() and not self.plan.decoder_alone:
            self.quantizer.update(latents.detach(), quantized.codes, self.steps_done, generator)
        return loss, quantized

    def _distance(self, made: Tensor, sound: Tensor) -> Tensor:
        """Return how far a batch's sound is from the original's."""
        loss: Tensor = self.loss(made, sound)
        if self.plan.envelopes:
            loss = loss + self.plan.envelopes * self.envelope_loss(made, sound)
        return loss

    def _quantize(self, latents: Tensor, generator: torch.Generator) -> Quantized:
        """Return the latents as the codebooks have them, or untouched before there are any."""
        if self.steps_done < self.plan.unquantized and not self.plan.start:
            no_codes = torch.zeros(self.config.stages, 0, dtype=torch.int64)
            return Quantized(latents, latents.new_zeros(()), no_codes)
        stages = draw_stages(self.plan.items, self.config.stages, generator)
        quantized: Quantized = self.quantizer(latents, stages)
        return quantized

    def _descend(self, loss: Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.steps_done)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()

    def _batch(self, step: int, part: int = 0) -> Tensor:
        """Return a batch of crops, which depends on the seed and the step alone."""
        rng = np.random.default_rng((self.plan.seed, step, part))
        return torch.from_numpy(self.crops.batch(self.plan.items, rng)).to(self.device)

    def _k_means(self, generator: torch.Generator) -> None:
        self.quantizer.initialise(*self._sample_latents(), generator)

    @torch.no_grad()
    def _sample_latents(self) -> tuple[Tensor, int]:
        """Return the latents of some batches, (points, features), and the points of one batch."""
        batches = [
            self.network.encode(self._batch(self.steps_done, part)).flatten(0, 1)
            for part in range(1, self.plan.k_means_batches + 1)
        ]
        return torch.cat(batches), len(batches[0])

    def start_from(self, weights: Path) -> None:
        """Take over trained weights, before the first step.

        Raises ModelError if the file is damaged, or of another network.
        """
        network, codebooks = load_weights(weights)
        if network.config != self.config:
            raise ModelError(f"{weights} is a codec of {network.config}, not of {self.config}")
        self.network.load_state_dict(network.state_dict())
        trained = torch.from_numpy(codebooks).to(self.device)
        self.quantizer.resume(trained, *self._sample_latents())

    def save(self, folder: Path) -> None:
        """Write the whole state, to go on from, and the weights, to use: each at once or not."""
        state = {
            "plan": asdict(self.plan),
            "config": json.dumps(asdict(self.config)),
            "steps_done": self.steps_done,
            "seconds": self.seconds,
            **{part: getattr(self, part).state_dict() for part in self.parts},
        }
        torch.save(state, folder / f"{STATE}.new")
        os.replace(folder / f"{STATE}.new", folder / STATE)
        codebooks = self.quantizer.codebooks.cpu().numpy()
        save_weights(folder / WEIGHTS, self.network, codebooks)

    def load(self, file: Path) -> None:
        """Go on from a saved state. Raises ModelError if it belongs to another plan or network."""
        try:
            state: dict[str, Any] = torch.load(file, map_location=self.device, weights_only=True)
            plan, config = state["plan"], state["config"]
        except (OSError, RuntimeError, LookupError, ValueError, EOFError, UnpicklingError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise ModelError(f"{file} is no state of a training: {reason}. Delete it") from error
        if plan != asdict(self.plan) or config != json.dumps(asdict(self.config)):
            raise ModelError(
                f"{file} is of the plan {plan}, asked for is {asdict(self.plan)}: "
                "ask for the same, or choose another --out"
            )
        for part in self.parts:
            getattr(self, part).load_state_dict(state[part])
        self.steps_done, self.seconds = state["steps_done"], state["seconds"]


def codes_in_use(codes: Tensor) -> float:
    """Return the perplexity of codes: how many are in use, if all alike."""
    share = torch.bincount(codes.reshape(-1)).double()
    share = share[share > 0] / share.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def run(trainer: Trainer, folder: Path, save_every_s: float = 240.0) -> Iterator[Progress]:
    """Train to the end, saving on the way; yield the mean progress of every hundred steps."""
    folder.mkdir(parents=True, exist_ok=True)
    saved, recent = time.monotonic(), []
    while not trainer.finished:
        recent.append(trainer.step())
        if len(recent) == LOG_EVERY or trainer.finished:
            mean = Progress(*np.mean([list(asdict(p).values()) for p in recent], 0).tolist())
            figures = (trainer.seconds / 3600, *asdict(mean).values())
            append_row(folder / LOG, COLUMNS, trainer.steps_done, figures)
            recent = []
            yield mean
        if time.monotonic() - saved > save_every_s or trainer.finished:
            trainer.save(folder)
            saved = time.monotonic()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a training from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voxlab.codec.train", description=__doc__)
    parser.add_argument("--steps", type=int, default=Plan().steps)
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--rate", type=float, default=Plan().rate, help="the highest learning rate")
    parser.add_argument("--start", type=Path, help="trained weights to go on from")
    parser.add_argument(
        "--decoder-alone", action="store_true", help="train only it, from --start; codes stay"
    )
    parser.add_argument(
        "--envelopes", type=float, default=0.0, help="weight of the distance of envelopes"
    )
    parser.add_argument(
        "--adversarial", action="store_true", help="--decoder-alone, against a discriminator"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    default = models.cache_dir().with_name("codec_training")
    parser.add_argument("--out", type=Path, default=default, help=f"default: {default}")
    arguments = parser.parse_args(argv)
    if (arguments.decoder_alone or arguments.adversarial) and not arguments.start:
        parser.error("a decoder alone is trained further: name its weights with --start")
    from voxlab.codec.adversarial import AdversarialTrainer  # which builds on this module

    torch.set_num_threads(arguments.threads)
    try:
        plan = Plan(
            arguments.steps,
            arguments.seed,
            rate=arguments.rate,
            start=sha256(arguments.start) if arguments.start else "",
            decoder_alone=arguments.decoder_alone,
            envelopes=arguments.envelopes,
            adversarial=arguments.adversarial,
        )
        crops = Crops.of(corpus.load(), plan.crop)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = AdversarialTrainer if plan.adversarial else Trainer
        trainer = kind(crops, plan, MiniConfig(), device)
        if (arguments.out / STATE).exists():
            trainer.load(arguments.out / STATE)
        elif arguments.start:
            trainer.start_from(arguments.start)
        for progress in run(trainer, arguments.out):
            done, seconds = trainer.steps_done, trainer.seconds
            left_min = seconds / done * (plan.steps - done) / 60
            print(f"{done:6} steps, {left_min:4.0f} min left, {progress}", flush=True)
    except (VoxlabError, OSError) as error:
        parser.exit(2, f"voxlab: {error}\n")
    print(f"the weights are {arguments.out / WEIGHTS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
