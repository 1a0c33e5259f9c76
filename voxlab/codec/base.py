"""What a codec is to the rest of voxlab: sound to codes and back, whole or as a stream."""

from typing import Protocol, runtime_checkable

import numpy as np

from voxlab.audio import Audio, Samples
from voxlab.codec.bitrate import bitrate_bps
from voxlab.codec.quantizer import Codes, known_stages
from voxlab.errors import AudioError, CodecError
from voxlab.samples import checked_samples

LOUDEST = 10.0  # 20 dB above full scale: more is 16-bit numbers, not sound in [-1, 1]


class CodecEncoder(Protocol):
    """One stream of sound becoming codes. What it gives, joined, is what `Codec.encode` gives."""

    def push(self, samples: Samples) -> Codes:
        """Return the frames that are complete now, int32 (stages, frames); often none yet.

        samples: float (any number,) at the codec's rate. Raises AudioError if they are not.
        """
        ...

    def finish(self) -> Codes:
        """Return the last frames, the sound filled up with silence. No push may follow."""
        ...


class CodecDecoder(Protocol):
    """One stream of codes becoming sound. What it gives, joined, is what `Codec.decode` gives."""

    def push(self, codes: Codes) -> Samples:
        """Return the samples that no later code can change, float32 (samples,).

        codes: int (stages, frames). Raises CodecError if they do not fit the codec.
        """
        ...

    def finish(self) -> Samples:
        """Return the last samples. No push may follow."""
        ...


@runtime_checkable
class Codec(Protocol):
    """Sound to a few codes a frame, and back.

    stages: codebooks there are; codebook_size: entries of each. look_ahead_s: how much sound
    beyond a frame's end its codes depend on. latency_s: from a sample going in to the same sample
    coming out of the decoder, both at infinite speed.
    """

    name: str
    rate_hz: int
    frame_rate_hz: float
    stages: int
    codebook_size: int
    look_ahead_s: float
    latency_s: float

    def encode(self, audio: Audio, stages: int | None = None) -> Codes:
        """Return the codes of a recording, int32 (stages, frames), the last frame filled up.

        stages: the first so many (default: all). Raises AudioError if the recording has another
        rate, is empty or far beyond full scale; CodecError for stages there are not.
        """
        ...

    def decode(self, codes: Codes) -> Audio:
        """Return the sound of codes, int (1 to all stages, frames): whole frames of it.

        Raises CodecError if shape or range do not fit.
        """
        ...

    def encoder(self, stages: int | None = None) -> CodecEncoder:
        """Return a fresh stream to encode. Raises CodecError for stages there are not."""
        ...

    def decoder(self) -> CodecDecoder:
        """Return a fresh stream to decode."""
        ...


def bitrate_of(codec: Codec, stages: int | None = None) -> float:
    """Return what a codec sends with so many stages, in bits a second."""
    stages = known_stages(stages, codec.stages)
    return bitrate_bps(codec.frame_rate_hz, stages, codec.codebook_size)


def round_trip(codec: Codec, audio: Audio, stages: int | None = None) -> Audio:
    """Return a recording as it sounds behind a codec: same rate, same length.

    audio: at any rate; it is resampled to the codec's and back.
    """
    at_rate = audio.resample(codec.rate_hz)
    decoded = codec.decode(codec.encode(at_rate, stages)).resample(audio.rate_hz)
    return Audio(decoded.samples[: audio.samples.size], audio.rate_hz)


def checked_audio(audio: Audio, rate_hz: int, name: str) -> Audio:
    """Return the recording. Raises AudioError unless it is sound at that rate, and some."""
    if audio.rate_hz != rate_hz:
        raise AudioError(
            f"audio is at {audio.rate_hz} Hz, {name} codes {rate_hz} Hz: audio.resample({rate_hz})"
        )
    if not audio.samples.size:
        raise AudioError(f"audio is empty, {name} needs a sample at least: record it again")
    checked_scale(audio.samples)
    return audio


def checked_scale(samples: Samples) -> Samples:
    """Return samples as float32. Raises AudioError unless they are one channel in [-1, 1]."""
    given = checked_samples(samples)
    loudest = np.abs(given).max(initial=0.0)
    if loudest > LOUDEST:
        raise AudioError(
            f"samples reach {loudest}, full scale is 1: divide 16-bit samples by 32768"
        )
    return given


class StreamLife:
    """Refuses what comes after the end of a stream."""

    def __init__(self) -> None:
        self._ended = False

    def going_on(self) -> None:
        """Raise CodecError if the stream has ended."""
        if self._ended:
            raise CodecError("this stream has ended: ask the codec for a fresh one")

    def end(self) -> None:
        """End the stream. Raises CodecError if it has ended before."""
        self.going_on()
        self._ended = True
