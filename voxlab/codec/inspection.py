"""A codec taken apart: what its quantizer sees, what a stage leaves, what the decoder says.

For looking and listening: `mini` uses none of this.
"""

import numpy as np
from numpy.typing import NDArray

from voxlab.audio import Audio
from voxlab.codec.base import checked_audio
from voxlab.codec.mini import MiniCodec
from voxlab.codec.quantizer import ResidualQuantizer, Vectors
from voxlab.errors import CodecError
from voxlab.models.torch_threads import inference


def learned_quantizer(
    points: Vectors, stages: int, codes: int, rng: np.random.Generator
) -> ResidualQuantizer:
    """Return a quantizer whose codebooks are learned by k-means, each on what the last one leaves.

    points: float (points, features). codes: codewords of each stage. Raises CodecError if there
    are fewer points than codes.
    """
    import torch

    from voxlab.codec.learning import LearningQuantizer

    given = np.asarray(points, np.float32)
    if given.ndim != 2 or len(given) < codes:
        raise CodecError(
            f"points have shape {given.shape}, need (points, features) with {codes} points at "
            "least, one for each codeword: give more points or ask for fewer codes"
        )
    learner = LearningQuantizer(stages, codes, given.shape[1])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    learner.initialise(torch.from_numpy(given), len(given), generator)
    return ResidualQuantizer(learner.codebooks.numpy())


def latents_of(codec: MiniCodec, sound: Audio) -> Vectors:
    """Return what the quantizer sees of a recording, float32 (frames, features).

    The last frame is filled up with silence. Raises AudioError if the sound does not fit the codec.
    """
    import torch

    samples = checked_audio(sound, codec.rate_hz, codec.name).samples
    whole = np.pad(samples, (0, -samples.size % codec.network.config.frame_size))
    with inference():
        latents: Vectors = codec.network.encode(torch.from_numpy(whole)[None])[0].numpy()
    return latents


def sound_of(codec: MiniCodec, latents: Vectors) -> Audio:
    """Return what the decoder makes of any latents, float (frames, features), quantized or not."""
    import torch

    given = np.ascontiguousarray(latents, np.float32)
    if given.ndim != 2 or given.shape[1] != codec.quantizer.features or not len(given):
        raise CodecError(
            f"latents have shape {given.shape}, the decoder needs (frames, "
            f"{codec.quantizer.features}), a frame at least"
        )
    with inference():
        samples = codec.network.decode(torch.from_numpy(given)[None])[0].numpy()
    return Audio(samples, codec.rate_hz)


def residual_levels_db(quantizer: ResidualQuantizer, vectors: Vectors) -> NDArray[np.float64]:
    """Return how much of the vectors is left before the first stage and after each, in dB.

    Returns float (stages + 1,): the mean squared distance from the mean, 0 dB before the first.
    Raises CodecError if the vectors do not differ, so that there is nothing to code.

    >>> halving = ResidualQuantizer(np.array([[[-1.0], [1.0]], [[-0.5], [0.5]]]))
    >>> residual_levels_db(halving, np.array([[-1.5], [-0.5], [0.5], [1.5]]))[1].round(2)
    np.float64(-6.99)
    """
    left = list(quantizer.residuals(vectors))
    if not len(left[0]) or not left[0].var(0).any():
        raise CodecError(f"{len(left[0])} vectors that do not differ: measure those of a sound")
    powers = np.array([vectors.var(0).sum() for vectors in left], np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(powers / powers[0]))
