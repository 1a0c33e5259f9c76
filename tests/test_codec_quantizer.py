"""The quantizer against brute force, against encodec's own, and against what is said of it."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.codec.bitrate import bitrate_bps
from voxlab.codec.quantizer import BLOCK, ResidualQuantizer, nearest_code
from voxlab.errors import CodecError

torch.set_num_threads(1)  # the matrices are small, and tests run side by side
seeds = st.integers(0, 2**32 - 1)


def random_quantizer(rng, stages=4, codes=16, features=5):
    """Codebooks that get finer from stage to stage, as trained ones do."""
    scale = 0.6 ** np.arange(stages)[:, None, None]
    return ResidualQuantizer(rng.standard_normal((stages, codes, features)) * scale)


def learned_codebooks(points, stages, codes, rng):
    """Codewords drawn from what the stages before leave: cheap, and as uneven as learned ones."""
    residuals, codebooks = points, []
    for _ in range(stages):
        codebook = residuals[rng.choice(len(residuals), codes, replace=False)] * 0.8
        codebooks.append(codebook)
        residuals = residuals - codebook[nearest_code(residuals, codebook)]
    return np.stack(codebooks)


# --- the nearest codeword ------------------------------------------------------------------


@settings(max_examples=40)
@given(seeds, st.integers(1, 2 * BLOCK), st.integers(1, 40), st.integers(1, 9))
def test_no_codeword_is_nearer_than_the_nearest(seed, frames, codes, features):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((frames, features))
    codebook = rng.standard_normal((codes, features))
    distances = np.square(vectors[:, None] - codebook).sum(2)
    found = distances[np.arange(frames), nearest_code(vectors, codebook)]
    assert np.all(found <= distances.min(1) + 1e-4)


@settings(max_examples=40)
@given(seeds)
def test_a_codeword_is_its_own_nearest_however_far_out_it_lies(seed):
    rng = np.random.default_rng(seed)
    codebook = rng.standard_normal((16, 4)).astype(np.float32) * 10 ** rng.uniform(-2, 2)
    assert nearest_code(codebook, codebook).tolist() == list(range(16))


# --- the same as encodec's -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("features", "stages", "codes"), [(128, 8, 1024), (64, 4, 256)])
def test_codes_are_equal_to_those_of_encodecs_own_quantizer(features, stages, codes):
    from encodec.quantization import ResidualVectorQuantizer

    rng = np.random.default_rng(features)
    spread = np.linspace(2, 0.2, features)  # a few features matter most, as in a real latent
    points = (rng.standard_normal((4000, features)) * spread).astype(np.float32)
    codebooks = learned_codebooks(points, stages, codes, rng)
    theirs = ResidualVectorQuantizer(dimension=features, n_q=stages, bins=codes).eval()
    for layer, codebook in zip(theirs.vq.layers, codebooks, strict=True):
        layer._codebook.embed.copy_(torch.from_numpy(codebook))
        layer._codebook.inited.fill_(1)
    vectors = (rng.standard_normal((600, features)) * spread).astype(np.float32)
    with torch.no_grad():
        expected = theirs.vq.encode(torch.from_numpy(vectors).T[None])[:, 0]
        sums = theirs.vq.decode(expected[:, None])[0].T
    ours = ResidualQuantizer(codebooks)
    assert np.array_equal(ours.encode(vectors), expected.numpy())
    assert np.allclose(ours.decode(expected.numpy()), sums.numpy(), atol=1e-5)


# --- the chain -----------------------------------------------------------------------------


@settings(max_examples=40)
@given(seeds, st.integers(1, 4))
def test_fewer_stages_give_the_first_rows_of_the_same_codes(seed, stages):
    rng = np.random.default_rng(seed)
    quantizer, vectors = random_quantizer(rng), rng.standard_normal((20, 5))
    assert np.array_equal(quantizer.encode(vectors, stages), quantizer.encode(vectors)[:stages])


@settings(max_examples=40)
@given(seeds)
def test_what_is_left_and_what_is_decoded_make_the_whole(seed):
    rng = np.random.default_rng(seed)
    quantizer, vectors = random_quantizer(rng), rng.standard_normal((20, 5))
    *_, left = quantizer.residuals(vectors)
    assert np.allclose(quantizer.decode(quantizer.encode(vectors)) + left, vectors, atol=1e-5)


@settings(max_examples=40)
@given(seeds)
def test_no_vector_is_worse_off_with_a_stage_that_may_say_nothing(seed):
    rng = np.random.default_rng(seed)
    codebooks = rng.standard_normal((5, 8, 3))
    codebooks[:, 0] = 0.0
    vectors = rng.standard_normal((30, 3)) * 10 ** rng.uniform(-2, 1)
    energies = [np.square(r).sum(1) for r in ResidualQuantizer(codebooks).residuals(vectors)]
    for before, after in itertools.pairwise(energies):
        assert np.all(after <= before + 1e-4)


def test_a_vector_between_the_codewords_is_worse_off_with_a_stage_that_must_speak():
    quantizer = ResidualQuantizer(np.array([[[-1.0], [1.0]]]))
    before, after = quantizer.residuals(np.array([[0.1]]))
    assert abs(after[0, 0]) > abs(before[0, 0])


@settings(max_examples=15)
@given(seeds)
def test_each_stage_learned_by_k_means_takes_energy_from_its_training_data(seed):
    from voxlab.codec.learning import LearningQuantizer

    points = torch.from_numpy(np.random.default_rng(seed).standard_normal((200, 3))).float()
    learner = LearningQuantizer(stages=4, codes=8, features=3)
    learner.initialise(points, 200, torch.Generator().manual_seed(seed % 1000))
    chain = ResidualQuantizer(learner.codebooks.numpy()).residuals(points.numpy())
    energies = [float(np.square(left).mean()) for left in chain]
    assert energies == sorted(energies, reverse=True)


# --- what does not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.zeros(5), r"\(5,\)"),
        (np.zeros((2, 4)), r"\(2, 4\)"),
        (np.zeros((2, 5), int), "int64"),
        (np.full((2, 5), np.nan), "NaN"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vectors, reason):
    with pytest.raises(CodecError, match=reason):
        random_quantizer(np.random.default_rng(0)).encode(vectors)


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (np.zeros((5, 3), int), r"\(5, 3\)"),
        (np.zeros((0, 3), int), r"\(0, 3\)"),
        (np.zeros(3, int), r"\(3,\)"),
        (np.zeros((2, 3)), "float64"),
        (np.full((2, 3), 16), "code 16"),
        (np.full((2, 3), -1), "code -1"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, reason):
    with pytest.raises(CodecError, match=reason):
        random_quantizer(np.random.default_rng(0)).decode(codes)


@pytest.mark.parametrize("stages", [0, 5, -1, 1.5, True, "2"])
def test_stages_there_are_not_are_refused(stages):
    with pytest.raises(CodecError, match="1 to 4"):
        random_quantizer(np.random.default_rng(0)).encode(np.zeros((1, 5)), stages)


@pytest.mark.parametrize("shape", [(4, 16), (0, 16, 5), (4, 0, 5)])
def test_codebooks_of_another_shape_are_refused(shape):
    with pytest.raises(CodecError, match="need finite"):
        ResidualQuantizer(np.zeros(shape))


@pytest.mark.parametrize("figures", [(0, 8, 1024), (50, 0, 1024), (50, 8, 1), (float("nan"), 1, 2)])
def test_a_bitrate_of_nothing_is_refused(figures):
    with pytest.raises(CodecError, match="carry no bits"):
        bitrate_bps(*figures)
