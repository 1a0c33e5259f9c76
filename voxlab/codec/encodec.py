"""EnCodec at 24 kHz, by Meta, behind the same protocol as the mini codec.

The network is that of the package encodec, its weights those of the paper. They lie on a host that
many classrooms do not reach: a copy of the file will do, or the mini codec. Our `quantizer` finds
the codes: the same ones as the package's own, faster.
Source: Defossez et al. 2022, arXiv:2210.13438; package and weights under the MIT licence.
"""

import os
import shutil
import tempfile
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab import models
from voxlab.audio import Audio, Samples
from voxlab.codec.base import StreamLife, checked_audio, checked_scale
from voxlab.codec.perceptual_metrics import PerceptualQuality
from voxlab.codec.quantizer import Codes, ResidualQuantizer, checked_codes, known_stages
from voxlab.errors import ModelError
from voxlab.models.torch_threads import inference
from voxlab.models.wheels import sha256

FILE = "encodec_24khz-d7cc33bc.th"  # the name ends with the start of the file's SHA-256
HOST = "https://dl.fbaipublicfiles.com/encodec/v0/"
SHA256_START = "d7cc33bc"
TIMEOUT_S = 20.0

FRAME_SIZE = 320
# The first layers mirror the start of the sound: until so many frames are there, none is certain.
CERTAIN_AFTER = 8

# By bits a second, from the leaderboard of Codec-SUPERB (Wu et al. 2024, arXiv:2402.13071; the file
# web/src/results/data.js of github.com/voidful/Codec-SUPERB): other recordings than ours.
PUBLISHED_QUALITY = {
    1_500: PerceptualQuality(stoi=0.773, pesq=1.462),
    3_000: PerceptualQuality(stoi=0.841, pesq=1.923),
    6_000: PerceptualQuality(stoi=0.893, pesq=2.538),
    12_000: PerceptualQuality(stoi=0.930, pesq=3.114),
    24_000: PerceptualQuality(stoi=0.952, pesq=3.467),
}


