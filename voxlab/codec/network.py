"""The mini codec's two networks: sound to latent vectors, and latent vectors to sound.

    sound -> STFT features -> causal ConvNeXt at 100 Hz -> stride 2 -> ... at 50 Hz -> latents
    latents -> causal ConvNeXt at 50 Hz -> 100 Hz -> ... -> magnitude and phase -> inverse STFT

Every layer looks back only, so a stream needs no more than what each layer saw last: a `Memory`.
With a fresh memory the same code runs a whole file. Only the windows of the two transforms reach
forward, 15 ms each. Source: Siuzdak 2023 (Vocos) for the inverse-STFT head, Liu et al. 2022 for
the ConvNeXt block.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Memory = dict[nn.Module, Tensor]  # what each layer keeps from the frames before


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """The sizes of the mini codec. window: of both transforms, in samples, four hops long."""

    rate_hz: int = 16_000
    hop: int = 160
    window: int = 640
    width: int = 192
    hidden: int = 576
    encoder_blocks: tuple[int, int] = (3, 2)  # at 100 Hz, then at 50 Hz
    decoder_blocks: tuple[int, int] = (2, 5)  # at 50 Hz, then at 100 Hz
    features: int = 64  # of a latent vector, which the quantizer sees
    stages: int = 8
    codes: int = 1024

    @staticmethod
    def of(sizes: Mapping[str, Any]) -> "MiniConfig":
        """Return the sizes as they are read from JSON, where a tuple becomes a list."""
        given: dict[str, Any] = dict(sizes)
        blocks = {name: tuple(given[name]) for name in ("encoder_blocks", "decoder_blocks")}
        return MiniConfig(**given | blocks)

    @property
    def frame_size(self) -> int:
        """Samples a frame of codes stands for: two hops."""
        return 2 * self.hop

    @property
    def margin(self) -> int:
        """Samples that a window reaches beyond its hop, on each side."""
        return (self.window - self.hop) // 2


def with_past(layer: nn.Module, x: Tensor, past: int, memory: Memory | None) -> Tensor:
    """Return x with the last `past` frames of what the layer saw before, zeros at the start.

    x: (batch, frames, features). memory: None for a whole file; else it is brought up to date.
    """
    before = None if memory is None else memory.get(layer)
    if before is None:
        before = x.new_zeros(x.shape[0], past, x.shape[2])
    x = torch.cat([before, x], 1)
    if memory is not None:
        memory[layer] = x[:, -past:].clone()
    return x


def _shifted_sum(x: Tensor, taps: Tensor) -> Tensor:
    kernel = len(taps)
    frames = x.shape[1] - kernel + 1
    if frames <= 4:  # as a stream brings them: then it takes fewer steps to go frame by frame
        each = [(x[:, frame : frame + kernel] * taps).sum(1, True) for frame in range(frames)]
        return torch.cat(each, 1)
    y = x[:, :frames] * taps[0]
    for shift in range(1, kernel):
        y.addcmul_(x[:, shift : shift + frames], taps[shift])
    return y


class _ConvolveEach(torch.autograd.Function):
    """A sum of shifted copies: on a processor faster than conv1d with a group for each feature."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(x, taps)
        return _shifted_sum(x, taps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (x, taps) = gradients, ctx.saved_tensors
        frames = gradient.shape[1]
        of_x, of_taps = torch.zeros_like(x), torch.empty_like(taps)
        for shift in range(len(taps)):
            of_x[:, shift : shift + frames].addcmul_(gradient, taps[shift])
            of_taps[shift] = (gradient * x[:, shift : shift + frames]).sum((0, 1))
        return of_x, of_taps


def convolve_each(x: Tensor, taps: Tensor) -> Tensor:
    """Convolve each feature over time with taps of its own.

    x: (batch, frames + kernel - 1, features); taps: (kernel, features), the oldest frame first.
    Returns (batch, frames, features).
    """
    if not torch.is_grad_enabled():
        return _shifted_sum(x, taps)
    y: Tensor = _ConvolveEach.apply(x, taps)  # type: ignore[no-untyped-call]
    return y


class ConvNeXt(nn.Module):
    """A residual block: each feature convolved over time alone, then all features mixed."""

    def __init__(self, width: int, hidden: int, kernel: int = 7) -> None:
        super().__init__()
        self.kernel = kernel
        self.taps = nn.Parameter(torch.randn(kernel, width) / math.sqrt(kernel))
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """x: (batch, frames, width); returns the same shape."""
        seen = with_past(self, x, self.kernel - 1, memory)
        y = convolve_each(seen, self.taps)
        mixed: Tensor = self.narrow(functional.gelu(self.widen(self.norm(y))))
        return torch.addcmul(x, mixed, self.scale)


class Encoder(nn.Module):
    """Sound to latent vectors, 50 a second."""

    window: Tensor

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        bins, width = config.window // 2 + 1, config.width
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        self.enter = nn.Linear(3 * bins, width)
        self.enter_norm = nn.LayerNorm(width)
        fast, slow = config.encoder_blocks
        self.fast = nn.ModuleList(ConvNeXt(width, config.hidden) for _ in range(fast))
        self.downsample = nn.Linear(4 * width, width)
        self.downsample_norm = nn.LayerNorm(width)
        self.slow = nn.ModuleList(ConvNeXt(width, config.hidden) for _ in range(slow))
        self.leave = nn.Linear(width, config.features)

    def forward(self, sound: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the latents of as many whole frames as the samples hold.

        sound: (batch, samples), from `margin` samples before the first frame to `margin` after
        the last. Returns (batch, frames, features).
        """
        return self.latents(self.spectrum(sound), memory)

    def latents(self, spectrum: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the latents of spectra, (batch, frames, features), one for two hops."""
        x = self.enter_norm(self.enter(spectrum))
        for block in self.fast:
            x = block(x, memory)
        batch, hops, width = x.shape
        x = with_past(self, x, 2, memory)  # a frame of codes sees its two hops and two before
        pairs = [hop.reshape(batch, hops // 2, 2 * width) for hop in (x[:, :-2], x[:, 2:])]
        x = self.downsample_norm(self.downsample(torch.cat(pairs, -1)))
        for block in self.slow:
            x = block(x, memory)
        latents: Tensor = self.leave(x)
        return latents

    def spectrum(self, sound: Tensor) -> Tensor:
        """Return (batch, hops, 3 x bins): the spectrum with its range compressed, and its log."""
        windows = sound.unfold(-1, self.config.window, self.config.hop) * self.window
        spectrum = torch.fft.rfft(windows)
        magnitude = spectrum.abs() + 1e-5
        compressed = spectrum * magnitude.pow(-0.7)
        return torch.cat([compressed.real, compressed.imag, 0.3 * magnitude.log()], -1)


class Decoder(nn.Module):
    """Latent vectors to the spectra whose overlapping windows are the sound."""

    window: Tensor

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        bins, width = config.window // 2 + 1, config.width
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        self.enter = nn.Linear(config.features, width)
        slow, fast = config.decoder_blocks
        self.slow = nn.ModuleList(ConvNeXt(width, config.hidden) for _ in range(slow))
        self.upsample = nn.Linear(width, 2 * width)
        self.upsample_norm = nn.LayerNorm(width)
        self.fast = nn.ModuleList(ConvNeXt(width, config.hidden) for _ in range(fast))
        self.leave_norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 2 * bins)

    def forward(self, latents: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the windowed pieces of sound, (batch, hops, window), to be overlapped.

        latents: (batch, frames, features); two hops a frame.
        """
        return self.pieces(self.polar(latents, memory))

    def polar(self, latents: Tensor, memory: Memory | None = None) -> Tensor:
        """Return (batch, hops, 2 x bins): the log magnitude of each bin, and the phase of each."""
        x = self.enter(latents)
        for block in self.slow:
            x = block(x, memory)
        batch, frames, width = x.shape
        x = self.upsample_norm(self.upsample(x).view(batch, 2 * frames, width))
        for block in self.fast:
            x = block(x, memory)
        polar: Tensor = self.leave(self.leave_norm(x))
        return polar

    def pieces(self, polar: Tensor) -> Tensor:
        """Return the windowed pieces of sound, (batch, hops, window)."""
        log_magnitude, phase = polar.chunk(2, -1)
        spectrum = torch.polar(log_magnitude.clamp(max=6.0).exp(), phase)
        pieces: Tensor = torch.fft.irfft(spectrum, self.config.window) * self.window
        return pieces


def overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """Return the sum of pieces that start one hop after the other.

    pieces: (batch, hops, window). Returns (batch, (hops - 1) x hop + window).
    """
    batch, hops, window = pieces.shape
    total = (hops - 1) * hop + window
    folded = functional.fold(pieces.transpose(1, 2), (1, total), (1, window), stride=(1, hop))
    return folded.view(batch, total)


class MiniNetwork(nn.Module):
    """The encoder and the decoder, without the quantizer between them."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, sound: Tensor) -> Tensor:
        """Return the latents of a whole recording. sound: (batch, samples), whole frames."""
        margin = self.config.margin
        latents: Tensor = self.encoder(functional.pad(sound, (margin, margin)))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Return the whole recording, (batch, frames x frame size)."""
        pieces, margin = self.decoder(latents), self.config.margin
        weight = (self.decoder.window**2).expand(1, pieces.shape[1], -1)
        sound = overlap_add(pieces, self.config.hop) / (overlap_add(weight, self.config.hop) + 1e-8)
        return sound[:, margin:-margin]
