"""Sound as a value: read it, write it, cut it, resample it, mix it, and hear it in a notebook."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from voxlab.errors import AudioError
from voxlab.samples import Samples as Samples
from voxlab.samples import (
    checked_samples,
    count_samples,
    from_int16,
    read_only,
    refuse_rate,
    to_int16,
)
from voxlab.sound_headers import Content, with_right_header

READ = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"}
WRITTEN = {".wav": "WAV", ".flac": "FLAC"}
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
AUDIBLE_DB = -45.0  # a 10 ms hop below this level counts as silence
SPEECH_DB = -25.0  # of our recordings of callers, and of all that is mixed to be as loud


@dataclass(frozen=True, eq=False, slots=True)
class Audio:
    """A mono recording; the last expression of a notebook cell plays it.

    samples: float32 (samples,), full scale is [-1, 1]; rate_hz: samples per second.
    It is a value: nobody can write to its samples, and two recordings of the same sound are equal.
    Raises AudioError if the samples are not one-dimensional, not float or not finite.

    >>> tone = Audio(np.zeros(8000), rate_hz=16000)
    >>> tone.duration_s
    0.5
    >>> tone == Audio([0.0] * 8000, 16000), tone == tone.resample(8000)
    (True, False)
    """

    samples: Samples
    rate_hz: int

    def __post_init__(self) -> None:
        refuse_rate(self.rate_hz)
        samples = checked_samples(self.samples, self.rate_hz)
        object.__setattr__(self, "samples", read_only(samples))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        return self.rate_hz == other.rate_hz and np.array_equal(self.samples, other.samples)

    def __hash__(self) -> int:
        return hash((self.rate_hz, (self.samples + 0.0).tobytes()))  # -0.0 equals 0.0

    def __reduce__(self) -> tuple[type["Audio"], tuple[Samples, int]]:
        return Audio, (self.samples, self.rate_hz)  # an unpickled array could be written to

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.rate_hz

    def between(self, start_s: float, end_s: float) -> "Audio":
        """Return the part from start_s to end_s, clipped to the recording.

        Raises AudioError if one of them is NaN.
        """
        if math.isnan(start_s) or math.isnan(end_s):
            raise AudioError(f"no part lasts from {start_s} to {end_s} s: give two times")
        times_s = (min(max(0.0, at_s), self.duration_s) for at_s in (start_s, end_s))
        start, end = (round(at_s * self.rate_hz) for at_s in times_s)
        return Audio(self.samples[start:end], self.rate_hz)

    def resample(self, rate_hz: int) -> "Audio":
        """Return the same sound at another rate (soxr, high quality).

        Raises AudioError if the rate is not a whole number above 0.
        """
        refuse_rate(rate_hz)
        if rate_hz == self.rate_hz or not self.samples.size:
            return Audio(self.samples, rate_hz)
        import soxr

        return Audio(soxr.resample(self.samples, self.rate_hz, rate_hz), rate_hz)

    def _repr_html_(self) -> str:
        return player_html(self)


def player_html(*channels: Audio) -> str:
    """Return a notebook's player for one recording, or for two as stereo (left, right).

    Full scale is kept, samples beyond it are clipped.
    """
    if not any(channel.samples.size for channel in channels):
        return "<p>a recording of 0 s</p>"
    return f'<audio controls src="{data_uri(*channels)}"></audio>'


def data_uri(*channels: Audio) -> str:
    """Return one recording, or two as stereo, as a data URI: Ogg Opus, about 30 kbit/s a voice.

    A rate that Opus does not have goes up to the next one. Browsers: Chrome, Firefox, Safari 18.4.
    """
    rate_hz = next((hz for hz in OPUS_RATES_HZ if hz >= channels[0].rate_hz), OPUS_RATES_HZ[-1])
    columns, rate_hz = _columns([channel.resample(rate_hz) for channel in channels])
    file = io.BytesIO()
    soundfile.write(file, columns, rate_hz, format="OGG", subtype="OPUS")
    return f"data:audio/ogg;base64,{base64.b64encode(file.getvalue()).decode()}"


def read(path: str | Path, *, limit_s: float = 1800.0) -> Audio:
    """Read a recording (WAV, FLAC, OGG, MP3, any bit depth); channels are averaged to mono.

    limit_s: a longer file is refused, for a wrong path is likelier than an hour of speech.
    Raises AudioError if the file is missing, empty, truncated, unreadable, not finite or too long.
    An OGG or MP3 file does not tell its length, so that a truncated one is just shorter.
    """
    return _mixed(read_channels(path, limit_s=limit_s))


def decode(content: bytes, *, limit_s: float = 1800.0) -> Audio:
    """Return the recording in the content of a file; otherwise like `read`."""
    return _mixed(_channels(Content(content), "the content", len(content), limit_s))


def read_channels(path: str | Path, *, limit_s: float = 1800.0) -> tuple[Audio, ...]:
    """Read a recording and return its channels apart; otherwise like `read`."""
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"no recording at {path}: check the name, or see data/README.md")
    return _channels(path, str(path), path.stat().st_size, limit_s)


def _mixed(channels: Sequence[Audio]) -> Audio:
    return Audio(np.mean([c.samples for c in channels], axis=0), channels[0].rate_hz)


def _channels(sound: Path | Content, name: str, size: int, limit_s: float) -> tuple[Audio, ...]:
    try:
        with soundfile.SoundFile(with_right_header(sound)) as file:
            _refuse_file(file, limit_s)
            samples = file.read(file.frames, dtype="float32", always_2d=True)
            return tuple(Audio(channel, file.samplerate) for channel in samples.T)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a name that ends in .raw
        raise AudioError(
            f"{name} ({size} bytes) is not a recording we can read, or is damaged or truncated: "
            f"{_reason(error)} Copy it again, or convert it to WAV, 16 bit"
        ) from error
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from error


def _refuse_file(file: Any, limit_s: float) -> None:
    duration_s = file.frames / file.samplerate
    if file.format not in READ:
        raise AudioError(
            f"it is {file.format_info}, which does not tell whether it is whole: "
            "convert it to WAV, 16 bit"
        )
    if file.frames == 0:
        raise AudioError("it holds no samples: record it again")
    if duration_s > limit_s:
        raise AudioError(
            f"it lasts {duration_s:.0f} s, the limit is {limit_s:.0f} s: "
            "cut it, or pass a higher limit_s"
        )


def _reason(error: Exception) -> str:
    """Return libsndfile's words as one sentence."""
    return str(getattr(error, "error_string", error)).rstrip(".") + "."