class EnCodec:
    """Meta's codec for any sound: 75 frames a second, up to 32 stages of 1024 codes, 24 kbps.

    weights: a file of them; by default the one in voxlab's cache, fetched if it is not there.
    sha256_start: how its checksum must begin. Raises ModelError if the file cannot be had, is
    damaged or of another network; the error says where to get it and where to put it.
    """

    name = "EnCodec 24 kHz"
    rate_hz = 24_000
    frame_rate_hz = 75.0
    codebook_size = 1024
    look_ahead_s = 0.0
    latency_s = FRAME_SIZE / 24_000
    published_quality = PUBLISHED_QUALITY

    def __init__(self, weights: Path | None = None, *, sha256_start: str = SHA256_START) -> None:
        self.model = _model(weights or fetch(), sha256_start)
        layers = self.model.quantizer.vq.layers
        codebooks = np.stack([layer.codebook.numpy() for layer in layers])
        self.quantizer = ResidualQuantizer(codebooks)
        self.stages = self.quantizer.stages

    def encode(self, audio: Audio, stages: int | None = None) -> Codes:
        """Return the codes of a recording at 24 kHz, int32 (stages, frames)."""
        stages = known_stages(stages, self.stages)
        samples = checked_audio(audio, self.rate_hz, self.name).samples
        return self.quantizer.encode(self.latents(samples), stages)

    def decode(self, codes: Codes) -> Audio:
        """Return the sound of codes, 13.3 ms a frame."""
        checked = checked_codes(codes, self.stages, self.codebook_size)
        return Audio(self.sound(self.quantizer.decode(checked)), self.rate_hz)

    def encoder(self, stages: int | None = None) -> "EnCodecEncoder":
        """Return a fresh stream to encode."""
        return EnCodecEncoder(self, known_stages(stages, self.stages))

    def decoder(self) -> "EnCodecDecoder":
        """Return a fresh stream to decode."""
        return EnCodecDecoder(self)

    def latents(self, samples: Samples) -> NDArray[np.float32]:
        """Return what the quantizer sees, float32 (frames, 128), the last frame filled up."""
        if not samples.size:
            return np.zeros((0, self.quantizer.features), np.float32)
        whole = np.pad(samples, (0, -samples.size % FRAME_SIZE))
        latents: NDArray[np.float32] = self._run(self.model.encoder, whole[None, None])[0].T
        return latents

    def sound(self, latents: NDArray[np.float32]) -> Samples:
        """Return the sound of latents, float32 (frames x 320,)."""
        if not len(latents):
            return np.zeros(0, np.float32)
        sound: Samples = self._run(self.model.decoder, latents.T[None])[0, 0]
        return sound

    @staticmethod
    def _run(network: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with inference():
            y: NDArray[np.float32] = network(torch.from_numpy(np.ascontiguousarray(x))).numpy()
        return y


class _Growing:
    """A stream by running the network on all that came so far, and giving what is new.

    The package's layers keep no memory between calls. The network looks back only, so the result
    is exact, but each call costs as much as all the sound before: good for a look, not for a call.
    """

    def __init__(self, run: Callable[[Any], Any]) -> None:
        self._run, self._given, self._once = run, 0, StreamLife()

    def _new(self, seen: Any, certain: int, *, end: bool) -> Any:
        """Return the rows of the result beyond those given before; certain: rows that will stay."""
        result = self._run(seen)
        upto = len(result) if end else max(self._given, certain)
        new, self._given = result[self._given : upto], upto
        return new


class EnCodecEncoder(_Growing):
    """A stream of sound becoming codes; the first eight frames come together."""

    def __init__(self, codec: EnCodec, stages: int) -> None:
        super().__init__(codec.latents)
        self._quantizer, self._stages = codec.quantizer, stages
        self._seen = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Codes:
        """Return the frames that are complete now, int32 (stages, frames)."""
        self._once.going_on()
        self._seen = np.concatenate([self._seen, checked_scale(samples)])
        frames = self._seen.size // FRAME_SIZE
        if frames < CERTAIN_AFTER or frames == self._given:
            return np.zeros((self._stages, 0), np.int32)
        whole = self._seen[: frames * FRAME_SIZE]
        return self._quantizer.encode(self._new(whole, frames, end=False), self._stages)

    def finish(self) -> Codes:
        """Return the last frames, the sound filled up with silence."""
        self._once.end()
        return self._quantizer.encode(self._new(self._seen, 0, end=True), self._stages)


class EnCodecDecoder(_Growing):
    """A stream of codes becoming sound; the first eight frames come together."""

    def __init__(self, codec: EnCodec) -> None:
        super().__init__(codec.sound)
        self._quantizer = codec.quantizer
        self._seen = np.zeros((0, codec.quantizer.features), np.float32)

    def push(self, codes: Codes) -> Samples:
        """Return the samples that no later code can change, float32 (samples,)."""
        self._once.going_on()
        self._seen = np.concatenate([self._seen, self._quantizer.decode(codes)])
        frames = len(self._seen)
        if frames < CERTAIN_AFTER or frames * FRAME_SIZE == self._given:
            return np.zeros(0, np.float32)
        new: Samples = self._new(self._seen, frames * FRAME_SIZE, end=False)
        return new

    def finish(self) -> Samples:
        """Return the last samples."""
        self._once.end()
        new: Samples = self._new(self._seen, 0, end=True)
        return new


def _model(weights: Path, sha256_start: str) -> Any:
    """Return the package's network with these weights. Nothing in the file is executed."""
    import torch

    if not weights.is_file():
        raise ModelError(f"no file {weights} with EnCodec's weights. {_way_out()}")
    found = sha256(weights)
    if not found.startswith(sha256_start):
        raise ModelError(
            f"{weights} is damaged or another file: its SHA-256 begins with {found[:8]}, "
            f"EnCodec's with {sha256_start}. {_way_out()}"
        )
    with warnings.catch_warnings():  # the package builds on a function that torch deprecates
        warnings.simplefilter("ignore", FutureWarning)
        from encodec.model import EncodecModel

        model = EncodecModel.encodec_model_24khz(pretrained=False)
    try:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises what pickle, zip and its own code raise
        raise ModelError(f"{weights} does not hold EnCodec's weights: {error}") from error
    return model.eval()


def fetch() -> Path:
    """Return EnCodec's weights in the cache, fetched now (93 MB) if they are not there.

    Raises ModelError, with a way out, if the host is not reached or gives another file.
    """
    target = _cached()
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            new = Path(scratch, FILE)
            with (
                urllib.request.urlopen(HOST + FILE, timeout=TIMEOUT_S) as answer,
                new.open("wb") as file,
            ):
                shutil.copyfileobj(answer, file)
            if not sha256(new).startswith(SHA256_START):
                raise ModelError(f"{HOST}{FILE} has a wrong SHA-256. {_way_out()}")
            os.replace(new, target)
    except OSError as error:
        raise ModelError(f"cannot fetch EnCodec's weights: {error}. {_way_out()}") from error
    return target


def _cached() -> Path:
    return models.cache_dir() / "encodec-24khz" / FILE


def _way_out() -> str:
    return (
        f"Where {HOST}{FILE} can be reached, download it (93 MB) and put it at {_cached()}, or "
        "pass EnCodec(weights=...). Without it, MiniCodec() does all that the lessons need"
    )
