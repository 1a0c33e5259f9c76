"""Codebook learning: k-means to begin, moving averages to go on, revival of dead codes.

Four traps of the well-known implementation (encodec 0.1.1) are avoided here, each with a test:
k-means must leave sums, not means, in the moving average, or the codewords shrink; a revived code
must survive the step that revives it; residuals are detached, or the commitment of later stages
does not reach the encoder; and "dead" is relative to the mean use, for small batches.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

DECAY = 0.99  # of the moving averages, a step
DEAD_SHARE = 0.1  # a code used less than this share of the mean is dead
REVIVE_EVERY = 5  # steps
FULL_SHARE = 0.5  # of the items train with all stages, the others with 1 to all at random
KMEANS_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Quantized:
    """A training step's result.

    latents: with the quantizer's error, but the gradient of the input (straight-through);
    commitment: how far the input is from the codewords, the mean over stages, to be minimised;
    codes: int64 (stages, batch, frames).
    """

    latents: Tensor
    commitment: Tensor
    codes: Tensor


def nearest(residuals: Tensor, codebook: Tensor) -> Tensor:
    """Return the nearest codeword of each row: |r - e|^2 = |r|^2 - 2 r.e + |e|^2, less |r|^2."""
    half_squares = codebook.square().sum(1) / 2
    return torch.addmm(half_squares, residuals, codebook.T, alpha=-1).argmin(1)


def k_means(points: Tensor, codes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return codewords (codes, features), and how many points each is the nearest of.

    points: (points, features), at least as many as codes. A codeword that loses all its points
    moves to a random point.
    """
    order = torch.randperm(len(points), generator=generator)
    means = points[order[:codes].to(points.device)].clone()
    for _ in range(KMEANS_ROUNDS):
        counts, sums = _collect(points, nearest(points, means), codes)
        means = sums / counts.clamp(min=1)[:, None]
        empty = (counts == 0).nonzero()[:, 0]
        means[empty] = points[_draw(len(points), len(empty), points, generator)]
    return means, _collect(points, nearest(points, means), codes)[0]


def _collect(points: Tensor, index: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """Return how many points chose each code, and their sums."""
    counts = torch.bincount(index, minlength=codes).to(points.dtype)
    sums = points.new_zeros(codes, points.shape[1]).index_add_(0, index, points)
    return counts, sums


def _draw(size: int, count: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Return count random indices below size; drawn on the processor, so that seeds hold."""
    return torch.randint(size, (count,), generator=generator).to(like.device)


def draw_stages(batch: int, stages: int, generator: torch.Generator) -> Tensor:
    """Return how many stages each item trains with, int64 (batch,): quantizer dropout.

    Half of them with all. Source: Zeghidour et al. 2021 (SoundStream), section III-C.
    """
    full = torch.rand(batch, generator=generator) < FULL_SHARE
    some = torch.randint(1, stages + 1, (batch,), generator=generator)
    return torch.where(full, torch.tensor(stages), some)


class LearningQuantizer(nn.Module):
    """Residual codebooks under training, each with moving averages of its use and its sums."""

    codebooks: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, stages: int, codes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("codebooks", torch.zeros(stages, codes, features))
        self.register_buffer("uses", torch.ones(stages, codes))
        self.register_buffer("sums", torch.zeros(stages, codes, features))

    @torch.no_grad()
    def initialise(self, latents: Tensor, batch_frames: int, generator: torch.Generator) -> None:
        """Set each stage's codebook by k-means on what the stages before leave.

        latents: (points, features). batch_frames: the points of a training step, so that the
        moving averages begin at the size they will keep.
        """
        residuals = latents
        for stage, codebook in enumerate(self.codebooks):
            means, counts = k_means(residuals, len(codebook), generator)
            codebook.copy_(means)
            self._begin_averages(stage, counts, batch_frames / len(latents))
            residuals = residuals - means[nearest(residuals, means)]

    @torch.no_grad()
    def resume(self, codebooks: Tensor, latents: Tensor, batch_frames: int) -> None:
        """Go on from trained codebooks; how much each code is used, these latents tell.

        codebooks: (stages, codes, features). latents, batch_frames: as for `initialise`.
        """
        self.codebooks.copy_(codebooks)
        residuals = latents
        for stage, codebook in enumerate(self.codebooks):
            index = nearest(residuals, codebook)
            counts, _ = _collect(residuals, index, len(codebook))
            self._begin_averages(stage, counts, batch_frames / len(latents))
            residuals = residuals - codebook[index]

    def _begin_averages(self, stage: int, counts: Tensor, share: float) -> None:
        """Set a stage's averages to its codewords, used in a step by that share of the counts."""
        uses = counts.clamp(min=DEAD_SHARE) * share
        self.uses[stage].copy_(uses)
        self.sums[stage].copy_(self.codebooks[stage] * uses[:, None])

    def forward(self, latents: Tensor, stages: Tensor) -> Quantized:
        """Quantize a batch. latents: (batch, frames, features); stages: how many for each item."""
        rows = latents.reshape(-1, latents.shape[2])
        stages_of_row = stages.to(rows.device).repeat_interleave(latents.shape[1])
        residuals, total, commitment, codes = rows, torch.zeros_like(rows), rows.new_zeros(()), []
        for stage, codebook in enumerate(self.codebooks):
            index = nearest(residuals.detach(), codebook)
            codewords = codebook[index]
            used = (stages_of_row > stage).to(rows.dtype)[:, None]
            error = (residuals - codewords).square().mean(1, keepdim=True)
            commitment = commitment + (error * used).sum() / used.sum().clamp(min=1)
            total = total + codewords * used
            residuals = residuals - codewords
            codes.append(index.view(latents.shape[:2]))
        quantized = (rows + (total - rows).detach()).view_as(latents)
        return Quantized(quantized, commitment / len(self.codebooks), torch.stack(codes))

    @torch.no_grad()
    def update(self, latents: Tensor, codes: Tensor, step: int, generator: torch.Generator) -> None:
        """Move every codeword towards the mean of what chose it; revive dead codes now and then.

        latents: (batch, frames, features); codes: int (stages, batch, frames), of `forward`.
        """
        residuals = latents.reshape(-1, latents.shape[2])
        for stage, codebook in enumerate(self.codebooks):
            index, uses, sums = codes[stage].reshape(-1), self.uses[stage], self.sums[stage]
            left = residuals - codebook[index]
            counts, new_sums = _collect(residuals, index, len(codebook))
            uses.lerp_(counts, 1 - DECAY)
            sums.lerp_(new_sums, 1 - DECAY)
            if step % REVIVE_EVERY == 0:
                dead = (uses < DEAD_SHARE * uses.mean()).nonzero()[:, 0]
                fresh = residuals[_draw(len(residuals), len(dead), residuals, generator)]
                sums[dead] = fresh * uses.mean()
                uses[dead] = uses.mean()
            codebook.copy_(sums / uses.clamp(min=1e-5)[:, None])
            residuals = left