def write(path: str | Path, *channels: Audio) -> None:
    """Write one recording, or two as a stereo file (left, right): 16 bits, .wav or .flac.

    The shorter channel is padded with silence; samples beyond full scale are clipped.
    Raises AudioError if the name ends otherwise, the channels differ in rate, or the file cannot
    be written.
    """
    columns, rate_hz = _columns(channels)
    format_ = written_format(path)
    try:
        soundfile.write(path, columns, rate_hz, subtype="PCM_16", format=format_)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"cannot write {path}: {_reason(error)} Is its folder there?") from error


def written_format(path: str | Path) -> str:
    """Return the format that a file's name asks for. Raises AudioError if we do not write it."""
    suffix = Path(path).suffix
    if suffix.lower() not in WRITTEN:
        raise AudioError(
            f"cannot write {path}: a name that ends in {suffix or 'nothing'!r} is no format of "
            f"ours, use {' or '.join(WRITTEN)}"
        )
    return WRITTEN[suffix.lower()]


def _columns(channels: Sequence[Audio]) -> tuple[Samples, int]:
    """Return the channels side by side, float32 (samples, channels) in [-1, 1], and their rate."""
    rates = {channel.rate_hz for channel in channels}
    if len(rates) != 1:
        raise AudioError(f"channels have the rates {sorted(rates)} Hz, need one: resample first")
    columns = np.zeros((max(c.samples.size for c in channels), len(channels)), np.float32)
    for column, channel in zip(columns.T, channels, strict=True):
        column[: channel.samples.size] = np.clip(channel.samples, -1, 1)
    return columns, rates.pop()


