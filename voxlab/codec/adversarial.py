"""Adversarial training of the decoder: a discriminator learns to tell its sound from real sound.

A distance to the original is least for a mean of all that the codes leave open, which sounds
muffled. A discriminator knows real spectra and does not take a mean for one.
Source: Defossez et al. 2022 (EnCodec, arXiv:2210.13438), section 3.4: its discriminator of spectra
at several resolutions, small enough for a processor, the hinge loss and feature matching.
"""

import warnings
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxlab.codec.batches import Crops
from voxlab.codec.learning import Quantized
from voxlab.codec.network import MiniConfig
from voxlab.codec.train import BETAS, Plan, Trainer

FILTERS, WINDOWS = 8, [1024, 512, 256]
HINGE, FEATURES = 0.25, 0.5  # weights beside the distance to the original
RAMP = 200  # steps until it has its full weight


class Adversary(nn.Module):
    """The discriminator, and what it tells the decoder."""

    def __init__(self) -> None:
        super().__init__()
        hops = [window // 4 for window in WINDOWS]
        with warnings.catch_warnings():  # the package builds on a function that torch deprecates
            warnings.simplefilter("ignore", FutureWarning)
            from encodec.msstftd import MultiScaleSTFTDiscriminator

            self.network = MultiScaleSTFTDiscriminator(
                FILTERS, n_ffts=WINDOWS, hop_lengths=hops, win_lengths=WINDOWS
            )

    def judge(self, made: Tensor, original: Tensor) -> Tensor:
        """Return what the decoder minimises beside its distance. made, original: (batch, samples).

        The hinge: that its sound passes for real; feature matching: that each layer of the
        discriminator sees in it what it sees in the original.
        """
        logits, features = self.network(made[:, None])
        with torch.no_grad():
            _, wanted = self.network(original[:, None])
        hinge = torch.stack([functional.relu(1 - each).mean() for each in logits]).mean()
        pairs = zip(chain(*features), chain(*wanted), strict=True)
        relative = [(x - y).abs().mean() / (y.abs().mean() + 1e-6) for x, y in pairs]
        matching = torch.stack(relative).mean()
        return HINGE * hinge + FEATURES * matching

    def tell_apart(self, made: Tensor, original: Tensor) -> Tensor:
        """Return its own loss, the hinge: 2 for guessing, 0 where it is sure and right."""
        fake, _ = self.network(made[:, None])
        real, _ = self.network(original[:, None])
        pairs = zip(real, fake, strict=True)
        hinges = [functional.relu(1 - r).mean() + functional.relu(1 + f).mean() for r, f in pairs]
        return torch.stack(hinges).mean()


class AdversarialTrainer(Trainer):
    """The decoder under training, against an adversary; encoder and codebooks stay as they are."""

    parts = (*Trainer.parts, "adversary", "adversary_optimizer")

    def __init__(self, crops: Crops, plan: Plan, config: MiniConfig, device: str = "cpu") -> None:
        super().__init__(crops, replace(plan, decoder_alone=True), config, device)
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.adversary = Adversary().to(device)
        self.adversary_optimizer = torch.optim.AdamW(
            self.adversary.parameters(), lr=2 * plan.rate, betas=BETAS, fused=True
        )

    def _learn(self, sound: Tensor, generator: torch.Generator) -> tuple[Tensor, Quantized]:
        """Let the adversary learn from a batch, then the decoder."""
        quantized = self._quantize(self.network.encode(sound), generator)
        made = self.network.decode(quantized.latents)
        self.adversary.requires_grad_(True)
        self._instruct(made.detach(), sound)
        self.adversary.requires_grad_(False)  # the decoder's gradient goes through it, not to it
        loss = self._distance(made, sound)
        share = min(1.0, self.steps_done / RAMP)
        self._descend(loss + share * self.adversary.judge(made, sound))
        return loss, quantized

    def _instruct(self, made: Tensor, sound: Tensor) -> None:
        for group in self.adversary_optimizer.param_groups:
            group["lr"] = 2 * self.plan.rate_at(self.steps_done)
        self.adversary_optimizer.zero_grad(set_to_none=True)
        self.adversary.tell_apart(made, sound).backward()  # type: ignore[no-untyped-call]
        self.adversary_optimizer.step()
