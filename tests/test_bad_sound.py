"""Bad sound gets a clear error: what hears a recording gives a sensible value or says why not."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio
from voxlab.audio import Audio
from voxlab.codec import augment, classical_codecs, perceptual_metrics, spectrum
from voxlab.codec.base import checked_audio, checked_scale
from voxlab.errors import AudioError, VoxlabError
from voxlab.providers import smart_turn
from voxlab.samples import checked_samples
from voxlab.telephony import concealment, dtmf, g711, resampling
from voxlab.turn_taking import end_of_turn_tradeoff as tradeoff
from voxlab.vad import acoustic_scenes

RNG = np.random.default_rng(0)
JUDGES = tradeoff.PauseJudges(judge=lambda heard: 0.5)
TALKING = audio.noise("pink", 0.5, 16_000, RNG)

# Everything that takes a recording, and everything that takes bare samples.
HEAR = {
    "level_db": audio.level_db,
    "audible_span": audio.audible_span,
    "trim": audio.trim,
    "player_html": audio.player_html,
    "data_uri": audio.data_uri,
    "frames": lambda sound: audio.frames(sound, sound.rate_hz // 100),
    "resample": lambda sound: sound.resample(8000),
    "mix": lambda sound: audio.mix(sound, sound, 10.0),
    "babble": lambda sound: audio.babble([sound], 0.1, RNG),
    "checked_audio": lambda sound: checked_audio(sound, 16_000, "a codec"),
    "align": lambda sound: classical_codecs.align(sound, sound),
    "stoi": lambda sound: perceptual_metrics.stoi(sound, sound),
    "mean_quality": lambda sound: perceptual_metrics.mean_quality([sound], lambda same: same),
    "spectrogram_db": spectrum.spectrogram_db,
    "spectral_distance_db": lambda sound: spectrum.spectral_distance_db(sound, sound),
    "periodicity": spectrum.periodicity,
    "lay_scene": lambda sound: acoustic_scenes.lay_scene([sound], RNG).audio,
    "send_by_telephone": acoustic_scenes.send_by_telephone,
    "find_pauses": lambda sound: tradeoff.find_pauses(sound, JUDGES),
    "find_pauses, with a cut": lambda sound: tradeoff.find_pauses(sound, JUDGES, [0.4], [0.5]),
    "inner_silences": tradeoff.inner_silences,
}
TAKE = {
    "checked_samples": checked_samples,
    "checked_scale": checked_scale,
    "to_pcm16": audio.to_pcm16,
    "Resampler": lambda samples: audio.Resampler(16_000, 8000).feed(samples, last=True),
    "a rate to itself": audio.Resampler(8000, 8000).feed,
    "LowDelayResampler": lambda samples: resampling.LowDelayResampler(16_000, 8000).feed(samples),
    "mu-law": g711.MULAW.encode,
    "A-law": g711.ALAW.encode,
    "Concealer": lambda samples: concealment.Concealer().play(samples),
    "ToneReceiver": lambda samples: dtmf.ToneReceiver().feed(samples),
    "log_mel": smart_turn.log_mel,
    "shift_formants": lambda samples: augment.shift_formants(samples, 1.1),
    "whisper": lambda samples: augment.whisper(samples, RNG),
    "reverberate": lambda samples: augment.reverberate(samples, 0.2, 16_000, RNG),
}
SILENT = {"level_db"}  # -inf is the level of silence

SIZES = [
    (count, rate_hz)
    for count in (0, 1, 2, 160, 512, 8000, 20_000)
    for rate_hz in (1, 50, 100, 8000, 16_000, 44_100)
    if count <= 10 * rate_hz
]
sounds = st.builds(
    lambda kind, size, level: Audio(kind(size[0]) * level, size[1]),
    st.sampled_from([np.zeros, np.ones, lambda count: np.sin(np.arange(count) / 3)]),
    st.sampled_from(SIZES),
    st.sampled_from([1e-30, 0.3, 3e4]),
)
no_samples = st.sampled_from(
    [
        np.array([0.1, np.nan] * 200),
        np.array([np.inf, 0.1] * 200, np.float32),
        np.array([1e300] * 400),
        np.zeros((512, 2), np.float32),
        np.zeros((2, 512)),
        np.float32(0.5),
        np.arange(400, dtype=np.int16),
        np.ones(400, bool),
    ]
)


def numbers(value):
    """Return what can be counted in a result."""
    if isinstance(value, Audio):
        return value.samples
    return value if isinstance(value, np.ndarray | float | tuple) else ()


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAR)
@given(sound=sounds)
def test_a_strange_recording_gives_finite_numbers_or_an_error_of_ours(name, sound):
    try:
        made = HEAR[name](sound)
    except VoxlabError:
        return
    assert np.isfinite(numbers(made)).all() or name in SILENT


@pytest.mark.parametrize("name", TAKE)
@given(samples=no_samples)
def test_what_is_not_one_channel_of_finite_floats_is_refused_by_all(name, samples):
    with pytest.raises(AudioError, match=r"NaN or infinite|needs one channel|need floats"):
        TAKE[name](samples)


@pytest.mark.parametrize("name", TAKE)
@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(1, np.float32), np.full(400, 0.1)])
def test_few_or_soft_samples_are_no_fault(name, samples):
    assert np.isfinite(numbers(TAKE[name](samples))).all()


NO_TIME = (-1.0, math.nan, math.inf)
NO_RATE = (0, -8000, 8000.5, math.nan)
REFUSED = {
    "silence": (lambda bad: audio.silence(bad, 8000), NO_TIME),
    "noise": (lambda bad: audio.noise("white", bad, 8000, RNG), NO_TIME),
    "babble": (lambda bad: audio.babble([TALKING], bad, RNG), NO_TIME),
    "tone": (lambda bad: dtmf.tone("1", bad), NO_TIME),
    "between": (lambda bad: TALKING.between(bad, 1.0), (math.nan,)),
    "mix": (lambda bad: audio.mix(TALKING, TALKING, bad), (math.nan, -math.inf)),
    "frames": (lambda bad: audio.frames(TALKING, bad), (0, -3)),
    "from_pcm16": (audio.from_pcm16, (b"a", b"abc")),
    "silence's rate": (lambda bad: audio.silence(1.0, bad), NO_RATE),
    "Resampler": (lambda bad: audio.Resampler(8000, bad), NO_RATE),
    "LowDelayResampler": (lambda bad: resampling.LowDelayResampler(bad, 8000), NO_RATE),
    "Concealer": (concealment.Concealer, (0, 1, 100)),
    "ToneReceiver": (dtmf.ToneReceiver, (0, 1000)),
    "a cut": (
        lambda bad: tradeoff.find_pauses(TALKING, JUDGES, [0.4], [bad]),
        (-1, 0, 1, math.nan),
    ),
    "mean_quality": (lambda bad: perceptual_metrics.mean_quality(bad, lambda same: same), ([],)),
}


@pytest.mark.parametrize(
    ("name", "bad"), [(n, bad) for n, (_, all_) in REFUSED.items() for bad in all_]
)
def test_a_time_a_rate_or_a_size_that_is_none_is_refused_by_name(name, bad):
    with pytest.raises(VoxlabError, match=r"\w+ \w+ \w+"):
        REFUSED[name][0](bad)


def test_the_recording_may_end_later_than_asked():
    assert TALKING.between(0.0, math.inf) == TALKING
    assert TALKING.between(-math.inf, 0.1) == TALKING.between(0.0, 0.1)


def test_every_function_of_audio_that_hears_a_recording_is_in_the_list():
    """New ones are heard with bad sound as well."""
    public = {
        name
        for name, function in inspect.getmembers(audio, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == "voxlab.audio"
    }
    elsewhere = {
        "read",
        "read_channels",
        "write",
        "written_format",
    }  # test_audio, test_sound_headers
    elsewhere |= {"concatenate", "decode", "levels_db"}
    assert public <= {*HEAR, *TAKE, *REFUSED} | elsewhere
