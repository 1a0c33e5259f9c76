"""The networks: streams equal files, the future does not change the past, transforms invert."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.codec.network import (
    ConvNeXt,
    MiniConfig,
    MiniNetwork,
    convolve_each,
    overlap_add,
)

torch.set_num_threads(1)  # the matrices are small, and tests run side by side
SMALL = MiniConfig(width=12, hidden=16, features=6, stages=2, codes=8)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MiniNetwork(SMALL).eval().requires_grad_(False)


def sound(frames, seed=0):
    return 0.1 * torch.randn(1, frames * 320, generator=torch.Generator().manual_seed(seed))


def pieces_of(total, cuts):
    return np.diff([0, *sorted(cut % (total + 1) for cut in cuts), total])


def test_convolving_each_feature_is_conv1d_with_a_group_for_each():
    x, taps = torch.randn(2, 11, 5), torch.randn(4, 5)
    expected = torch.nn.functional.conv1d(x.mT, taps.T[:, None], groups=5).mT
    assert torch.allclose(convolve_each(x, taps), expected, atol=1e-5)


def test_its_gradient_is_that_of_finite_differences():
    x = torch.randn(2, 6, 3, dtype=torch.double, requires_grad=True)
    taps = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(convolve_each, (x, taps))


def test_overlapping_the_windows_of_a_sound_gives_the_sound():
    x = sound(4)
    padded = torch.nn.functional.pad(x, (240, 240))
    window = torch.hann_window(640)
    pieces = torch.fft.irfft(torch.fft.rfft(padded.unfold(-1, 640, 160) * window), 640) * window
    weight = overlap_add((window**2).expand(1, pieces.shape[1], -1), 160)
    made = (overlap_add(pieces, 160) / (weight + 1e-8))[:, 240:-240]
    assert torch.allclose(made, x, atol=1e-5)


def test_a_block_sees_itself_and_six_frames_before():
    block, x = ConvNeXt(4, 8), torch.zeros(1, 20, 4)
    changed = x.clone()
    changed[0, 5] = 1.0
    moved = (block(changed) - block(x)).abs().sum(2)[0] > 1e-6
    assert moved.nonzero()[:, 0].tolist() == list(range(5, 12))


@given(st.integers(1, 9), st.integers(0, 319))
@settings(max_examples=20)
def test_sound_later_than_the_look_ahead_changes_no_earlier_latent(network, frame, offset):
    x = sound(12)
    end_of_look_ahead = frame * 320 + SMALL.margin  # for the frames before `frame`
    changed = x.clone()
    changed[0, end_of_look_ahead + offset :] = 1.0
    before, after = network.encode(x)[0], network.encode(changed)[0]
    assert torch.allclose(before[:frame], after[:frame], atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-5)


@given(st.integers(1, 11))
@settings(max_examples=11)
def test_a_later_latent_changes_no_sound_that_a_stream_has_given_out(network, frame):
    latents = torch.randn(1, 12, 6, generator=torch.Generator().manual_seed(1))
    changed = latents.clone()
    changed[0, frame:] += 1.0
    given_out = frame * 320 - SMALL.margin
    before, after = network.decode(latents)[0], network.decode(changed)[0]
    assert torch.allclose(before[:given_out], after[:given_out], atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-5)


@given(st.lists(st.integers(0, 1000), max_size=5), st.integers(1, 12))
@settings(max_examples=20)
def test_the_layers_memory_makes_pieces_equal_to_the_whole(network, cuts, frames):
    whole = network.encode(sound(frames))
    padded = torch.nn.functional.pad(sound(frames), (240, 240))
    memory, parts, start = {}, [], 0
    for count in pieces_of(frames, cuts):
        if count:
            parts.append(network.encoder(padded[:, start : start + count * 320 + 480], memory))
            start += count * 320
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
