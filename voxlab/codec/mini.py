"""The mini codec: a neural codec small enough to be trained on a laptop, with its weights in data/.

16 kHz speech, 50 frames a second, 8 stages of 1024 codes: 0.5 to 4 kbps. `network` is what runs,
`train` how it came to be, data/codec/README.md how well it does.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxlab import data
from voxlab.audio import Audio, Samples
from voxlab.codec.base import StreamLife, checked_audio, checked_scale
from voxlab.codec.quantizer import Codes, ResidualQuantizer, checked_codes, known_stages
from voxlab.codec.streaming import CompiledPart, NetworkPart, NetworkParts
from voxlab.errors import DataError, ModelError
from voxlab.models.network_files import UNREADABLE, read, write
from voxlab.models.torch_threads import inference

if TYPE_CHECKING:
    from voxlab.codec.network import MiniNetwork

WEIGHTS = "codec/mini.npz"
CODEBOOKS = "codebooks"  # the array in it that is not of the network
PASS_S = 10.0  # a long recording goes through the network in pieces of this length


class MiniCodec:
    """The codec that comes with voxlab. See `base.Codec` for what it does.

    weights: another file that `train` wrote. Raises ModelError if the file is missing, cut short
    or of another network.
    """

    name = "voxlab mini"

    def __init__(self, weights: Path | None = None) -> None:
        self.network, codebooks = load_weights(weights or _shipped())
        self.quantizer = ResidualQuantizer(codebooks)
        self._parts = NetworkParts(self.network, NetworkPart)
        config = self.network.config
        self.rate_hz = config.rate_hz
        self.frame_rate_hz = config.rate_hz / config.frame_size
        self.stages, self.codebook_size = config.stages, config.codes
        self.look_ahead_s = config.margin / config.rate_hz
        self.latency_s = (config.frame_size + 2 * config.margin) / config.rate_hz

    def encode(self, audio: Audio, stages: int | None = None) -> Codes:
        """Return the codes of a recording, int32 (stages, frames)."""
        stages = known_stages(stages, self.stages)
        encoder = MiniEncoder(self._parts, self.quantizer, stages)
        samples = checked_audio(audio, self.rate_hz, self.name).samples
        parts = np.split(samples, range(0, samples.size, round(PASS_S * self.rate_hz)))
        return np.concatenate([*map(encoder.push, parts), encoder.finish()], axis=1)

    def decode(self, codes: Codes) -> Audio:
        """Return the sound of codes, 20 ms a frame."""
        codes = checked_codes(codes, self.stages, self.codebook_size)
        decoder = MiniDecoder(self._parts, self.quantizer)
        frames = round(PASS_S * self.frame_rate_hz)
        parts = np.split(codes, range(0, codes.shape[1], frames), axis=1)
        sound = np.concatenate([*map(decoder.push, parts), decoder.finish()])
        return Audio(sound, self.rate_hz)

    def encoder(self, stages: int | None = None) -> "MiniEncoder":
        """Return a fresh stream to encode. Before the first, the network is compiled."""
        stages = known_stages(stages, self.stages)
        return MiniEncoder(self._compiled_parts, self.quantizer, stages)

    def decoder(self) -> "MiniDecoder":
        """Return a fresh stream to decode. Before the first, the network is compiled."""
        return MiniDecoder(self._compiled_parts, self.quantizer)

    @cached_property
    def _compiled_parts(self) -> NetworkParts:
        return NetworkParts(self.network, CompiledPart)


class MiniEncoder:
    """A stream of sound becoming codes: each frame 15 ms after its end."""

    def __init__(self, parts: NetworkParts, quantizer: ResidualQuantizer, stages: int) -> None:
        self._parts, self._quantizer, self._stages = parts, quantizer, stages
        self._state = parts.latents.fresh_state()
        self._waiting = np.zeros(parts.network.config.margin, np.float32)
        self._once = StreamLife()

    def push(self, samples: Samples) -> Codes:
        """Return the frames that are complete now, int32 (stages, frames)."""
        self._once.going_on()
        self._waiting = np.concatenate([self._waiting, checked_scale(samples)])
        return self._quantizer.encode(self._latents(), self._stages)

    def finish(self) -> Codes:
        """Return the last frames, the sound filled up with silence."""
        self._once.end()
        config = self._parts.network.config
        missing = -(self._waiting.size - config.margin) % config.frame_size + config.margin
        self._waiting = np.pad(self._waiting, (0, missing))
        return self._quantizer.encode(self._latents(), self._stages)

    def _latents(self) -> NDArray[np.float32]:
        import torch

        network, config = self._parts.network, self._parts.network.config
        frames = max(0, self._waiting.size - 2 * config.margin) // config.frame_size
        if not frames:
            return np.zeros((0, config.features), np.float32)
        used = frames * config.frame_size
        sound = torch.from_numpy(self._waiting[: used + 2 * config.margin])[None]
        self._waiting = self._waiting[used:]
        with inference():
            spectrum = network.encoder.spectrum(sound).numpy()
        latents, self._state = self._parts.latents.run(spectrum, self._state)
        return np.asarray(latents[0])


class MiniDecoder:
    """A stream of codes becoming sound: all but the last 15 ms of each frame at once."""

    def __init__(self, parts: NetworkParts, quantizer: ResidualQuantizer) -> None:
        self._parts, self._quantizer = parts, quantizer
        self._state = parts.polar.fresh_state()
        config = parts.network.config
        # what later windows will add to: the sum so far, and the sum of the squared windows
        self._open = np.zeros((2, config.window - config.hop), np.float32)
        self._skip = config.margin  # the first window begins before the first sample
        self._once = StreamLife()

    def push(self, codes: Codes) -> Samples:
        """Return the samples that no later code can change, float32 (samples,)."""
        import torch

        from voxlab.codec.network import overlap_add

        self._once.going_on()
        latents = self._quantizer.decode(codes)
        if not len(latents):
            return np.zeros(0, np.float32)
        decoder, config = self._parts.network.decoder, self._parts.network.config
        polar, self._state = self._parts.polar.run(latents[None], self._state)
        with inference():
            pieces = decoder.pieces(torch.from_numpy(polar))
            squares = decoder.window.square().expand_as(pieces)
            sums = overlap_add(torch.cat([pieces, squares]), config.hop).numpy()
        sums[:, : self._open.shape[1]] += self._open
        ready = len(latents) * config.frame_size
        self._open = sums[:, ready:]
        return self._sound(sums[:, :ready])

    def finish(self) -> Samples:
        """Return the last 15 ms."""
        self._once.end()
        margin = self._parts.network.config.margin
        return self._sound(self._open[:, :margin])

    def _sound(self, sums: NDArray[np.float32]) -> Samples:
        sound: Samples = (sums[0] / (sums[1] + 1e-8))[self._skip :]
        self._skip = max(0, self._skip - sums.shape[1])
        return sound


def _shipped() -> Path:
    try:
        return data.path(WEIGHTS)
    except DataError as error:
        raise ModelError(f"the mini codec's weights are missing: {error}") from error


def save_weights(file: Path, network: "MiniNetwork", codebooks: NDArray[np.float32]) -> None:
    """Write a network and its codebooks as 16-bit floats, with the sizes to build it again."""
    write(file, network, **{CODEBOOKS: codebooks})


def load_weights(file: Path) -> "tuple[MiniNetwork, NDArray[np.float32]]":
    """Return the network, ready to run, and the codebooks (stages, codes, features).

    Raises ModelError if the file is missing, cut short, damaged, or
    of another shape than its own sizes say.
    """
    from voxlab.codec.network import MiniConfig, MiniNetwork

    try:
        sizes, state = read(file)
        config = MiniConfig.of(sizes)
        codebooks = state.pop(CODEBOOKS).numpy()
        network = MiniNetwork(config)
        network.load_state_dict(state)
    except UNREADABLE as error:
        raise ModelError(
            f"{file} does not hold a mini codec: {type(error).__name__}: {str(error)[:200]}. "
            "Try git checkout data/codec, or train one: python -m voxlab.codec.train"
        ) from error
    expected = (config.stages, config.codes, config.features)
    if codebooks.shape != expected or not np.isfinite(codebooks).all():
        raise ModelError(f"{file} has codebooks {codebooks.shape}, its sizes say {expected}")
    return network.eval(), codebooks