class Resampler:
    """A stream from one rate to another, with all of its band; a rate to itself costs nothing.

    It holds back up to 115 ms: sound that a caller waits for goes through `telephony.resampling`.
    Raises AudioError if a rate is not a whole number above 0.
    """

    def __init__(self, from_hz: int, to_hz: int, quality: str = "HQ") -> None:
        refuse_rate(from_hz)
        refuse_rate(to_hz)
        self._stream: Any = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """Return what the stream gives for the next samples; last: and all that is still in it.

        Raises AudioError unless they are finite floats (n,).
        """
        checked = checked_samples(samples)
        if self._stream is None:
            return checked
        resampled: Samples = self._stream.resample_chunk(checked, last=last)
        return resampled


def to_pcm16(samples: Samples) -> bytes:
    """Return samples as 16-bit little-endian PCM: `to_int16` in bytes.

    Raises AudioError unless they are finite floats (n,).

    >>> to_pcm16(np.array([0.5, 2.0])).hex()
    '0040ff7f'
    """
    return to_int16(samples).astype("<i2").tobytes()


def from_pcm16(data: bytes) -> Samples:
    """Return the samples of 16-bit little-endian PCM, float32 (samples,).

    Raises AudioError if the last sample is not whole.
    """
    if len(data) % 2:
        raise AudioError(f"{len(data)} bytes are no 16-bit samples: keep the odd byte for later")
    return from_int16(np.frombuffer(data, "<i2"))


def silence(duration_s: float, rate_hz: int) -> Audio:
    """Return duration_s of nothing. Raises AudioError if that is no time."""
    return Audio(np.zeros(count_samples(duration_s, rate_hz), np.float32), rate_hz)


def concatenate(pieces: Sequence[Audio]) -> Audio:
    """Join recordings of one rate end to end."""
    rates = {piece.rate_hz for piece in pieces}
    if len(rates) != 1:
        raise AudioError(f"pieces have the rates {sorted(rates)} Hz, need exactly one rate")
    return Audio(np.concatenate([piece.samples for piece in pieces]), rates.pop())


def frames(audio: Audio, size: int) -> Samples:
    """Cut a recording into frames, the last one padded with silence.

    Returns float32 (frames, size). Raises AudioError if size is not 1 or more, as 10 ms are at
    less than 100 Hz.

    >>> frames(Audio(np.ones(5), 8000), 2).shape
    (3, 2)
    """
    if size < 1:
        raise AudioError(f"no frame has {size} samples, at {audio.rate_hz} Hz: resample to 8000 Hz")
    count = math.ceil(audio.samples.size / size)
    padded = np.zeros(count * size, np.float32)
    padded[: audio.samples.size] = audio.samples
    return padded.reshape(count, size)


def level_db(audio: Audio) -> float:
    """Return the root mean square in dB of full scale; silence gives -inf."""
    power = float(np.mean(np.square(audio.samples, dtype=np.float64))) if audio.samples.size else 0
    return 10 * math.log10(power) if power > 0 else -math.inf


def levels_db(frames: Samples) -> NDArray[np.float64]:
    """Return each frame's root mean square in dB of full scale; silence gives -inf.

    frames: float (..., size). Returns float64 (...).
    """
    with np.errstate(divide="ignore"):
        power = np.mean(np.square(frames, dtype=np.float64), axis=-1)
        return np.asarray(10 * np.log10(power))


