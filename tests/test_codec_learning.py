"""Learning codebooks: what it must do, and the traps of encodec 0.1.1 that it must not step in."""

import itertools
import math

import pytest
import torch

from voxlab.codec.learning import LearningQuantizer, draw_stages, k_means
from voxlab.codec.train import codes_in_use


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def initialised(points, stages=2, codes=16):
    learner = LearningQuantizer(stages, codes, points.shape[1])
    learner.initialise(points, len(points), generator())
    return learner


def train_on(learner, points, steps, start=1):
    for step in range(start, start + steps):
        codes = learner(points, torch.full((len(points),), len(learner.codebooks))).codes
        learner.update(points, codes, step, generator(step))


def cloud(batch=4, frames=100, features=6, seed=0, centre=3.0):
    return torch.randn(batch, frames, features, generator=generator(seed)) + centre


def test_k_means_ends_where_each_codeword_is_the_mean_of_the_points_nearest_to_it():
    points = torch.randn(120, 2, generator=generator())
    found, counts = k_means(points, 5, generator(1))
    chosen = torch.cdist(points, found).argmin(1)
    means = torch.stack([points[chosen == code].mean(0) for code in range(5)])
    assert torch.allclose(found, means, atol=0.05)
    assert counts.tolist() == torch.bincount(chosen, minlength=5).tolist()


def test_a_codeword_of_k_means_that_loses_all_its_points_finds_others():
    points = torch.cat([torch.zeros(50, 2), torch.ones(50, 2)])  # many equal starts
    found, counts = k_means(points, 2, generator())
    assert sorted(found[:, 0].tolist()) == [0, 1]
    assert counts.tolist() == [50, 50]


def test_codewords_do_not_shrink_after_k_means():
    points = cloud()
    learner = initialised(points.flatten(0, 1))
    before = learner.codebooks[0].norm(dim=1).mean()
    train_on(learner, points, 100)
    assert learner.codebooks[0].norm(dim=1).mean() == pytest.approx(float(before), rel=0.05)


def test_a_revived_code_survives_the_step_that_revives_it_and_is_used():
    points = cloud()
    learner = initialised(points.flatten(0, 1))
    far = 1000.0
    learner.codebooks[0, :8] = far
    learner.sums[0, :8] = far
    learner.uses[0, :8] = 1e-6
    train_on(learner, points, 1, start=5)  # a step that revives
    assert learner.codebooks[0].abs().max() < 20
    train_on(learner, points, 20)
    codes = learner(points, torch.full((4,), 2)).codes[0]
    assert len(codes.unique()) == 16


def test_what_counts_as_dead_depends_on_the_mean_use_not_on_the_batch():
    points = cloud(batch=1, frames=4)  # four frames for sixteen codes: each is used rarely
    learner = initialised(cloud().flatten(0, 1))
    learner.uses.fill_(0.25)
    learner.sums.copy_(learner.codebooks * 0.25)
    before = learner.codebooks.clone()
    train_on(learner, points, 1, start=5)
    assert (learner.codebooks - before).norm(dim=2).max() < 0.5


def test_the_commitment_of_every_stage_reaches_the_encoder():
    learner = initialised(cloud().flatten(0, 1), stages=3)
    gradients = [torch.zeros(4, 100, 6)]
    for stages in (1, 2, 3):
        latents = cloud().requires_grad_()
        learner(latents, torch.full((4,), stages)).commitment.backward()
        gradients.append(latents.grad)
    for before, after in itertools.pairwise(gradients):
        assert (after - before).norm() > 1e-4  # each stage pulls in a way of its own


def test_the_gradient_goes_straight_through_the_quantizer():
    latents = cloud().requires_grad_()
    learner = initialised(latents.detach().flatten(0, 1))
    weights = torch.randn(latents.shape, generator=generator(2))
    (learner(latents, torch.full((4,), 2)).latents * weights).sum().backward()
    assert torch.equal(latents.grad, weights)


def test_with_quantizer_dropout_an_item_is_the_sum_of_its_first_codewords():
    points = cloud(batch=3)
    learner = initialised(points.flatten(0, 1), stages=3)
    made = learner(points, torch.tensor([1, 2, 3]))
    for item, stages in enumerate((1, 2, 3)):
        rows = [learner.codebooks[k][made.codes[k, item]] for k in range(stages)]
        assert torch.allclose(made.latents[item], sum(rows), atol=1e-5)


def test_dropout_gives_half_of_the_items_all_stages_and_the_others_any():
    stages = draw_stages(20_000, 8, generator())
    share = torch.bincount(stages, minlength=9) / 20_000
    assert share[0] == 0
    assert share[8] == pytest.approx(0.5 + 0.5 / 8, abs=0.02)
    assert share[1:8].tolist() == pytest.approx([0.5 / 8] * 7, abs=0.01)


def test_moving_averages_settle_at_the_means_of_what_chose_each_code():
    points = cloud(features=2)
    learner = initialised(points.flatten(0, 1), stages=1, codes=4)
    train_on(learner, points, 600)
    codes = learner(points, torch.full((4,), 1)).codes[0]
    for code in codes.unique():
        mean = points[codes == code].mean(0)
        assert torch.allclose(learner.codebooks[0, code], mean, atol=0.05)


def test_perplexity_counts_codes_in_use():
    assert codes_in_use(torch.arange(64)) == pytest.approx(64)
    assert codes_in_use(torch.zeros(64, dtype=torch.int64)) == pytest.approx(1)
    two = torch.tensor([0] * 3 + [1])
    assert math.log(codes_in_use(two)) == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )
