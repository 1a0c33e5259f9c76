"""The losses that train the mini codec: how far its sound is from the original's."""

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

# window, hop, mel bands: from fine in time to fine in frequency
RESOLUTIONS = ((256, 64, 24), (512, 128, 48), (1024, 256, 80), (2048, 512, 120))
SPECTRAL, SAMPLES = 0.5, 0.5  # weights beside the mel distance


class ReconstructionLoss(nn.Module):
    """The mean over four resolutions of a mel and a spectral distance, and one of the samples.

    The log-mel distance is what an ear minds; the spectral convergence keeps loud partials right;
    the relative distance of the samples ties the phase down.
    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        for window, _, bands in RESOLUTIONS:
            mel = melscale_fbanks(
                window // 2 + 1, 0.0, rate_hz / 2, bands, rate_hz, norm="slaney", mel_scale="slaney"
            )
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)
            self.register_buffer(f"mel_{window}", mel, persistent=False)

    def forward(self, made: Tensor, original: Tensor) -> Tensor:
        """Return the loss. made, original: (batch, samples)."""
        distances = [self._spectral(made, original, *sizes[:2]) for sizes in RESOLUTIONS]
        samples = (made - original).abs().mean(1) / (original.abs().mean(1) + 5e-3)
        return torch.stack(distances).mean() + SAMPLES * samples.mean()

    def _spectral(self, made: Tensor, original: Tensor, window: int, hop: int) -> Tensor:
        ours = self._magnitude(made, window, hop)
        with torch.no_grad():  # half of the work of the backward pass, and nobody asks for it
            theirs = self._magnitude(original, window, hop)
        mel = self.get_buffer(f"mel_{window}")
        ours_mel, theirs_mel = ((magnitude @ mel + 1e-3).log() for magnitude in (ours, theirs))
        error = (ours - theirs).square().sum((1, 2)).sqrt()
        convergence = error / (theirs.square().sum((1, 2)).sqrt() + 0.1)
        return (ours_mel - theirs_mel).abs().mean() + SPECTRAL * convergence.mean()

    def _magnitude(self, sound: Tensor, window: int, hop: int) -> Tensor:
        """Return the magnitudes of the short-time spectra, (batch, frames, bins)."""
        taper = self.get_buffer(f"window_{window}")
        spectra = torch.stft(sound, window, hop, window=taper, return_complex=True)
        power = spectra.real.square() + spectra.imag.square()
        return (power + 1e-8).sqrt().transpose(1, 2)