def audible_span(audio: Audio, threshold_db: float = AUDIBLE_DB) -> tuple[float, float]:
    """Return when the first and last sound above threshold_db begin and end, in seconds.

    A recording with no sound in it gives (0.0, 0.0). Resolution: 10 ms.
    """
    hop = max(1, audio.rate_hz // 100)
    power = np.mean(np.square(frames(audio, hop), dtype=np.float64), axis=1)
    loud = np.flatnonzero(power > 10 ** (threshold_db / 10))
    if not loud.size:
        return 0.0, 0.0
    end = min((int(loud[-1]) + 1) * hop, audio.samples.size)
    return int(loud[0]) * hop / audio.rate_hz, end / audio.rate_hz


def trim(audio: Audio) -> Audio:
    """Return the recording without the silence before and after the sound."""
    return audio.between(*audible_span(audio))


def mix(speech: Audio, noise: Audio, snr_db: float) -> Audio:
    """Return speech + noise, the noise scaled so that speech is snr_db louder (over the whole).

    The noise is repeated or cut to the speech's length. Raises AudioError if either is silent.
    """
    if speech.rate_hz != noise.rate_hz:
        raise AudioError(f"speech is at {speech.rate_hz} Hz, noise at {noise.rate_hz}: resample")
    background = Audio(np.resize(noise.samples, speech.samples.size), noise.rate_hz)
    levels = level_db(speech), level_db(background)
    if not all(map(math.isfinite, levels)):
        raise AudioError(f"speech has {levels[0]} dB, noise {levels[1]} dB: pass audible sounds")
    gain = 10 ** ((levels[0] - levels[1] - snr_db) / 20)
    return Audio(speech.samples + np.float32(gain) * background.samples, speech.rate_hz)


NOISE_SLOPES = {"white": 0.0, "pink": -0.5, "car": -1.0}  # amplitude ~ frequency ** slope


def noise(kind: str, duration_s: float, rate_hz: int, rng: np.random.Generator) -> Audio:
    """Return synthetic noise at -20 dB: "white", "pink", "car" (brown) or "clicks".

    Clicks are keyboard strokes: bursts of 4 ms at random times, 6 a second. Between them it is
    still, so that at -20 dB their peaks exceed full scale: `mix` them, or they are clipped.
    """
    if kind not in (*NOISE_SLOPES, "clicks"):
        raise AudioError(f"no noise {kind!r}: use one of {[*NOISE_SLOPES, 'clicks']}")
    count = count_samples(duration_s, rate_hz)
    if not count:
        return silence(0.0, rate_hz)
    if kind == "clicks":
        samples = _clicks(count, rate_hz, rng)
    else:
        spectrum = np.fft.rfft(rng.standard_normal(count))
        frequency_hz = np.fft.rfftfreq(count, 1 / rate_hz)
        shape = np.maximum(frequency_hz, 30.0) ** NOISE_SLOPES[kind]
        samples = np.fft.irfft(spectrum * shape, count)
    return _at_noise_level(samples, rate_hz)


def _at_noise_level(samples: NDArray[np.float64], rate_hz: int) -> Audio:
    """Return the samples scaled to -20 dB."""
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    return Audio((samples * (0.1 / max(math.sqrt(power), 1e-12))).astype(np.float32), rate_hz)


def _clicks(count: int, rate_hz: int, rng: np.random.Generator) -> NDArray[np.float64]:
    samples = np.zeros(count)
    burst = max(1, rate_hz // 250)
    decay = np.exp(-np.arange(burst) / (burst / 4))
    for start in rng.integers(0, max(1, count - burst), rng.poisson(6 * count / rate_hz) or 1):
        piece = samples[start : start + burst]
        piece += (rng.standard_normal(burst) * decay)[: piece.size]
    return samples


def babble(voices: Sequence[Audio], duration_s: float, rng: np.random.Generator) -> Audio:
    """Return a cafe: many voices over each other, each looped from a random place, at -20 dB."""
    if not voices or not all(voice.samples.size for voice in voices):
        raise AudioError("babble needs at least one voice, none empty: pass recordings of speech")
    rate_hz = voices[0].rate_hz
    total = np.zeros(count_samples(duration_s, rate_hz))
    for voice in voices:
        spoken = voice.resample(rate_hz).samples
        total += np.resize(np.roll(spoken, int(rng.integers(spoken.size))), total.size)
    return _at_noise_level(total, rate_hz)
