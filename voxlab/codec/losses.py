"""The losses that train the mini codec: how far its sound is from the original's."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

# window, hop, mel bands: from fine in time to fine in frequency
RESOLUTIONS = ((256, 64, 24), (512, 128, 48), (1024, 256, 80), (2048, 512, 120))
SPECTRAL, SAMPLES = 0.5, 0.5  # weights beside the mel distance
LOWEST_HZ, BANDS = 150, 15  # third octaves, which STOI listens to
POINTS = 512  # of the spectra
SEGMENT = 30  # frames of 12.8 ms: envelopes are compared over 0.38 s
LOUDEST = 1 + 10 ** (15 / 20)  # times the original: louder counts no more
FLOOR_DB = -40.0  # of the loudest segment: quieter ones are pauses


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
        return (_power(sound, window, hop, taper) + 1e-8).sqrt().transpose(1, 2)


class EnvelopeLoss(nn.Module):
    """How unlike the short-time envelopes of third-octave bands are: 0 for none, 1 for unrelated.

    It is 1 - STOI for one crop, up to the pauses: STOI cuts them out first, here whole segments do
    not count. Source: Taal et al. 2011, "An algorithm for intelligibility prediction".
    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self.hop = round(0.0128 * rate_hz)
        bins_hz = torch.fft.rfftfreq(POINTS, 1 / rate_hz)
        centres = LOWEST_HZ * 2 ** (torch.arange(BANDS) / 3)
        low, high = centres * 2 ** (-1 / 6), centres * 2 ** (1 / 6)
        inside = (bins_hz[:, None] >= low) & (bins_hz[:, None] < high)
        self.register_buffer("taper", torch.hann_window(2 * self.hop), persistent=False)
        self.register_buffer("bands", inside.float(), persistent=False)

    def forward(self, made: Tensor, original: Tensor) -> Tensor:
        """Return the loss. made, original: (batch, samples), 0.4 s at least."""
        ours = self._envelopes(made)
        with torch.no_grad():
            theirs = self._envelopes(original)
            loud = theirs.square().sum((1, 3)).sqrt()
            counts = loud > loud.amax(1, keepdim=True) * 10 ** (FLOOR_DB / 20)
        scale = theirs.norm(dim=-1, keepdim=True) / (ours.norm(dim=-1, keepdim=True) + 1e-6)
        ours = torch.minimum(ours * scale, theirs * LOUDEST)
        alike = functional.cosine_similarity(_centred(ours), _centred(theirs), dim=-1, eps=1e-6)
        return 1 - alike.mean(1)[counts].mean()

    def _envelopes(self, sound: Tensor) -> Tensor:
        """Return the loudness of bands in all segments, (batch, bands, segments, frames)."""
        power = _power(sound, POINTS, self.hop, self.get_buffer("taper"))
        bands = torch.einsum("bft,fk->bkt", power, self.get_buffer("bands"))
        return (bands + 1e-8).sqrt().unfold(2, SEGMENT, 1)


def _centred(envelopes: Tensor) -> Tensor:
    return envelopes - envelopes.mean(-1, keepdim=True)


def _power(sound: Tensor, points: int, hop: int, taper: Tensor) -> Tensor:
    """Return the squared magnitudes of the short-time spectra, (batch, bins, frames)."""
    spectra = torch.stft(sound, points, hop, len(taper), taper, return_complex=True)
    return spectra.real.square() + spectra.imag.square()
